//! What Backups and Restores have in common: one run of the engine each, admitted, followed, recorded, taken up again.
//!
//! `observed` (the location, and who has the name in the bucket) → the kind's own admission → `decide` (pure) → `act`: refuse, wait,
//! record what is in the bucket already, give up, or run; `follow` has an eye on the run, `record` alone writes the status.

mod act;
pub mod admission;
mod decide;
mod follow;
mod observe;
mod record;
mod run;

pub use run::{Job, Run, RunError, RunStatus, Stage, StatusUpdate, described};
use run::{QUEUED, WAIT, WAIT_ASKING, is_left_alone, keys_of};
use std::sync::Arc;

use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use act::refuse_unproven;
pub use observe::{LOCATION_MISSING, Site, look_up, open_site};
pub use run::{Name, ObservedRun};

use super::context::Context;
use super::error::ControllerError;
use super::watch::conditions::Obstacle;
use super::watch::drive::{drive, news_of};
use super::watch::watches::Watch;
use crate::api::{DELETION_REQUESTED, synced_from};
use act::act;

use decide::{RunStep, decide};

/// How many are looked at at once: of a long queue after a restart the first should run while the others wait, rather than all be
/// looked at before any runs.
const LOOKS: usize = 4;

/// Whose turn it is: to be looked at, which asks the bucket, and to run.
#[derive(Clone)]
struct Turns {
    looks: Arc<Semaphore>,
    runs: Arc<Semaphore>,
}

/// Reconciles all of one kind until the server stops, so many of them running at once.
pub async fn run<K: Run>(context: Arc<Context>, watched: Watch<K>, at_once: usize) {
    let turns = Turns { looks: Arc::new(Semaphore::new(LOOKS)), runs: Arc::new(Semaphore::new(at_once)) };
    drive(context, watched, news, move |object, context| reconcile(object, context, turns.clone())).await;
}

/// Progress is no news, nor why a run waits; a phase that another wrote is, and so are the annotations: they say that somebody
/// wants to be rid of it.
fn news<K: Run>(object: &K) -> Option<u64> {
    news_of(object, (object.state().phase, object.annotations()))
}

/// Waits for a turn; None when the server stops first.
async fn turn(context: &Context, turns: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        () = context.stop.cancelled() => None,
        turn = turns.acquire_owned() => turn.ok(),
    }
}

/// Waits for a turn to run, and says so, and with what it waits, where there is none now; None when the server stops first.
async fn queue<K: Run>(
    context: &Context,
    seen: &K,
    turns: Arc<Semaphore>,
    plan: K::Plan,
) -> Result<Option<OwnedSemaphorePermit>, ControllerError> {
    if let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
        return Ok(Some(turn));
    }
    let kinds = K::plural(&());
    let why =
        format!("as many {kinds} run as may at once (--concurrent-{kinds}); it begins when one has ended");
    act::wait(context, seen, Obstacle::new(QUEUED, why), Some(plan)).await?;
    Ok(turn(context, turns).await)
}

async fn reconcile<K: Run>(
    seen: Arc<K>,
    context: Arc<Context>,
    turns: Turns,
) -> Result<Action, ControllerError> {
    if let Some(action) = handle_deletion_request(&*seen, &context, &turns).await? {
        return Ok(action);
    }
    if is_left_alone(&*seen) {
        if has_no_source(&*seen, &context) {
            act::refuse_unproven(&context, seen.as_ref().clone()).await?;
        }
        return Ok(Action::await_change());
    }
    seen.introduce(&context).await?;
    let Some(look) = turn(&context, turns.looks).await else { return Ok(Action::await_change()) };
    let step = decide(&*seen, seen.observed(&context).await?);
    drop(look);
    let _turn = match step {
        RunStep::Wait(why, plan) => return act::wait(&context, &*seen, why, plan).await,
        RunStep::Run(job) => match queue(&context, &*seen, turns.runs, job.plan).await? {
            None => return Ok(Action::await_change()),
            turn => turn,
        },
        _ => None,
    };
    // What was seen may be old, and waiting for a turn takes its time.
    let doing = format!("read {}", described(&*seen));
    let fresh = ControllerError::within(doing, context.api::<K>().get_opt(&seen.name_any())).await?;
    match fresh {
        Some(fresh) if !is_left_alone(&fresh) => {
            let step = decide(&fresh, fresh.observed(&context).await?);
            act(&context, fresh, step).await
        }
        _ => Ok(Action::await_change()),
    }
}

/// What is asked for beside running it asks the bucket, too.
async fn handle_deletion_request<K: Run>(
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

/// Whether it says that it came out of a bucket and no location here has that one, which alone could prove it.
fn has_no_source<K: Run>(object: &K, context: &Context) -> bool {
    let is_unproven = object.state().stage == Stage::New && object.meta().deletion_timestamp.is_none();
    let Some(from) = synced_from(object.meta()).filter(|_| is_unproven) else { return false };
    context.locations.with_id(from).is_none()
}

#[cfg(test)]
mod tests;
