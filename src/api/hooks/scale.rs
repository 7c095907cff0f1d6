//! Workloads to scale to zero: shape and checks. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Duration, InvalidSpec, duration, filter, schema};

/// Workloads to scale to zero: by name, by label, or both. Those that are at zero already stay so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.workloads) || has(self.labelSelector)", "name the workloads to scale to zero: workloads, labelSelector or both"),
    validation = ("!has(self.resources) || has(self.labelSelector)", "resources are the kinds of which labelSelector selects; without it, name workloads")
)]
pub struct ScaleAction {
    /// Workloads by name. One that is not there is an error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub workloads: Vec<WorkloadName>,
    /// Selects workloads by label. Same form as a Deployment's `selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub label_selector: Option<LabelSelector>,
    /// Kinds of which `labelSelector` selects; default: deployments, statefulsets and replicasets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)))]
    pub resources: Vec<String>,
    /// Says whether the backup goes on only once the workloads are ready again; default: it does
    /// not wait for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ready: Option<bool>,
    /// Time after which the workloads are scaled back whatever else happens, for example `30m`;
    /// default, and what `0s` means: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration::or_zero")]
    pub max_duration: Option<Duration>,
}

/// A workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadName {
    /// Kind by any name that kubectl takes, for example `deployments` or `pools.example.com`; it
    /// has `spec.replicas` and the subresource `scale`.
    #[schemars(length(min = 1, max = 253))]
    pub resource: String,
    /// Name of the workload.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

impl ScaleAction {
    /// The kinds of which a selector selects unless it says otherwise.
    const KINDS: [&str; 3] = ["deployments.apps", "statefulsets.apps", "replicasets.apps"];
    /// The time at zero unless the action says otherwise.
    const LONGEST: std::time::Duration = std::time::Duration::from_secs(600);

    /// Returns the kinds of which the selector selects, in lower case.
    pub fn selected_kinds(&self) -> Vec<String> {
        if self.resources.is_empty() {
            return Self::KINDS.map(str::to_owned).into();
        }
        self.resources.iter().map(|resource| resource.to_lowercase()).collect()
    }

    /// Returns the time after which the workloads are scaled back whatever else happens.
    pub fn longest(&self) -> std::time::Duration {
        let given = self.max_duration.as_ref().and_then(|given| given.length().ok());
        given.filter(|given| !given.is_zero()).unwrap_or(Self::LONGEST)
    }

    pub(super) fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let Self { workloads, label_selector, resources, wait_ready: _, max_duration } = self;
        let mut wrong = Vec::new();
        if workloads.is_empty() && label_selector.is_none() {
            let why = "name the workloads to scale to zero: workloads, labelSelector or both";
            wrong.push(InvalidSpec::new(field, why));
        }
        for (at, WorkloadName { resource, name }) in workloads.iter().enumerate() {
            let field = format!("{field}.workloads[{at}]");
            check_kind(&format!("{field}.resource"), resource, &mut wrong);
            if name.is_empty() {
                wrong.push(InvalidSpec::new(format!("{field}.name"), "is empty"));
            }
        }
        for resource in resources {
            check_kind(&format!("{field}.resources"), resource, &mut wrong);
        }
        match label_selector {
            Some(selector) => {
                let requirements = filter::label_requirements(&format!("{field}.labelSelector"), selector);
                wrong.extend(requirements.err().into_iter().flatten());
            }
            None if !resources.is_empty() => {
                let why = "are the kinds of which labelSelector selects; without it, name workloads";
                wrong.push(InvalidSpec::new(format!("{field}.resources"), why));
            }
            None => {}
        }
        if let Some(Err(error)) = max_duration.as_ref().map(Duration::length) {
            wrong.push(InvalidSpec::new(format!("{field}.maxDuration"), error));
        }
        wrong
    }
}

fn check_kind(field: &str, term: &str, wrong: &mut Vec<InvalidSpec>) {
    if term.contains('*') {
        let why = format!("`{term}` names no kind: write for example `deployments`");
        return wrong.push(InvalidSpec::new(field, why));
    }
    filter::check_terms(field, std::slice::from_ref(&term.to_owned()), wrong);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(action: serde_json::Value) -> Vec<String> {
        let action: ScaleAction = serde_json::from_value(action).unwrap();
        action.validate("scale").into_iter().map(|wrong| wrong.to_string()).collect()
    }

    #[test]
    fn every_mistake_of_a_scale_action_is_named_with_its_field() {
        let said = wrong(json!({
            "workloads": [{"resource": "*", "name": ""}], "resources": ["a/b"], "maxDuration": "soon",
        }));
        let fields = ["workloads[0].resource", "workloads[0].name", "resources", "resources", "maxDuration"];
        assert_eq!(said.len(), fields.len(), "{said:?}");
        for (said, field) in said.iter().zip(fields) {
            assert!(said.starts_with(&format!("spec.scale.{field}")), "{said} is not about {field}");
        }
        assert!(wrong(json!({}))[0].contains("name the workloads"));
        assert_eq!(wrong(json!({"workloads": [{"resource": "deploy", "name": "web"}]})), [""; 0]);
    }

    #[test]
    fn zero_is_the_default_of_the_time_at_zero() {
        let longest = |text: &str| {
            let action: ScaleAction = serde_json::from_value(json!({"maxDuration": text})).unwrap();
            action.longest().as_secs()
        };
        assert_eq!((longest("0s"), longest("30m")), (600, 1800));
    }
}
