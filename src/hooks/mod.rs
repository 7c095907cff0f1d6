//! Hooks: commands that run in pods before and after the instant of a backup.
//!
//! `annotations` and `select` say which hooks a pod has, `target` in which container a command
//! runs, `told` what is told of it (all pure); `look` finds the pods, `run` runs their hooks.

mod annotations;
mod hook;
mod look;
mod run;
mod select;
mod target;
mod told;

pub use hook::{HookPhase, HookSource, PodHook, PodHooks};
pub use look::pods_with_hooks;
pub use run::HookRun;
pub use select::HookSelection;
pub use told::{HookEnd, HookFailure};
