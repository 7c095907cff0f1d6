//! What dead processes have left at zero comes back, on a real API server and a real bucket.

use std::time::Instant;

use ark::store::{ObjectKey, PutMode};
use serde_json::{Value, json};

use super::{BACKUP, Installation, ServerOptions, keys};
use crate::restore::store;
use crate::support::{Cluster, Lab, TestNamespace, eventually};

const BEFORE: &str = "ark.heptio.com/replicas-before";

/// A Deployment of two pods, which a finalizer keeps when it is scaled to zero; on a node that does
/// not exist, so that nobody says of them that they have ended. Returns its path.
async fn deployment(cluster: &Cluster, namespace: &str) -> String {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let labels = json!({"app": "web"});
    let template = json!({
        "metadata": {"labels": labels, "finalizers": ["example.com/hold"]},
        "spec": {"nodeName": "nowhere", "containers": [{"name": "web", "image": "example.com/web"}],
            "terminationGracePeriodSeconds": 0},
    });
    let spec = json!({"replicas": 2, "selector": {"matchLabels": labels}, "template": template});
    cluster.create(&path, &json!({"metadata": {"name": "web"}, "spec": spec})).await;
    format!("{path}/web")
}

async fn has_replicas(cluster: &Cluster, path: &str, number: u64) {
    eventually(&format!("{path} has {number} replicas"), async || {
        (cluster.read(path).await?["spec"]["replicas"] == number).then_some(())
    })
    .await;
}

/// Lets the pods of a namespace go.
async fn release(cluster: &Cluster, namespace: &str, deployment: &str) {
    cluster.delete(deployment).await;
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    for pod in cluster.list(&pods).await {
        let path = format!("{pods}/{}", pod["metadata"]["name"].as_str().expect("a name"));
        cluster.merge(&path, &json!({"metadata": {"finalizers": null}})).await;
    }
}

async fn is_settled(bucket: &str, left: usize) {
    eventually("the records are gone", async || {
        let open = keys(bucket).await.into_iter().filter(|key| key.starts_with("obligations/")).count();
        (open == left).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_workload_that_a_killed_server_left_at_zero_comes_back_although_its_backup_is_gone() {
    let lab = Lab::get().await;
    let (bucket, namespace) = (lab.bucket(), TestNamespace::create(&lab.a, "left").await);
    let web = deployment(&lab.a, &namespace.name).await;
    let installation = Installation::prepare(&lab.a, "left").await;
    installation.location("default", &bucket, json!({"validationPeriod": "1s"})).await;
    let server = installation.start(ServerOptions::default()).await;
    let scale = json!({"name": "rest", "namespace": namespace.name,
        "scale": {"workloads": [{"resource": "deployments", "name": "web"}]}});
    let spec = json!({"includedNamespaces": [namespace.name], "hooks": {"actions": [scale]}});
    installation.create(BACKUP, "one", spec).await;
    has_replicas(&lab.a, &web, 0).await;
    let noted = installation.read(BACKUP, "one").await.expect("it is there");
    assert!(noted["status"]["obligations"].to_string().contains("back to 2"), "{noted}");
    is_settled(&bucket, 1).await;
    server.kill();
    installation.delete(BACKUP, "one").await;
    let next = installation.start_again(ServerOptions::default()).await;
    has_replicas(&lab.a, &web, 2).await;
    is_settled(&bucket, 0).await;
    eventually("it is told", async || next.log().contains("undone: what scales").then_some(())).await;
    release(&lab.a, &namespace.name, &web).await;
}

fn document(cluster: &str, namespace: &str, workload: &Value) -> String {
    let undo = json!({"type": "scale", "action": "rest", "resource": "deployments.apps", "namespace": namespace,
        "name": "web", "uid": workload["metadata"]["uid"], "replicas": 2});
    let open = json!([{"what": "scales it back", "since": "2026-11-28T03:00:00Z",
        "deadline": "2026-11-28T04:00:00Z", "undo": undo}]);
    json!({"format": 1, "run": {"kind": "Backup", "name": "one", "uid": "u"}, "clusterUid": cluster,
        "holder": "laptop/7", "process": "gone", "heartbeat": "2026-11-28T03:00:00Z", "open": open})
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_a_dead_laptop_left_is_undone_after_thirty_silent_seconds_and_what_another_cluster_left_never() {
    let lab = Lab::get().await;
    let (bucket, namespace) = (lab.bucket(), TestNamespace::create(&lab.a, "laptop").await);
    let web = deployment(&lab.a, &namespace.name).await;
    let zero = json!({"metadata": {"annotations": {BEFORE: "2"}}, "spec": {"replicas": 0}});
    lab.a.merge(&web, &zero).await;
    let workload = lab.a.read(&web).await.expect("it is there");
    let here = lab.a.read("/api/v1/namespaces/kube-system").await.expect("it is there");
    let here = here["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let installation = Installation::prepare(&lab.a, "laptop").await;
    installation.location("default", &bucket, json!({"validationPeriod": "1s"})).await;
    let _server = installation.start(ServerOptions::default()).await;
    let began = Instant::now();
    for (id, cluster) in [("backup-v-1", "another"), ("backup-u-1", here.as_str())] {
        let key = ObjectKey::new(format!("obligations/{id}.json")).expect("a key");
        let body = document(cluster, &namespace.name, &workload);
        store(&bucket).await.put(&key, body.into(), PutMode::Create).await.expect("writable");
    }
    has_replicas(&lab.a, &web, 2).await;
    assert!(began.elapsed().as_secs() >= 30, "its heartbeat was not waited for");
    is_settled(&bucket, 1).await;
    assert!(keys(&bucket).await.contains(&"obligations/backup-v-1.json".to_owned()));
    release(&lab.a, &namespace.name, &web).await;
}
