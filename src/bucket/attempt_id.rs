//! The id of an attempt, which is the name of the folder of its parts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Number of random hexadecimal digits, which tell attempts of the same number apart, of whichever
/// runs of the name.
const DRAWN: usize = 12;

/// Most digits of an attempt's number, as of a `u32`.
const LONGEST_NUMBER: usize = 10;

/// The folder of an attempt's parts: the attempt's number and random digits, for example
/// `2-0123456789ab`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttemptId(pub(super) String);

impl AttemptId {
    /// Returns a new id for an attempt that begins now.
    pub fn draw(number: u32) -> Self {
        let drawn = uuid::Uuid::new_v4().simple().to_string();
        Self(format!("{number}-{}", drawn.get(..DRAWN).unwrap_or_default()))
    }

    /// Returns whether a folder's name (without `/`) is the id of an attempt.
    pub fn is_one(folder: &str) -> bool {
        folder.split_once('-').is_some_and(|(number, drawn)| {
            (1..=LONGEST_NUMBER).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && drawn.len() == DRAWN
                && drawn.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    }
}

impl TryFrom<String> for AttemptId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if Self::is_one(&text) {
            Ok(Self(text))
        } else {
            Err(format!("`{}` is not the folder of an attempt", text.escape_debug()))
        }
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
