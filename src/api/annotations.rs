//! Annotations that Ark puts on its own objects; labels are in `labels`, conditions in `conditions`. Pure.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

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

/// Annotation of a Backup that a Schedule makes: its tick and a random token, whose SHA-256 the Schedule has recorded before.
/// By itself it says nothing of who made the Backup; `status.origin.schedule` does.
pub const SCHEDULE_TOKEN: &str = "ark.heptio.com/schedule-token";

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
