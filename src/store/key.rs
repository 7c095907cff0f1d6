//! Keys of objects, checked once. Pure.
//!
//! A key is relative to the location's prefix. Its grammar is what every store can hold without
//! surprises: no way out of the prefix, no empty or dotted segment, no control characters.

use std::fmt;

/// The longest key that S3 takes, in bytes. The location's prefix counts too, so that keys stay
/// well below.
const MAX_KEY: usize = 1024;

/// A text that is no object key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` cannot name an object: {reason}")]
pub struct InvalidKey {
    /// The text as it was given, cut at the longest possible key.
    pub key: String,
    /// The fault.
    pub reason: &'static str,
}

/// The key of an object, relative to the location's prefix: segments joined by `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Creates a key from a text with no leading or trailing `/`, no empty, `.` or `..` segment,
    /// no backslash or control character, and at most 1024 bytes.
    ///
    /// # Errors
    /// If the text breaks one of these rules, or a segment begins like an unfinished write.
    pub fn new(key: impl Into<String>) -> Result<Self, InvalidKey> {
        let key = key.into();
        match objection(&key) {
            None => Ok(Self(key)),
            Some(reason) => {
                let key = key.chars().take(MAX_KEY).collect::<String>().escape_debug().to_string();
                Err(InvalidKey { key, reason })
            }
        }
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks the prefix of a listing: empty, or the beginning of a key, perhaps up to and including a
/// `/`.
pub(super) fn check_prefix(prefix: &str) -> Result<(), InvalidKey> {
    match prefix.strip_suffix('/').unwrap_or(prefix) {
        "" if prefix.is_empty() => Ok(()),
        key => ObjectKey::new(key).map(|_| ()),
    }
}

fn objection(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("it is empty");
    }
    if key.len() > MAX_KEY {
        return Some("it is longer than 1024 bytes");
    }
    if key.chars().any(|character| character.is_control() || character == '\\') {
        return Some("it holds a control character or a backslash");
    }
    key.split('/').find_map(|segment| match segment {
        "" => Some("it begins or ends with `/` or holds `//`"),
        "." | ".." => Some("`.` and `..` are not allowed as segments"),
        _ if segment.starts_with(TEMPORARY) => Some("that name is kept for unfinished writes"),
        _ => None,
    })
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ObjectKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ObjectKey {
    type Error = InvalidKey;
    fn try_from(key: &str) -> Result<Self, InvalidKey> {
        Self::new(key)
    }
}

/// The beginning of the names of unfinished files. No key may have a segment that begins so, and
/// no listing shows these files.
pub(super) const TEMPORARY: &str = ".ark-unfinished-";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_cannot_leave_the_prefix_or_surprise_a_store() {
        for good in
            ["a", "backups/nightly/ark-backup.json", "system:node/x.y", "ünïcode/☸", "..a/b..", ".hidden"]
        {
            assert_eq!(ObjectKey::new(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(MAX_KEY + 1);
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "../a",
            "a/.",
            "a\\b",
            "a\nb",
            "a\0",
            ".ark-unfinished-x",
            &long,
        ] {
            assert!(ObjectKey::new(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_accepted_key_stays_below_its_root(text in "[a./\\\\:-]{0,12}") {
            if let Ok(key) = ObjectKey::new(text.clone()) {
                let path = std::path::Path::new(key.as_str());
                prop_assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
                prop_assert_eq!(path.components().count(), text.split('/').count());
            }
        }
    }
}
