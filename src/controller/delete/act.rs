//! The deleting itself: restores first, then the backup in the bucket, last the object in the cluster.
//!
//! Each act can be done again, by anyone: what is gone already is gone. The names of runs can be used again, so that a
//! document is compared with what the cluster knows of it before it goes.

use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use super::decide::reached_bucket;
use super::place;
use crate::api::{Backup, Restore, is_stored, synced_from};
use crate::bucket::{Bucket, BucketError, Claim};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::locations::OpenLocation;
use crate::model::{BackupName, RestoreName};

/// What the bucket has under the name of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The run itself, or what is left of it.
    Ours,
    /// Another run: the name was free meanwhile, and was taken.
    Another,
}

/// Makes sure that a Backup can be deleted from its bucket, without changing anything.
///
/// # Errors
/// When the bucket cannot be reached, holds there what this version of Ark does not remove, or a restore reads it, in whichever
/// cluster.
pub async fn check(context: &Context, backup: &Backup) -> Result<(), ControllerError> {
    if let (true, Ok(name)) = (reached_bucket(backup), backup.name_any().parse()) {
        let location = open(context, backup).await?;
        look(&location.bucket, &name, backup).await?;
        let doing = ControllerError::bucket(format!("delete Backup `{name}`"));
        location.bucket.refuse_while_read(&name).await.map_err(doing)?;
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
    if look(&location.bucket, name, backup).await? == Found::Another {
        tracing::warn!(kind = "Backup", name = %name, location = location.name, "the bucket has another backup of this name, which is kept");
        return Ok(());
    }
    // Before the records of earlier restores go; the removal looks again under its claim.
    let doing = ControllerError::bucket(format!("delete Backup `{name}`"));
    location.bucket.refuse_while_read(name).await.map_err(doing)?;
    for restore in place::restores_of(context, backup) {
        delete_restore(context, location, &restore).await?;
    }
    // Here goes what lies outside the bucket, as volume snapshots will, while the backup still tells of it.
    let removed = location.bucket.remove_backup(name, &context.settings.holder).await;
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
        let found = match location.bucket.read_restore(&name).await {
            Ok(document) if place::backup_of(&document) == place::backup_of(restore) => Found::Ours,
            Ok(_) => Found::Another,
            Err(error) => found_by(error).map_err(ControllerError::bucket(doing()))?,
        };
        if found == Found::Ours {
            gone(location.bucket.remove_restore(&name, &context.settings.holder).await, doing())?;
        }
    }
    delete_object(&context.api::<Restore>(), restore).await
}

/// What the bucket has under the name of a Backup.
async fn look(bucket: &Bucket, name: &BackupName, backup: &Backup) -> Result<Found, ControllerError> {
    match bucket.read_backup(name).await {
        Ok(document) if is_same(&document, backup) => Ok(Found::Ours),
        Ok(_) => Ok(Found::Another),
        Err(error) => found_by(error).map_err(ControllerError::bucket(format!("read backup `{name}`"))),
    }
}

/// What it means for a deletion that a document cannot be read: one that is damaged, half removed or gone is still ours.
fn found_by(error: BucketError) -> Result<Found, BucketError> {
    match error {
        BucketError::NotFound { .. }
        | BucketError::Incomplete { .. }
        | BucketError::Corrupt { .. }
        | BucketError::Document { .. } => Ok(Found::Ours),
        error if error.is_not_found() => Ok(Found::Ours),
        other => Err(other),
    }
}

/// Whether a document is that of the Backup: of the same object, or, in another cluster, of the same run.
fn is_same(document: &Backup, backup: &Backup) -> bool {
    let run = |backup: &Backup| {
        backup.status.as_ref().map(|status| {
            let cluster = status.cluster.as_ref().map(|cluster| cluster.uid.clone());
            (status.start_timestamp, status.completion_timestamp, cluster)
        })
    };
    let same_object = document.metadata.uid.is_some() && document.metadata.uid == backup.metadata.uid;
    same_object || run(document) == run(backup)
}

/// What a removal means: a run that is gone already was removed by another, and one whose name is taken was too.
fn gone(removed: Result<u64, BucketError>, doing: String) -> Result<u64, ControllerError> {
    match removed {
        Ok(objects) => Ok(objects),
        Err(error) if error.is_not_found() || error.is_name_taken() => Ok(0),
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
    use crate::api::{BackupPhase, BackupSpec, BackupStatus, ClusterReference};

    fn run(uid: &str, end: &str, cluster: &str) -> Backup {
        let mut backup = Backup::new("nightly", BackupSpec::default());
        backup.metadata.uid = Some(uid.into());
        let cluster = Some(ClusterReference { uid: cluster.into(), version: "v1".into() });
        let end = format!("2026-11-21T{end}Z").parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        backup.status =
            Some(BackupStatus { completion_timestamp: Some(end.into()), cluster, ..Default::default() });
        backup
    }

    #[test]
    fn a_document_is_compared_with_what_the_cluster_knows_before_it_goes() {
        let document = run("there", "03:00:00", "a");
        let mut synced = run("here", "03:00:00", "a");
        synced.status.as_mut().unwrap().phase = Some(BackupPhase::Deleting);
        assert!(is_same(&document, &synced));
        assert!(!is_same(&run("there", "04:00:00", "a"), &synced), "the name was used again");
        assert!(!is_same(&run("there", "03:00:00", "b"), &synced));
        assert!(is_same(&run("here", "04:00:00", "a"), &synced), "the same object");
    }

    #[test]
    fn a_run_that_is_gone_or_whose_name_is_taken_needs_no_removal() {
        let not_found = BucketError::NotFound {
            kind: crate::bucket::RunKind::Backup,
            name: "nightly".into(),
            location: "s3://bucket".into(),
        };
        assert_eq!(found_by(not_found).unwrap(), Found::Ours);
        let foreign = BucketError::Foreign {
            name: "nightly".into(),
            location: "s3://bucket".into(),
            writer: crate::bucket::Writer::Velero,
        };
        assert!(found_by(foreign).is_err());
        assert_eq!(gone(Ok(3), String::new()).unwrap(), 3);
    }
}
