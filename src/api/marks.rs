//! Annotations and conditions that Ark puts on its own objects; labels are in `labels`. Pure.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};

use super::Timestamp;

/// Annotation of a Backup or Restore that came out of a bucket; its value is the id of the location. Such an object is never
/// run, whatever its phase says.
pub const SYNCED_FROM: &str = "ark.heptio.com/synced-from";

/// Annotation of a Backup or Restore that came out of a bucket: time and size of its document and the size of its tarball, as they
/// were listed when it was read. While the listing still says so, nobody reads the document again.
pub const DOCUMENT_STAMP: &str = "ark.heptio.com/document-stamp";

/// Annotation of a DeleteBackupRequest that the server made because time had passed: when, by the server's clock. It is obeyed
/// only where the API server's clock agrees.
pub const REQUESTED_AT: &str = "ark.heptio.com/requested-at";

/// Annotation of a DeleteBackupRequest: the identity of the location that has the Backup's document. Where the object is gone before
/// the request is looked at, that location is asked whether anything is left.
pub const STORED_IN: &str = "ark.heptio.com/stored-in";

/// Annotation of a Restore that somebody wants to be rid of, in the bucket as well: since when. The server deletes it, or removes
/// the annotation and says in the condition [`DELETION`] why it does not.
pub const DELETION_REQUESTED: &str = "ark.heptio.com/deletion-requested";

/// Type of the condition that says why a Restore is not deleted, or not yet, and since when a Backup is being deleted.
pub const DELETION: &str = "Deletion";

/// Annotation of a Backup that a Schedule makes: its tick and a random token, whose SHA-256 the Schedule has recorded before.
/// By itself it says nothing of who made the Backup; `status.origin.schedule` does.
pub const SCHEDULE_TOKEN: &str = "ark.heptio.com/schedule-token";

/// Type of the condition of a Backup that was refused for no other reason than that another run has its name in the bucket.
pub const NAME_TAKEN: &str = "NameTaken";

/// Type of the condition that says whether a Backup's or Restore's document is in the bucket: only then may the absence of
/// that document mean that it was removed.
pub const STORED: &str = "Stored";

/// The condition [`STORED`], true: `message` says where.
pub fn stored(message: String, now: Time) -> Condition {
    Condition {
        type_: STORED.to_owned(),
        status: "True".to_owned(),
        reason: "Committed".to_owned(),
        message,
        last_transition_time: now,
        observed_generation: None,
    }
}

/// Whether an object's annotations say that it came out of a bucket, and of which location by its id.
pub fn synced_from(metadata: &ObjectMeta) -> Option<&str> {
    metadata.annotations.as_ref()?.get(SYNCED_FROM).map(String::as_str)
}

/// Returns from when on what has ended is kept for its ttl: its end, or its creation where it never began. What came out of a bucket
/// is kept from when the store got its document, at least: the clock of whoever wrote it may have been wrong.
pub fn kept_from(metadata: &ObjectMeta, ended: Option<Timestamp>) -> Option<Timestamp> {
    let from = ended.or_else(|| metadata.creation_timestamp.as_ref().map(Timestamp::from));
    from.max(from.and(document_time(metadata)))
}

fn document_time(metadata: &ObjectMeta) -> Option<Timestamp> {
    let stamp = metadata.annotations.as_ref()?.get(DOCUMENT_STAMP)?;
    let time: DateTime<Utc> = stamp.split('/').next()?.parse().ok()?;
    Some(time.into())
}

/// Whether the conditions say that the document is in the bucket.
pub fn is_stored(conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| condition.type_ == STORED && condition.status == "True")
}
