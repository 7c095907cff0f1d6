//! DeleteBackupRequests: what the bucket and the cluster have of a backup goes.
//!
//! A request is refused with the reason, or it is begun: the Backup is marked as Deleting, so that nothing new begins with
//! it, then everything is removed, the Backup's object last, and the request is answered. Interrupted anywhere, the next look
//! at the request goes on. Under `--restore-only` people's requests are answered too, with a refusal where a bucket would
//! have to be written (Velero leaves them lying). `ask` makes requests, `decide` decides about them, `act` deletes. Restores are
//! deleted with their Backup, or by themselves where a person asks for it: `restore`.

mod act;
mod ask;
mod decide;
mod place;
mod record;
mod restore;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::StreamExt as _;
use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use kube::runtime::{PredicateConfig, WatchStreamExt as _};
use tokio::sync::Semaphore;

use super::context::Context;
use super::error::ControllerError;
use super::retry::drive;
use super::stores::Feed;
use crate::api::{Backup, DeleteBackupRequest, DeletePhase};
use crate::bucket::BucketError;
use crate::model::causes;
use decide::{Facts, Place, Step};

pub use ask::{Reason, ask};
pub use place::{backup_of, is_removable};
pub use restore::{dismiss, is_removable as is_restore_removable, location_of};

/// Backups that are deleted at once: a removal is a handful of requests to the bucket.
const CONCURRENT: usize = 8;
/// Until a deletion that stands back is tried again.
const POSTPONED: Duration = Duration::from_secs(15);
/// Until the next look at what was changed just now, by this server or by another.
const SOON: Duration = Duration::from_millis(100);

/// Reconciles until the server stops.
pub async fn run(context: Arc<Context>, feed: Feed<DeleteBackupRequest>) {
    let Feed { changes, store } = feed;
    // Errors that are noted on the way are no news.
    let phase = |request: &DeleteBackupRequest| {
        let phase = request.status.as_ref().and_then(|status| status.phase).unwrap_or_default();
        Some(phase as u64)
    };
    let changes = changes.predicate_filter(phase, PredicateConfig::default()).boxed();
    let turns = Arc::new(Semaphore::new(CONCURRENT));
    drive(context, Feed { changes, store }, move |request, context| {
        let turns = Arc::clone(&turns);
        async move {
            let _turn = turns.acquire_owned().await;
            // What is broken off here goes on with the next server, as after a crash.
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

async fn reconcile(request: &DeleteBackupRequest, context: &Context) -> Result<Action, ControllerError> {
    let backup = load(request, context).await?;
    let restores = backup.as_ref().map(|backup| place::restores_of(context, backup)).unwrap_or_default();
    let facts = Facts {
        backup: backup.as_ref(),
        place: backup.as_ref().map_or(Place::Usable, |backup| place::place_of(context, backup)),
        restoring: restores
            .iter()
            .find(|restore| place::is_reading(restore))
            .map(|restore| restore.name_any()),
        restore_only: context.settings.restore_only,
    };
    let step = decide::decide(request, &facts, Utc::now());
    tracing::debug!(kind = "DeleteBackupRequest", name = request.name_any(), ?step, "decided");
    match (step, &backup) {
        (Step::Show(left), _) => return Ok(Action::requeue(left)),
        (Step::Forget, _) => record::forget(context, request).await?,
        (Step::Refuse(why), _) => record::refuse(context, request, backup.as_ref(), why).await?,
        (Step::Postpone(why), _) => {
            record::note(context, request, why).await?;
            return Ok(Action::requeue(POSTPONED));
        }
        (Step::Begin, Some(backup)) => {
            let checked = act::check(context, backup).await;
            if settle(context, request, backup, checked).await? {
                record::begin(context, request, backup).await?;
            }
            return Ok(Action::requeue(SOON));
        }
        (Step::Work, Some(backup)) => {
            let deleted = act::delete(context, backup).await;
            if settle(context, request, backup, deleted).await? {
                record::finish(context, request, Some(backup)).await?;
            }
        }
        (Step::Finish | Step::Begin | Step::Work, _) => record::finish(context, request, None).await?,
    }
    Ok(Action::await_change())
}

/// The Backup as the API server has it now; an answered request needs none.
async fn load(request: &DeleteBackupRequest, context: &Context) -> Result<Option<Backup>, ControllerError> {
    if request.status.as_ref().and_then(|status| status.phase) == Some(DeletePhase::Processed) {
        return Ok(None);
    }
    let name = &request.spec.backup_name;
    let api = context.api::<Backup>();
    ControllerError::within(format!("read Backup `{name}`"), api.get_opt(name)).await
}

/// Whether an act succeeded. If not, the request says why, and it is tried again unless that would change nothing.
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
            record::refuse(context, request, Some(backup), causes(&source)).await?;
            Ok(false)
        }
        Err(error) if error.is_conflict() => Err(error),
        Err(error) => {
            record::note(context, request, causes(&error)).await?;
            Err(error)
        }
    }
}
