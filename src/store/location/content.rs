//! A setting whose value is a whole file: on this machine, or already in memory.

use std::fmt;
use std::path::PathBuf;

/// A setting whose value is a whole file. Its text is never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// A file of this machine.
    File(PathBuf),
    /// The text itself.
    Text {
        /// The origin of the text in words, for messages.
        origin: String,
        /// The text.
        text: String,
    },
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Content").field(&self.to_string()).finish()
    }
}

/// Writes the origin, as in `the file /etc/ca.pem`.
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Text { origin, text: _ } => f.write_str(origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_shows_where_it_is_from_and_not_what_it_says() {
        let origin = "key `cloud` of Secret `ark`".to_owned();
        let content = Content::Text { origin, text: "hunter2".to_owned() };
        assert_eq!(format!("{content} {content:?}").matches("hunter2").count(), 0);
        assert!(content.to_string().contains("`cloud`"));
        assert_eq!(Content::File("/etc/ca.pem".into()).to_string(), "the file /etc/ca.pem");
    }
}
