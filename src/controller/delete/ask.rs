//! Creates DeleteBackupRequests. Each name follows from the Backup and the reason, so that none is
//! created twice, however often and by however many servers.

use chrono::{DateTime, SecondsFormat, Utc};
use kube::ResourceExt as _;
use kube::api::PostParams;
use sha2::{Digest as _, Sha256};

use crate::api::{Backup, DeleteBackupRequest, DeletePhase, REQUESTED_AT};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;

/// Longest name that the API server takes.
const LONGEST_NAME: usize = 253;
/// Number of hexadecimal digits that tell shortened names apart.
const HASH_DIGITS: usize = 12;

/// Reason why the server asks for a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionReason {
    /// The Backup has expired.
    Expired,
    /// Retention of the Schedule keeps other Backups.
    Retention,
    /// The deletion was begun, and its request is gone.
    Unfinished,
}

impl DeletionReason {
    fn suffix(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Retention => "retention",
            Self::Unfinished => "unfinished",
        }
    }
}

/// Creates a request to delete a Backup, unless an unanswered one exists. Returns true if one was
/// created.
///
/// # Errors
/// If the API server refuses or cannot be reached.
pub async fn ask(
    context: &Context,
    backup: &Backup,
    reason: DeletionReason,
) -> Result<bool, ControllerError> {
    let name = backup.name_any();
    if is_asked_for(&context.caches.deletions.state(), &name) {
        return Ok(false);
    }
    let request = request(backup, reason, Utc::now());
    let doing = format!("ask for the deletion of Backup `{name}` ({})", reason.suffix());
    let api = context.api::<DeleteBackupRequest>();
    match ControllerError::within(doing, api.create(&PostParams::default(), &request)).await {
        Ok(_) => {
            tracing::info!(kind = "Backup", name, reason = reason.suffix(), "asked for its deletion");
            Ok(true)
        }
        // An earlier request was refused not long ago: it is shown for an hour, and then another is
        // made.
        Err(error) if error.is_conflict() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns true if a request for this Backup has no answer yet.
fn is_asked_for<R: AsRef<DeleteBackupRequest>>(requests: &[R], backup: &str) -> bool {
    requests.iter().map(AsRef::as_ref).any(|request| {
        let phase = request.status.as_ref().and_then(|status| status.phase);
        request.spec.backup_name == backup && phase != Some(DeletePhase::Processed)
    })
}

fn request(backup: &Backup, reason: DeletionReason, now: DateTime<Utc>) -> DeleteBackupRequest {
    let mut request = DeleteBackupRequest::of(backup, &request_name(&backup.name_any(), reason));
    // A deletion that was begun is finished, whatever the clocks say.
    if reason != DeletionReason::Unfinished {
        let now = now.to_rfc3339_opts(SecondsFormat::Secs, true);
        request.annotations_mut().insert(REQUESTED_AT.to_owned(), now);
    }
    request
}

/// Returns `<backup>-<reason>`, shortened and hashed if that is longer than a name may be.
fn request_name(backup: &str, reason: DeletionReason) -> String {
    let suffix = reason.suffix();
    let whole = format!("{backup}-{suffix}");
    if whole.len() <= LONGEST_NAME {
        return whole;
    }
    let hash: String = Sha256::digest(backup).iter().map(|byte| format!("{byte:02x}")).collect();
    let keep = LONGEST_NAME - HASH_DIGITS - suffix.len() - 2;
    let kept = backup[..backup.floor_char_boundary(keep)].trim_end_matches(['-', '.']);
    format!("{kept}-{}-{suffix}", &hash[..HASH_DIGITS])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::{
        BACKUP_NAME_LABEL, BACKUP_UID_LABEL, BackupSpec, BackupStatus, DeleteBackupRequestSpec,
        DeleteBackupRequestStatus, Origin, STORED_IN,
    };
    use crate::model::BackupName;

    #[test]
    fn a_request_names_its_backup_by_name_and_uid_and_follows_from_the_reason() {
        let mut backup = Backup::new("nightly", BackupSpec::default());
        backup.metadata.uid = Some("uid".into());
        let now = "2026-11-21T03:00:00Z".parse().unwrap();
        let expired = request(&backup, DeletionReason::Expired, now);
        assert_eq!(expired.metadata.name.as_deref(), Some("nightly-expired"));
        assert_eq!(expired.spec.backup_name, "nightly");
        let labels = expired.metadata.labels.unwrap();
        assert_eq!((&*labels[BACKUP_NAME_LABEL], &*labels[BACKUP_UID_LABEL]), ("nightly", "uid"));
        assert_eq!(expired.metadata.annotations.unwrap()[REQUESTED_AT], "2026-11-21T03:00:00Z");
        assert_eq!(request(&backup, DeletionReason::Unfinished, now).metadata.annotations, None);
        let origin = Origin { location: Some("bucket".into()), ..Origin::default() };
        backup.status = Some(BackupStatus { origin: Some(origin), ..BackupStatus::default() });
        let annotations = request(&backup, DeletionReason::Unfinished, now).metadata.annotations.unwrap();
        assert_eq!(annotations[STORED_IN], "bucket");
    }

    #[test]
    fn long_names_are_shortened_and_stay_apart() {
        let (one, two) = (format!("{}.1", "a".repeat(251)), format!("{}.2", "a".repeat(251)));
        let names =
            [request_name(&one, DeletionReason::Expired), request_name(&two, DeletionReason::Expired)];
        assert_ne!(names[0], names[1]);
        for name in &names {
            assert!(name.len() <= LONGEST_NAME && name.parse::<BackupName>().is_ok(), "{name}");
        }
        let dotted = format!("{}.{}", "a".repeat(228), "b".repeat(24));
        assert!(request_name(&dotted, DeletionReason::Expired).parse::<BackupName>().is_ok());
    }

    #[test]
    fn only_what_has_no_answer_yet_counts_as_asked_for() {
        let with = |phase| {
            let mut request =
                DeleteBackupRequest::new("any", DeleteBackupRequestSpec { backup_name: "nightly".into() });
            request.status = Some(DeleteBackupRequestStatus { phase, ..Default::default() });
            [Arc::new(request)]
        };
        assert!(is_asked_for(&with(None), "nightly"));
        assert!(is_asked_for(&with(Some(DeletePhase::InProgress)), "nightly"));
        assert!(!is_asked_for(&with(Some(DeletePhase::Processed)), "nightly"));
        assert!(!is_asked_for(&with(None), "other"));
    }
}
