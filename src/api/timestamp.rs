//! An instant as the API server writes it: RFC 3339, UTC, whole seconds. Pure, except for
//! [`Timestamp::now`].

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

/// An instant in UTC, without fractions of a second, so that a written instant is read back as the
/// same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(from = "DateTime<Utc>")]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Returns the current second.
    pub fn now() -> Self {
        Utc::now().into()
    }

    /// Returns the instant as chrono's type.
    pub fn time(self) -> DateTime<Utc> {
        self.0
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.trunc_subsecs(0))
    }
}

impl From<&Time> for Timestamp {
    /// Converts a time of the API server, such as `metadata.creationTimestamp`; a time beyond the
    /// range becomes the Unix epoch.
    fn from(time: &Time) -> Self {
        Self(DateTime::from_timestamp(time.0.as_second(), 0).unwrap_or_default())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_in_whole_seconds_of_utc() {
        let read: Timestamp = serde_json::from_str("\"2026-11-21T05:00:01.9+02:00\"").unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"2026-11-21T03:00:01Z\"");
        assert_eq!(read, serde_json::from_str("\"2026-11-21T03:00:01Z\"").unwrap());
    }
}
