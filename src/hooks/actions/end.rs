//! What is told of an action that was run: a finding where it failed, and lines for the log. Pure.

use std::time::Duration;

use crate::cluster::ClusterError;
use crate::model::{Category, Cause, Finding, causes};

/// A step of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionStep {
    /// A request or Job before the instant.
    Pre,
    /// A request or Job after the instant.
    Post,
    /// Workloads go to zero.
    ScaleDown,
    /// Workloads come back.
    ScaleUp,
    /// A database is locked.
    Lock,
    /// A database is released.
    Unlock,
}

impl ActionStep {
    /// Returns the step in words, and as metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::Post => "post",
            Self::ScaleDown => "scale-down",
            Self::ScaleUp => "scale-up",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
        }
    }
}

/// The end of one step of an action.
#[derive(Debug)]
pub struct ActionEnd {
    /// The name of the action.
    pub action: String,
    /// The step.
    pub step: ActionStep,
    /// Why the step failed; `None` if it succeeded.
    pub failure: Option<ActionFailure>,
    /// What is told of it in the log.
    pub lines: Vec<String>,
    /// The time that the step took.
    pub took: Duration,
    /// For how long a database was locked; of an unlock only.
    pub held: Option<Duration>,
}

/// The reason why an action failed.
#[derive(Debug, thiserror::Error)]
#[error("{}", causes(cause.as_ref()))]
pub struct ActionFailure {
    /// The label of the failure.
    pub category: Category,
    /// A reason for the backup's condition, such as `ForeignLock`; most failures have none.
    pub reason: Option<&'static str>,
    /// What failed; it holds no passwords.
    pub cause: Cause,
}

impl ActionFailure {
    /// Creates a failure without a reason for the condition.
    pub fn new(category: Category, cause: impl Into<Cause>) -> Self {
        Self { category, reason: None, cause: cause.into() }
    }

    /// Creates the failure of a step that was not done in its time, with the last that was told of
    /// it.
    pub(super) fn timed_out(limit: Duration, last: Option<&String>) -> Self {
        let limit = humantime::format_duration(limit);
        let last = last.map(|line| format!("; the last that is known: {line}")).unwrap_or_default();
        Self::new(Category::Timeout, format!("it was not done after {limit}{last}"))
    }
}

impl From<ClusterError> for ActionFailure {
    fn from(error: ClusterError) -> Self {
        Self::new(error.category(), error)
    }
}

impl ActionEnd {
    /// Returns the error, or `None` if the step succeeded.
    pub fn finding(&self) -> Option<Finding> {
        let failure = self.failure.as_ref()?;
        let message = format!("{} of action `{}` failed: {failure}", self.step.as_str(), self.action);
        Some(Finding::error(failure.category, message))
    }

    /// Returns the lines for the log.
    pub fn log_lines(&self) -> Vec<String> {
        let Self { action, step, failure, lines, took, held } = self;
        let mut all: Vec<String> = lines.iter().map(|line| format!("action `{action}`: {line}")).collect();
        if failure.is_none() {
            let held = held.map(|held| format!("; it was held for {:.3} s", held.as_secs_f64()));
            let (step, took, held) = (step.as_str(), took.as_secs_f64(), held.unwrap_or_default());
            all.push(format!("action `{action}`: {step} succeeded after {took:.1} s{held}"));
        }
        all
    }
}
