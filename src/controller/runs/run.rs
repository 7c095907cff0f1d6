//! The trait of Backups and Restores that the reconciler of runs works with, and its vocabulary.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::controller::Action;
use kube::runtime::reflector::Store;
use kube::{Resource, ResourceExt as _};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::api::{Origin, SYNCED_FROM, Timestamp};
use crate::bucket::{BucketError, RunDocument, RunKeys};
use crate::controller::buckets::OpenLocation;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::watch::conditions::Obstacle;
use crate::controller::watch::watches::Caches;
use crate::model::{Progress, ProgressSnapshot};
use crate::telemetry::{Metrics, RunFigures, RunMetrics};

/// Pause before a waiting run is examined again if that costs no request: it should begin soon
/// after its location is back, and failures of a location are shared.
pub const WAIT: Duration = Duration::from_secs(2);

/// Pause where each look asks the bucket, whose message may differ each time.
pub const WAIT_ASKING: Duration = Duration::from_secs(15);

/// Reason of a wait: nothing but the number of runs at a time is in the way.
pub const QUEUED: &str = "Queued";

/// A Backup or a Restore, as the reconciler of runs sees it.
pub trait Run:
    RunDocument + Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + PartialEq + Debug + 'static
{
    /// The result of admission that a run needs.
    type Plan: Clone + Debug + Send + Sync;

    /// Returns the cache of this kind.
    fn store(caches: &Caches) -> &Store<Self>;

    /// Returns the metrics of this kind.
    fn metrics(metrics: &Metrics) -> &RunMetrics;

    /// Returns the name of its Schedule as a label of metrics; empty if it has none, or that
    /// Schedule does not exist.
    fn schedule(&self, context: &Context) -> String;

    /// Returns true if a Schedule made this Backup, or this Restore names one.
    fn is_scheduled(&self) -> bool;

    /// Writes into the status which Schedule made this object, if one did and the status does not
    /// say so yet. Called before the run begins.
    fn introduce(&self, context: &Context) -> impl Future<Output = Result<(), ControllerError>> + Send;

    /// Returns stage, phase and attempts from the status.
    fn state(&self) -> RunStatus;

    /// Returns when the run began, or else when the object was created.
    fn begun(&self) -> Option<DateTime<Utc>>;

    /// Returns the conditions of the status.
    fn conditions(&self) -> &[Condition];

    /// Reads what a decision needs. Writes nothing.
    fn observed(
        &self,
        context: &Context,
    ) -> impl Future<Output = Result<ObservedRun<Self>, ControllerError>> + Send;

    /// Returns what admission has settled about metadata and spec, as a merge patch; written before
    /// the run begins.
    fn settled(&self, plan: &Self::Plan, location: &OpenLocation) -> Value;

    /// Applies a change to the status in memory.
    fn change(&mut self, change: &StatusUpdate<Self>);

    /// Checks once more, after others can see that the run has begun. Returns why it must not go
    /// on, or `None`.
    fn recheck(
        &self,
        context: &Context,
        plan: &Self::Plan,
    ) -> impl Future<Output = Result<Option<String>, ControllerError>> + Send;

    /// Runs the engine and returns the document of the run.
    fn engine(
        &self,
        context: &Context,
        job: &Job<Self>,
        progress: &Progress,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<Self, RunError>> + Send;

    /// Handles a deletion request (annotation `deletion-requested`); `None` if there is none.
    fn handle_deletion_request(
        &self,
        context: &Context,
    ) -> impl Future<Output = Result<Option<Action>, ControllerError>> + Send;

    /// Returns the reason of a failure, or `None` if the status has none.
    fn failure(&self) -> Option<&str>;

    /// Returns the counts of a run that is over; times are those of its status.
    fn figures(&self) -> RunFigures;
}

/// A run that may begin.
#[derive(Clone, Debug)]
pub struct Job<K: Run> {
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// The result of admission.
    pub plan: K::Plan,
    /// The location that the run reads or writes.
    pub location: OpenLocation,
}

/// Stage, phase and attempts of a Backup or Restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunStatus {
    /// Not begun, begun, or over.
    pub stage: Stage,
    /// The phase in the API server's spelling.
    pub phase: String,
    /// Number of the present or last attempt; 0 before the first.
    pub attempt: u32,
    /// Number of attempts that ended in good order with their server; they do not count against the
    /// limit.
    pub resumed: u32,
    /// The server that makes the attempt; `None` before the first.
    pub holder: Option<String>,
}

/// Meaning of a phase for the reconciler of runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// The run has not begun.
    #[default]
    New,
    /// The run has begun and not ended.
    Begun,
    /// The run is over.
    Over,
}

/// A change of a status.
#[derive(Clone, Debug)]
pub enum StatusUpdate<K: Run> {
    /// The run cannot begin yet: the condition, and the result of admission if the run waits with
    /// one.
    Wait(Condition, Option<K::Plan>),
    /// The run begins.
    Begin {
        /// Number of the attempt.
        attempt: u32,
        /// The server that makes the attempt.
        holder: String,
        /// When the attempt begins.
        at: Timestamp,
        /// The result of admission.
        plan: K::Plan,
        /// Identity of the run, and its location; a Schedule that the status names already stays.
        origin: Origin,
    },
    /// Progress of the run.
    Progress(ProgressSnapshot),
    /// The run is refused, for all these reasons; with a condition if there is a single reason that
    /// has a name.
    Refuse(Vec<String>, Option<Condition>),
    /// The run failed, with the reason and the time.
    Fail(String, Timestamp),
    /// The run was stopped in good order. The next server begins it anew (Backup) or goes on
    /// (Restore).
    Reset,
    /// The run is over: its document, and the condition that says whether the bucket has it.
    Done(Box<K>, Condition),
}

/// Reason why the engine returned no document.
#[derive(Debug)]
pub enum RunError {
    /// The run never began, for these reasons.
    Refused(Vec<String>),
    /// The run never began, because another run has its name in the bucket.
    NameTaken(String),
    /// The run was stopped.
    Stopped {
        /// Whether the next server can begin as if this attempt had not been (Backup), or go on
        /// where it was (Restore).
        clean: bool,
    },
    /// The claim belongs to another by now.
    Lost(BucketError),
    /// The run failed.
    Failed {
        /// The reason.
        why: String,
        /// Whether parts of it may be left in the bucket.
        left: bool,
    },
}

/// Returns true if the object is never run: it came out of a bucket (whatever its phase), is being
/// deleted, or is over.
pub fn is_left_alone<K: Run>(object: &K) -> bool {
    object.annotations().contains_key(SYNCED_FROM)
        || object.meta().deletion_timestamp.is_some()
        || object.state().stage == Stage::Over
}

/// Returns kind and name, for messages.
pub fn described<K: Run>(object: &K) -> String {
    format!("{} `{}`", K::kind(&()), object.name_any())
}

/// Returns the keys of the run in a bucket.
///
/// # Errors
/// If the name is not valid in a bucket. The API server would not take such a name either.
pub fn keys_of<K: Run>(object: &K) -> Result<RunKeys, BucketError> {
    let name = object.name_any();
    let unnameable =
        || BucketError::Unwritable { key: name.clone(), source: "this is not a name of a run".into() };
    RunKeys::parse(K::KIND, &name).ok_or_else(unnameable)
}

/// Facts about a run, read before anything is done.
#[derive(Debug)]
pub struct ObservedRun<K: Run> {
    /// All reasons to refuse.
    pub errors: Vec<String>,
    /// Reason to wait.
    pub wait: Option<Obstacle>,
    /// The result of admission; `None` if the run cannot begin.
    pub plan: Option<K::Plan>,
    /// The location of the run or of what an earlier attempt left; `None` if it cannot be opened.
    pub location: Option<OpenLocation>,
    /// The run that has the name in the bucket.
    pub name: Name<K>,
}

/// Which run has a name in a bucket.
#[derive(Debug)]
pub enum Name<K> {
    /// No run has committed it. Of two that are being made, the claim decides.
    Free,
    /// This very run, which is complete; its document.
    Own(Box<K>),
    /// Another run; the reason, and what to do.
    Taken(String),
    /// Unknown yet, or the earlier run of the name is being removed; the reason.
    Pending(Obstacle),
}
