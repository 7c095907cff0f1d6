//! What a killed server has locked in a MongoDB deployment is released by the next one, and what it
//! has scaled to zero comes back. What is left is read from the fronts that play the deployment and
//! from the cluster, not from Ark's records.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{BACKUP, Installation, ServerOptions, keys};
use crate::stand::{Peculiarities, Role, Stand};
use crate::support::{Cluster, Lab, TestNamespace, eventually};

/// Rounds of each topology beyond those in the suite; each kills the server at another step.
const MORE: &str = "ARK_MONGO_KILL_ROUNDS";

/// Kills a server at a step of its backup's locks, and expects nothing of it beside the next one.
/// Returns the time from the start of the next server to the end of the last lock.
async fn round(lab: &Lab, installation: &Installation<'_>, name: &str, stand: &Stand, step: u32) -> Duration {
    let namespace = TestNamespace::create(&lab.a, "locked").await;
    let secret = json!({"metadata": {"name": "mongo"}, "stringData": {"uri": stand.uri()}});
    lab.a.create(&format!("/api/v1/namespaces/{}/secrets", namespace.name), &secret).await;
    let server = installation.start_again(ServerOptions::default()).await;
    let web = deployment(&lab.a, &namespace.name).await;
    let connection = json!({"uriSecret": {"name": "mongo", "key": "uri"}});
    let workloads = json!([{"resource": "deployments", "name": "web"}]);
    let actions = json!([
        {"name": "rest", "namespace": namespace.name, "scale": {"workloads": workloads}},
        {"name": "db", "namespace": namespace.name, "mongo": {"connection": connection}},
    ]);
    let spec = json!({"includedNamespaces": [namespace.name], "hooks": {"actions": actions}});
    stand.deployment().stop_at(step);
    installation.create(BACKUP, name, spec).await;
    stand.deployment().stopped().await;
    server.kill();
    // What the server had sent is done although it is dead.
    stand.deployment().go_on().await;
    stand.deployment().deserted().await;
    assert_eq!(replicas(&lab.a, &web).await, 0, "it rests while the database is locked");
    let next = installation.start_beside(ServerOptions::default()).await;
    let began = Instant::now();
    installation.free_lease().await;
    installation.leads(&next).await;
    eventually("nothing is locked, and the balancer is on", async || {
        let mode = stand.deployment().balancer(|_| {}).mode;
        (stand.locks() == 0 && mode == "full").then_some(())
    })
    .await;
    let took = began.elapsed();
    installation.reach(BACKUP, name, "Completed").await;
    assert_eq!(next.stop().await, Some(0), "{}", next.log());
    assert_eq!((stand.locks(), stand.deployment().balancer(|_| {}).mode), (0, "full"), "{name}, step {step}");
    assert_eq!(replicas(&lab.a, &web).await, 2, "{name}, step {step}");
    took
}

/// Creates a Deployment of two pods, and returns its path.
async fn deployment(cluster: &Cluster, namespace: &str) -> String {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let labels = json!({"app": "web"});
    let template = json!({
        "metadata": {"labels": labels},
        "spec": {"nodeSelector": {"example.com/no": "node"}, "containers": [{"name": "web", "image": "example.com/web"}],
            "terminationGracePeriodSeconds": 0},
    });
    let spec = json!({"replicas": 2, "selector": {"matchLabels": labels}, "template": template});
    cluster.create(&path, &json!({"metadata": {"name": "web"}, "spec": spec})).await;
    format!("{path}/web")
}

async fn replicas(cluster: &Cluster, deployment: &str) -> u64 {
    let found = cluster.read(deployment).await.expect("it is there");
    found["spec"]["replicas"].as_u64().expect("a number")
}

/// Kills servers at these steps of a topology, and at more if the environment asks for them.
async fn rounds(purpose: &str, steps: &[u32], of: impl AsyncFn() -> Stand) {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let installation = Installation::prepare(&lab.a, purpose).await;
    installation.location("default", &bucket, json!({})).await;
    let more = std::env::var(MORE).map_or(0, |rounds| rounds.parse().expect("a number of rounds"));
    let (mut longest, mut rounds) = (Duration::ZERO, 0);
    let last = steps.iter().max().copied().unwrap_or(1);
    for step in steps.iter().copied().chain((0..more).map(|round| round % last + 1)) {
        let name = format!("round-{rounds}");
        longest = longest.max(round(&lab, &installation, &name, &of().await, step).await);
        rounds += 1;
    }
    let left = keys(&bucket).await.into_iter().filter(|key| key.starts_with("obligations/")).count();
    assert_eq!(left, 0, "records are left");
    println!(
        "{purpose}: {rounds} rounds; the last lock ended {longest:.1?} after the next start at the latest"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_standalone_database_that_a_killed_server_locked_is_released() {
    rounds("standalone", &[2], async || Stand::standalone(Peculiarities::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_replica_set_that_a_killed_server_locked_is_released() {
    let of = async || Stand::replica_set(&[Role::Data; 3], Peculiarities::default()).await;
    rounds("replicated", &[2], of).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_sharded_database_that_a_killed_server_locked_is_released_and_balanced() {
    rounds("sharded", &[2, 10], async || Stand::sharded(Peculiarities::default()).await).await;
}
