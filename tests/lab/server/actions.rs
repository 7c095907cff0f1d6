//! Actions around a backup: workloads at zero, Jobs. No node is needed: pods stay Pending, and a
//! test says how they end.

use serde_json::{Value, json};

use super::{BACKUP, Installation, ServerOptions};
use crate::backup::contents;
use crate::process::run;
use crate::support::{Cluster, Lab, TestNamespace, eventually};

const BEFORE: &str = "ark.heptio.com/replicas-before";

/// Backs a namespace up with these actions in it, and waits for this phase. Returns the log.
async fn back_up(lab: &Lab, bucket: &str, namespace: &str, actions: Vec<Value>, phase: &str) -> String {
    let whole = |(at, mut action): (usize, Value)| {
        action["name"] = json!(format!("action-{at}"));
        action["namespace"] = json!(namespace);
        action
    };
    let actions: Vec<Value> = actions.into_iter().enumerate().map(whole).collect();
    let home = Installation::prepare(&lab.a, "actions").await;
    home.location("default", bucket, json!({})).await;
    let _server = home.start(ServerOptions::default()).await;
    let spec = json!({"includedNamespaces": [namespace], "hooks": {"actions": actions}});
    home.create(BACKUP, "one", spec).await;
    home.reach(BACKUP, "one", phase).await;
    let logs = lab.a.ark(["backup", "logs", "one", "--location", bucket]);
    run(&mut { logs }).expect_code(0).stdout
}

/// A pod of a workload. No node takes it, so that the test alone says what becomes of it. One with
/// finalizers is on a node that does not exist: at once of a pod on no node, and of that one after
/// 40 s, the garbage collector of pods says that it has ended.
fn pod_template(finalizers: &[&str]) -> Value {
    let mut spec = json!({
        "containers": [{"name": "web", "image": "example.com/web"}], "terminationGracePeriodSeconds": 0,
    });
    if finalizers.is_empty() {
        spec["nodeSelector"] = json!({"example.com/no": "node"});
    } else {
        spec["nodeName"] = json!("nowhere");
    }
    json!({"metadata": {"labels": {"app": "web"}, "finalizers": finalizers}, "spec": spec})
}

async fn deployment(cluster: &Cluster, namespace: &str, name: &str, finalizers: &[&str]) -> String {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let selector = json!({"matchLabels": {"app": "web"}});
    let object = json!({
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"replicas": 2, "selector": selector, "template": pod_template(finalizers)},
    });
    cluster.create(&path, &object).await;
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    eventually("it has pods", async || (cluster.list(&pods).await.len() == 2).then_some(())).await;
    format!("{path}/{name}")
}

/// Replicas and annotation of a workload.
async fn state(cluster: &Cluster, path: &str) -> (Value, Value) {
    let object = cluster.read(path).await.expect("it is there");
    (object["spec"]["replicas"].clone(), object["metadata"]["annotations"][BEFORE].clone())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_application_rests_for_its_backup_and_is_restored_running() {
    let lab = Lab::get().await;
    let (bucket, namespace) = (lab.bucket(), TestNamespace::create(&lab.a, "rests").await);
    let web = deployment(&lab.a, &namespace.name, "web", &[]).await;
    let sets = format!("/apis/apps/v1/namespaces/{}/statefulsets", namespace.name);
    let idle = json!({
        "metadata": {"name": "idle", "labels": {"app": "web"}},
        "spec": {"replicas": 0, "serviceName": "idle", "selector": {"matchLabels": {"app": "web"}}, "template": pod_template(&[])},
    });
    lab.a.create(&sets, &idle).await;
    let scale = json!({"scale": {"labelSelector": {"matchLabels": {"app": "web"}}}});
    back_up(&lab, &bucket, &namespace.name, vec![scale], "Completed").await;
    assert_eq!(state(&lab.a, &web).await, (json!(2), Value::Null));
    assert_eq!(state(&lab.a, &format!("{sets}/idle")).await, (json!(0), Value::Null));
    let items = contents(&lab.a, &bucket, "one");
    let pods: Vec<&String> = items.iter().filter(|item| item.starts_with("pods ")).collect();
    assert_eq!(pods, [""; 0], "it rested at the instant");
    assert!(items.contains(&format!("deployments.apps {}/web", namespace.name)), "{items:?}");

    let back = TestNamespace::reserve(&lab.b, "rested");
    let mapping = format!("{}:{}", namespace.name, back.name);
    let arguments = ["restore", "run", "--from-backup", "one", "--location", &bucket];
    let arguments = arguments.into_iter().chain(["--namespace-mappings", &mapping]);
    let restored = run(&mut lab.b.ark(arguments));
    assert!([Some(0), Some(3)].contains(&restored.code), "{}", restored.stderr);
    let path = |kind: &str, name: &str| format!("/apis/apps/v1/namespaces/{}/{kind}/{name}", back.name);
    assert_eq!(state(&lab.b, &path("deployments", "web")).await, (json!(2), Value::Null));
    assert_eq!(state(&lab.b, &path("statefulsets", "idle")).await, (json!(0), Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn pods_that_hang_are_named_and_everything_is_scaled_back() {
    let lab = Lab::get().await;
    let (bucket, namespace) = (lab.bucket(), TestNamespace::create(&lab.a, "hangs").await);
    let web = deployment(&lab.a, &namespace.name, "web", &["example.com/hold"]).await;
    let workloads = json!([{"resource": "deploy", "name": "web"}]);
    let scale = json!({"timeout": "8s", "scale": {"workloads": workloads}});
    let said = back_up(&lab, &bucket, &namespace.name, vec![scale], "PartiallyFailed").await;
    assert_eq!(state(&lab.a, &web).await, (json!(2), Value::Null));
    assert!(said.contains("waits for its finalizers example.com/hold"), "{said}");
    let pods = format!("/api/v1/namespaces/{}/pods", namespace.name);
    lab.a.merge(&web, &json!({"spec": {"replicas": 0}})).await;
    for pod in lab.a.list(&pods).await {
        let path = format!("{pods}/{}", pod["metadata"]["name"].as_str().expect("a name"));
        lab.a.merge(&path, &json!({"metadata": {"finalizers": null}})).await;
    }
}

fn job(phase: &str, timeout: &str) -> Value {
    let pod = json!({"restartPolicy": "Never", "nodeSelector": {"example.com/no": "node"}, "containers": [{"name": "flush", "image": "example.com/flush"}]});
    json!({"phase": phase, "timeout": timeout, "onError": "Continue",
        "job": {"template": {"spec": {"backoffLimit": 0, "template": {"spec": pod}}}}})
}

/// Lets the pod of the next Job that was not seen before end in this phase; returns the Job's name.
async fn end_job(cluster: &Cluster, namespace: &str, seen: &[String], phase: &str) -> String {
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    let (name, job) = eventually("a Job has a pod", async || {
        let of = |pod: &Value| pod["metadata"]["labels"]["job-name"].as_str().unwrap_or_default().to_owned();
        let found = cluster.list(&pods).await;
        let pod = found.iter().find(|pod| !of(pod).is_empty() && !seen.contains(&of(pod)))?;
        Some((pod["metadata"]["name"].as_str()?.to_owned(), of(pod)))
    })
    .await;
    let status = json!({"status": {"phase": phase, "reason": "Said", "message": "the test says so"}});
    cluster.merge(&format!("{pods}/{name}/status"), &status).await;
    job
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_job_brackets_a_backup_and_is_not_in_it() {
    let lab = Lab::get().await;
    let (bucket, namespace) = (lab.bucket(), TestNamespace::create(&lab.a, "brackets").await);
    let cron_jobs = format!("/apis/batch/v1/namespaces/{}/cronjobs", namespace.name);
    let mut template = job("Post", "2m")["job"]["template"].clone();
    template["metadata"] = json!({"labels": {"app": "check"}});
    let spec = json!({"schedule": "@yearly", "suspend": true, "successfulJobsHistoryLimit": 0, "jobTemplate": template});
    lab.a.create(&cron_jobs, &json!({"metadata": {"name": "check"}, "spec": spec})).await;
    let after = json!({"phase": "Post", "timeout": "2m", "job": {"fromCronJob": "check"}});
    let script = async {
        let first = end_job(&lab.a, &namespace.name, &[], "Succeeded").await;
        let second = end_job(&lab.a, &namespace.name, std::slice::from_ref(&first), "Succeeded").await;
        (first, second)
    };
    let backup = back_up(&lab, &bucket, &namespace.name, vec![job("Pre", "2m"), after], "Completed");
    let (_, (first, second)) = tokio::join!(backup, script);
    assert!(first.starts_with("ark-action-0-") && second.starts_with("ark-action-1-"), "{first} {second}");
    let items = contents(&lab.a, &bucket, "one");
    assert!(!items.iter().any(|item| item.contains("ark-action")), "{items:?}");
    let of_cron_job = format!("/apis/batch/v1/namespaces/{}/jobs/{second}", namespace.name);
    let made = lab.a.read(&of_cron_job).await.expect("its CronJob does not delete it");
    assert_eq!(made["metadata"]["ownerReferences"][0]["name"], "check");
    assert_eq!(made["metadata"]["labels"]["app"], "check");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_job_that_fails_or_never_starts_says_why() {
    let lab = Lab::get().await;
    let (bucket, namespace) = (lab.bucket(), TestNamespace::create(&lab.a, "fails").await);
    let quota = json!({"metadata": {"name": "none"}, "spec": {"hard": {"pods": "1"}}});
    let fails = end_job(&lab.a, &namespace.name, &[], "Failed");
    let actions = vec![job("Pre", "2m"), job("Pre", "10s"), job("Post", "4s")];
    let backup = back_up(&lab, &bucket, &namespace.name, actions, "PartiallyFailed");
    let script = async {
        let failed = fails.await;
        let quotas = format!("/api/v1/namespaces/{}/resourcequotas", namespace.name);
        // The second has a pod, which no node takes; the third may have none.
        let jobs = format!("/apis/batch/v1/namespaces/{}/jobs", namespace.name);
        eventually("the second Job is there", async || {
            let name = |job: &Value| job["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            lab.a.list(&jobs).await.iter().any(|job| name(job).starts_with("ark-action-1")).then_some(())
        })
        .await;
        lab.a.create(&quotas, &quota).await;
        failed
    };
    let (log, _) = tokio::join!(backup, script);
    for says in [
        "pre of action `action-0` failed: the Job",
        "BackoffLimitExceeded",
        "pre of action `action-1` failed: the Job",
        "did not become complete within 10 s: the pod ark-action-1-",
        "post of action `action-2` failed: the Job",
    ] {
        assert!(log.contains(says), "{says} is not in {log}");
    }
    let jobs = lab.a.list(&format!("/apis/batch/v1/namespaces/{}/jobs", namespace.name)).await;
    assert!(
        jobs.iter()
            .all(|job| job["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("ark-action-0"))),
        "{jobs:?}"
    );
}
