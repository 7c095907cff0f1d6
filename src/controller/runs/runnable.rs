//! The steps of a run that differ between Backups and Restores, with what they read and return.

use kube::runtime::controller::Action;
use tokio_util::sync::CancellationToken;

use super::resource::RunResource;
use crate::bucket::BucketError;
use crate::controller::buckets::OpenLocation;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::watch::conditions::Obstacle;
use crate::model::Progress;

/// A Backup or a Restore that the reconciler can run. The methods stand in the order of its steps,
/// and say whether they read or write.
pub trait Runnable: RunResource {
    /// Handles a deletion request (annotation `deletion-requested`); `None` if there is none.
    /// Reads and writes.
    fn handle_deletion_request(
        &self,
        context: &Context,
    ) -> impl Future<Output = Result<Option<Action>, ControllerError>> + Send;

    /// Writes into the status which Schedule made this object, if one did and the status does not
    /// say so yet. Reads and writes.
    fn mark_with_schedule(
        &self,
        context: &Context,
    ) -> impl Future<Output = Result<(), ControllerError>> + Send;

    /// Reads what a decision needs. Writes nothing.
    fn observe(
        &self,
        context: &Context,
    ) -> impl Future<Output = Result<ObservedRun<Self>, ControllerError>> + Send;

    /// Checks once more, after others can see that the run has begun. Returns why it must not go
    /// on, or `None`. Writes nothing.
    fn recheck(
        &self,
        context: &Context,
        plan: &Self::Plan,
    ) -> impl Future<Output = Result<Option<String>, ControllerError>> + Send;

    /// Runs the engine and returns the document of the run. Writes to the bucket, and a Restore
    /// also to the cluster; the status is written by others.
    fn run_engine(
        &self,
        context: &Context,
        job: &Job<Self>,
        progress: &Progress,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<Self, RunError>> + Send;
}

/// Facts about a run, read before anything is done.
#[derive(Debug)]
pub struct ObservedRun<K: RunResource> {
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

/// A run that may begin.
#[derive(Clone, Debug)]
pub struct Job<K: RunResource> {
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// The result of admission.
    pub plan: K::Plan,
    /// The location that the run reads or writes.
    pub location: OpenLocation,
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
