//! Commands to run in selected pods around a backup: shape and checks. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Duration, InvalidSpec, duration, filter, schema};
use crate::model::NamePatterns;

/// Commands to run in selected pods before and after the instant of the backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupHook {
    /// Name of the hook, for messages.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespaces of the pods, as names or globs, for example `shop-*`; default: all. Only pods
    /// that the backup takes are meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 128)))]
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out, as names or globs; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 1, max = 128)))]
    pub excluded_namespaces: Vec<String>,
    /// Kinds in which to run the hooks. Hooks run in pods only: a list that is not empty has to
    /// name `pods`, by any name that kubectl takes, or `*`.
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
    /// Actions before the instant of the backup, in this order; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub pre: Vec<HookAction>,
    /// Actions after the instant of the backup, in this order, and also where it could not be
    /// made; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub post: Vec<HookAction>,
}

/// One action of a hook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HookAction {
    /// Command to run in a container of the pod.
    Exec(ExecHook),
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
    /// Says whether the hooks of the same pod that follow a failed command are run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<HookErrorMode>,
    /// Time that the command may take, for example `30s` or `5m`; default, and what `0s` means:
    /// 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration::or_zero")]
    pub timeout: Option<Duration>,
}

/// Says whether the hooks of the same pod and phase that follow a failed command are run. Fail (the
/// default): they are not. Continue: they are. The backup is PartiallyFailed in both cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HookErrorMode {
    /// The hooks that follow are not run.
    #[default]
    Fail,
    /// The hooks that follow are run.
    Continue,
}

impl BackupHook {
    /// Forgets timeouts of zero, which Velero writes for its default.
    pub(in crate::api) fn respell(&mut self) {
        for HookAction::Exec(exec) in self.pre.iter_mut().chain(&mut self.post) {
            exec.timeout.take_if(|timeout| timeout.is_zero());
        }
    }

    pub(super) fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let Self {
            name,
            included_namespaces,
            excluded_namespaces,
            included_resources,
            excluded_resources,
            label_selector,
            pre,
            post,
        } = self;
        let mut wrong = Vec::new();
        if name.is_empty() {
            wrong.push(InvalidSpec::new(format!("{field}.name"), "is empty"));
        }
        if let Err(error) = NamePatterns::new(included_namespaces, excluded_namespaces) {
            wrong.push(InvalidSpec::new(field, error));
        }
        filter::check_terms(&format!("{field}.includedResources"), included_resources, &mut wrong);
        filter::check_terms(&format!("{field}.excludedResources"), excluded_resources, &mut wrong);
        if let Some(selector) = label_selector {
            let requirements = filter::label_requirements(&format!("{field}.labelSelector"), selector);
            wrong.extend(requirements.err().into_iter().flatten());
        }
        for (list, actions) in [("pre", pre), ("post", post)] {
            for (at, HookAction::Exec(exec)) in actions.iter().enumerate() {
                wrong.extend(exec.validate(&format!("{field}.{list}[{at}].exec")));
            }
        }
        wrong
    }
}

impl ExecHook {
    fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let Self { container, command, on_error: _, timeout } = self;
        let mut wrong = Vec::new();
        if container.as_deref() == Some("") {
            wrong.push(InvalidSpec::new(format!("{field}.container"), "is empty"));
        }
        if command.first().is_none_or(String::is_empty) {
            wrong.push(InvalidSpec::new(format!("{field}.command"), "names no program"));
        }
        if let Some(Err(error)) = timeout.as_ref().map(Duration::length) {
            wrong.push(InvalidSpec::new(format!("{field}.timeout"), error));
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(hook: serde_json::Value) -> Vec<String> {
        let hook: BackupHook = serde_json::from_value(hook).unwrap();
        hook.validate("hooks.resources[0]").into_iter().map(|wrong| wrong.to_string()).collect()
    }

    #[test]
    fn every_mistake_of_a_hook_is_named_with_its_field() {
        let action = json!({"exec": {"command": [""], "container": "", "timeout": "soon"}});
        let wrong = wrong(json!({
            "name": "", "includedNamespaces": ["a**"], "includedResources": ["a/b"], "pre": [], "post": [action],
            "labelSelector": {"matchExpressions": [{"key": "app", "operator": "Is"}]},
        }));
        let fields = ["name", "", "includedResources", "labelSelector", "post[0].exec.container"];
        let fields = fields.into_iter().chain(["post[0].exec.command", "post[0].exec.timeout"]);
        let begins = fields.map(|field| format!("spec.hooks.resources[0].{field}"));
        let begins: Vec<String> = begins.map(|text| text.trim_end_matches('.').to_owned()).collect();
        assert_eq!(wrong.len(), begins.len(), "{wrong:?}");
        for (said, begin) in wrong.iter().zip(begins) {
            assert!(said.starts_with(&begin), "{said} is not about {begin}");
        }
    }

    #[test]
    fn a_hook_reads_back_as_velero_writes_it() {
        let written = json!({
            "name": "freeze", "includedResources": ["pods"],
            "pre": [{"exec": {"container": "db", "command": ["/sbin/fsfreeze", "-f", "/data"], "onError": "Fail", "timeout": "1m0s"}}],
        });
        assert_eq!(wrong(written.clone()), [""; 0]);
        let hook: BackupHook = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(hook).unwrap(), written);
        let other = json!({"name": "x", "pre": [{"http": {"url": "http://example.com"}}]});
        assert!(serde_json::from_value::<BackupHook>(other).is_err(), "an action that is not known");
    }
}
