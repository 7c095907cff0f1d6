//! Texts that are shown nowhere: what came from Secrets, in the forms in which it may come back.
//! Pure.

use reqwest::header::{AUTHORIZATION, HeaderMap};
use url::form_urlencoded;

/// What a text that is not shown is replaced with.
const MASK: &str = "***";
/// The shortest part of a Secret's value that is hidden by itself, in bytes: the scheme of a
/// credential, or the name of a field, would hide more than it tells.
const SHORTEST_PART: usize = 6;

/// Texts that are shown nowhere.
#[derive(Default)]
pub struct Masks {
    /// The longest first: one may be a part of another.
    texts: Vec<String>,
}

impl Masks {
    /// Adds the value of a Secret: it is hidden as it is, as it stands in JSON and in a URL; and so
    /// are its parts, since a server may repeat one field of a body.
    pub fn add(&mut self, value: &str) {
        let parts = value.split(|char: char| char.is_whitespace() || char == '"');
        let parts = parts.filter(|part| part.len() >= SHORTEST_PART);
        for text in parts.chain([value]) {
            let json = serde_json::Value::from(text).to_string();
            let url: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
            self.texts.extend([text.to_owned(), json.trim_matches('"').to_owned(), url]);
        }
        self.texts.retain(|text| !text.is_empty());
        self.texts.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.texts.dedup();
    }

    /// Adds the credentials of a request, as they are sent.
    pub fn add_credentials(&mut self, headers: &HeaderMap) {
        let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        sent.into_iter().for_each(|value| self.add(value));
    }

    /// Returns the text with everything hidden.
    pub fn hide(&self, text: &str) -> String {
        self.texts.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(secret: &str, text: &str) -> String {
        let mut masks = Masks::default();
        masks.add(secret);
        masks.hide(text)
    }

    #[test]
    fn a_value_is_hidden_in_each_form_in_which_it_may_come_back() {
        assert_eq!(hide("hunter2", "no hunter2, hunter22"), "no ***, ***2");
        assert_eq!(hide("a\"b\\c", r#"{"password": "a\"b\\c"}"#), r#"{"password": "***"}"#);
        assert_eq!(hide("a b&c", "?password=a+b%26c"), "?password=***");
        assert_eq!(hide("ApiKey bGV0bWVpbg", "invalid key bGV0bWVpbg"), "invalid key ***");
        assert_eq!(hide(r#"{"user": "u", "password": "hunter2"}"#, "wrong: hunter2 of u"), "wrong: *** of u");
        assert_eq!(hide("", "nothing"), "nothing");
    }

    #[test]
    fn of_two_values_the_longer_is_hidden_whole() {
        let mut masks = Masks::default();
        ["hunter", "hunter22"].into_iter().for_each(|secret| masks.add(secret));
        assert_eq!(masks.hide("hunter22 hunter"), "*** ***");
    }
}
