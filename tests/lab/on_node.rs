//! What needs pods that run. `hack/test.sh` adds a node to cluster A for these, and names them where it cannot.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde_json::json;

use crate::support::{Lab, TestNamespace, eventually};

/// The image that the lab makes from the machine's own busybox; nothing can be pulled.
pub const IMAGE: &str = "ark.lab/busybox:1";

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_pod_runs_and_has_an_address() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "pod").await;
    let pods = Api::<Pod>::namespaced(lab.a.client.clone(), &namespace.name);
    let pod = json!({
        "metadata": { "name": "one" },
        "spec": { "terminationGracePeriodSeconds": 0, "containers": [{ "name": "main", "image": IMAGE }] },
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
