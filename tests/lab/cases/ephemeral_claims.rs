//! Claims that belong to a Pod: what a controller makes again with the Pod is left to it.

use serde_json::{Value, json};

use super::Case;
use crate::support::{Cluster, eventually};

const CLAIMS: &str = include_str!("data/10-ephemeral-volumes.yaml");
const CLASS: &str = "---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: c10-none}\nprovisioner: kubernetes.io/no-provisioner\n";

/// Both claims and the ResourceClaim are there, and each belongs to a Pod that is there.
async fn furnished(case: &Case, cluster: &Cluster) {
    eventually("every claim belongs to a Pod that is there", async || {
        let pods = cluster.list(&case.core_path("pods")).await;
        let pods: Vec<&Value> = pods.iter().map(|pod| &pod["metadata"]["uid"]).collect();
        let claims = cluster.list(&case.core_path("persistentvolumeclaims")).await;
        let resources = cluster.list(&case.group_path("resource.k8s.io/v1", "resourceclaims")).await;
        let all: Vec<&Value> = claims.iter().chain(&resources).collect();
        let owned = |claim: &&Value| pods.contains(&&claim["metadata"]["ownerReferences"][0]["uid"]);
        (claims.len() == 2 && resources.len() == 1 && all.iter().all(owned)).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn claims_of_ephemeral_volumes_belong_to_the_new_pods_and_none_is_left_over() {
    let case = Case::get("c10", &format!("{CLAIMS}{CLASS}")).await;
    case.create().await;
    furnished(&case, case.a()).await;
    case.back_up();
    case.restore_cleanly(case.b(), &[]);
    furnished(&case, case.b()).await;
    let pod = case.b().read(&case.core_path("pods/scratch-0")).await.expect("its controller made it");
    let claim =
        case.b().read(&case.core_path("persistentvolumeclaims/scratch-0-tmp")).await.expect("made with it");
    assert_eq!(claim["metadata"]["ownerReferences"][0]["uid"], pod["metadata"]["uid"]);
    // What the templates name came along.
    for class in ["resource.k8s.io/v1/deviceclasses", "storage.k8s.io/v1/storageclasses"] {
        let name = if class.starts_with("resource") { "gpu" } else { "none" };
        let path = format!("/apis/{class}/{}-{name}", case.id);
        assert!(case.b().read(&path).await.is_some(), "{path}");
    }
    case.second_changes_nothing(case.b(), &[]).await;
    furnished(&case, case.b()).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_claim_of_a_pod_that_nobody_makes_again_comes_with_it() {
    let yaml = "apiVersion: v1\nkind: Namespace\nmetadata: {name: c10}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: bare, namespace: c10}\nspec:\n  \
        containers: [{name: main, image: \"example.test/main:1\", volumeMounts: [{name: tmp, mountPath: /tmp}]}]\n  volumes: [{name: tmp, ephemeral: {volumeClaimTemplate: \
        {spec: {accessModes: [ReadWriteOnce], storageClassName: c10-none, resources: {requests: {storage: 1Gi}}}}}}]\n";
    let case = Case::get("c10", yaml).await;
    case.create().await;
    let claim = case.core_path("persistentvolumeclaims/bare-tmp");
    let of_pod = async |cluster: &Cluster| {
        eventually("the claim belongs to the Pod", async || {
            let pod = cluster.read(&case.core_path("pods/bare")).await?;
            let claim = cluster.read(&claim).await?;
            (claim["metadata"]["ownerReferences"][0]["uid"] == pod["metadata"]["uid"]).then_some(claim)
        })
        .await
    };
    of_pod(case.a()).await;
    case.a().merge(&claim, &json!({"metadata": {"labels": {"tier": "gold"}}})).await;
    case.back_up();
    case.destroy().await;
    case.restore_cleanly(case.a(), &[]);
    assert_eq!(of_pod(case.a()).await["metadata"]["ownerReferences"][0]["kind"], "Pod");
    case.second_changes_nothing(case.a(), &[]).await;
}
