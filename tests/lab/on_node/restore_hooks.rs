//! Hooks of a restore in pods that run, and a Job that is run again.

use serde_json::{Value, json};

use super::IMAGE;
use super::hooks::{MAIN, running_pod};
use crate::server::{BACKUP, Installation, RESTORE, ServerOptions};
use crate::support::{Cluster, Lab, TestNamespace, eventually};

fn shell(command: &str) -> Value {
    json!(["sh", "-c", command])
}

/// A Deployment of two pods that ask for a command after a restore.
fn deployment() -> Value {
    let fix = shell("echo it is fixed").to_string();
    let metadata =
        json!({"labels": {"app": "web"}, "annotations": {"post.hook.restore.velero.io/command": fix}});
    let container = json!({"name": "main", "image": IMAGE, "command": MAIN});
    let template = json!({"metadata": metadata, "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}});
    let spec = json!({"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template});
    json!({"metadata": {"name": "web"}, "spec": spec})
}

async fn job_is_complete(cluster: &Cluster, namespace: &str) -> Value {
    eventually("the Job is complete", async || {
        let job = cluster.read(&format!("/apis/batch/v1/namespaces/{namespace}/jobs/seed")).await?;
        let conditions = job["status"]["conditions"].as_array()?.clone();
        let complete = conditions.iter().any(|each| each["type"] == "Complete" && each["status"] == "True");
        complete.then_some(job)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn restored_pods_are_prepared_and_mended_and_jobs_run_again() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "hooked").await;
    let copy = TestNamespace::reserve(&lab.a, "hooked-copy");
    running_pod(&lab.a, &namespace.name, "db", json!({})).await;
    lab.a.create(&format!("/apis/apps/v1/namespaces/{}/deployments", namespace.name), &deployment()).await;
    let once = json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": IMAGE, "command": ["true"]}]});
    let job = json!({"metadata": {"name": "seed"}, "spec": {"template": {"spec": once}}});
    lab.a.create(&format!("/apis/batch/v1/namespaces/{}/jobs", namespace.name), &job).await;
    job_is_complete(&lab.a, &namespace.name).await;

    let home = Installation::prepare(&lab.a, "hooks").await;
    home.location("default", &lab.bucket(), json!({})).await;
    let server = home.start(ServerOptions::default()).await;
    home.create(BACKUP, "hooked", json!({"includedNamespaces": [&namespace.name]})).await;
    home.reach(BACKUP, "hooked", "Completed").await;
    let init = json!({"name": "setup", "image": IMAGE, "command": ["true"]});
    let post_hooks = json!([
        {"init": {"initContainers": [init], "timeout": "5m"}},
        {"exec": {"container": "main", "command": shell("echo mended by $(id -u)")}},
    ]);
    let spec = json!({
        "backupName": "hooked", "namespaceMapping": {namespace.name.as_str(): &copy.name},
        "hooks": {"resources": [
            {"name": "mend", "includedNamespaces": [&copy.name], "labelSelector": {"matchLabels": {"app": "db"}}, "postHooks": post_hooks},
        ]},
        "rerunJobs": [{"name": "seed", "namespace": &copy.name, "timeout": "5m"}],
    });
    home.create(RESTORE, "back", spec).await;
    let back = home.reach(RESTORE, "back", "Completed").await;
    assert_eq!(back["status"]["hooks"], json!({"attempted": 3, "failed": 0}), "{back}");
    let logs = crate::process::run(&mut lab.a.ark(["restore", "logs", "back", "-n", home.name()]));
    let logs = logs.expect_code(0).stdout;
    assert!(logs.contains("mended by 65532"), "{logs}");
    let fixed = |line: &&str| line.contains("/web-") && line.ends_with(": it is fixed");
    assert_eq!(logs.lines().filter(fixed).count(), 2, "{logs}");
    let pod =
        lab.a.read(&format!("/api/v1/namespaces/{}/pods/db", copy.name)).await.expect("the pod is there");
    assert_eq!(pod["spec"]["initContainers"][0]["name"], "setup", "{pod}");
    job_is_complete(&lab.a, &copy.name).await;
    let (_, metrics) = server.get("/metrics").await.expect("metrics are served");
    let line = "ark_hooks_total{phase=\"post-restore\",outcome=\"success\"} 3";
    assert!(metrics.lines().any(|said| said == line), "{metrics}");
}
