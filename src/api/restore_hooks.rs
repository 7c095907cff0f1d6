//! Commands and init containers for restored pods: shape and checks. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{BackupHook, BackupHooks, Duration, HookErrorMode, InvalidSpec, duration, schema};

/// Hooks of a restore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreHooks {
    /// Hooks, each with the pods that it selects and what is done for them; 64 at most. Default:
    /// none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub resources: Vec<RestoreHook>,
}

/// Init containers and commands for selected pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreHook {
    /// Name of the hook, for messages.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespaces of the pods as they are restored (after namespaceMapping), as names or globs;
    /// default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 128)))]
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out, as names or globs; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 128)))]
    pub excluded_namespaces: Vec<String>,
    /// Kinds to which the hooks belong. These are pods only: a list that is not empty has to name
    /// `pods`, by any name that kubectl takes, or `*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 253)))]
    pub included_resources: Vec<String>,
    /// Kinds to leave out; where `pods` are among them, the hooks are not run. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 253)))]
    pub excluded_resources: Vec<String>,
    /// Selects pods by label; default: all pods. Same form as a Deployment's `selector`, for
    /// example `matchLabels: {app: db}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub label_selector: Option<LabelSelector>,
    /// Actions for the pods, in this order; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub post_hooks: Vec<RestoreHookAction>,
}

/// One action of a hook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RestoreHookAction {
    /// Init containers that are put before those of the restored pod. Pods that a workload makes
    /// anew do not get them; an error tells of that.
    Init(InitHook),
    /// Command to run in a container of the pod once that runs.
    Exec(RestoreExecHook),
}

/// Init containers for a restored pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitHook {
    /// Containers as in a pod's `initContainers`, each with name and image.
    #[schemars(schema_with = "init_containers")]
    pub init_containers: Vec<Map<String, Value>>,
    /// Time within which the init containers must have ended well after the restore of the items,
    /// for example `10m`; they are waited for. Default, and what `0s` means: they are not waited
    /// for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration::or_zero")]
    pub timeout: Option<Duration>,
}

/// A command in a container of a restored pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreExecHook {
    /// Name of the container; default: the first one of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub container: Option<String>,
    /// Program and arguments, without a shell, for example
    /// `["/bin/sh", "-c", "psql -f /data/fix.sql"]`.
    #[schemars(length(min = 1, max = 256), inner(length(max = 65536)))]
    pub command: Vec<String>,
    /// Whether the hooks of the same pod that follow a failed command are run. Fail: they are not.
    /// Continue (the default): they are. The restore is PartiallyFailed in both cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "on_error")]
    pub on_error: Option<HookErrorMode>,
    /// Time that the command may take, for example `30s` or `5m`; default, and what `0s` means:
    /// 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration::or_zero")]
    pub exec_timeout: Option<Duration>,
    /// Time to wait for the container once the items are restored, for example `30m`; default, and
    /// what `0s` means: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration::or_zero")]
    pub wait_timeout: Option<Duration>,
    /// Waits until the container is ready, not only until it runs; default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_for_ready: Option<bool>,
}

/// Returns the schema of a list of containers.
fn init_containers(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 16,
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    })
}

/// Returns the schema of a mode; the description of its type has another default.
fn on_error(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "enum": ["Fail", "Continue"]})
}

impl RestoreHooks {
    /// Returns everything that is wrong with the hooks.
    pub(super) fn validate(&self) -> Vec<InvalidSpec> {
        let mut wrong = BackupHooks {
            resources: self.resources.iter().map(RestoreHook::pods).collect(),
            actions: Vec::new(),
        }
        .validate();
        for (at, hook) in self.resources.iter().enumerate() {
            for (number, action) in hook.post_hooks.iter().enumerate() {
                let field = format!("hooks.resources[{at}].postHooks[{number}]");
                wrong.extend(match action {
                    RestoreHookAction::Init(init) => init.validate(&format!("{field}.init")),
                    RestoreHookAction::Exec(exec) => exec.validate(&format!("{field}.exec")),
                });
            }
        }
        wrong
    }
}

impl RestoreHook {
    /// Returns which pods are meant, in the form in which a backup's hooks say it.
    pub fn pods(&self) -> BackupHook {
        let Self { name, included_namespaces, excluded_namespaces, .. } = self.clone();
        let Self { included_resources, excluded_resources, label_selector, .. } = self.clone();
        BackupHook {
            name,
            included_namespaces,
            excluded_namespaces,
            included_resources,
            excluded_resources,
            label_selector,
            ..BackupHook::default()
        }
    }

    /// Forgets durations of zero, which Velero writes for its defaults.
    pub(super) fn respell(&mut self) {
        let forget = |duration: &mut Option<Duration>| {
            duration.take_if(|duration| duration.is_zero());
        };
        for action in &mut self.post_hooks {
            match action {
                RestoreHookAction::Init(init) => forget(&mut init.timeout),
                RestoreHookAction::Exec(exec) => {
                    forget(&mut exec.exec_timeout);
                    forget(&mut exec.wait_timeout);
                }
            }
        }
    }
}

impl InitHook {
    fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let mut wrong = Vec::new();
        if self.init_containers.is_empty() {
            wrong.push(InvalidSpec::new(format!("{field}.initContainers"), "is empty"));
        }
        for (at, container) in self.init_containers.iter().enumerate() {
            for key in ["name", "image"] {
                if container.get(key).and_then(Value::as_str).is_none_or(str::is_empty) {
                    let why = "is needed: a container has a name and an image";
                    wrong.push(InvalidSpec::new(format!("{field}.initContainers[{at}].{key}"), why));
                }
            }
        }
        wrong.extend(too_odd(&format!("{field}.timeout"), self.timeout.as_ref()));
        wrong
    }
}

impl RestoreExecHook {
    fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let Self { container, command, on_error: _, exec_timeout, wait_timeout, wait_for_ready: _ } = self;
        let mut wrong = Vec::new();
        if container.as_deref() == Some("") {
            wrong.push(InvalidSpec::new(format!("{field}.container"), "is empty"));
        }
        if command.first().is_none_or(String::is_empty) {
            wrong.push(InvalidSpec::new(format!("{field}.command"), "names no program"));
        }
        wrong.extend(too_odd(&format!("{field}.execTimeout"), exec_timeout.as_ref()));
        wrong.extend(too_odd(&format!("{field}.waitTimeout"), wait_timeout.as_ref()));
        wrong
    }
}

/// Returns the fault of a duration that cannot be read, or `None`.
fn too_odd(field: &str, duration: Option<&Duration>) -> Option<InvalidSpec> {
    Some(InvalidSpec::new(field, duration?.length().err()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(hook: Value) -> Vec<String> {
        let hook: RestoreHook = serde_json::from_value(hook).unwrap();
        RestoreHooks { resources: vec![hook] }.validate().into_iter().map(|wrong| wrong.field).collect()
    }

    #[test]
    fn every_mistake_of_a_hook_is_named_with_its_field() {
        let found = wrong(json!({
            "name": "", "includedNamespaces": ["a**"],
            "postHooks": [
                {"init": {"initContainers": [{"name": "a"}, {"image": "b", "name": 3}], "timeout": "soon"}},
                {"init": {"initContainers": []}},
                {"exec": {"command": [""], "container": "", "execTimeout": "x", "waitTimeout": "-1s"}},
            ],
        }));
        let hook = "hooks.resources[0]";
        let expected = [
            format!("{hook}.name"),
            hook.to_owned(),
            format!("{hook}.postHooks[0].init.initContainers[0].image"),
            format!("{hook}.postHooks[0].init.initContainers[1].name"),
            format!("{hook}.postHooks[0].init.timeout"),
            format!("{hook}.postHooks[1].init.initContainers"),
            format!("{hook}.postHooks[2].exec.container"),
            format!("{hook}.postHooks[2].exec.command"),
            format!("{hook}.postHooks[2].exec.execTimeout"),
            format!("{hook}.postHooks[2].exec.waitTimeout"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_hook_reads_back_as_velero_writes_it() {
        let written = json!({
            "name": "fix", "includedResources": ["pods"], "labelSelector": {"matchLabels": {"app": "db"}},
            "postHooks": [
                {"init": {"initContainers": [{"name": "setup", "image": "busybox", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]}},
                {"exec": {"container": "db", "command": ["/fix"], "onError": "Fail", "execTimeout": "1m", "waitTimeout": "5m", "waitForReady": true}},
            ],
        });
        assert_eq!(wrong(written.clone()), [""; 0]);
        let hook: RestoreHook = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(hook).unwrap(), written);
    }
}
