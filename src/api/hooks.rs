//! Commands to run in pods around a backup. The shape only; running them comes with the hooks issue.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, InvalidSpec, filter, schema};
use crate::model::NamePatterns;

/// Hooks of a backup. Not supported yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupHooks {
    /// Hooks, each with the pods that it selects and the commands to run in them; 64 at most.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub resources: Vec<BackupHook>,
}

/// Commands to run in selected pods before and after their items are read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupHook {
    /// Name of the hook, for messages.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespaces of the pods, as names or globs, for example `shop-*`; default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 128)))]
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out, as names or globs; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 128)))]
    pub excluded_namespaces: Vec<String>,
    /// Selects pods by label; default: all pods. Same form as a Deployment's `selector`, for
    /// example `matchLabels: {app: db}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub label_selector: Option<LabelSelector>,
    /// Commands to run before the items are read, in this order; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub pre: Vec<HookAction>,
    /// Commands to run after the items are read, in this order; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub post: Vec<HookAction>,
}

/// One action of a hook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookAction {
    /// Command to run in a container of the pod.
    pub exec: ExecHook,
}

/// A command in a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecHook {
    /// Name of the container; default: the first one of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub container: Option<String>,
    /// Program and arguments, without a shell, for example
    /// `["/bin/sh", "-c", "fsfreeze -f /data"]`.
    #[schemars(length(min = 1, max = 256), inner(length(max = 65536)))]
    pub command: Vec<String>,
    /// Says whether the hooks that follow a failed command are run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<HookErrorMode>,
    /// Time that the command may take, for example `30s` or `5m`; default: 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// Says whether the hooks that follow a failed command are run. Fail (the default): they are not.
/// Continue: they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HookErrorMode {
    /// The hooks that follow are not run.
    #[default]
    Fail,
    /// The hooks that follow are run.
    Continue,
}

impl BackupHooks {
    /// Everything that is wrong with the hooks.
    pub(super) fn validate(&self) -> Vec<InvalidSpec> {
        self.resources
            .iter()
            .enumerate()
            .flat_map(|(at, hook)| hook.validate(&format!("hooks.resources[{at}]")))
            .collect()
    }
}

impl BackupHook {
    fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let Self { name, included_namespaces, excluded_namespaces, label_selector, pre, post } = self;
        let mut wrong = Vec::new();
        if name.is_empty() {
            wrong.push(InvalidSpec::new(format!("{field}.name"), "is empty"));
        }
        if let Err(error) = NamePatterns::new(included_namespaces, excluded_namespaces) {
            wrong.push(InvalidSpec::new(field, error));
        }
        if let Some(selector) = label_selector {
            let requirements = filter::label_requirements(&format!("{field}.labelSelector"), selector);
            wrong.extend(requirements.err().into_iter().flatten());
        }
        for (list, actions) in [("pre", pre), ("post", post)] {
            for (at, HookAction { exec }) in actions.iter().enumerate() {
                let field = format!("{field}.{list}[{at}].exec");
                if exec.command.is_empty() {
                    wrong.push(InvalidSpec::new(format!("{field}.command"), "is empty"));
                }
                if let Some(Err(error)) = exec.timeout.as_ref().map(Duration::length) {
                    wrong.push(InvalidSpec::new(format!("{field}.timeout"), error));
                }
            }
        }
        wrong
    }
}
