//! Hooks of a backup: what is done before and after its instant. Pure.
//!
//! `exec` has commands in selected pods, in Velero's shape; `action` what is done beside pods, with
//! a file for each kind of action.

mod action;
mod exec;
mod http;
mod job;
mod mongo;
mod scale;

pub use action::{ActionPhase, BackupAction};
pub use exec::{BackupHook, ExecHook, HookAction, HookErrorMode};
pub use http::{
    BasicAuth, HttpAction, HttpExpectation, HttpHeader, HttpMethod, HttpPoll, HttpScheme, HttpService,
    HttpVerdict, SecretValue,
};
pub use job::JobAction;
pub use mongo::{HiddenMemberUse, MongoAction, MongoConnection, MongoMembers, MongoPods, MongoService};
pub use scale::{ScaleAction, WorkloadName};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::InvalidSpec;

/// Hooks of a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupHooks {
    /// Hooks, each with the pods that it selects and the commands to run in them; 64 at most.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub resources: Vec<BackupHook>,
    /// Actions beside pods: HTTP requests, Jobs, workloads scaled to zero, databases locked; 64 at
    /// most. Those before the instant come in this order and before the commands in pods, locks
    /// after these; what an action changed is undone in the opposite order. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub actions: Vec<BackupAction>,
}

impl BackupHooks {
    /// Returns everything that is wrong with the hooks.
    pub(super) fn validate(&self) -> Vec<InvalidSpec> {
        let Self { resources, actions } = self;
        let numbered = |list: &'static str| move |at: usize| format!("hooks.{list}[{at}]");
        let (resource, action) = (numbered("resources"), numbered("actions"));
        let of_resources = resources.iter().enumerate().flat_map(|(at, hook)| hook.validate(&resource(at)));
        let of_actions = actions.iter().enumerate().flat_map(|(at, each)| each.validate(&action(at)));
        of_resources.chain(of_actions).collect()
    }
}
