//! The deleting itself: restores first, then the backup in the bucket, last the object in the cluster.
//!
//! Each act can be done again, by anyone: what is gone already is gone. The names of runs can be used again, so that a
//! document is compared with what the cluster knows of it before it goes.

use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use super::decide::reached_bucket;
use super::deletability;
use crate::api::{Backup, DeleteBackupRequest, DeletePhase, Restore, STORED_IN, is_stored, synced_from};
use crate::bucket::{Bucket, BucketError, Claim, RunIdentity};
use crate::controller::buckets::OpenLocation;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::model::{BackupName, RestoreName};

/// What the bucket has under the name of a run.
#[derive(Debug)]
enum RunInBucket {
    /// The run itself, or what is left of it.
    Ours,
    /// Another run: the name was free meanwhile, and was taken. The error says by whom.
    Another(Box<BucketError>),
}

/// Makes sure that a Backup can be deleted from its bucket, without changing anything.
///
/// # Errors
/// When the bucket cannot be reached, holds there what this version of Ark does not remove, or another run, or a restore reads it,
/// in whichever cluster.
pub async fn check(context: &Context, backup: &Backup) -> Result<(), ControllerError> {
    if let (true, Ok(name)) = (reached_bucket(backup), backup.name_any().parse()) {
        let location = open(context, backup).await?;
        let doing = || ControllerError::bucket(format!("delete Backup `{name}`"));
        if let RunInBucket::Another(error) = look(&location.bucket, &name, backup).await? {
            return Err(doing()(*error));
        }
        location.bucket.refuse_while_read(&name).await.map_err(doing())?;
    }
    Ok(())
}

/// Removes what the bucket has of a Backup, and the Restores from it.
///
/// # Errors
/// When bucket or API server refuse or cannot be reached; then do it again.
pub async fn remove(context: &Context, backup: &Backup) -> Result<(), ControllerError> {
    // A name that is none never came into a bucket.
    if let Ok(name) = backup.name_any().parse::<BackupName>() {
        if reached_bucket(backup) {
            let location = open(context, backup).await?;
            delete_stored(context, &location, &name, backup).await?;
        } else {
            discard_leftovers(context, &name, backup).await;
        }
    }
    Ok(())
}

async fn open(context: &Context, backup: &Backup) -> Result<OpenLocation, ControllerError> {
    context.locations.open(backup.spec.storage_location.as_deref()).await
}

async fn delete_stored(
    context: &Context,
    location: &OpenLocation,
    name: &BackupName,
    backup: &Backup,
) -> Result<(), ControllerError> {
    // It is being deleted already, so that it cannot stay; only what stands under its name by now can.
    if let RunInBucket::Another(error) = look(&location.bucket, name, backup).await? {
        tracing::warn!(kind = "Backup", name = %name, location = location.name, "what the bucket has is kept: {error}");
        return Ok(());
    }
    // Before the records of earlier restores go; the removal looks again under its claim.
    let doing = ControllerError::bucket(format!("delete Backup `{name}`"));
    location.bucket.refuse_while_read(name).await.map_err(doing)?;
    for restore in
        deletability::restores_of(context, backup).iter().filter(|restore| !deletability::is_waiting(restore))
    {
        delete_restore(context, location, restore).await?;
    }
    // Here goes what lies outside the bucket, as volume snapshots will, while the backup still tells of it.
    let meant = RunIdentity::of_object(backup);
    let removed = location.bucket.remove_backup(name, Some(&meant), &context.settings.holder).await;
    let removed = gone(removed, format!("remove backup `{name}` from location `{}`", location.name))?;
    tracing::info!(kind = "Backup", name = %name, location = location.name, objects = removed, "removed from the bucket");
    Ok(())
}

/// Deletes a Restore and what the bucket has of it.
pub async fn delete_restore(
    context: &Context,
    location: &OpenLocation,
    restore: &Restore,
) -> Result<(), ControllerError> {
    let stored = synced_from(&restore.metadata).is_some()
        || restore.status.as_ref().is_some_and(|status| is_stored(&status.conditions));
    if stored && let Ok(name) = restore.name_any().parse::<RestoreName>() {
        let doing = || format!("remove restore `{name}` from location `{}`", location.name);
        let meant = RunIdentity::of_object(restore);
        let found = match location.bucket.open_restore(&name).await {
            Ok(stored) => compare(stored.must_be(&meant)),
            Err(error) => found_by(error).map_err(ControllerError::bucket(doing()))?,
        };
        match found {
            RunInBucket::Ours => {
                let holder = &context.settings.holder;
                gone(location.bucket.remove_restore(&name, Some(&meant), holder).await, doing())?;
            }
            RunInBucket::Another(error) => {
                tracing::warn!(kind = "Restore", name = %name, location = location.name, "what the bucket has is kept: {error}");
            }
        }
    }
    delete_object(&context.api::<Restore>(), restore).await
}

/// Whether the bucket has nothing complete under the name any more, of a Backup whose object is gone: another cluster that shares
/// the bucket was faster, and sync has taken the object away. What cannot be looked at is there.
pub async fn is_gone(context: &Context, request: &DeleteBackupRequest) -> bool {
    let is_answered = request.status.as_ref().and_then(|status| status.phase) == Some(DeletePhase::Processed);
    let Some(id) = request.annotations().get(STORED_IN).filter(|_| !is_answered) else { return false };
    let (Some(location), Ok(name)) =
        (context.locations.with_id(id), request.spec.backup_name.parse::<BackupName>())
    else {
        return false;
    };
    match context.locations.open(Some(&location.name_any())).await {
        Ok(open) if open.id == *id => is_nothing(open.bucket.open_backup(&name).await.err().as_ref()),
        _ => false,
    }
}

/// Whether a failure to open a backup says that there is none any more.
fn is_nothing(error: Option<&BucketError>) -> bool {
    matches!(error, Some(BucketError::NotFound { .. } | BucketError::Incomplete { .. }))
}

/// What the bucket has under the name of a Backup.
async fn look(bucket: &Bucket, name: &BackupName, backup: &Backup) -> Result<RunInBucket, ControllerError> {
    match bucket.open_backup(name).await {
        Ok(stored) => Ok(compare(stored.must_be(&RunIdentity::of_object(backup)))),
        Err(error) => found_by(error).map_err(ControllerError::bucket(format!("read backup `{name}`"))),
    }
}

/// What it means for a deletion that a document cannot be read: one that is damaged, half removed or gone is still ours.
fn found_by(error: BucketError) -> Result<RunInBucket, BucketError> {
    if error.is_of_no_run() { Ok(RunInBucket::Ours) } else { Err(error) }
}

fn compare(is_ours: Result<(), BucketError>) -> RunInBucket {
    match is_ours {
        Ok(()) => RunInBucket::Ours,
        Err(another) => RunInBucket::Another(Box::new(another)),
    }
}

/// What a removal means: a run that is gone already was removed by another, and so was one whose name is taken, or is another
/// run's.
fn gone(removed: Result<u64, BucketError>, doing: String) -> Result<u64, ControllerError> {
    match removed {
        Ok(objects) => Ok(objects),
        Err(error) if error.is_not_found() || error.is_name_taken() => Ok(0),
        Err(another @ BucketError::AnotherRun { .. }) => {
            tracing::warn!("{doing}: it is gone, and what the bucket has is kept: {another}");
            Ok(0)
        }
        Err(error) => Err(ControllerError::bucket(doing)(error)),
    }
}

/// Removes what a Backup left behind that never was complete. What cannot be reached now is found by `gc` once its claim is dead.
async fn discard_leftovers(context: &Context, name: &BackupName, backup: &Backup) {
    let attempted = backup.status.as_ref().is_some_and(|status| status.attempt.is_some());
    let (true, Some(uid)) = (attempted, &backup.metadata.uid) else { return };
    let discard = async {
        let location = open(context, backup).await?;
        if location.read_only {
            return Ok(());
        }
        let claim = Claim::new(uid, &context.identity.uid, &context.settings.holder);
        // Its own claim is taken over and its parts go with it; the claim of another stays, and so does what is complete.
        match location.bucket.claim_backup(name, &claim).await {
            Ok(attempt) => attempt.discard().await.map(|_| ()),
            Err(error) if error.is_name_taken() => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(ControllerError::bucket(format!("remove what is left of backup `{name}`")))
    };
    if let Err(error) = discard.await {
        let causes = crate::model::causes(&error);
        tracing::warn!(kind = "Backup", name = %name, "{causes}; it is removed a day later");
    }
}

/// Deletes this very object, and not one that has its name by now.
pub async fn delete_object<K>(api: &Api<K>, object: &K) -> Result<(), ControllerError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let name = object.name_any();
    let preconditions = Preconditions { uid: object.meta().uid.clone(), resource_version: None };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let doing = format!("delete {} `{name}`", K::kind(&()));
    match ControllerError::within(doing, api.delete(&name, &parameters)).await {
        Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_run_that_is_gone_or_whose_name_is_taken_needs_no_removal() {
        let not_found = BucketError::NotFound {
            kind: crate::bucket::RunKind::Backup,
            name: "nightly".into(),
            location: "s3://bucket".into(),
        };
        assert!(is_nothing(Some(&not_found)) && !is_nothing(None));
        assert!(matches!(found_by(not_found), Ok(RunInBucket::Ours)));
        let foreign = BucketError::Foreign {
            name: "nightly".into(),
            location: "s3://bucket".into(),
            writer: crate::bucket::Writer::Velero,
        };
        assert!(found_by(foreign).is_err());
        assert_eq!(gone(Ok(3), String::new()).unwrap(), 3);
    }
}
