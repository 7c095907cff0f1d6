//! The wait for the end of a Job.

use std::sync::OnceLock;

use serde_json::Value;

use super::wait::{AwaitedState, WaitResult, list, text};
use super::{Bound, Cluster, ClusterError, ResourceInfo};

/// What is said of a Job that is gone.
const GONE: &str =
    "it was deleted or replaced before anybody saw its end (does it have ttlSecondsAfterFinished?)";

impl Cluster {
    /// Waits until a Job with this uid has ended. Returns why it failed, if it did.
    ///
    /// # Errors
    /// As [`Cluster::crd_established`].
    pub async fn job_ended(
        &self,
        kind: &ResourceInfo,
        namespace: Option<&str>,
        name: &str,
        uid: &str,
        bound: &Bound,
    ) -> Result<Result<(), String>, ClusterError> {
        let what = format!("the Job {}/{name}", namespace.unwrap_or_default());
        let (wanted, path) = (AwaitedState { what, state: "Complete" }, kind.path(namespace, Some(name)));
        let end = OnceLock::new();
        let look = || async {
            let job = self.find(&path, &wanted.what).await?.filter(|job| job["metadata"]["uid"] == uid);
            Ok(match job.as_ref().map_or_else(|| Some(Err(GONE.to_owned())), ended) {
                Some(ended) => {
                    // A look that is given up sets nothing, and there is one at a time.
                    let _ = end.set(ended);
                    WaitResult::Done
                }
                None => WaitResult::NotYet(job.as_ref().map(counts).unwrap_or_default()),
            })
        };
        self.wait(&wanted, bound, look).await?;
        Ok(end.into_inner().unwrap_or_else(|| Err(GONE.to_owned())))
    }
}

/// Returns how a Job has ended, or `None` if it has not.
fn ended(job: &Value) -> Option<Result<(), String>> {
    let conditions = list(&job["status"]["conditions"]);
    let holds = |kind: &str| conditions.iter().find(|each| each["type"] == kind && each["status"] == "True");
    if holds("Complete").is_some() {
        return Some(Ok(()));
    }
    let failed = holds("Failed")?;
    Some(Err(format!("{} ({})", text(&failed["message"]), text(&failed["reason"]))))
}

/// Returns in words how far a Job is.
fn counts(job: &Value) -> String {
    let number = |field: &str| job["status"][field].as_u64().unwrap_or_default();
    format!("{} active, {} succeeded, {} failed", number("active"), number("succeeded"), number("failed"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_has_ended_when_a_condition_says_so() {
        let job = |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status, "reason": "BackoffLimitExceeded", "message": "too often"}]}});
        assert_eq!(ended(&json!({"status": {"active": 1}})), None);
        assert_eq!(ended(&job("Complete", "True")), Some(Ok(())));
        assert_eq!(ended(&job("Failed", "True")), Some(Err("too often (BackoffLimitExceeded)".into())));
        for (kind, status) in [("Failed", "False"), ("Suspended", "True"), ("FailureTarget", "True")] {
            assert_eq!(ended(&job(kind, status)), None, "{kind} {status}");
        }
    }
}
