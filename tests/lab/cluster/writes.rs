//! What real API servers answer to writes, and what they warn of.

use ark::cluster::Patch;
use serde_json::{Value, json};

use super::{create, find, install_widgets, never, open};
use crate::support::{Lab, TestNamespace, unique};

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_write_answers_uid_and_revision_of_built_in_and_custom_kinds_and_warns_of_what_is_dropped() {
    let lab = Lab::alone().await;
    for lab in [&lab.a, &lab.b] {
        let cluster = open(lab).await;
        let (definition, widgets) = install_widgets(&cluster).await;
        let catalog = cluster.catalog().await.expect("a catalog");
        let own = TestNamespace::create(lab, "writes").await;
        let namespace = Some(&*own.name);
        for kind in [find(&catalog, "services"), &widgets] {
            let body = json!({
                "apiVersion": kind.api_version(), "kind": kind.kind, "metadata": { "name": "one", "odd": 1 },
                "spec": { "ports": [{ "port": 80 }] },
            });
            let made = cluster.create(kind, namespace, body.to_string()).await.expect("creatable");
            let live = cluster.get(kind, namespace, "one").await.expect("readable").expect("it is there");
            let mut live: Value = serde_json::from_slice(&live).expect("JSON");
            assert_eq!(live["metadata"]["uid"], made.uid, "{}", kind.resource);
            assert_eq!(live["metadata"]["resourceVersion"], made.resource_version);
            assert_eq!(made.warnings, [r#"unknown field "metadata.odd""#], "{}", kind.resource);

            live["metadata"]["labels"] = json!({ "a": "b" });
            let replaced =
                cluster.replace(kind, namespace, "one", live.to_string()).await.expect("replaceable");
            assert_eq!(replaced.uid, made.uid);
            assert_ne!(replaced.resource_version, made.resource_version);
            let stale = cluster.replace(kind, namespace, "one", live.to_string()).await.expect_err("stale");
            assert!(stale.is_conflict(), "{stale}");

            let test = |uid: &str| {
                let test = json!({ "op": "test", "path": "/metadata/uid", "value": uid });
                Patch::Json(json!([test, { "op": "remove", "path": "/metadata/labels" }]).to_string())
            };
            let wrong = cluster.patch(kind, namespace, "one", &test("another")).await.expect_err("another");
            assert_eq!(wrong.api().map(|failure| failure.code), Some(422), "{wrong}");
            cluster.patch(kind, namespace, "one", &test(&made.uid)).await.expect("that very object");
            let merge = Patch::Merge(json!({ "metadata": { "labels": { "c": "d" } } }).to_string());
            assert_eq!(cluster.patch(kind, namespace, "one", &merge).await.expect("patchable").uid, made.uid);
        }
        lab.remove_definition(&definition).await;
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_catalog_knows_where_status_is_a_subresource_and_kinds_by_their_names() {
    let lab = Lab::get().await;
    for lab in [&lab.a, &lab.b] {
        let cluster = open(lab).await;
        let catalog = cluster.catalog().await.expect("a catalog");
        let status = |kind| find(&catalog, kind).status;
        assert!(status("deployments.apps") && status("persistentvolumeclaims") && status("namespaces"));
        assert!(!status("configmaps") && !status("storageclasses.storage.k8s.io"));
        let found = catalog.find_named("apps/v1beta9", "Deployment");
        assert_eq!(found, Some(find(&catalog, "deployments.apps")));
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_an_orphaned_claim_waits_for_is_told() {
    let lab = Lab::get().await;
    let cluster = open(&lab.a).await;
    let catalog = cluster.catalog().await.expect("a catalog");
    let own = TestNamespace::create(&lab.a, "unbound").await;
    let namespace = Some(&*own.name);
    let spec = json!({
        "accessModes": ["ReadWriteOnce"], "storageClassName": unique("none"),
        "resources": { "requests": { "storage": "1Gi" } },
    });
    let claims = find(&catalog, "persistentvolumeclaims");
    create(&cluster, claims, namespace, "data", json!({ "spec": spec })).await;
    let error = cluster.bound(&own.name, "data", &never()).await.expect_err("nobody binds it").to_string();
    assert!(error.contains("did not become Bound within ") && error.contains(": it is Pending"), "{error}");
}
