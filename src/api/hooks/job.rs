//! A Job to run: shape and checks. Pure.

use k8s_openapi::api::batch::v1::JobTemplateSpec;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::{InvalidSpec, schema};

/// A Job to run: a template, or the name of a CronJob that has one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.template) != has(self.fromCronJob)", "a Job comes from template or fromCronJob, one of the two"))]
pub struct JobAction {
    /// The Job, in the form of a CronJob's `jobTemplate`: `metadata` with labels and annotations,
    /// and `spec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub template: Option<Value>,
    /// Name of a CronJob, of whose `jobTemplate` the Job is made, as by `kubectl create job
    /// --from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub from_cron_job: Option<String>,
}

impl JobAction {
    pub(super) fn validate(&self, field: &str) -> Vec<InvalidSpec> {
        let Self { template, from_cron_job } = self;
        let mut wrong = Vec::new();
        if template.is_some() == from_cron_job.is_some() {
            let why = "a Job comes from template or fromCronJob, one of the two";
            wrong.push(InvalidSpec::new(field, why));
        }
        if from_cron_job.as_deref() == Some("") {
            wrong.push(InvalidSpec::new(format!("{field}.fromCronJob"), "is empty"));
        }
        if let Some(why) = template.as_ref().and_then(fault) {
            wrong.push(InvalidSpec::new(format!("{field}.template"), why));
        }
        wrong
    }
}

/// Returns what is wrong with the template of a Job, as far as the API server would refuse it in
/// any cluster, or `None` if nothing is.
fn fault(template: &Value) -> Option<String> {
    let parsed: JobTemplateSpec = match serde_json::from_value(template.clone()) {
        Ok(parsed) => parsed,
        Err(error) => return Some(format!("is no template of a Job: {error}")),
    };
    let Some(pod) = parsed.spec.and_then(|spec| spec.template.spec) else {
        return Some("has no spec.template.spec, which names the containers".to_owned());
    };
    if pod.containers.is_empty() {
        return Some("has no containers in spec.template.spec".to_owned());
    }
    let restart = pod.restart_policy.as_deref();
    (!matches!(restart, Some("Never" | "OnFailure")))
        .then(|| "needs Never or OnFailure as spec.template.spec.restartPolicy, as every Job does".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(action: Value) -> String {
        let action: JobAction = serde_json::from_value(action).unwrap();
        action.validate("job").into_iter().map(|wrong| wrong.to_string()).collect::<Vec<_>>().join("; ")
    }

    fn template(pod: Value) -> Value {
        json!({"template": {"spec": {"template": {"spec": pod}}}})
    }

    #[test]
    fn a_template_that_every_api_server_would_refuse_is_refused_beforehand() {
        let containers = json!([{"name": "flush", "image": "redis"}]);
        let whole = json!({"containers": containers, "restartPolicy": "Never"});
        assert_eq!(wrong(template(whole.clone())), "");
        for (action, says) in [
            (json!({}), "one of the two"),
            (json!({"template": template(whole)["template"], "fromCronJob": "nightly"}), "one of the two"),
            (json!({"fromCronJob": ""}), "job.fromCronJob"),
            (json!({"template": {}}), "no spec.template.spec"),
            (
                json!({"template": {"spec": {"template": {"spec": {"containers": 3}}}}}),
                "no template of a Job",
            ),
            (template(json!({"containers": [], "restartPolicy": "Never"})), "no containers"),
            (template(json!({"containers": containers})), "restartPolicy"),
            (template(json!({"containers": containers, "restartPolicy": "Always"})), "restartPolicy"),
        ] {
            let wrong = wrong(action);
            assert!(wrong.contains(says), "{says} is not in {wrong}");
        }
    }
}
