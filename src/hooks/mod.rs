//! Hooks: what is done before and after the instant of a backup, and after a restore.
//!
//! Commands in pods: `annotations` and `select` say which hooks a pod has, `target` in which
//! container a command runs, `told` what is told of it (all pure); `look` finds the pods, `run`
//! runs their hooks. Of a restore, `restored` says which hooks a pod has and `hooked_item` what is
//! waited for (both pure), and `after_restore` waits and runs them.
//!
//! [`actions`] are what is done beside pods (`workload` is one that is scaled, pure; `mongo_login`
//! is the way to a database); [`obligations`] are what undoes it, kept where another process finds
//! it.

pub mod actions;
mod after_restore;
mod annotations;
mod hook;
mod hooked_item;
mod look;
mod mongo_login;
pub mod obligations;
mod restored;
mod run;
#[cfg(test)]
mod scripted;
mod select;
mod target;
mod told;
mod workload;

pub use after_restore::run_restored;
pub use hook::{HookPhase, HookSource, PodHook, PodHooks};
pub use hooked_item::HookedItem;
pub use look::pods_with_hooks;
pub use restored::{RestoreHookSelection, RestoredHooks};
pub use run::HookRun;
pub use select::HookSelection;
pub use told::{HookEnd, HookFailure};
