//! Actions of a backup beside pods: HTTP requests, Jobs, workloads scaled to zero, MongoDB locked.
//!
//! [`ActionRun`] runs them around the instant, in four steps: [`ActionRun::prepare`] before the
//! commands in pods, [`ActionRun::lock`] after these; then [`ActionRun::unlock`] and
//! [`ActionRun::conclude`] in the opposite order; at last [`ActionRun::catch_up`]. What an action
//! changes is in the ledger before (`obligations`), and undone from there.

mod context;
mod end;
mod http;
mod job;
mod job_object;
mod mongo;
mod run;
mod scale;
mod scale_targets;
mod stuck;

pub use context::{ActionContext, ZeroWorkloads};
pub use end::{ActionEnd, ActionFailure, ActionStep};
pub use run::ActionRun;
