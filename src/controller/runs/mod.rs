//! The reconciler of Backups and Restores: admits, runs and records one run of the engine, and
//! takes an interrupted one up again.
//!
//! Two traits say how a Backup differs from a Restore: `resource` what is read of the object
//! (pure), `runnable` the steps that ask the cluster and the bucket, up to the engine.
//!
//! `observe` reads (location, name in the bucket), the kind adds its admission, `decide` (pure)
//! returns the next step, `act` executes it: refuse, wait, record what the bucket has already, give
//! up, or run. `follow` watches a run, and `record` alone writes the status.

mod act;
pub mod admission;
mod decide;
mod follow;
mod observe;
mod record;
mod resource;
mod runnable;

pub use act::refuse_unproven;
pub use observe::{LOCATION_MISSING, Site, observe_name, open_site};
pub use resource::{RunResource, RunStatus, Stage, StatusUpdate, described};
pub use runnable::{Job, Name, ObservedRun, RunError, Runnable};

use std::sync::Arc;

use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::context::Context;
use super::error::ControllerError;
use super::watch::conditions::Obstacle;
use super::watch::drive::drive;
use super::watch::news::news_of;
use super::watch::watches::Watch;
use crate::api::{DELETION_REQUESTED, synced_from};
use act::{QUEUED, act};
use decide::{RunStep, decide};
use observe::read_again;
use resource::{is_left_alone, is_settled};

/// Number of objects that are examined at once. After a restart with a long queue the first run
/// should begin while the others wait, instead of after all have been examined.
const LOOKS: usize = 4;

/// Permits: to examine an object, which asks the bucket, and to run.
#[derive(Clone)]
struct Turns {
    looks: Arc<Semaphore>,
    runs: Arc<Semaphore>,
}

/// Reconciles all objects of one kind until the server stops; at most `at_once` of them run at a
/// time.
pub async fn run<K: Runnable>(context: Arc<Context>, watched: Watch<K>, at_once: usize) {
    let turns = Turns { looks: Arc::new(Semaphore::new(LOOKS)), runs: Arc::new(Semaphore::new(at_once)) };
    drive(context, watched, news, move |object, context| reconcile(object, context, turns.clone())).await;
}

/// Returns what wakes the reconciler besides a new generation: the phase, if another wrote it, and
/// the annotations, which request a deletion. Progress and the reason of a wait do not wake it, nor
/// does anything while the object is settled: a server that starts beside thousands of them would
/// look at all at once.
fn news<K: RunResource>(object: &K) -> Option<u64> {
    if is_settled(object) {
        return None;
    }
    news_of(object, (object.state().phase, object.annotations()))
}

/// Waits for a permit; `None` if the server stops first.
async fn turn(context: &Context, turns: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        () = context.stop.cancelled() => None,
        turn = turns.acquire_owned() => turn.ok(),
    }
}

/// Waits for a permit to run. If none is free now, writes the condition `Waiting` and the plan
/// first. Returns `None` if the server stops before.
async fn queue<K: RunResource>(
    context: &Context,
    seen: &K,
    turns: Arc<Semaphore>,
    plan: K::Plan,
) -> Result<Option<OwnedSemaphorePermit>, ControllerError> {
    if let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
        return Ok(Some(turn));
    }
    let kinds = K::plural(&());
    let why = format!(
        "as many {kinds} run as may at once (--concurrent-{kinds}); this one begins when another has ended"
    );
    act::wait(context, seen, Obstacle::new(QUEUED, why), Some(plan)).await?;
    Ok(turn(context, turns).await)
}

/// Reconciles one Backup or Restore.
///
/// # Flow
/// 1. A deletion request (annotation) is handled and ends the look: reading, writing. Restores
///    only.
/// 2. An object that is synced, over or being deleted is left alone: pure. A copy of a synced
///    object whose source bucket is no location here is refused: writing.
/// 3. `mark_with_schedule`: a Backup with a Schedule's token is marked with that Schedule: reading,
///    writing.
/// 4. `observe`: location, admission, and the run that has the name in the bucket: reading. At
///    most [`LOOKS`] objects at a time.
/// 5. `decide`: pure.
/// 6. A step that waits writes its condition and ends the look; a step that runs waits for a
///    permit, and writes the condition `Waiting` if none is free: writing.
/// 7. The object is read again: reading. Steps 2 (only whether it is left alone), 4 and 5 are
///    repeated, since waiting takes time.
/// 8. `act` executes the step: writing.
///
/// # Guarantees
/// - The bucket decides whether a run is complete: one whose document is there is recorded, never
///   run again.
/// - A run is started at most [`decide::ATTEMPTS`] times, not counting attempts that a server ended
///   in good order.
///
/// # Assumptions
/// - Only the holder of the lease reconciles, and the controller runs one look per object at a
///   time.
/// - The caches are filled (`watch::drive`).
///
/// # Caveats
/// - A location that cannot be used delays a run and does not fail it (a missing location: see
///   `backup::admit`).
/// - A document with the object's uid counts as this run's; its cluster must match if the document
///   names one.
async fn reconcile<K: Runnable>(
    seen: Arc<K>,
    context: Arc<Context>,
    turns: Turns,
) -> Result<Action, ControllerError> {
    // 1. A deletion request: reading and writing.
    if let Some(action) = handle_deletion_request(&*seen, &context, &turns).await? {
        return Ok(action);
    }
    // 2. What is left alone: pure. The refusal of a copy: writing.
    if is_left_alone(&*seen) {
        if has_no_source(&*seen, &context) {
            act::refuse_unproven(&context, seen.as_ref().clone()).await?;
        }
        return Ok(Action::await_change());
    }
    // 3. The mark of a Schedule: reading and writing.
    seen.mark_with_schedule(&context).await?;
    // 4. Location, admission and name: reading.
    let Some(look) = turn(&context, turns.looks).await else { return Ok(Action::await_change()) };
    let observed = seen.observe(&context).await?;
    drop(look);
    // 5. The decision: pure.
    let step = decide(&*seen, observed);
    // 6. The wait, for a reason or for a permit: writing.
    let _turn = match step {
        RunStep::Wait(why, plan) => return act::wait(&context, &*seen, why, plan).await,
        RunStep::Run(job) => match queue(&context, &*seen, turns.runs, job.plan).await? {
            None => return Ok(Action::await_change()),
            turn => turn,
        },
        _ => None,
    };
    // 7. Steps 2, 4 and 5 once more, since waiting takes time: reading.
    let Some(fresh) = read_again(&context, &*seen).await? else { return Ok(Action::await_change()) };
    let observed = fresh.observe(&context).await?;
    let step = decide(&fresh, observed);
    // 8. The step itself: writing.
    act(&context, fresh, step).await
}

/// Handles a deletion request (annotation `deletion-requested`), within a permit, since that asks
/// the bucket. Returns `None` if there is none to handle.
async fn handle_deletion_request<K: Runnable>(
    seen: &K,
    context: &Context,
    turns: &Turns,
) -> Result<Option<Action>, ControllerError> {
    if !seen.annotations().contains_key(DELETION_REQUESTED) {
        return Ok(None);
    }
    let Some(_look) = turn(context, Arc::clone(&turns.looks)).await else {
        return Ok(Some(Action::await_change()));
    };
    seen.handle_deletion_request(context).await
}

/// Returns true if an object that has not begun claims to come from a bucket that no location here
/// has; only that location could prove it.
fn has_no_source<K: RunResource>(object: &K, context: &Context) -> bool {
    let is_unproven = object.state().stage == Stage::New && object.meta().deletion_timestamp.is_none();
    let Some(from) = synced_from(object.meta()).filter(|_| is_unproven) else { return false };
    context.locations.with_id(from).is_none()
}

#[cfg(test)]
mod tests;
