//! Jobs that end well, badly, never, or were left by an earlier attempt.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::api::HOOK_JOB_LABEL;
use crate::cluster::Cluster;
use crate::cluster::script::Asked;
use crate::hooks::scripted::{self, Meanwhile, ScriptedState, action, cluster, context, pod};

const LIMIT: Duration = Duration::from_secs(30);

fn templated() -> BackupAction {
    let pod = json!({"containers": [{"name": "main", "image": "i"}], "restartPolicy": "Never"});
    action(json!({"job": {"template": {"spec": {"template": {"spec": pod}}}}}))
}

async fn ran(cluster: &Cluster, action: &BackupAction) -> (Result<(), String>, Vec<String>) {
    let mut lines = Vec::new();
    let job = action.job.as_ref().unwrap();
    let ended = run(&context(cluster), action, job, Instant::now() + LIMIT, &mut lines).await;
    (ended.map_err(|failure| failure.to_string()), lines)
}

/// Gives every Job this condition at the second look, and this pod.
fn ends(condition: &'static str, of: Value) -> Meanwhile {
    let mut looks = 0;
    Box::new(move |state: &mut ScriptedState, asked: &Asked| {
        looks += usize::from(asked.method == http::Method::GET && asked.uri.contains("/jobs/"));
        if looks == 2 && !condition.is_empty() {
            let condition = json!({"type": condition, "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"});
            state.jobs[0]["status"] = json!({"conditions": [condition]});
            state.pods = vec![of.clone()];
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_job_is_waited_for_until_it_is_complete_and_what_it_printed_is_logged() {
    let meanwhile = ends("Complete", pod("rest-1", "Job", "Succeeded"));
    let (cluster, state) = cluster(ScriptedState::default(), meanwhile);
    let (ended, lines) = ran(&cluster, &templated()).await;
    assert_eq!(ended, Ok(()));
    let name = state.lock().unwrap().jobs[0]["metadata"]["name"].clone();
    let name = name.as_str().unwrap();
    assert!(name.starts_with("ark-rest-"), "{name}");
    let created = format!("the Job shop/{name} was created");
    assert_eq!(lines, [&*created, "rest-1 main: flushing", "rest-1 main: flushed"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_says_why_and_how_its_pod_ended() {
    let mut of = pod("rest-1", "Job", "Failed");
    let state = json!({"terminated": {"exitCode": 3, "reason": "Error"}});
    of["status"]["containerStatuses"] = json!([{"name": "main", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state}]);
    let (cluster, _) = cluster(ScriptedState::default(), ends("Failed", of));
    let said = ran(&cluster, &templated()).await.0.unwrap_err();
    assert!(said.contains("failed: BackoffLimitExceeded: too often"), "{said}");
    assert!(said.contains("its container main ended with exit code 3 (Error)"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_not_complete_in_time_says_what_keeps_it_and_is_deleted() {
    let mut of = pod("rest-1", "Job", "Pending");
    let condition =
        json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no nodes"});
    of["status"]["conditions"] = json!([condition]);
    let late = move |state: &mut ScriptedState, asked: &Asked| {
        if asked.method == http::Method::POST {
            state.pods = vec![of.clone()];
        }
    };
    let (cluster, state) = cluster(ScriptedState::default(), Box::new(late));
    let (ended, lines) = ran(&cluster, &templated()).await;
    let said = ended.unwrap_err();
    assert!(
        said.contains(
            "did not become complete within 30 s: the pod rest-1 is Pending: Unschedulable: no nodes"
        ),
        "{said}"
    );
    assert!(lines.last().unwrap().ends_with("was deleted"), "{lines:?}");
    assert_eq!(state.lock().unwrap().jobs, [json!(null); 0]);
}

#[tokio::test(start_paused = true)]
async fn the_job_of_an_earlier_attempt_is_deleted_and_its_pods_are_waited_for() {
    let mut looks = 0;
    let meanwhile = move |state: &mut ScriptedState, asked: &Asked| {
        looks += usize::from(asked.uri.contains("/pods?"));
        if looks == 3 {
            state.pods.clear();
        }
        if asked.method == http::Method::POST {
            assert!(state.pods.is_empty(), "its pods run");
            assert_eq!(state.writes[0].0, "DELETE /apis/batch/v1/namespaces/shop/jobs/earlier");
        }
        if looks > 3 {
            state.jobs[0]["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        }
    };
    let earlier = json!({"metadata": {"name": "earlier", "uid": "u"}});
    let state = ScriptedState {
        jobs: vec![earlier],
        pods: vec![pod("earlier-1", "Job", "Running")],
        ..Default::default()
    };
    let (cluster, state) = cluster(state, Box::new(meanwhile));
    assert_eq!(ran(&cluster, &templated()).await.0, Ok(()));
    let state = state.lock().unwrap();
    assert_eq!(state.writes[0].1["preconditions"]["uid"], "u");
    let mark = state.jobs[0]["metadata"]["labels"][HOOK_JOB_LABEL].clone();
    assert_eq!(mark, JobIdentity::new("ark nightly/1", "rest", "").mark);
}

#[tokio::test(start_paused = true)]
async fn a_job_of_a_cron_job_is_owned_and_not_controlled_by_it() {
    let spec = json!({"template": {"spec": {"containers": [{"name": "main"}]}}});
    let cron_job = json!({"metadata": {"name": "nightly", "uid": "c"}, "spec": {"schedule": "@daily", "jobTemplate": {"spec": spec}}});
    let meanwhile = ends("Complete", pod("rest-1", "Job", "Succeeded"));
    let (cluster, state) = cluster(ScriptedState { cron_job, ..Default::default() }, meanwhile);
    let of = |name: &str| action(json!({"job": {"fromCronJob": name}}));
    assert_eq!(ran(&cluster, &of("nightly")).await.0, Ok(()));
    let job = state.lock().unwrap().jobs[0].clone();
    let owner = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "c"}]);
    assert_eq!(job["metadata"]["ownerReferences"], owner);
    assert_eq!(job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"], "manual");
    assert_eq!(job["spec"]["template"]["spec"]["containers"], json!([{"name": "main"}]));
    let (without, _) = scripted::cluster(ScriptedState::default(), Box::new(|_, _| {}));
    let said = ran(&without, &of("hourly")).await.0.unwrap_err();
    assert!(said.contains("there is no CronJob shop/hourly"), "{said}");
}
