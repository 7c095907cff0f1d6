//! Checks that a JSON text is an object of strings, without keeping any of it. Pure.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// Labels as the API server wrote them.
pub(in crate::archive) struct LabelText;

impl LabelText {
    /// Returns true if readers of the index take the text for labels.
    pub(in crate::archive) fn is_valid(text: &str) -> bool {
        serde_json::from_str::<Self>(text).is_ok()
    }
}

impl<'de> Deserialize<'de> for LabelText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for LabelText {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self, M::Error> {
        // Keys must be valid texts, too: half a surrogate pair passes unless it is looked at.
        while map.next_entry::<AnyText, AnyText>()?.is_some() {}
        Ok(self)
    }
}

struct AnyText;

impl<'de> Deserialize<'de> for AnyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Self)
    }
}

impl Visitor<'_> for AnyText {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_of_strings_are_labels() {
        for good in ["{}", r#"{"a":"b","c":"\u00fc"}"#, " {\n \"a\" : \"\" } "] {
            assert!(LabelText::is_valid(good), "{good}");
        }
        for bad in [
            r#"{"\ud800":"b"}"#,
            r#"{"a":"\ud800"}"#,
            "",
            "null",
            "[]",
            r#"{"a":1}"#,
            r#"{"a":null}"#,
            r#"{"a":"b"},"x":{"#,
            r#"{"a":{}}"#,
        ] {
            assert!(!LabelText::is_valid(bad), "{bad}");
        }
    }
}
