//! DeleteBackupRequests: remove everything of a backup from bucket and cluster.
//!
//! A request is refused with a reason, or it begins: the Backup is marked as Deleting, so that
//! nothing new begins with it; then everything is removed, the Backup's object last; then the
//! request is answered. After an interruption anywhere the next look at the request continues.
//! Under `--restore-only` requests are answered, too, with a refusal where a bucket would have to
//! be written (Velero leaves them lying). `ask` makes requests, `decide` is pure, `act` deletes,
//! `record` writes statuses. `restore` deletes Restores that a person wants to be rid of; others go
//! with their Backup.

mod act;
mod ask;
mod decide;
mod deletability;
mod record;
mod restore;
mod timing;

pub use ask::{DeletionReason, ask};
pub use deletability::{backup_of, is_removable};
pub use restore::{dismiss, is_removable as is_restore_removable, location_of};

use std::sync::Arc;

use chrono::Utc;
use kube::ResourceExt as _;
use kube::api::ListParams;
use kube::runtime::controller::Action;
use tokio::sync::Semaphore;

use super::context::Context;
use super::error::ControllerError;
use super::watch::drive::drive;
use super::watch::news::news_of;
use super::watch::watches::Watch;
use crate::api::{Backup, DeleteBackupRequest, DeletePhase};
use crate::bucket::BucketError;
use crate::model::lasting;
use decide::{Deletability, DeletionStep, ObservedDeletion};
use timing::{POSTPONED, SOON};

/// Number of Backups that are deleted at once: a removal is a handful of requests to the bucket.
const CONCURRENT: usize = 8;
/// Reconciles DeleteBackupRequests until the server stops.
pub async fn run(context: Arc<Context>, watched: Watch<DeleteBackupRequest>) {
    let phase = |request: &DeleteBackupRequest| {
        news_of(request, request.status.as_ref().and_then(|status| status.phase))
    };
    let turns = Arc::new(Semaphore::new(CONCURRENT));
    drive(context, watched, phase, move |request, context| {
        let turns = Arc::clone(&turns);
        async move {
            let _turn = turns.acquire_owned().await;
            // The next server continues what is broken off here, as after a crash.
            tokio::select! {
                biased;
                () = context.stop.cancelled() => Ok(Action::await_change()),
                done = reconcile(&request, &context) => match done {
                    Err(error) if error.is_conflict() => Ok(Action::requeue(SOON)),
                    done => done,
                },
            }
        }
    })
    .await;
}

/// Reconciles one request: reads the Backup and what else counts, decides (pure), executes the
/// step.
async fn reconcile(request: &DeleteBackupRequest, context: &Context) -> Result<Action, ControllerError> {
    let backup = load(request, context).await?;
    let restores =
        backup.as_ref().map(|backup| deletability::restores_of(context, backup)).unwrap_or_default();
    let observed = ObservedDeletion {
        backup: backup.as_ref(),
        place: backup.as_ref().map_or(Deletability::Usable, |backup| deletability::place_of(context, backup)),
        restoring: restores
            .iter()
            .find(|restore| deletability::is_reading(restore))
            .map(|restore| restore.name_any()),
        restore_only: context.settings.restore_only,
        removed: backup.is_none()
            && (removed_by_another(context, request).await? || act::is_gone(context, request).await),
    };
    let step = decide::decide(request, &observed, Utc::now());
    tracing::debug!(kind = "DeleteBackupRequest", name = request.name_any(), ?step, "decided");
    match (step, &backup) {
        (DeletionStep::Show(left), _) => return Ok(Action::requeue(left)),
        (DeletionStep::Forget, _) => record::forget(context, request).await?,
        (DeletionStep::Refuse(why), _) => record::refuse(context, request, backup.as_ref(), why).await?,
        (DeletionStep::Postpone(why), _) => {
            record::note(context, request, backup.as_ref(), why).await?;
            return Ok(Action::requeue(POSTPONED));
        }
        (DeletionStep::Begin, Some(backup)) => {
            let checked = act::check(context, backup).await;
            if settle(context, request, backup, checked).await? {
                record::begin(context, request, backup).await?;
            }
            return Ok(Action::requeue(SOON));
        }
        (DeletionStep::Work, Some(backup)) => {
            let removed = act::remove(context, backup).await;
            if settle(context, request, backup, removed).await? {
                let request = &record::removed(context, request).await?;
                let deleted = act::delete_object(&context.api::<Backup>(), backup).await;
                if settle(context, request, backup, deleted).await? {
                    record::finish(context, request, Some(backup)).await?;
                }
            }
        }
        (DeletionStep::Finish | DeletionStep::Begin | DeletionStep::Work, _) => {
            record::finish(context, request, None).await?;
        }
    }
    Ok(Action::await_change())
}

/// Returns the Backup as the API server has it now; `None` if it does not exist or the request is
/// answered, which needs none.
async fn load(request: &DeleteBackupRequest, context: &Context) -> Result<Option<Backup>, ControllerError> {
    if request.status.as_ref().and_then(|status| status.phase) == Some(DeletePhase::Processed) {
        return Ok(None);
    }
    let name = &request.spec.backup_name;
    let api = context.api::<Backup>();
    ControllerError::within(format!("read Backup `{name}`"), api.get_opt(name)).await
}

/// Returns true if another request for the same Backup has removed, since this one was made, all
/// that the bucket had: two that are worked on side by side have one end.
async fn removed_by_another(
    context: &Context,
    request: &DeleteBackupRequest,
) -> Result<bool, ControllerError> {
    let answered = request.status.as_ref().and_then(|status| status.phase) == Some(DeletePhase::Processed);
    if answered {
        return Ok(false);
    }
    let doing = format!("list who else deletes Backup `{}`", request.spec.backup_name);
    let requests = context.api::<DeleteBackupRequest>();
    let all = ControllerError::within(doing, requests.list(&ListParams::default())).await?;
    Ok(all.items.iter().any(|other| decide::has_removed(other, request)))
}

/// Returns true if an act succeeded. A failure is written into the request and tried again, unless
/// that would change nothing.
async fn settle(
    context: &Context,
    request: &DeleteBackupRequest,
    backup: &Backup,
    done: Result<(), ControllerError>,
) -> Result<bool, ControllerError> {
    match done {
        Ok(()) => Ok(true),
        Err(ControllerError::Bucket { source, .. })
            if matches!(
                source,
                BucketError::Foreign { .. }
                    | BucketError::NewerFormat { .. }
                    | BucketError::AnotherRun { .. }
            ) =>
        {
            record::refuse(context, request, Some(backup), lasting(&source)).await?;
            Ok(false)
        }
        // A reader is never disturbed. Before the deletion has begun it is refused; later it waits
        // for the reader's end.
        Err(ControllerError::Bucket { source: source @ BucketError::InUse { .. }, .. })
            if !decide::is_deleting(backup) =>
        {
            record::refuse(context, request, Some(backup), lasting(&source)).await?;
            Ok(false)
        }
        Err(error) if error.is_conflict() => Err(error),
        Err(error) => {
            record::trouble(context, request, backup, &error).await?;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::DeleteBackupRequestSpec;
    use crate::bucket::tests::{faulty_bucket, write_items};
    use crate::cluster::script::{answer, serve};
    use crate::controller::context::scripted;
    use crate::store::{Fault, Operation};
    use std::time::Duration;

    fn of_backup(backup: &str) -> (DeleteBackupRequest, Backup) {
        let spec = DeleteBackupRequestSpec { backup_name: backup.into() };
        let body = json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup", "metadata": {"name": backup}, "spec": {}});
        (DeleteBackupRequest::new("request", spec), serde_json::from_value(body).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_that_refuses_deletions_is_tried_for_a_minute_with_at_most_six_writes() {
        let (cluster, requests) = serve(|_, asked| answer(200, asked.body.clone()));
        let context = scripted(cluster);
        let (store, bucket) = faulty_bucket();
        let name = "nightly".parse().unwrap();
        write_items(&bucket, "nightly", None, Vec::new()).await;
        let before = store.count(Operation::Put);
        store.script_always(Operation::Delete, Fault::Forbidden);
        let (mut request, backup) = of_backup("nightly");
        record::begin(&context, &request, &backup).await.unwrap();
        let (began, mut tries) = (tokio::time::Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(60) {
            let removed = bucket.remove_backup(&name, None, "host/1").await.map(drop);
            let removed = removed.map_err(ControllerError::bucket("remove it"));
            assert!(settle(&context, &request, &backup, removed).await.is_err());
            // As the next look reads it.
            let of_request = |asked: &&crate::cluster::script::Asked| asked.uri.contains("/request/status");
            let written =
                requests.lock().unwrap().iter().rfind(of_request).map(|asked| asked.body.clone()).unwrap();
            request = serde_json::from_str(&written).unwrap();
            tries += 1;
            let pause = context.retries.failed("DeleteBackupRequest", "request", tokio::time::Instant::now());
            tokio::time::advance(pause).await;
        }
        let written = requests.lock().unwrap().iter().filter(|asked| asked.method == "PUT").count();
        let put = store.count(Operation::Put) - before;
        assert!(tries > 4, "{tries}");
        assert!(written + put <= 6, "{written} to the API server, {put} to the bucket");
    }

    #[tokio::test]
    async fn a_deletion_that_the_bucket_refuses_is_counted_as_failed_and_one_that_is_refused_for_good_is_not()
    {
        let (cluster, _) = serve(|_, asked| answer(200, asked.body.clone()));
        let context = scripted(cluster);
        let (request, backup) = of_backup("some");
        let counted = |outcome: &str| {
            let series = format!(r#"ark_backup_deletion_{outcome}_total{{schedule=""}}"#);
            context.metrics.exposition().unwrap().lines().any(|line| line == format!("{series} 1"))
        };
        record::refuse(&context, &request, Some(&backup), "it is being restored".into()).await.unwrap();
        assert!(counted("refusal") && !counted("failure"));
        let denied = ControllerError::Location { name: "default".into(), why: "403 AccessDenied".into() };
        assert!(settle(&context, &request, &backup, Err(denied)).await.is_err(), "it is tried again");
        assert!(counted("failure"));
    }

    #[tokio::test]
    async fn a_request_that_waits_notes_which_backup_it_means_and_holds_to_it() {
        let (cluster, asked) = serve(|_, asked| answer(200, asked.body.clone()));
        let context = scripted(cluster);
        let spec = DeleteBackupRequestSpec { backup_name: "some".into() };
        let mut request = DeleteBackupRequest::new("request", spec);
        let backup = |uid: &str| -> Backup {
            serde_json::from_value(json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup",
                "metadata": {"name": "some", "uid": uid}, "spec": {}}))
            .unwrap()
        };
        for (seen, uid) in ["first", "second"].into_iter().enumerate() {
            record::note(&context, &request, Some(&backup(uid)), format!("no answer at {seen}"))
                .await
                .unwrap();
            let body = asked.lock().unwrap().last().unwrap().body.clone();
            request = serde_json::from_str(&body).unwrap();
            assert_eq!(decide::meant(&request).map(String::as_str), Some("first"));
        }
    }
}
