//! The fields of a Backup or Restore that the reconciler of runs reads, and the changes of its
//! status. Pure.

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::reflector::Store;
use kube::{Resource, ResourceExt as _};
use serde_json::Value;

use crate::api::{DELETION_REQUESTED, Origin, SYNCED_FROM, Timestamp};
use crate::bucket::{BucketError, RunDocument, RunKeys};
use crate::controller::buckets::OpenLocation;
use crate::controller::context::Context;
use crate::controller::watch::watches::Caches;
use crate::model::ProgressSnapshot;
use crate::telemetry::{Metrics, RunFigures, RunMetrics};

/// A Backup or a Restore, as the reconciler of runs reads and changes it in memory. All methods are
/// pure; those with a context read only its caches.
pub trait RunResource:
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

    /// Returns stage, phase and attempts from the status.
    fn state(&self) -> RunStatus;

    /// Returns when the run began, or else when the object was created.
    fn begun(&self) -> Option<DateTime<Utc>>;

    /// Returns the conditions of the status.
    fn conditions(&self) -> &[Condition];

    /// Returns the reason of a failure, or `None` if the status has none.
    fn failure(&self) -> Option<&str>;

    /// Returns the counts of a run that is over; times are those of its status.
    fn figures(&self) -> RunFigures;

    /// Returns what admission has settled about metadata and spec, as a merge patch; written before
    /// the run begins.
    fn settled(&self, plan: &Self::Plan, location: &OpenLocation) -> Value;

    /// Applies a change to the status in memory.
    fn change(&mut self, change: &StatusUpdate<Self>);
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
pub enum StatusUpdate<K: RunResource> {
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

/// Returns true if the object is never run: it came out of a bucket (whatever its phase), is being
/// deleted, or is over.
pub fn is_left_alone<K: RunResource>(object: &K) -> bool {
    object.annotations().contains_key(SYNCED_FROM)
        || object.meta().deletion_timestamp.is_some()
        || object.state().stage == Stage::Over
}

/// Returns true if nothing but another phase or a request for its deletion gives the reconciler
/// anything to do with the object: it is over, or being deleted.
pub fn is_settled<K: RunResource>(object: &K) -> bool {
    let is_ended = object.state().stage == Stage::Over || object.meta().deletion_timestamp.is_some();
    is_ended && !object.annotations().contains_key(DELETION_REQUESTED)
}

/// Returns kind and name, for messages.
pub fn described<K: RunResource>(object: &K) -> String {
    format!("{} `{}`", K::kind(&()), object.name_any())
}

/// Returns the keys of the run in a bucket.
///
/// # Errors
/// If the name is not valid in a bucket. The API server would not take such a name either.
pub fn keys_of<K: RunResource>(object: &K) -> Result<RunKeys, BucketError> {
    let name = object.name_any();
    let unnameable =
        || BucketError::Unwritable { key: name.clone(), source: "this is not a name of a run".into() };
    RunKeys::parse(K::KIND, &name).ok_or_else(unnameable)
}
