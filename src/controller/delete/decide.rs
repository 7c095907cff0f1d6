//! The next step for a DeleteBackupRequest. Pure.
//!
//! Objections are raised before a deletion begins: the request is answered with the reason, and
//! nothing has changed. Once the Backup is Deleting nothing new can begin with it, and the deletion
//! goes on until it is done.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{
    BACKUP_UID_LABEL, Backup, BackupPhase, DeleteBackupRequest, DeletePhase, REQUESTED_AT, Timestamp,
    is_stored, synced_from,
};

/// Time for which an answered request is shown.
pub const SHOWN: Duration = Duration::from_secs(3600);
/// Largest difference between clocks that may decide that something has expired.
const CLOCKS_DISAGREE: TimeDelta = TimeDelta::hours(1);

/// Facts about the Backup of a request.
#[derive(Clone, Debug)]
pub struct ObservedDeletion<'a> {
    /// The Backup; `None` if it does not exist.
    pub backup: Option<&'a Backup>,
    /// State of its location; matters only if the Backup reached the bucket.
    pub place: Deletability,
    /// Name of a Restore from the Backup that runs in this cluster; `None` if none does.
    pub restoring: Option<String>,
    /// Whether this server removes nothing from buckets.
    pub restore_only: bool,
    /// Whether all that the bucket had of the Backup has been removed since, by another request or
    /// another cluster.
    pub removed: bool,
}

/// State of a Backup's location for a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletability {
    /// The location can be written to, or is not needed.
    Usable,
    /// The location cannot be used for now, and why.
    Unavailable(String),
    /// The location forbids the deletion until a person changes that, and why.
    Closed(String),
}

/// The next step for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeletionStep {
    /// Keep the answered request for this long.
    Show(Duration),
    /// Remove the request, which was shown long enough.
    Forget,
    /// Answer with the reason why nothing, or not everything, is deleted.
    Refuse(String),
    /// Try again later, for this reason.
    Postpone(String),
    /// Mark the Backup as Deleting and the request as begun.
    Begin,
    /// Delete.
    Work,
    /// Answer that everything is deleted.
    Finish,
}

/// Returns true if a Backup has or had a document in the bucket, which must go with it.
pub fn reached_bucket(backup: &Backup) -> bool {
    let Some(status) = &backup.status else { return synced_from(&backup.metadata).is_some() };
    if status.origin.is_none() && !status.validation_errors.is_empty() {
        return false; // it was refused, whatever it says of where it came from
    }
    synced_from(&backup.metadata).is_some()
        || is_stored(&status.conditions)
        || !status.objects.is_empty()
        || matches!(status.phase, Some(BackupPhase::Completed | BackupPhase::PartiallyFailed))
}

/// Returns true if `request` has removed all of the Backup that `since` names, after `since` was
/// made.
pub fn has_removed(request: &DeleteBackupRequest, since: &DeleteBackupRequest) -> bool {
    let Some(status) = request.status.as_ref().filter(|status| status.removed) else { return false };
    let made = since.metadata.creation_timestamp.as_ref().map(Timestamp::from);
    let ended = status.processed_timestamp.filter(|_| status.phase == Some(DeletePhase::Processed));
    let same = meant(request).zip(meant(since)).is_none_or(|(one, other)| one == other);
    same && request.spec.backup_name == since.spec.backup_name
        && ended.is_none_or(|ended| Some(ended) >= made)
}

/// Returns the uid of the Backup that a request means, from its label or from what the server
/// noted; `None` if neither says.
pub fn meant(request: &DeleteBackupRequest) -> Option<&String> {
    let said = request.metadata.labels.as_ref().and_then(|labels| labels.get(BACKUP_UID_LABEL));
    said.or_else(|| request.status.as_ref()?.backup_uid.as_ref())
}

/// Returns true if a Backup is not the one that a request means. A Backup that was created after
/// the request cannot be meant.
fn is_another(request: &DeleteBackupRequest, backup: &Backup) -> bool {
    match meant(request) {
        Some(meant) => Some(meant) != backup.metadata.uid.as_ref(),
        None => {
            let created = |metadata: &ObjectMeta| metadata.creation_timestamp.as_ref().map(Timestamp::from);
            let both = created(&backup.metadata).zip(created(&request.metadata));
            both.is_some_and(|(came, asked)| came > asked)
        }
    }
}

/// Returns the next step for a DeleteBackupRequest.
pub fn decide(
    request: &DeleteBackupRequest,
    observed: &ObservedDeletion<'_>,
    now: DateTime<Utc>,
) -> DeletionStep {
    let status = request.status.clone().unwrap_or_default();
    let phase = status.phase.unwrap_or_default();
    if phase == DeletePhase::Processed {
        return show(status.processed_timestamp, now);
    }
    let name = &request.spec.backup_name;
    let Some(backup) = observed.backup else {
        // The Backup's object goes last. Absent after the rest, the deletion is done, whatever
        // stood in the way before. Absent before, somebody deleted it with kubectl, and nothing
        // here knows any more where the rest is.
        if status.removed || observed.removed {
            return DeletionStep::Finish;
        }
        if phase == DeletePhase::InProgress {
            return DeletionStep::Refuse(format!(
                "the object of Backup `{name}` was deleted before the backup was removed from its bucket; what the bucket has under the name comes back by itself: if that is the backup that is meant, delete it again then, and leave the object to Ark"
            ));
        }
        return DeletionStep::Refuse(format!(
            "there is no Backup `{name}` here; `ark backup get` lists what is there, and what remains in the bucket comes back by itself"
        ));
    };
    let deleting = is_deleting(backup);
    if let Some(why) = objection(request, backup, deleting) {
        return DeletionStep::Refuse(why);
    }
    if let Some(why) = obstacle(name, backup, observed) {
        // A deletion that has begun waits: an answer would tell people that the backup is kept.
        return if deleting {
            DeletionStep::Postpone(format!(
                "{why}; the deletion has begun, and goes on when that has changed"
            ))
        } else {
            DeletionStep::Refuse(why)
        };
    }
    if let Some(restore) = &observed.restoring {
        let why = format!("Restore `{restore}` reads Backup `{name}`");
        return if deleting {
            DeletionStep::Postpone(format!("{why}; the deletion goes on when that has ended"))
        } else {
            DeletionStep::Refuse(format!("{why}; delete it again when that has ended"))
        };
    }
    if let Deletability::Unavailable(why) = &observed.place {
        return DeletionStep::Postpone(why.clone());
    }
    if deleting && phase == DeletePhase::InProgress { DeletionStep::Work } else { DeletionStep::Begin }
}

fn show(processed: Option<Timestamp>, now: DateTime<Utc>) -> DeletionStep {
    let shown = processed.map_or(TimeDelta::MAX, |processed| now.signed_duration_since(processed.time()));
    // An answer far in the future was given by a wrong clock.
    if shown < -CLOCKS_DISAGREE {
        return DeletionStep::Forget;
    }
    let left = SHOWN.saturating_sub(shown.to_std().unwrap_or_default());
    if left.is_zero() { DeletionStep::Forget } else { DeletionStep::Show(left) }
}

/// Returns what rules the deletion out for good, or `None`.
fn objection(request: &DeleteBackupRequest, backup: &Backup, deleting: bool) -> Option<String> {
    let name = &request.spec.backup_name;
    if is_another(request, backup) {
        return Some(format!(
            "the Backup `{name}` that was meant is gone; the one that has its name now is kept"
        ));
    }
    if !deleting && let Some(why) = clocks_disagree(request) {
        return Some(why);
    }
    if !deleting && let Some(why) = still_to_undo(backup) {
        return Some(why);
    }
    if phase(backup) == BackupPhase::InProgress && synced_from(&backup.metadata).is_none() {
        return Some(format!(
            "Backup `{name}` is in progress; delete it when it has ended, or stop it with `kubectl delete backups.ark.heptio.com {name}`"
        ));
    }
    None
}

/// Returns an objection if the Backup has something to undo, or `None`: its status is the copy that
/// does not need the bucket, and goes with it.
fn still_to_undo(backup: &Backup) -> Option<String> {
    let status = backup.status.as_ref().filter(|_| synced_from(&backup.metadata).is_none())?;
    let pending = status.obligations.values().flatten().next()?;
    Some(format!(
        "Backup `{}` has changed something that is not undone yet (what {}); the server tries it again and again, and `ark obligation undo` does it; delete the Backup then",
        backup.metadata.name.as_deref().unwrap_or_default(),
        pending.what
    ))
}

/// Returns what keeps this server from writing the bucket until a person changes that, or `None`.
fn obstacle(name: &str, backup: &Backup, observed: &ObservedDeletion<'_>) -> Option<String> {
    if observed.restore_only && reached_bucket(backup) {
        return Some(format!(
            "this server runs with --restore-only and removes nothing from a bucket; delete Backup `{name}` in the cluster that makes the backups"
        ));
    }
    match &observed.place {
        Deletability::Closed(why) => Some(why.clone()),
        Deletability::Usable | Deletability::Unavailable(_) => None,
    }
}

/// Returns an objection if the clocks of server and API server disagree, or `None`. Expiry is a
/// matter of time, and no clock alone may decide that everything has expired.
fn clocks_disagree(request: &DeleteBackupRequest) -> Option<String> {
    let ours = request.metadata.annotations.as_ref()?.get(REQUESTED_AT)?;
    let theirs = Timestamp::from(request.metadata.creation_timestamp.as_ref()?).time();
    let near = ours.parse::<DateTime<Utc>>().is_ok_and(|ours| (ours - theirs).abs() <= CLOCKS_DISAGREE);
    (!near).then(|| {
        format!("the clocks of Ark ({ours}) and of the API server ({theirs}) disagree, so that what has expired cannot be told; set the clocks")
    })
}

/// Returns true if the deletion of a Backup has begun.
pub fn is_deleting(backup: &Backup) -> bool {
    phase(backup) == BackupPhase::Deleting
}

fn phase(backup: &Backup) -> BackupPhase {
    backup.status.as_ref().and_then(|status| status.phase).unwrap_or_default()
}

#[cfg(test)]
mod tests;
