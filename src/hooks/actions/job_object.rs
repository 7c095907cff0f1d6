//! The Job that an action runs, and what its status says. Pure.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::api::{EXCLUDE_LABEL, HOOK_JOB_LABEL};

/// The time for which a Job stays after its end, in seconds, unless its template says otherwise.
const KEPT_SECONDS: u64 = 600;
/// The bytes of a hash that tells runs and actions apart.
const MARK_BYTES: usize = 16;
/// The longest part of an action's name in the name of its Job, of which pods have 63 characters.
const NAME_MOST: usize = 40;

/// The names of a Job.
#[derive(Clone, Debug)]
pub struct JobIdentity {
    /// Its name: another one for each attempt.
    pub name: String,
    /// The value of its label, and of its pods': the same for each attempt of a run.
    pub mark: String,
}

impl JobIdentity {
    /// Creates the names for an action of a run; `token` makes the name unique.
    pub fn new(run: &str, action: &str, token: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let text: String = action.chars().map(plain).take(NAME_MOST).collect();
        Self { name: format!("ark-{}-{token}", text.trim_matches('-')), mark: mark(run, action) }
    }

    /// Returns the selector of the run's Jobs of the action, and of their pods.
    pub fn selector(&self) -> String {
        format!("{HOOK_JOB_LABEL}={}", self.mark)
    }
}

fn mark(run: &str, action: &str) -> String {
    let hash = Sha256::digest(format!("{run}\0{action}").as_bytes());
    hash.iter().take(MARK_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// What a Job has beyond its action's time. Kubernetes deletes the pods of a Job whose time is up,
/// and with them what tells why the Job is not complete; Ark looks before.
const GRACE: Duration = Duration::from_secs(15);

/// Returns the Job of a template (`metadata` and `spec`): no backup takes it, it ends itself soon
/// after `limit` whatever becomes of Ark, and goes a while after its end.
pub fn job_object(template: &Value, identity: &JobIdentity, limit: Duration) -> Value {
    let of_template = |field: &str| template.get("metadata").and_then(|metadata| metadata.get(field));
    let spec = template.get("spec");
    let number = |field: &str| spec.and_then(|spec| spec.get(field)).and_then(Value::as_u64);
    let longest = (limit + GRACE).as_secs();
    let labels = json!({EXCLUDE_LABEL: "true", HOOK_JOB_LABEL: identity.mark});
    let mut job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"labels": of_template("labels"), "annotations": of_template("annotations")},
        "spec": spec,
    });
    let ours = json!({
        "metadata": {"name": identity.name, "labels": labels},
        "spec": {
            "ttlSecondsAfterFinished": number("ttlSecondsAfterFinished").unwrap_or(KEPT_SECONDS),
            "activeDeadlineSeconds": number("activeDeadlineSeconds").map_or(longest, |given| given.min(longest)),
            "template": {"metadata": {"labels": labels}},
        },
    });
    json_patch::merge(&mut job, &ours);
    job
}

/// Makes a Job one of a CronJob, as `kubectl create job --from` does. The CronJob is its owner but
/// not its controller, which would delete it at once where it keeps no history.
pub fn give_owner(job: &mut Value, cron_job: &str, uid: &str) {
    let owner = json!({"apiVersion": "batch/v1", "kind": "CronJob", "name": cron_job, "uid": uid});
    let annotations = json!({"cronjob.kubernetes.io/instantiate": "manual"});
    let ours = json!({"metadata": {"ownerReferences": [owner], "annotations": annotations}});
    json_patch::merge(job, &ours);
}

/// The end of a Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// It is complete.
    Complete,
    /// It failed; the reason in words.
    Failed(String),
    /// It was deleted before it ended.
    Deleted,
}

/// Returns how a Job has ended, or `None` if it has not.
pub fn job_end(job: &Job) -> Option<JobEnd> {
    let conditions = job.status.as_ref()?.conditions.as_deref().unwrap_or_default();
    let mut met = conditions.iter().filter(|condition| condition.status == "True");
    met.find_map(|condition| match &*condition.type_ {
        "Complete" => Some(JobEnd::Complete),
        "Failed" => {
            let reason = condition.reason.as_deref().unwrap_or("it says no reason");
            let message = condition.message.as_deref().unwrap_or_default();
            Some(JobEnd::Failed(format!("{reason}: {message}")))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> JobIdentity {
        JobIdentity::new("ark nightly/1", "Flush the Cache!", "0123abcd")
    }

    #[test]
    fn a_job_is_in_no_backup_ends_itself_and_goes() {
        let identity = identity();
        assert_eq!(identity.name, "ark-flush-the-cache-0123abcd");
        let containers = json!([{"name": "c", "image": "i", "newField": 1}]);
        let template = json!({
            "metadata": {"labels": {"app": "cache"}, "name": "other", "annotations": {"a": "b"}},
            "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": {"app": "cache"}}, "spec": {"containers": containers}}},
        });
        let labels = json!({"app": "cache", EXCLUDE_LABEL: "true", HOOK_JOB_LABEL: identity.mark});
        assert_eq!(
            job_object(&template, &identity, Duration::from_secs(300)),
            json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {"name": identity.name, "labels": labels, "annotations": {"a": "b"}},
                "spec": {"backoffLimit": 0, "ttlSecondsAfterFinished": 600, "activeDeadlineSeconds": 315,
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}},
            })
        );
    }

    #[test]
    fn the_shorter_deadline_and_the_time_that_a_template_says_hold() {
        let spec = |given: u64| {
            let spec = json!({"activeDeadlineSeconds": given, "ttlSecondsAfterFinished": 0});
            job_object(&json!({"spec": spec}), &identity(), Duration::from_secs(60))["spec"].clone()
        };
        assert_eq!(spec(10)["activeDeadlineSeconds"], 10);
        assert_eq!(spec(1000)["activeDeadlineSeconds"], 75);
        assert_eq!(spec(10)["ttlSecondsAfterFinished"], 0);
    }

    #[test]
    fn no_template_whatever_its_shape_makes_a_job_that_a_backup_takes() {
        for template in
            [json!(null), json!([]), json!({"metadata": 3, "spec": "x"}), json!({"metadata": {"labels": []}})]
        {
            let job = job_object(&template, &identity(), Duration::ZERO);
            assert_eq!(job["metadata"]["labels"][EXCLUDE_LABEL], "true", "{template}");
            assert_eq!(job["spec"]["template"]["metadata"]["labels"][EXCLUDE_LABEL], "true", "{template}");
        }
    }

    #[test]
    fn each_action_of_each_run_has_a_mark_of_its_own_whatever_the_attempt() {
        let mark = |run: &str, action: &str, token: &str| JobIdentity::new(run, action, token).mark;
        assert_eq!(mark("a", "b", "1"), mark("a", "b", "2"));
        assert_ne!(mark("a", "b", "1"), mark("ab", "", "1"));
        assert!(mark("a", "b", "1").len() <= 63);
    }

    #[test]
    fn only_its_conditions_say_that_a_job_has_ended() {
        let end = |kind: &str, status: &str| {
            let condition = json!({"type": kind, "status": status, "reason": "BackoffLimitExceeded", "message": "too often"});
            job_end(
                &serde_json::from_value(json!({"status": {"failed": 3, "conditions": [condition]}})).unwrap(),
            )
        };
        assert_eq!(end("Complete", "True"), Some(JobEnd::Complete));
        let failed = JobEnd::Failed("BackoffLimitExceeded: too often".to_owned());
        assert_eq!(end("Failed", "True"), Some(failed));
        assert_eq!((end("FailureTarget", "True"), end("Failed", "False")), (None, None));
    }
}
