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

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::controller::Action;
use kube::runtime::reflector::Store;
use kube::{Resource, ResourceExt as _};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub use act::refuse_unproven;
pub use observe::{LOCATION_MISSING, Name, ObservedRun, Site, look_up, open_site};

use super::buckets::OpenLocation;
use super::context::Context;
use super::error::ControllerError;
use super::watch::conditions::Obstacle;
use super::watch::drive::{drive, news_of};
use super::watch::watches::{Caches, Watch};
use crate::api::{DELETION_REQUESTED, Origin, SYNCED_FROM, Timestamp, synced_from};
use crate::bucket::{BucketError, RunDocument, RunKeys};
use crate::model::{Progress, ProgressSnapshot};
use crate::telemetry::{Metrics, RunFigures, RunMetrics};
use act::act;
use decide::{RunStep, decide};

/// How soon a run whose location cannot be used looks again: it should begin soon after the location is back, and looking
/// costs no request while another has just looked.
const WAIT: Duration = Duration::from_secs(2);

/// The same where looking does cost a request, and what the bucket says of itself may be something else each time.
const WAIT_ASKING: Duration = Duration::from_secs(15);

/// Why a run does not begin that nothing else is in the way of.
const QUEUED: &str = "Queued";

/// How many are looked at at once: of a long queue after a restart the first should run while the others wait, rather than all be
/// looked at before any runs.
const LOOKS: usize = 4;

/// A Backup or a Restore, as far as running it goes.
pub trait Run:
    RunDocument + Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + PartialEq + Debug + 'static
{
    /// What admission finds out that the run needs.
    type Plan: Clone + Debug + Send + Sync;

    /// Those that the cluster has.
    fn store(caches: &Caches) -> &Store<Self>;

    /// What is counted of them.
    fn metrics(metrics: &Metrics) -> &RunMetrics;

    /// The Schedule it belongs to, as a label of metrics; empty when a person asked for it, or it is not there.
    fn schedule(&self, context: &Context) -> String;

    /// Whether a Schedule made it or is meant by it.
    fn is_scheduled(&self) -> bool;

    /// Makes sure, before it begins, that its status says who made it.
    fn introduce(&self, context: &Context) -> impl Future<Output = Result<(), ControllerError>> + Send;

    /// How far it is.
    fn state(&self) -> RunStatus;

    /// When it began, or else was created.
    fn begun(&self) -> Option<DateTime<Utc>>;

    /// The conditions in its status.
    fn conditions(&self) -> &[Condition];

    /// What is known before anything is done; writes nothing.
    fn observed(
        &self,
        context: &Context,
    ) -> impl Future<Output = Result<ObservedRun<Self>, ControllerError>> + Send;

    /// What admission has settled about metadata and spec, as a merge patch; it is written while it may still be.
    fn settled(&self, plan: &Self::Plan, location: &OpenLocation) -> Value;

    /// Changes the status.
    fn change(&mut self, change: &StatusUpdate<Self>);

    /// A last look, once others can see that it runs: why it must not, after all.
    fn recheck(
        &self,
        context: &Context,
        plan: &Self::Plan,
    ) -> impl Future<Output = Result<Option<String>, ControllerError>> + Send;

    /// Runs the engine; it returns the document of the run.
    fn engine(
        &self,
        context: &Context,
        job: &Job<Self>,
        progress: &Progress,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<Self, RunError>> + Send;

    /// Does what somebody asked for beside running it; None when nobody has.
    fn handle_deletion_request(
        &self,
        context: &Context,
    ) -> impl Future<Output = Result<Option<Action>, ControllerError>> + Send;

    /// Why it came to nothing, where its status says so.
    fn failure(&self) -> Option<&str>;

    /// What it came to, once it is over; times are those of its status.
    fn figures(&self) -> RunFigures;
}

/// A run that may begin.
#[derive(Clone, Debug)]
pub struct Job<K: Run> {
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// What admission found out.
    pub plan: K::Plan,
    /// Where the bucket is that it reads or writes.
    pub location: OpenLocation,
}

/// How far a Backup or Restore is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunStatus {
    /// Not begun, begun, or over.
    pub stage: Stage,
    /// Its phase, in the API server's spelling.
    pub phase: String,
    /// Which attempt it is or was; 0 before the first.
    pub attempt: u32,
    /// Attempts that ended in good order with their server, and count for nothing.
    pub resumed: u32,
    /// Who is at it.
    pub holder: Option<String>,
}

/// What a phase means to whoever runs things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// It has not begun.
    #[default]
    New,
    /// It has begun and not ended.
    Begun,
    /// Nothing more is to be done.
    Over,
}

/// A change of a status.
#[derive(Clone, Debug)]
pub enum StatusUpdate<K: Run> {
    /// It cannot begin yet; the condition says why. What admission found out is noted, where that is what is waited with.
    Wait(Condition, Option<K::Plan>),
    /// It begins.
    Begin {
        /// Which attempt it is.
        attempt: u32,
        /// Who is at it.
        holder: String,
        /// When it begins.
        at: Timestamp,
        /// What admission found out.
        plan: K::Plan,
        /// Which run it is, and where; the Schedule that is noted already stays.
        origin: Origin,
    },
    /// It is as far as this.
    Progress(ProgressSnapshot),
    /// It cannot be run, for all these reasons; a condition, where there is one alone that has a name.
    Refuse(Vec<String>, Option<Condition>),
    /// It came to nothing, because of this, at that time.
    Fail(String, Timestamp),
    /// It was stopped in good order, and begins anew, or goes on, with the next server.
    Reset,
    /// It is over; the document says what it came to, the condition whether the bucket has it.
    Done(Box<K>, Condition),
}

/// Why the engine came to no document.
#[derive(Debug)]
pub enum RunError {
    /// It never began.
    Refused(Vec<String>),
    /// It never began, because another run has its name in the bucket.
    NameTaken(String),
    /// It was stopped; whether in good order.
    Stopped {
        /// Whether the next server can go on as if it had not begun, or, of a Restore, where it was.
        clean: bool,
    },
    /// Its claim is another's by now.
    Lost(BucketError),
    /// It failed; whether something of it is left in the bucket.
    Failed {
        /// What happened.
        why: String,
        /// Whether there may be parts.
        left: bool,
    },
}

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

/// What came out of a bucket is never run, whatever its phase says; what is over or going is done with.
fn is_left_alone<K: Run>(object: &K) -> bool {
    object.annotations().contains_key(SYNCED_FROM)
        || object.meta().deletion_timestamp.is_some()
        || object.state().stage == Stage::Over
}

/// Whether it says that it came out of a bucket and no location here has that one, which alone could prove it.
fn has_no_source<K: Run>(object: &K, context: &Context) -> bool {
    let is_unproven = object.state().stage == Stage::New && object.meta().deletion_timestamp.is_none();
    let Some(from) = synced_from(object.meta()).filter(|_| is_unproven) else { return false };
    context.locations.with_id(from).is_none()
}

/// Kind and name, for messages.
pub fn described<K: Run>(object: &K) -> String {
    format!("{} `{}`", K::kind(&()), object.name_any())
}

/// Where its keys are in a bucket.
///
/// # Errors
/// When no bucket would take its name; nor would the API server.
fn keys_of<K: Run>(object: &K) -> Result<RunKeys, BucketError> {
    let name = object.name_any();
    let unnameable =
        || BucketError::Unwritable { key: name.clone(), problem: "that is no name for a run".to_owned() };
    RunKeys::parse(K::KIND, &name).ok_or_else(unnameable)
}

#[cfg(test)]
mod tests;
