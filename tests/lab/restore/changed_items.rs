//! Items that are changed on their way back: modifiers, classes, images, ports, status.

use serde_json::{Value, json};

use super::selection_and_mapping::{await_gadgets, definition};
use super::{destroy, read, restore};
use crate::backup::{back_up, config_map};
use crate::support::{DEFINITIONS, Lab, TestNamespace, eventually, unique};

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn modifiers_and_mappings_change_what_they_name_and_nothing_else() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "change").await;
    let name = &*namespace.name;
    for map in ["web", "db"] {
        config_map(&lab.a, name, map, &json!({"url": "http://old"})).await;
    }
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "old", "resources": {"requests": {"storage": "1Gi"}}}});
    lab.a.create(&format!("/api/v1/namespaces/{name}/persistentvolumeclaims"), &claim).await;
    let pod = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "old.example.com/web:1"}]}});
    let deployment = json!({"metadata": {"name": "web"}, "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": pod}});
    let deployments = format!("/apis/apps/v1/namespaces/{name}/deployments");
    lab.a.create(&deployments, &deployment).await;
    back_up(&lab.a, &bucket, "change", &["--include-namespaces", name], 0);
    destroy(&lab.a, name).await;

    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    let text = "- conditions: {groupResource: configmaps, resourceNameRegex: '^web$'}\n  patches:\n  - {operation: replace, path: /data/url, value: 'http://new'}\n";
    std::fs::write(&rules, text).expect("written");
    let rules = rules.to_str().expect("text");
    let flags = [
        "--resource-modifiers",
        rules,
        "--storage-class-mappings",
        "old:new",
        "--image-mappings",
        "old.example.com=new.example.com",
    ];
    restore(&lab.a, &bucket, "change", &flags, 0);
    let url = async |map: &str| {
        read(&lab.a, name, "configmaps", map).await.expect("restored")["data"]["url"].clone()
    };
    assert_eq!((url("web").await, url("db").await), (json!("http://new"), json!("http://old")));
    let claim = read(&lab.a, name, "persistentvolumeclaims", "data").await.expect("restored");
    assert_eq!(claim["spec"]["storageClassName"], "new");
    let web = lab.a.read(&format!("{deployments}/web")).await.expect("restored");
    assert_eq!(web["spec"]["template"]["spec"]["containers"][0]["image"], "new.example.com/web:1");
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_status_comes_back_for_the_kinds_that_are_named() {
    let lab = Lab::alone().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "status").await;
    let group = format!("{}.example.com", unique("g"));
    lab.a.create(DEFINITIONS, &definition(&group)).await;
    await_gadgets(&lab.a, &group).await;
    let gadgets = format!("/apis/{group}/v1/namespaces/{}/gadgets", namespace.name);
    let object = json!({"apiVersion": format!("{group}/v1"), "kind": "Gadget", "metadata": {"name": "one"}});
    let mut made = lab.a.create(&gadgets, &object).await;
    made["status"] = json!({"spins": 7});
    lab.a.replace(&format!("{gadgets}/one/status"), &made).await;
    back_up(&lab.a, &bucket, "status", &["--include-namespaces", &namespace.name], 0);
    let status =
        async || lab.a.read(&format!("{gadgets}/one")).await.expect("restored").get("status").cloned();
    for (flags, expected) in [
        (vec![], None),
        (vec!["--status-include-resources", "gadgets"], Some(json!({"spins": 7}))),
        (vec!["--status-include-resources", "*", "--status-exclude-resources", "gadgets"], None::<Value>),
    ] {
        lab.a.delete(&format!("{gadgets}/one")).await;
        // The claim of a kind to a status must not bring that of others along.
        restore(&lab.a, &bucket, "status", &[&["--include-resources", "gadgets"], &*flags].concat(), 0);
        assert_eq!(status().await, expected, "{flags:?}");
    }
    lab.a.remove_definition(&format!("gadgets.{group}")).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn node_ports_are_kept_only_when_that_is_asked_for() {
    // Alone, since the port must be free when it comes back.
    let lab = Lab::alone().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "ports").await;
    let services = format!("/api/v1/namespaces/{}/services", namespace.name);
    let service = json!({"metadata": {"name": "web"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}});
    let made = lab.a.create(&services, &service).await;
    back_up(&lab.a, &bucket, "ports", &["--include-namespaces", &namespace.name], 0);
    lab.a.delete(&format!("{services}/web")).await;
    restore(&lab.a, &bucket, "ports", &["--preserve-nodeports"], 0);
    let port = |service: &Value| service["spec"]["ports"][0]["nodePort"].clone();
    let kept = lab.a.read(&format!("{services}/web")).await.expect("restored");
    assert_eq!(port(&kept), port(&made));
    // In another namespace the port would be taken; without the wish another one is found.
    let other = TestNamespace::reserve(&lab.a, "ports-copy");
    let mapping = format!("{}:{}", namespace.name, other.name);
    restore(&lab.a, &bucket, "ports", &["--namespace-mappings", &mapping], 0);
    let found = read(&lab.a, &other.name, "services", "web").await.expect("restored");
    assert_ne!(port(&found), port(&made));
}

/// A volume with the reclaim policy Retain. A copy of its claim under another name must not take
/// it.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_kept_volume_is_claimed_again_and_a_copy_gets_a_new_one() {
    let lab = Lab::alone().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "volume").await;
    let volume = unique("volume");
    let (volumes, name) = ("/api/v1/persistentvolumes", &*namespace.name);
    let claims = |namespace: &str| format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims");
    let spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain", "storageClassName": volume, "hostPath": {"path": "/nonexistent"}});
    lab.a.create(volumes, &json!({"metadata": {"name": volume}, "spec": spec})).await;
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": volume, "volumeName": volume, "resources": {"requests": {"storage": "1Gi"}}}});
    lab.a.create(&claims(name), &claim).await;
    let bound = async |namespace: &str| {
        let path = format!("{}/data", claims(namespace));
        eventually("the claim is bound", async || {
            let claim = lab.a.read(&path).await?;
            (claim["status"]["phase"] == "Bound").then(|| claim["spec"]["volumeName"].clone())
        })
        .await
    };
    assert_eq!(bound(name).await, volume.as_str());
    back_up(&lab.a, &bucket, "volume", &["--include-namespaces", name], 0);

    let other = TestNamespace::reserve(&lab.a, "volume-copy");
    let mapping = format!("{name}:{}", other.name);
    let copied = restore(&lab.a, &bucket, "volume", &["--namespace-mappings", &mapping], 0);
    let told = format!("belongs to the claim {name}/data");
    assert!(copied.stderr.contains(&told), "{}", copied.stderr);
    let copy = read(&lab.a, &other.name, "persistentvolumeclaims", "data").await.expect("restored");
    assert_eq!(copy["spec"].get("volumeName"), None);

    destroy(&lab.a, name).await;
    lab.a.remove(&format!("{volumes}/{volume}")).await;
    restore(&lab.a, &bucket, "volume", &[], 0);
    assert_eq!(bound(name).await, volume.as_str());
    destroy(&lab.a, name).await;
    lab.a.delete(&format!("{volumes}/{volume}")).await;
}
