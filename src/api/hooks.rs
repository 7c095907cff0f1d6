//! Commands to run in pods around a backup: shape and checks. Ark does not run hooks yet; a
//! specification that has any is refused.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, InvalidSpec, filter, schema};
use crate::model::NamePatterns;

/// Hooks of a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupHooks {
    /// Which pods, and what to run in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub resources: Vec<BackupHook>,
}

/// What to run in some pods, before and after they are taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupHook {
    /// A name for messages.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespaces of the pods, as names or globs; nothing means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 128)))]
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 128)))]
    pub excluded_namespaces: Vec<String>,
    /// Labels of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub label_selector: Option<LabelSelector>,
    /// Run before the cut is taken, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub pre: Vec<HookAction>,
    /// Run after the cut is taken, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub post: Vec<HookAction>,
}

/// One act of a hook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookAction {
    /// Runs a command in a container.
    pub exec: ExecHook,
}

/// A command in a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecHook {
    /// The container; the pod's first when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub container: Option<String>,
    /// Program and arguments; no shell is put before them.
    #[schemars(length(min = 1, max = 256), inner(length(max = 65536)))]
    pub command: Vec<String>,
    /// Whether a failure stops the hooks that follow (Fail, the default) or not (Continue).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<HookErrorMode>,
    /// How long the command may take; 30 seconds when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// What a failed hook means for the ones that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HookErrorMode {
    /// They are not run.
    #[default]
    Fail,
    /// They are run.
    Continue,
}

impl BackupHooks {
    /// Returns everything that is wrong with the hooks.
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
