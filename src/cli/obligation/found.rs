//! The documents of obligations in a bucket.

use chrono::{DateTime, Utc};

use crate::bucket::Bucket;
use crate::cli::exit::Failure;
use crate::hooks::obligations::{ObligationDocument, SILENT};
use crate::model::causes;

/// A document of obligations in a bucket.
pub struct FoundObligations {
    /// The id.
    pub id: String,
    /// When it was written, by the store's clock.
    pub modified: DateTime<Utc>,
    /// What it says, or why it cannot be read.
    pub document: Result<ObligationDocument, String>,
}

impl FoundObligations {
    /// Returns all documents of a bucket.
    pub async fn all(bucket: &Bucket) -> Result<Vec<Self>, Failure> {
        let mut found = Vec::new();
        for listed in bucket.list_obligations().await? {
            found.extend(Self::read(bucket, &listed.id).await?);
        }
        Ok(found)
    }

    /// Returns a document, or `None` if it is not there.
    pub async fn read(bucket: &Bucket, id: &str) -> Result<Option<Self>, Failure> {
        let stored = match bucket.read_obligations(id).await {
            Ok(stored) => stored,
            Err(error) if error.is_retryable() || error.is_unreachable() => return Err(error.into()),
            Err(error) => {
                let document = Err(causes(&error));
                return Ok(Some(Self { id: id.to_owned(), modified: DateTime::UNIX_EPOCH, document }));
            }
        };
        Ok(stored.map(|stored| Self {
            id: id.to_owned(),
            modified: stored.modified,
            document: ObligationDocument::parse(&stored.bytes),
        }))
    }

    /// Returns whether the holder lives: it wrote the document a moment ago, by its own clock or by
    /// the store's.
    pub fn is_alive(&self, now: DateTime<Utc>) -> bool {
        let heartbeat = self.document.as_ref().map_or(self.modified, |document| document.heartbeat);
        let is_recent = |time: DateTime<Utc>| (now - time).abs().to_std().is_ok_and(|age| age < SILENT);
        is_recent(heartbeat) || is_recent(self.modified)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_holder_lives_while_one_of_two_clocks_says_so() {
        let now = Utc::now();
        let found = |heartbeat: i64, modified: i64| {
            let heartbeat = now - TimeDelta::seconds(heartbeat);
            let text = serde_json::json!({"format": 1, "clusterUid": "c", "holder": "h", "process": "p",
                "run": {"kind": "Backup", "name": "a", "uid": "u"}, "heartbeat": heartbeat, "open": []});
            let document = ObligationDocument::parse(text.to_string().as_bytes());
            FoundObligations { id: "a".to_owned(), modified: now - TimeDelta::seconds(modified), document }
        };
        assert!(found(5, 5).is_alive(now));
        assert!(found(3600, 5).is_alive(now), "its clock is wrong");
        assert!(found(5, 3600).is_alive(now), "the clock of the store is wrong");
        assert!(!found(31, 40).is_alive(now));
        assert!(!found(-3600, 40).is_alive(now), "a heartbeat of the future keeps nothing alive");
    }
}
