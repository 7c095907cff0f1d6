//! Executes a deletion: Restores first, then the backup in the bucket, last the object in the
//! cluster.
//!
//! Each act can be repeated by anyone: removing what is gone succeeds. Names of runs are used
//! again, so each document is compared with what the cluster knows of its run before it is removed.

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

/// The run that the bucket has under a name.
#[derive(Debug)]
enum RunInBucket {
    /// The run itself, or what is left of it.
    Ours,
    /// Another run, which took the name when it was free; the error says which.
    Another(Box<BucketError>),
}

/// Checks that a Backup can be deleted from its bucket, without changing anything.
///
/// # Errors
/// If the bucket cannot be reached, has another run or one of a newer format under the name, or a
/// restore in any cluster reads the backup.
pub async fn check(context: &Context, backup: &Backup) -> Result<(), ControllerError> {
    if let (true, Ok(name)) = (reached_bucket(backup), backup.name_any().parse()) {
        let location = open(context, backup).await?;
        let doing = || ControllerError::bucket(format!("delete Backup `{name}`"));
        if let RunInBucket::Another(error) = find_run(&location.bucket, &name, backup).await? {
            return Err(doing()(*error));
        }
        location.bucket.refuse_while_read(&name).await.map_err(doing())?;
    }
    Ok(())
}

/// Removes what the bucket has of a Backup, and the Restores from it.
///
/// # Errors
/// If bucket or API server refuse or cannot be reached; the call can then be repeated.
pub async fn remove(context: &Context, backup: &Backup) -> Result<(), ControllerError> {
    // Under an invalid name nothing ever came into a bucket.
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

/// Removes a backup that reached its bucket, and the Restores from it.
async fn delete_stored(
    context: &Context,
    location: &OpenLocation,
    name: &BackupName,
    backup: &Backup,
) -> Result<(), ControllerError> {
    // The Backup is Deleting, so its object has to go. Only the other run under its name stays.
    if let RunInBucket::Another(error) = find_run(&location.bucket, name, backup).await? {
        tracing::warn!(kind = "Backup", name = %name, location = location.name, "what the bucket has is kept: {error}");
        return Ok(());
    }
    // Readers are looked for before the records of earlier restores go; the removal looks again
    // under its claim.
    let doing = ControllerError::bucket(format!("delete Backup `{name}`"));
    location.bucket.refuse_while_read(name).await.map_err(doing)?;
    for restore in
        deletability::restores_of(context, backup).iter().filter(|restore| !deletability::is_waiting(restore))
    {
        delete_restore(context, location, restore).await?;
    }
    // Whatever lies outside the bucket, as volume snapshots will, goes here, while the backup still
    // tells of it.
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

/// Returns true if the bucket has nothing complete under the name of a Backup whose object is gone:
/// another cluster that shares the bucket was faster, and sync has removed the object. Returns
/// false if the bucket cannot be asked.
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

/// Returns true if a failure to open a backup means that it does not exist any more.
fn is_nothing(error: Option<&BucketError>) -> bool {
    matches!(error, Some(BucketError::NotFound { .. } | BucketError::Incomplete { .. }))
}

/// Returns which run the bucket has under the name of a Backup.
async fn find_run(
    bucket: &Bucket,
    name: &BackupName,
    backup: &Backup,
) -> Result<RunInBucket, ControllerError> {
    match bucket.open_backup(name).await {
        Ok(stored) => Ok(compare(stored.must_be(&RunIdentity::of_object(backup)))),
        Err(error) => found_by(error).map_err(ControllerError::bucket(format!("read backup `{name}`"))),
    }
}

/// Returns which run an unreadable document is of: a damaged, half removed or missing one still
/// counts as ours.
fn found_by(error: BucketError) -> Result<RunInBucket, BucketError> {
    if error.is_of_no_run() { Ok(RunInBucket::Ours) } else { Err(error) }
}

fn compare(is_ours: Result<(), BucketError>) -> RunInBucket {
    match is_ours {
        Ok(()) => RunInBucket::Ours,
        Err(another) => RunInBucket::Another(Box::new(another)),
    }
}

/// Judges a removal: a run that is gone, whose name is taken, or that is another by now was removed
/// by somebody else, which is success.
fn gone(removed: Result<u64, BucketError>, doing: String) -> Result<u64, ControllerError> {
    match removed {
        Ok(objects) => Ok(objects),
        Err(error) if error.is_not_found() || error.is_name_taken() => Ok(0),
        Err(another @ BucketError::AnotherRun { .. }) => {
            tracing::warn!(
                "{doing}: this run is gone from the bucket, and the other one under its name is kept: {another}"
            );
            Ok(0)
        }
        Err(error) => Err(ControllerError::bucket(doing)(error)),
    }
}

/// Removes what a Backup that was never complete left in the bucket. If that fails, `gc` removes it
/// once its claim is dead.
async fn discard_leftovers(context: &Context, name: &BackupName, backup: &Backup) {
    let attempted = backup.status.as_ref().is_some_and(|status| status.attempt.is_some());
    let (true, Some(uid)) = (attempted, &backup.metadata.uid) else { return };
    let discard = async {
        let location = open(context, backup).await?;
        if location.read_only {
            return Ok(());
        }
        let claim = Claim::new(uid, &context.identity.uid, &context.settings.holder);
        // A claim of this run is taken over, and its parts go with it. Another's claim stays, and
        // so does a complete run.
        match location.bucket.claim_backup(name, &claim).await {
            Ok(attempt) => attempt.discard().await.map(|_| ()),
            Err(error) if error.is_name_taken() => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(ControllerError::bucket(format!("remove what is left of backup `{name}`")))
    };
    if let Err(error) = discard.await {
        let causes = crate::model::causes(&error);
        tracing::warn!(kind = "Backup", name = %name, "{causes}; what is left is removed a day later");
    }
}

/// Deletes this very object, never another one that has its name by now.
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
