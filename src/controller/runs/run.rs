//! A Backup or a Restore, as far as running it goes.

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

/// How soon a run whose location cannot be used looks again: it should begin soon after the location is back, and looking
/// costs no request while another has just looked.
pub const WAIT: Duration = Duration::from_secs(2);

/// The same where looking does cost a request, and what the bucket says of itself may be something else each time.
pub const WAIT_ASKING: Duration = Duration::from_secs(15);

/// Why a run does not begin that nothing else is in the way of.
pub const QUEUED: &str = "Queued";

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

/// What came out of a bucket is never run, whatever its phase says; what is over or going is done with.
pub fn is_left_alone<K: Run>(object: &K) -> bool {
    object.annotations().contains_key(SYNCED_FROM)
        || object.meta().deletion_timestamp.is_some()
        || object.state().stage == Stage::Over
}

/// Kind and name, for messages.
pub fn described<K: Run>(object: &K) -> String {
    format!("{} `{}`", K::kind(&()), object.name_any())
}

/// Where its keys are in a bucket.
///
/// # Errors
/// When no bucket would take its name; nor would the API server.
pub fn keys_of<K: Run>(object: &K) -> Result<RunKeys, BucketError> {
    let name = object.name_any();
    let unnameable =
        || BucketError::Unwritable { key: name.clone(), problem: "that is no name for a run".to_owned() };
    RunKeys::parse(K::KIND, &name).ok_or_else(unnameable)
}

/// What is known of a run.
#[derive(Debug)]
pub struct ObservedRun<K: Run> {
    /// Why it cannot be run, all at once.
    pub errors: Vec<String>,
    /// Why it cannot be run now.
    pub wait: Option<Obstacle>,
    /// How it is run; none while it cannot be.
    pub plan: Option<K::Plan>,
    /// Where it is run, or an earlier attempt left something of it; none while that cannot be opened.
    pub location: Option<OpenLocation>,
    /// Who has its name.
    pub name: Name<K>,
}

/// Who has a name in a bucket.
#[derive(Debug)]
pub enum Name<K> {
    /// Nobody who has committed it; of two that are making it, the claim decides.
    Free,
    /// This very run, which is complete.
    Own(Box<K>),
    /// Another; and what to do.
    Taken(String),
    /// It is not known yet, or what had it is about to go; and why.
    Pending(Obstacle),
}
