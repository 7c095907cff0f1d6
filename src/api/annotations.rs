//! The annotations of Ark's own objects; labels are in `labels`, conditions in `conditions`. Pure.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Timestamp;

/// Annotation of a Backup or Restore that was synced from a bucket; the value is the id of the
/// location. Such an object is never run, whatever its phase.
pub const SYNCED_FROM: &str = "ark.heptio.com/synced-from";

/// Annotation of a Backup or Restore that was synced from a bucket: time and size of its document
/// and the size of its tarball, as they were listed when the document was read. While the listing
/// is the same, the document is not read again.
pub const DOCUMENT_STAMP: &str = "ark.heptio.com/document-stamp";

/// Annotation of a DeleteBackupRequest that the server created for expiry: the time of that, by
/// the server's clock. The request is obeyed only if the API server's clock agrees.
pub const REQUESTED_AT: &str = "ark.heptio.com/requested-at";

/// Annotation of a DeleteBackupRequest: the identity of the location that has the Backup's
/// document. If the Backup is deleted before the request is handled, that location is asked
/// whether anything is left.
pub const STORED_IN: &str = "ark.heptio.com/stored-in";

/// Annotation of a Restore that is to be deleted, also in the bucket: the time of the request. The
/// server deletes the Restore, or removes the annotation and gives the reason in the condition
/// [`DELETION`](super::DELETION).
pub const DELETION_REQUESTED: &str = "ark.heptio.com/deletion-requested";

/// Annotation of a Backup that a Schedule makes: its tick and a random token, whose SHA-256 the
/// Schedule has recorded before. The annotation alone does not prove who made the Backup;
/// `status.origin.schedule` does.
pub const SCHEDULE_TOKEN: &str = "ark.heptio.com/schedule-token";

/// Annotation of a workload that an action has scaled to zero for a backup: the number of replicas
/// that it had. The backup holds it so, and a restore gives the number back.
pub const REPLICAS_BEFORE: &str = "ark.heptio.com/replicas-before";

/// Returns the id of the location from which an object was synced, or `None` if it was not.
pub fn synced_from(metadata: &ObjectMeta) -> Option<&str> {
    metadata.annotations.as_ref()?.get(SYNCED_FROM).map(String::as_str)
}

/// Returns the time from which the ttl of a run counts: its end, or its creation if it never began;
/// `None` if it has neither. For a synced object the time is at least that at which the store got
/// its document, since the clock of its writer may have been wrong.
pub fn kept_from(metadata: &ObjectMeta, ended: Option<Timestamp>) -> Option<Timestamp> {
    let from = ended.or_else(|| metadata.creation_timestamp.as_ref().map(Timestamp::from));
    from.max(from.and(document_time(metadata)))
}

fn document_time(metadata: &ObjectMeta) -> Option<Timestamp> {
    let stamp = metadata.annotations.as_ref()?.get(DOCUMENT_STAMP)?;
    let time: DateTime<Utc> = stamp.split('/').next()?.parse().ok()?;
    Some(time.into())
}
