//! Jobs that a restore runs again: shape and checks. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, InvalidSpec, duration, filter, schema};

/// Names Jobs of the backup to run again once everything is restored, also such as had ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.name) != has(self.labelSelector)")
        .message("exactly one of name and labelSelector must be set"),
)]
pub struct RerunJob {
    /// Name of the Job; exactly one of name and labelSelector must be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// Namespace of the Jobs as it is restored (after namespaceMapping); default: every one that
    /// the Restore selects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Selects Jobs by the labels that they have in the backup, for example
    /// `matchLabels: {app: seed}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub label_selector: Option<LabelSelector>,
    /// Time within which each Job must be Complete, for example `30m`; default, and what `0s`
    /// means: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration::or_zero")]
    pub timeout: Option<Duration>,
}

impl RerunJob {
    /// Returns everything that is wrong with it; `field` names it.
    pub(super) fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let Self { name, namespace, label_selector, timeout } = self;
        let mut wrong = Vec::new();
        if name.is_some() == label_selector.is_some() {
            wrong.push(InvalidSpec::new(field, "needs exactly one of name and labelSelector"));
        }
        for (key, value) in [("name", name), ("namespace", namespace)] {
            if value.as_deref() == Some("") {
                wrong.push(InvalidSpec::new(format!("{field}.{key}"), "is empty"));
            }
        }
        if let Some(selector) = label_selector {
            let requirements = filter::label_requirements(&format!("{field}.labelSelector"), selector);
            wrong.extend(requirements.err().into_iter().flatten());
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

    #[test]
    fn a_job_is_named_or_selected_and_every_mistake_has_its_field() {
        let wrong = |job: serde_json::Value| {
            let job: RerunJob = serde_json::from_value(job).unwrap();
            Vec::from_iter(job.validate("rerunJobs[0]").into_iter().map(|wrong| wrong.field))
        };
        let selector = json!({"matchLabels": {"app": "seed"}});
        assert_eq!(wrong(json!({"name": "seed", "namespace": "shop", "timeout": "5m"})), [""; 0]);
        assert_eq!(wrong(json!({"labelSelector": selector})), [""; 0]);
        assert_eq!(wrong(json!({"name": "seed", "labelSelector": selector})), ["rerunJobs[0]"]);
        assert_eq!(wrong(json!({"namespace": "shop"})), ["rerunJobs[0]"]);
        let odd = json!({"name": "", "namespace": "", "timeout": "soon"});
        assert_eq!(wrong(odd), ["rerunJobs[0].name", "rerunJobs[0].namespace", "rerunJobs[0].timeout"]);
    }
}
