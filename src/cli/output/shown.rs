//! Strings of a bucket or a cluster on a terminal: characters that would control it, or change the
//! direction of a line, are escaped. Pure.

use std::fmt::Write as _;

/// Returns the text with control characters escaped as in JSON (`\u001b`); line ends and tabs stay.
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            // Writing to a string does not fail.
            let _ = write!(shown, "\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Returns whether a character is a control character (ESC, or CSI in one character) or overrides
/// the direction of writing.
fn steers(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => character.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_spelled_out_and_nothing_else() {
        assert_eq!(shown("a\u{1b}]0;owned\u{7}b\r\u{9b}2J"), "a\\u001b]0;owned\\u0007b\\u000d\\u009b2J");
        assert_eq!(shown("invoice\u{202e}fdp.exe"), "invoice\\u202efdp.exe");
        let plain = "Größe\t5 ✓\n日本語 \\u001b";
        assert_eq!(shown(plain), plain);
    }

    #[test]
    fn json_stays_json_and_means_the_same() {
        let hostile = "x\u{1b}[2J\u{9b}31m\u{7f}";
        let text = shown(&serde_json::to_string(hostile).unwrap());
        assert!(!text.chars().any(steers), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), hostile);
    }
}
