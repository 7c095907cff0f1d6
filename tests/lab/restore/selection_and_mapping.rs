//! What a part brings along, and namespaces under other names.

use serde_json::{Value, json};

use super::{count, data, destroy, restore, restored};
use crate::backup::{back_up, config_map};
use crate::support::{Cluster, DEFINITIONS, Lab, TestNamespace, unique};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const CLASSES: &str = "/apis/storage.k8s.io/v1/storageclasses";

/// A definition of `gadgets.<group>`.
pub fn definition(group: &str) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema, "subresources": {"status": {}}});
    json!({"metadata": {"name": format!("gadgets.{group}")}, "spec": {"group": group, "scope": "Namespaced",
        "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"}, "versions": [version]}})
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_namespace_goes_into_another_cluster_with_all_that_it_needs() {
    let lab = Lab::alone().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "move").await;
    let (group, name) = (format!("{}.example.com", unique("g")), unique("move"));
    let gadgets = format!("/apis/{group}/v1/namespaces/{}/gadgets", namespace.name);
    lab.a.create(DEFINITIONS, &definition(&group)).await;
    await_gadgets(&lab.a, &group).await;
    let object = json!({"apiVersion": format!("{group}/v1"), "kind": "Gadget", "metadata": {"name": "one"}, "spec": {"size": 3}});
    lab.a.create(&gadgets, &object).await;
    lab.a.create(CLASSES, &json!({"metadata": {"name": name}, "provisioner": "none"})).await;
    lab.a.create(&format!("{RBAC}/clusterroles"), &json!({"metadata": {"name": name}, "rules": []})).await;
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
    let subject = json!({"kind": "ServiceAccount", "namespace": namespace.name, "name": "default"});
    let binding = json!({"metadata": {"name": name}, "roleRef": role, "subjects": [subject]});
    lab.a.create(&format!("{RBAC}/clusterrolebindings"), &binding).await;
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": name, "resources": {"requests": {"storage": "1Gi"}}}});
    lab.a.create(&format!("/api/v1/namespaces/{}/persistentvolumeclaims", namespace.name), &claim).await;
    // The whole cluster is in the backup; the restore selects.
    back_up(&lab.a, &bucket, "all", &["--exclude-namespaces", "kube-system"], 0);

    let target = TestNamespace::reserve(&lab.b, "moved");
    let mapping = format!("{}:{}", namespace.name, target.name);
    let flags = ["--include-namespaces", &namespace.name, "--namespace-mappings", &mapping];
    let status = restored(&lab.b, &bucket, "all", &flags, 0);
    assert_eq!(count(&status, "errors"), 0, "{status}");
    let moved = lab.b.read(&format!("/apis/{group}/v1/namespaces/{}/gadgets/one", target.name)).await;
    assert_eq!(moved.expect("the gadget moved")["spec"], json!({"size": 3}));
    assert!(lab.b.read(&format!("{CLASSES}/{name}")).await.is_some(), "the claim's class came along");
    let bound =
        lab.b.read(&format!("{RBAC}/clusterrolebindings/{name}")).await.expect("the binding came along");
    assert_eq!(bound["subjects"][0]["namespace"], target.name.as_str());
    assert!(lab.b.read(&format!("{RBAC}/clusterroles/{name}")).await.is_some(), "and its role");
    assert!(lab.b.read(&format!("/api/v1/namespaces/{}", namespace.name)).await.is_none());

    for cluster in [&lab.a, &lab.b] {
        cluster.remove_definition(&format!("gadgets.{group}")).await;
        cluster.delete(&format!("{CLASSES}/{name}")).await;
        cluster.delete(&format!("{RBAC}/clusterrolebindings/{name}")).await;
        cluster.delete(&format!("{RBAC}/clusterroles/{name}")).await;
    }
}

/// Waits until `gadgets.<group>` can be created.
pub async fn await_gadgets(cluster: &Cluster, group: &str) {
    cluster.serves(&format!("/apis/{group}/v1/gadgets")).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn namespaces_swap_names_in_one_restore() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (one, two) = (TestNamespace::create(&lab.a, "one").await, TestNamespace::create(&lab.a, "two").await);
    config_map(&lab.a, &one.name, "whose", &json!({"of": "one"})).await;
    config_map(&lab.a, &two.name, "whose", &json!({"of": "two"})).await;
    let subject = json!({"kind": "ServiceAccount", "namespace": two.name, "name": "default"});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"});
    let bindings = |namespace: &str| format!("{RBAC}/namespaces/{namespace}/rolebindings");
    let binding = json!({"metadata": {"name": "b"}, "roleRef": role, "subjects": [subject]});
    lab.a.create(&bindings(&one.name), &binding).await;
    let both = format!("{},{}", one.name, two.name);
    back_up(&lab.a, &bucket, "swap", &["--include-namespaces", &both], 0);
    destroy(&lab.a, &one.name).await;
    destroy(&lab.a, &two.name).await;

    let mapping = format!("{}:{},{}:{}", one.name, two.name, two.name, one.name);
    restore(&lab.a, &bucket, "swap", &["--namespace-mappings", &mapping], 0);
    assert_eq!(data(&lab.a, &two.name, "whose").await, Some(json!({"of": "one"})));
    assert_eq!(data(&lab.a, &one.name, "whose").await, Some(json!({"of": "two"})));
    let moved = lab.a.read(&format!("{}/b", bindings(&two.name))).await.expect("moved");
    assert_eq!(moved["subjects"][0]["namespace"], one.name.as_str());
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn kinds_labels_and_names_narrow_a_restore_and_a_wrong_name_is_told() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "narrow").await;
    let home = format!("/api/v1/namespaces/{}", namespace.name);
    for (name, app) in [("web", "web"), ("db", "db")] {
        let labels = json!({"name": name, "labels": {"app": app}});
        lab.a.create(&format!("{home}/configmaps"), &json!({"metadata": labels, "data": {"k": "v"}})).await;
        lab.a.create(&format!("{home}/secrets"), &json!({"metadata": labels})).await;
    }
    back_up(&lab.a, &bucket, "narrow", &["--include-namespaces", &namespace.name], 0);
    destroy(&lab.a, &namespace.name).await;
    restore(&lab.a, &bucket, "narrow", &["--include-resources", "cm", "--selector", "app=web"], 0);
    let there = async |kind: &str, name: &str| lab.a.read(&format!("{home}/{kind}/{name}")).await.is_some();
    assert!(there("configmaps", "web").await);
    assert!(!there("configmaps", "db").await && !there("secrets", "web").await);

    let wrong = restore(&lab.a, &bucket, "narrow", &["--include-resources", "cm,nosuchkinds"], 3);
    assert!(wrong.stderr.contains("the backup has no kind called `nosuchkinds`"), "{}", wrong.stderr);
    let wrong = restore(&lab.a, &bucket, "narrow", &["--include-namespaces", "no-such"], 3);
    assert!(wrong.stderr.contains("the backup has no namespace `no-such`"), "{}", wrong.stderr);
    let none = restore(&lab.a, &bucket, "missing", &[], 4);
    assert!(none.stderr.contains("missing"), "{}", none.stderr);
}
