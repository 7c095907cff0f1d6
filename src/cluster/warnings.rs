//! Reads the `Warning` headers of an answer (RFC 7234): `299 - "unknown field \"spec.x\""`. Pure.

use http::HeaderMap;
use http::header::WARNING;

use super::failure::shorten;

/// The most warnings that are kept of one answer. The API server itself stops at some 4 KiB of
/// them.
const MOST: usize = 32;

/// Returns the texts of all warnings, each once, in order. Malformed warnings are left out.
pub(super) fn read_warnings(headers: &HeaderMap) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for value in headers.get_all(WARNING) {
        // The text may be any UTF-8.
        let text = String::from_utf8_lossy(value.as_bytes());
        for mut warning in values(&text) {
            shorten(&mut warning);
            if found.len() < MOST && !found.contains(&warning) {
                found.push(warning);
            }
        }
    }
    found
}

/// Returns the warnings of one header, as far as they can be parsed.
fn values(mut rest: &str) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((text, behind)) = value(rest) {
        found.push(text);
        rest = behind.trim_start();
        // A date may follow.
        if let Some((_, behind)) = rest.starts_with('"').then(|| quoted(rest)).flatten() {
            rest = behind.trim_start();
        }
        let Some(next) = rest.strip_prefix(',') else { break };
        rest = next;
    }
    found
}

/// Parses one warning: a code of three digits, an agent, the text. Returns the text and the rest.
fn value(text: &str) -> Option<(String, &str)> {
    let (code, rest) = text.trim_start().split_once(' ')?;
    if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (_agent, rest) = rest.trim_start().split_once(' ')?;
    quoted(rest.trim_start())
}

/// Parses a quoted string and resolves its escapes. Returns the string and the rest.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut told = String::new();
    let mut escaped = false;
    for (index, character) in inner.char_indices() {
        match character {
            _ if escaped => {
                told.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Some((told, &inner[index + 1..])),
            _ => told.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WARNING, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        read_warnings(&headers)
    }

    #[test]
    fn warnings_are_read_from_several_headers_and_several_in_one() {
        let warnings = read(&[
            r#"299 - "unknown field \"spec.x\"""#,
            r#"299 - "a, b \\ c" "Wed, 21 Oct 2026 07:28:00 GMT", 299 kube-apiserver "größer""#,
            r#"299 - "unknown field \"spec.x\"""#,
        ]);
        assert_eq!(warnings, [r#"unknown field "spec.x""#, r"a, b \ c", "größer"]);
    }

    #[test]
    fn what_is_no_warning_is_left_out() {
        assert_eq!(read(&["", "299", "299 -", r#"299 - "open"#, r#"abc - "x""#]), Vec::<String>::new());
        assert_eq!(read(&[r#"299 - "good", rubbish"#]), ["good"]);
        let long = format!("299 - \"{}\"", "ü".repeat(5000));
        assert!(read(&[&long])[0].len() <= 2048 + '…'.len_utf8());
    }
}
