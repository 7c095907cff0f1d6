//! What needs pods that run. `hack/test.sh` adds a node to cluster A for these, and names them
//! where it cannot.

mod hooks;
mod restore_hooks;

use std::process::Command;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, ListParams, PostParams};
use serde_json::{Value, json};

use crate::install::{apply_all, printed, remove_roles};
use crate::server::{BACKUP, Installation, LOCATION};
use crate::support::{Cluster, Lab, Proxy, TestNamespace, eventually, fact};

/// The image that the lab makes from the machine's own busybox; nothing can be pulled.
pub const IMAGE: &str = "ark.lab/busybox:1";

/// The image of the program under test.
const ARK: &str = "ark.lab/ark:1";

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_pod_runs_and_has_an_address() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "pod").await;
    let pods = Api::<Pod>::namespaced(lab.a.client.clone(), &namespace.name);
    // Of another user than root, who must be able to read the root of the pod, too.
    let pod = json!({
        "metadata": { "name": "one" },
        "spec": {
            "terminationGracePeriodSeconds": 0, "securityContext": { "runAsUser": 65532 },
            "containers": [{ "name": "main", "image": IMAGE }],
        },
    });
    pods.create(&PostParams::default(), &serde_json::from_value(pod).expect("a pod"))
        .await
        .expect("creatable");
    let address = eventually("the pod runs", async || {
        let status = pods.get("one").await.expect("readable").status?;
        (status.phase.as_deref() == Some("Running")).then_some(status.pod_ip).flatten()
    });
    assert!(address.await.starts_with("10."));
}

/// Puts the program under test into an image of the node.
async fn make_image() {
    let path = format!("{}/hack/lab/image", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(&path);
    command.args(["--name", &fact("ARK_LAB_NAME_A"), env!("CARGO_BIN_EXE_ark"), ARK]);
    let made = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
    let made = made.expect("a script can be started");
    assert!(made.status.success(), "{path}: {}", String::from_utf8_lossy(&made.stderr));
}

/// An address of this machine that pods reach.
async fn node_address(cluster: &Cluster) -> String {
    let nodes =
        Api::<Node>::all(cluster.client.clone()).list(&ListParams::default()).await.expect("listable");
    let addresses = nodes.items.into_iter().filter_map(|node| node.status?.addresses).flatten();
    let internal = addresses.into_iter().find(|address| address.type_ == "InternalIP");
    internal.expect("the node has an address").address
}

/// The manifests as they are printed, with the image that the node has. A lab without kube-proxy
/// has no addresses of Services: the way to the API server is named by hand.
fn manifests(namespace: &str, api_server: &Proxy) -> Vec<Value> {
    let mut objects = printed(namespace, &[]);
    objects.retain(|object| object["kind"] != "Namespace");
    let deployment = objects.iter_mut().find(|object| object["kind"] == "Deployment").expect("a Deployment");
    let pod = &mut deployment["spec"]["template"]["spec"];
    let address = api_server.address();
    pod["hostAliases"] = json!([{"ip": address.ip(), "hostnames": ["kubernetes.default.svc"]}]);
    let container = &mut pod["containers"][0];
    container["image"] = json!(ARK);
    for (name, value) in [
        ("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc".to_owned()),
        ("KUBERNETES_SERVICE_PORT", address.port().to_string()),
    ] {
        container["env"]
            .as_array_mut()
            .expect("it has an environment")
            .push(json!({"name": name, "value": value}));
    }
    objects
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_server_runs_as_it_is_installed_and_its_replica_takes_over() {
    let lab = Lab::get().await;
    make_image().await;
    let node = node_address(&lab.a).await;
    let config = kube::config::Kubeconfig::read_from(&lab.a.kubeconfig).expect("readable");
    let server =
        config.clusters[0].cluster.as_ref().and_then(|cluster| cluster.server.clone()).expect("a URL");
    let api_server = Proxy::at(&node, server.trim_start_matches("https://")).await;
    let s3 = Proxy::at(&node, lab.s3.trim_start_matches("http://")).await;

    let home = Installation::prepare(&lab.a, "installed").await;
    let bucket = lab.bucket().replace(&lab.s3, &format!("http://{}", s3.address()));
    home.location("default", &bucket, json!({})).await;
    let objects = manifests(home.name(), &api_server);
    apply_all(&lab.a, &objects).await;
    let deployment = format!("/apis/apps/v1/namespaces/{}/deployments/ark", home.name());
    eventually("both replicas are ready", async || {
        let deployment = lab.a.read(&deployment).await?;
        (deployment["status"]["readyReplicas"] == 2).then_some(())
    })
    .await;
    home.reach(LOCATION, "default", "Available").await;
    let first = home.leader().await.expect("one leads");
    // With the rights that are installed it also runs hooks.
    let freeze = json!({"pre.hook.backup.velero.io/command": "true"});
    hooks::running_pod(&lab.a, home.name(), "db", freeze).await;
    home.create(BACKUP, "by-the-first", json!({"includedNamespaces": [home.name()]})).await;
    let made = home.reach(BACKUP, "by-the-first", "Completed").await;
    assert_eq!(made["status"]["hooks"], json!({"attempted": 1, "failed": 0}), "{made}");

    let pod = first.split('/').next().expect("a pod's name");
    lab.a.delete(&format!("/api/v1/namespaces/{}/pods/{pod}", home.name())).await;
    let begun = std::time::Instant::now();
    let second =
        eventually("the other replica leads", async || home.leader().await.filter(|holder| *holder != first))
            .await;
    println!("{first} was deleted; {second} leads after {:?}", begun.elapsed());
    home.create(BACKUP, "by-the-second", json!({"includedNamespaces": [home.name()]})).await;
    let made = home.reach(BACKUP, "by-the-second", "Completed").await;
    assert_ne!(made["status"]["holder"], json!(pod), "{made}");
    let pods = lab.a.read(&format!("/api/v1/namespaces/{}/pods", home.name())).await.expect("listable");
    for pod in pods["items"].as_array().expect("pods") {
        for status in pod["status"]["containerStatuses"].as_array().into_iter().flatten() {
            assert_eq!(status["restartCount"], 0, "{pod}");
        }
    }
    remove_roles(&lab.a, &objects).await;
}
