//! Runs the actions of a backup one after another, in the order of the specification.

use std::time::Duration;

use futures::future::join_all;
use futures::join;
use tokio::time::Instant;

use super::context::ActionContext;
use super::end::{ActionEnd, ActionFailure, ActionStep};
use super::mongo::{HeldLock, PendingLock, ReleasedLock, RestedMembers};
use super::{http, job, mongo, scale};
use crate::api::{ActionPhase, BackupAction, HookErrorMode};

/// The time that a step may take unless its action says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
/// The time that a step has beyond its own, to say what it waited for and to tidy up.
const TIDYING: Duration = Duration::from_secs(10);

/// The actions of a backup, as far as they were run.
pub struct ActionRun<'a> {
    context: ActionContext<'a>,
    actions: &'a [BackupAction],
    locks: Vec<(&'a BackupAction, HeldLock)>,
    pending: PendingLock,
    /// The members that were locked, until they have caught up.
    rested: Vec<(&'a BackupAction, RestedMembers)>,
    /// The action before the instant that was begun and has not ended.
    begun: Option<&'a BackupAction>,
    /// Whether a step failed whose action does not say Continue.
    is_broken: bool,
}

impl<'a> ActionRun<'a> {
    /// Prepares the actions; nothing is run yet.
    pub fn new(context: ActionContext<'a>, actions: &'a [BackupAction]) -> Self {
        let pending = PendingLock::default();
        let (locks, rested) = (Vec::new(), Vec::new());
        Self { context, actions, locks, pending, rested, begun: None, is_broken: false }
    }

    /// Returns whether an action before the instant failed that does not say Continue: what would
    /// follow before the instant is not run.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Sends the requests, runs the Jobs and scales the workloads down that come before the
    /// instant. `stage` is told each step in words, here and below.
    ///
    /// Whoever drops the future leaves what it changed to [`ActionRun::conclude`].
    pub async fn prepare(&mut self, stage: impl Fn(String)) -> Vec<ActionEnd> {
        let mut ends = Vec::new();
        for action in self.actions {
            if self.is_broken || action.mongo.is_some() || action.phase == Some(ActionPhase::Post) {
                continue;
            }
            let step = if action.scale.is_some() { ActionStep::ScaleDown } else { ActionStep::Pre };
            stage(format!("running action `{}`", action.name));
            self.begun = Some(action);
            let end = self.step(action, step).await;
            self.begun = None;
            self.note(action, &end);
            ends.push(end);
        }
        ends
    }

    /// Locks the databases, one after another. Whoever drops the future leaves what it locked to
    /// [`ActionRun::unlock`].
    pub async fn lock(&mut self, stage: impl Fn(String)) -> Vec<ActionEnd> {
        let mut ends = Vec::new();
        for action in self.actions {
            let Some(wanted) = action.mongo.as_ref().filter(|_| !self.is_broken) else { continue };
            stage(format!("locking the database of action `{}`", action.name));
            let began = Instant::now();
            let taken = mongo::lock(&self.context, action, wanted, timeout(action), &mut self.pending).await;
            let (failure, lines) = match taken {
                Ok((lock, lines)) => {
                    self.locks.push((action, lock));
                    (None, lines)
                }
                Err(failure) => (Some(failure), Vec::new()),
            };
            let end = self.ended(action, ActionStep::Lock, failure, lines, began);
            self.note(action, &end);
            ends.push(end);
        }
        ends
    }

    /// Releases the databases, all at once, so that none waits for another one.
    pub async fn unlock(&mut self, stage: impl Fn(String)) -> Vec<ActionEnd> {
        let abandoned = self.pending.abandon();
        let releases = std::mem::take(&mut self.locks).into_iter().map(|(action, lock)| {
            stage(format!("releasing the database of action `{}`", action.name));
            async move { (action, Instant::now(), lock.release().await) }
        });
        let ((), released) = join!(abandoned, join_all(releases));
        let mut ends = Vec::new();
        for (action, began, ReleasedLock { failure, lines, held, rested }) in released {
            let end = self.ended(action, ActionStep::Unlock, failure, lines, began);
            ends.push(ActionEnd { held: Some(held), ..end });
            self.rested.push((action, rested));
        }
        ends
    }

    /// Waits until the members that were locked have caught up, for a bounded time; nothing else
    /// should wait for that. Returns lines for the log about those that have not.
    pub async fn catch_up(&mut self, stage: impl Fn(String)) -> Vec<String> {
        let rested = self.rested.drain(..).filter(|(_, rested)| !rested.is_empty());
        let waits = rested.map(|(action, rested)| {
            stage(format!("waiting until the database of action `{}` has caught up", action.name));
            async move {
                let behind = rested.catch_up().await.into_iter();
                behind.map(|line| format!("action `{}`: {line}", action.name)).collect::<Vec<_>>()
            }
        });
        join_all(waits).await.concat()
    }

    /// Scales workloads back, the last one first, and then runs what comes after the instant, also
    /// where the backup could not be made.
    pub async fn conclude(&mut self, stage: impl Fn(String)) -> Vec<ActionEnd> {
        let mut ends = Vec::new();
        if let Some(action) = self.begun.take().filter(|action| action.job.is_some()) {
            stage(format!("deleting the Job of action `{}`", action.name));
            let began = Instant::now();
            let failure = job::delete(&self.context, action).await.err();
            let lines = vec!["its Job was deleted".to_owned()];
            ends.push(self.ended(action, ActionStep::Pre, failure, lines, began));
        }
        for action in self.actions.iter().rev() {
            if !self.context.ledger.open().iter().any(|undo| undo.scales_for(&action.name)) {
                continue;
            }
            stage(format!("scaling the workloads of action `{}` back", action.name));
            ends.push(self.step(action, ActionStep::ScaleUp).await);
        }
        for action in self.actions.iter().filter(|action| action.phase == Some(ActionPhase::Post)) {
            stage(format!("running action `{}`", action.name));
            ends.push(self.step(action, ActionStep::Post).await);
        }
        ends
    }

    async fn step(&self, action: &BackupAction, step: ActionStep) -> ActionEnd {
        let (began, limit) = (Instant::now(), timeout(action));
        let deadline = began + limit;
        let mut lines = Vec::new();
        let context = &self.context;
        let run = async {
            match action {
                BackupAction { http: Some(http), .. } => http::run(context, action, http, &mut lines).await,
                BackupAction { job: Some(job), .. } => {
                    job::run(context, action, job, deadline, &mut lines).await
                }
                BackupAction { scale: Some(scale), .. } if step == ActionStep::ScaleDown => {
                    scale::down(context, action, scale, deadline, &mut lines).await
                }
                BackupAction { scale: Some(scale), .. } => {
                    scale::up(context, action, scale, deadline, &mut lines).await
                }
                // Checked with the specification.
                _ => Ok(()),
            }
        };
        let most = if action.http.is_some() { limit } else { limit + TIDYING };
        let ran = tokio::time::timeout(most, run).await;
        let failure = ran.unwrap_or_else(|_| Err(ActionFailure::timed_out(limit, lines.last()))).err();
        self.ended(action, step, failure, lines, began)
    }

    /// Returns the end of a step that is over now, and counts it.
    fn ended(
        &self,
        action: &BackupAction,
        step: ActionStep,
        failure: Option<ActionFailure>,
        lines: Vec<String>,
        began: Instant,
    ) -> ActionEnd {
        let took = began.elapsed();
        if let Some(metrics) = self.context.cluster.metrics() {
            metrics.hook_ran(step.as_str(), failure.is_none(), took.as_secs_f64());
        }
        ActionEnd { action: action.name.clone(), step, failure, lines, took, held: None }
    }

    fn note(&mut self, action: &BackupAction, end: &ActionEnd) {
        self.is_broken |= end.failure.is_some() && action.on_error != Some(HookErrorMode::Continue);
    }
}

fn timeout(action: &BackupAction) -> Duration {
    let given = action.timeout.as_ref().and_then(|timeout| timeout.length().ok());
    given.filter(|given| !given.is_zero()).unwrap_or(DEFAULT_TIMEOUT)
}

#[cfg(test)]
mod tests;
