//! Hooks: what is done before and after the instant of a backup.
//!
//! Commands in pods: `annotations` and `select` say which hooks a pod has, `target` in which
//! container a command runs, `told` what is told of it (all pure); `look` finds the pods, `run`
//! runs their hooks.
//!
//! [`actions`] are what is done beside pods (`workload` is one that is scaled, pure; `mongo_login`
//! is the way to a database); [`obligations`] are what undoes it, kept where another process finds
//! it.

pub mod actions;
mod annotations;
mod hook;
mod look;
mod mongo_login;
pub mod obligations;
mod run;
#[cfg(test)]
mod scripted;
mod select;
mod target;
mod told;
mod workload;

pub use hook::{HookPhase, HookSource, PodHook, PodHooks};
pub use look::pods_with_hooks;
pub use run::HookRun;
pub use select::HookSelection;
pub use told::{HookEnd, HookFailure};
