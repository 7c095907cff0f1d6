//! Owners and what they own: new uids, rollout history, what controllers make again.

use serde_json::{Value, json};

use super::selection_and_mapping::{await_gadgets, definition};
use super::{count, destroy, read, restored};
use crate::backup::back_up;
use crate::support::{Cluster, DEFINITIONS, Lab, TestNamespace, eventually, unique};

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": image}]}})
}

fn apps(namespace: &str, kind: &str) -> String {
    format!("/apis/apps/v1/namespaces/{namespace}/{kind}")
}

/// Revision and image of every entry of a workload's history, oldest first, once there are two that
/// differ.
async fn history(cluster: &Cluster, namespace: &str, kind: &str, owner: &Value) -> Vec<(u64, String)> {
    eventually("two revisions", async || {
        let list = cluster.read(&apps(namespace, kind)).await.expect("listable");
        let owned = list["items"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|item| item["metadata"]["ownerReferences"][0]["uid"] == *owner);
        let mut entries: Vec<(u64, String)> = owned
            .map(|item| {
                let revision = item["revision"].as_u64().or_else(|| {
                    item["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
                        .as_str()?
                        .parse()
                        .ok()
                });
                let spec = item["spec"].get("template").unwrap_or(&item["data"]["spec"]["template"]);
                let image = spec["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned();
                (revision.unwrap_or_default(), image)
            })
            .collect();
        entries.sort();
        (entries.len() == 2 && entries[0].0 < entries[1].0).then_some(entries)
    })
    .await
}

async fn uid(cluster: &Cluster, path: &str) -> Value {
    cluster.read(path).await.expect("there")["metadata"]["uid"].clone()
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn rollouts_keep_their_history_and_nothing_is_made_twice() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "history").await;
    let name = &*namespace.name;
    let kinds = [("deployments", "replicasets"), ("statefulsets", "controllerrevisions")];
    for (kind, revisions) in kinds {
        let spec = json!({"replicas": 0, "serviceName": "web", "selector": {"matchLabels": {"app": "web"}}, "template": template("web:1")});
        lab.a.create(&apps(name, kind), &json!({"metadata": {"name": "web"}, "spec": spec})).await;
        eventually("the first revision", async || {
            let list = lab.a.read(&apps(name, revisions)).await.expect("listable");
            (!list["items"].as_array().expect("a list").is_empty()).then_some(())
        })
        .await;
        let path = format!("{}/web", apps(name, kind));
        let object = lab.a.merge(&path, &json!({"spec": {"template": template("web:2")}})).await;
        let before = history(&lab.a, name, revisions, &object["metadata"]["uid"]).await;
        assert_eq!(before, [(1, "web:1".to_owned()), (2, "web:2".to_owned())], "{kind}");
    }
    back_up(&lab.a, &bucket, "history", &["--include-namespaces", name], 0);
    destroy(&lab.a, name).await;
    let status = restored(&lab.a, &bucket, "history", &[], 0);
    assert_eq!((count(&status, "warnings"), count(&status, "errors")), (0, 0), "{status}");
    for (kind, revisions) in kinds {
        let owner = uid(&lab.a, &format!("{}/web", apps(name, kind))).await;
        let after = history(&lab.a, name, revisions, &owner).await;
        assert_eq!(after, [(1, "web:1".to_owned()), (2, "web:2".to_owned())], "{kind}");
    }
    let again = restored(&lab.a, &bucket, "history", &[], 0);
    let changes = (count(&again, "created"), count(&again, "updated"), count(&again, "warnings"));
    assert_eq!(changes, (0, 0, 0), "{again}");
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn owner_references_follow_new_owners_whatever_comes_first() {
    let lab = Lab::alone().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "owners").await;
    let name = &*namespace.name;
    let group = format!("{}.example.com", unique("g"));
    lab.a.create(DEFINITIONS, &definition(&group)).await;
    await_gadgets(&lab.a, &group).await;
    let gadgets = format!("/apis/{group}/v1/namespaces/{name}/gadgets");
    let owned_by = |owner: &Value| json!([{"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": true}]);
    let gadget = |name: &str, owners: Value| json!({"apiVersion": format!("{group}/v1"), "kind": "Gadget", "metadata": {"name": name, "ownerReferences": owners}});
    // By name the owned come first, and ConfigMaps are restored before custom resources.
    let grandmother = lab.a.create(&gadgets, &gadget("z-grandmother", json!([]))).await;
    let mother = lab.a.create(&gadgets, &gadget("m-mother", owned_by(&grandmother))).await;
    lab.a.create(&gadgets, &gadget("a-child", owned_by(&mother))).await;
    let map = json!({"metadata": {"name": "toy", "ownerReferences": owned_by(&mother)}, "data": {"k": "v"}});
    lab.a.create(&format!("/api/v1/namespaces/{name}/configmaps"), &map).await;
    back_up(&lab.a, &bucket, "owners", &["--include-namespaces", name], 0);
    destroy(&lab.a, name).await;

    let status = restored(&lab.a, &bucket, "owners", &[], 0);
    assert_eq!((count(&status, "warnings"), count(&status, "errors")), (0, 0), "{status}");
    let owner = |object: &Value| object["metadata"]["ownerReferences"][0]["uid"].clone();
    let mother_now = lab.a.read(&format!("{gadgets}/m-mother")).await.expect("there");
    assert_ne!(mother_now["metadata"]["uid"], mother["metadata"]["uid"]);
    assert_eq!(owner(&mother_now), uid(&lab.a, &format!("{gadgets}/z-grandmother")).await);
    let child = lab.a.read(&format!("{gadgets}/a-child")).await.expect("there");
    assert_eq!(owner(&child), mother_now["metadata"]["uid"]);
    let toy = read(&lab.a, name, "configmaps", "toy").await.expect("there");
    assert_eq!(owner(&toy), mother_now["metadata"]["uid"]);

    // Without its owner an item is nobody's, or the garbage collector would take it away.
    destroy(&lab.a, name).await;
    restored(&lab.a, &bucket, "owners", &["--include-resources", "configmaps"], 0);
    let toy = read(&lab.a, name, "configmaps", "toy").await.expect("there");
    assert_eq!(toy["metadata"].get("ownerReferences"), None);
    lab.a.remove_definition(&format!("gadgets.{group}")).await;
}
