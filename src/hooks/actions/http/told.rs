//! What is told of an answer: lines for the log, an excerpt for the error. Nothing is shown of what
//! came from Secrets. Pure.

use super::masks::Masks;
use super::reply::HttpReply;

/// The most bytes of a body in the log: the last ones.
const KEPT: usize = 4096;
/// The most lines of a body in the log: the last ones.
const LINES: usize = 50;
/// The longest excerpt of a body or a value in an error, in characters.
const EXCERPT: usize = 300;

/// Returns the lines for the log: status, time, and the end of the body.
pub fn lines(what: &str, reply: &HttpReply, masks: &Masks) -> Vec<String> {
    let HttpReply { status, body, took, .. } = reply;
    let text = masks.hide(&String::from_utf8_lossy(body));
    let begin = text.ceil_char_boundary(text.len().saturating_sub(KEPT));
    let all = text[begin..].lines().count();
    let mut lines = vec![format!("{what} was answered by {status} after {:.1} s", took.as_secs_f64())];
    if begin > 0 || all > LINES {
        lines.push("the answer has more than is kept; the end of it:".to_owned());
    }
    let kept = text[begin..].lines().skip(all.saturating_sub(LINES));
    lines.extend(kept.map(|line| format!("answer: {line}")));
    lines
}

/// Returns the state of something that is waited for, as a line for the log.
pub fn state(what: &str, pointer: &str, value: Option<&str>, masks: &Masks) -> String {
    format!("{what}: `{pointer}` is {}", shown(value, masks))
}

/// Returns a value for messages.
pub fn shown(value: Option<&str>, masks: &Masks) -> String {
    let shown = |value| format!("`{}`", masks.hide(value).chars().take(EXCERPT).collect::<String>());
    value.map_or_else(|| "not there".to_owned(), shown)
}

/// Returns the beginning of the body for an error, in one line.
pub fn excerpt(reply: &HttpReply, masks: &Masks) -> String {
    let text = masks.hide(&String::from_utf8_lossy(&reply.body));
    let words: Vec<&str> = text.split_whitespace().collect();
    let text: String = words.join(" ").chars().take(EXCERPT).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::StatusCode;

    use super::*;

    fn reply(body: impl Into<String>) -> HttpReply {
        let body = body.into().into();
        HttpReply { status: StatusCode::OK, body, took: Duration::from_millis(250), earlier: None }
    }

    #[test]
    fn the_end_of_a_body_goes_to_the_log() {
        let what = "GET http://a/";
        let all = lines(what, &reply("one\ntwo"), &Masks::default());
        assert_eq!(all, ["GET http://a/ was answered by 200 OK after 0.2 s", "answer: one", "answer: two"]);
        let many: String = (0..2 * LINES).map(|number| format!("line {number}\n")).collect();
        let all = lines(what, &reply(many), &Masks::default());
        assert_eq!(all.len(), 2 + LINES);
        assert!(all[1].contains("more than is kept") && all[all.len() - 1] == "answer: line 99", "{all:?}");
        let long = lines(what, &reply("ü".repeat(KEPT)), &Masks::default());
        assert_eq!(long[2].len(), "answer: ".len() + KEPT);
    }

    #[test]
    fn a_secret_is_hidden_also_where_the_excerpt_would_cut_it() {
        let mut masks = Masks::default();
        masks.add("hunter2-hunter2");
        let body = format!("{}hunter2-hunter2{}", "x".repeat(EXCERPT - 8), "y".repeat(KEPT - 8));
        let told = [excerpt(&reply(body.clone()), &masks), lines("GET", &reply(body), &masks).join("\n")];
        assert!(told.iter().all(|told| !told.contains("hunter")), "{told:?}");
        assert_eq!(shown(Some("hunter2-hunter2"), &masks), "`***`");
    }
}
