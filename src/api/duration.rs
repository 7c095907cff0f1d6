//! Durations as people write them: `30d`, `2 h`, and Go's `720h0m0s`, `1.5h`. Pure.
//!
//! The text is kept as written and parsed only when needed, so that one bad value in a bucket or
//! cluster does not make a whole list unreadable; [`str::parse`] and the schema refuse it where it
//! is entered.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// The longest valid duration: 100 years, in seconds. Beyond it an expiration exceeds what RFC
/// 3339 can express.
const LONGEST_SECONDS: u64 = 100 * 366 * 24 * 60 * 60;

/// The form that both humantime and Go read: numbers with units, with or without blanks between.
/// Without `\`, which CEL would need twice.
const PATTERN: &str = "^ *([0-9]{1,18}([.][0-9]{1,9})? *[A-Za-zµ]{1,8} *){1,12}$";

/// A duration, kept as the text that was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(String);

/// A text that is no usable duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration: {why}; write for example `30d`, `12h` or `1h30m`")]
pub struct InvalidDuration {
    /// The text as it was given.
    pub text: String,
    /// The fault.
    pub why: String,
}

impl Duration {
    /// Returns the length.
    ///
    /// # Errors
    /// If the text did not come from [`str::parse`] and is no duration.
    pub fn length(&self) -> Result<std::time::Duration, InvalidDuration> {
        measure(&self.0)
    }

    /// Returns the end of the duration that begins at `time`, or `None` if the text is no duration
    /// or the end is beyond the calendar.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let length = TimeDelta::from_std(self.length().ok()?).ok()?;
        time.time().checked_add_signed(length).map(Timestamp::from)
    }

    /// Returns true for a duration of zero, which Velero writes where it means its default.
    pub(super) fn is_zero(&self) -> bool {
        humantime::parse_duration(&self.0).is_ok_and(|length| length.is_zero())
    }

    /// Returns the text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn measure(text: &str) -> Result<std::time::Duration, InvalidDuration> {
    let wrong = |why: &str| InvalidDuration { text: text.to_owned(), why: why.to_owned() };
    if text.trim_start().strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    {
        return Err(wrong("it is negative"));
    }
    let length = humantime::parse_duration(text).map_err(|error| wrong(&error.to_string()))?;
    if length.is_zero() {
        Err(wrong("it is zero"))
    } else if length.as_secs() > LONGEST_SECONDS {
        Err(wrong("it is longer than 100 years"))
    } else {
        Ok(length)
    }
}

impl FromStr for Duration {
    type Err = InvalidDuration;
    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        measure(text).map(|_| Self(text.trim().to_owned()))
    }
}

impl From<std::time::Duration> for Duration {
    fn from(length: std::time::Duration) -> Self {
        Self(humantime::format_duration(length).to_string())
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 64,
            "x-kubernetes-validations": [
                form(),
                {"rule": "self.matches('[1-9]')", "message": "a duration must be longer than zero"},
            ],
        })
    }
}

/// Returns the schema of a duration that may be zero.
pub(super) fn or_zero(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 64, "x-kubernetes-validations": [form()]})
}

/// Returns the schema as a CEL rule, whose message is in words; a pattern would be shown as a
/// pattern.
fn form() -> serde_json::Value {
    serde_json::json!({
        "rule": format!("self.matches('{PATTERN}')"),
        "message": "a duration is written as `30d`, `12h` or `1h30m`, and is not negative",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    #[test]
    fn durations_are_read_as_people_and_as_go_write_them() {
        for (text, seconds) in [
            ("30d", 30 * 24 * HOUR),
            ("2 h", 2 * HOUR),
            ("1 day 12 hours", 36 * HOUR),
            ("720h0m0s", 720 * HOUR),
            ("1.5h", HOUR + HOUR / 2),
            (" 90s ", 90),
        ] {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(duration.length().unwrap().as_secs(), seconds, "{text}");
        }
    }

    #[test]
    fn durations_that_cannot_be_meant_are_refused_and_named() {
        for (text, why) in [
            ("", "empty"),
            ("0s", "zero"),
            ("0h0m0s", "zero"),
            ("-1h", "negative"),
            ("12", "time unit needed"),
            ("3 moons", "unknown time unit"),
            ("1000y", "100 years"),
            ("99999999999999999999h", "too large"),
        ] {
            let error = text.parse::<Duration>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("`30d`"), "{text}: {error}");
        }
    }

    #[test]
    fn a_bad_duration_in_a_document_does_not_hide_the_document() {
        let read: Duration = serde_json::from_str("\"soon\"").unwrap();
        assert!(read.length().is_err());
    }

    #[test]
    fn a_date_beyond_the_calendar_does_not_end_the_server() {
        let at = Timestamp::from(chrono::DateTime::<chrono::Utc>::MAX_UTC);
        assert_eq!("30d".parse::<Duration>().unwrap().after(at), None);
        let nonsense: Duration = serde_json::from_str("\"soon\"").unwrap();
        assert_eq!(nonsense.after(Timestamp::now()), None);
    }

    #[test]
    fn no_pattern_is_shown_to_a_person() {
        let schema = Duration::json_schema(&mut SchemaGenerator::default());
        assert!(schema.get("pattern").is_none() && !PATTERN.contains(['\\', '\'']), "{schema:?}");
    }

    #[test]
    fn the_schema_takes_what_the_parser_takes() {
        let pattern = regex::Regex::new(PATTERN).unwrap();
        for text in ["30d", "2 h", "1 day 12 hours", "720h0m0s", "1.5h", " 90s ", "5µs", "0s"] {
            assert!(pattern.is_match(text), "{text}");
        }
        for text in ["", "-1h", "12", "h", "1h;"] {
            assert!(!pattern.is_match(text), "{text}");
        }
    }
}
