//! Names that people give: checked once, then carried as types. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes, that the API server takes (a DNS-1123 subdomain) and that every
/// bucket can hold.
const MAX_NAME: usize = 253;

/// A name that is not a DNS-1123 subdomain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a valid name: use at most 253 lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit"
)]
pub struct InvalidName {
    /// The name as it was given.
    pub name: String,
}

fn check(name: &str) -> Result<(), InvalidName> {
    let label = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    if name.len() <= MAX_NAME && name.split('.').all(label) {
        Ok(())
    } else {
        Err(InvalidName { name: name.chars().take(MAX_NAME + 1).collect() })
    }
}

/// The lengths, in bytes, that the name of an S3 bucket may have.
const BUCKET_NAME: std::ops::RangeInclusive<usize> = 3..=255;

/// Returns the reason why no S3 bucket can have this name; `None` if one can.
pub fn objection_to_bucket_name(name: &str) -> Option<String> {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let why = if name.len() < *BUCKET_NAME.start() {
        "it is shorter than 3 characters".to_owned()
    } else if name.len() > *BUCKET_NAME.end() {
        "it is longer than 255 characters".to_owned()
    } else if let Some(odd) = name.chars().find(|c| !fits(c)) {
        format!("it holds {odd:?}, and may hold letters, digits, `.`, `_` and `-`")
    } else if !edge(name.as_bytes().first()) || !edge(name.as_bytes().last()) {
        "it must begin and end with a letter or digit".to_owned()
    } else {
        return None;
    };
    Some(format!("`{name}` is not the name of a bucket: {why}"))
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(name: &str) -> Result<Self, InvalidName> {
                check(name).map(|()| Self(name.to_owned()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(name: String) -> Result<Self, InvalidName> {
                check(&name).map(|()| Self(name))
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a Backup; safe as a bucket key and as a file name.
    BackupName
);
name!(
    /// The name of a Restore; safe as a bucket key and as a file name.
    RestoreName
);
name!(
    /// The name of any other object of Ark; safe in the path of a URL.
    ObjectName
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_that_cannot_be_called_so_is_told_why() {
        for name in ["abc", "my.bucket_1", "A-1"] {
            assert_eq!(objection_to_bucket_name(name), None);
        }
        let long = "a".repeat(256);
        for (name, why) in [
            ("ab", "shorter than 3"),
            ("", "shorter than 3"),
            (&*long, "longer than 255"),
            ("a/b/c", "it holds '/'"),
            ("büro", "it holds 'ü'"),
            ("-abc", "begin and end"),
            ("abc.", "begin and end"),
        ] {
            assert!(objection_to_bucket_name(name).is_some_and(|said| said.contains(why)), "{name}");
        }
    }

    #[test]
    fn names_are_dns_subdomains() {
        for good in ["a", "nightly-20261121", "a.b-c.9"] {
            assert_eq!(good.parse::<BackupName>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "A", "a_b", "../x", "a/b", ".a", "a.", "-a", "a-", "a..b", &"a".repeat(254)] {
            assert!(bad.parse::<RestoreName>().is_err(), "{bad}");
        }
    }
}
