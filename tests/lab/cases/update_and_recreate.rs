//! Policy update makes an item what it was in the backup, or says what it could not; recreate makes
//! it anew.

use serde_json::{Value, json};

use super::{Case, manifests};
use crate::restore::{count, restore};
use crate::support::path_of;

const BEFORE: &str = include_str!("data/28-items-to-update.yaml");

/// What people did since: added, replaced, changed.
async fn meddle(case: &Case) {
    let a = case.a();
    a.merge(&case.core_path("configmaps/open"), &json!({"data": {"b": "2"}})).await;
    a.merge(&case.core_path("services/web"), &json!({"spec": {"selector": {"tier": "canary"}}})).await;
    let sidecar = json!([{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "side", "image": "example.test/side:1"}},
        {"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "B", "value": "2"}}]);
    a.change(&case.group_path("apps/v1", "deployments/web"), &sidecar).await;
    let binding = case.group_path("rbac.authorization.k8s.io/v1", "rolebindings/reader");
    let subject = json!([{"op": "add", "path": "/subjects/-", "value": {"kind": "ServiceAccount", "name": "other", "namespace": case.id}}]);
    a.change(&binding, &subject).await;
    let sealed = case.core_path("configmaps/sealed");
    a.remove(&sealed).await;
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sealed"}, "immutable": true, "data": {"a": "2"}});
    a.create(&case.core_path("configmaps"), &other).await;
    let image =
        json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "example.test/main:2"}]);
    a.change(&case.core_path("pods/bare"), &image).await;
}

/// The fields that were meddled with are those of the backup.
async fn expect_as_stored(case: &Case, sealed: bool) {
    let read = async |object: &Value| {
        case.a().read(&path_of(object)).await.unwrap_or_else(|| panic!("{} is not there", path_of(object)))
    };
    for object in &case.objects {
        let live = read(object).await;
        match (object["kind"].as_str(), object["metadata"]["name"].as_str()) {
            (Some("ConfigMap"), Some("sealed")) if !sealed => {}
            (Some("ConfigMap"), _) => assert_eq!(live["data"], object["data"]),
            (Some("Service"), _) => assert_eq!(live["spec"]["selector"], object["spec"]["selector"]),
            (Some("RoleBinding"), _) => assert_eq!(live["subjects"], object["subjects"]),
            (Some("Deployment"), _) => {
                let containers =
                    live["spec"]["template"]["spec"]["containers"].as_array().expect("containers");
                assert_eq!(containers.len(), 1, "{live}");
                assert_eq!(containers[0]["env"], json!([{"name": "A", "value": "1"}]));
            }
            (Some("Pod"), _) => assert_eq!(live["spec"]["containers"][0]["image"], "example.test/main:1"),
            _ => {}
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn update_takes_back_what_was_added_and_recreate_all_of_it() {
    let case = Case::get("c28", BEFORE).await;
    case.create().await;
    case.back_up();
    meddle(&case).await;
    let left = case.restore(case.a(), &[], 0);
    assert_eq!(count(&left.status, "warnings"), 6, "{}", left.said);
    let update = ["--existing-resource-policy", "update"];
    let updated = case.restore(case.a(), &update, 3);
    let counts = (count(&updated.status, "updated"), count(&updated.status, "errors"));
    assert_eq!(counts, (5, 1), "{}", updated.said);
    assert!(updated.said.contains(&format!("{}/sealed", case.id)), "{}", updated.said);
    expect_as_stored(&case, false).await;

    let recreate = ["--existing-resource-policy", "recreate"];
    meddle(&case).await;
    case.restore_cleanly(case.a(), &recreate);
    expect_as_stored(&case, true).await;
    case.second_changes_nothing(case.a(), &recreate).await;
    case.second_changes_nothing(case.a(), &update).await;
    case.second_changes_nothing(case.a(), &[]).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn update_takes_back_what_was_added_to_a_custom_resource_and_to_metadata() {
    let mut case = Case::of("c28", &[manifests::namespace("c28")]).await;
    let group = format!("{}.example.com", case.id);
    case.objects.push(super::definition(&group, &super::open_schema(), &json!({})));
    let spec = json!({"list": [{"name": "a"}], "map": {"a": {"b": 1}}});
    let widget = json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "one", "namespace": case.id, "labels": {"own": "yes"}}, "spec": spec});
    case.objects.push(widget.clone());
    case.create().await;
    case.back_up();
    let change = json!({"metadata": {"labels": {"added": "yes"}, "annotations": {"added": "yes"}},
        "spec": {"list": [{"name": "a"}, {"name": "b"}], "map": {"a": {"c": 2}}}});
    case.a().merge(&path_of(&widget), &change).await;
    let update = ["--existing-resource-policy", "update"];
    assert_eq!(count(&case.restore_cleanly(case.a(), &update).status, "updated"), 1);
    let live = case.a().read(&path_of(&widget)).await.expect("there");
    assert_eq!(live["spec"], spec);
    assert_eq!(live["metadata"]["labels"].get("added"), None::<&Value>, "{live}");
    assert_eq!(
        live["metadata"].get("annotations").and_then(|all| all.get("added")),
        None::<&Value>,
        "{live}"
    );
    case.second_changes_nothing(case.a(), &update).await;
    assert!(restore(case.a(), &case.bucket, "one", &["--dry-run"], 0).stdout.contains("equal"));
}

const TOLD: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: c47}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: all, namespace: c47}
spec: {minAvailable: 1, selector: {}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: c47}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: c47}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
"#;

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_is_empty_and_what_a_person_tells_a_program_are_differences() {
    let case = Case::get("c47", TOLD).await;
    case.create().await;
    case.back_up();
    let budget = case.group_path("policy/v1", "poddisruptionbudgets/all");
    let (ingress, service) =
        (case.group_path("networking.k8s.io/v1", "ingresses/web"), case.core_path("services/web"));
    case.a().merge(&budget, &json!({"spec": {"selector": null}})).await;
    let mut headless = case.a().read(&service).await.expect("there");
    headless["metadata"] = json!({"name": "web", "namespace": case.id});
    headless["spec"] = json!({"clusterIP": "None", "selector": {"app": "web"}, "ports": [{"port": 80}]});
    case.a().remove(&service).await;
    case.a().create(&case.core_path("services"), &headless).await;
    let told = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "web", "namespace": case.id, "annotations": {"nginx.example.com/allow": "10.0.0.0/8"}}});
    case.a().apply_as("kubectl-annotate", &told).await.expect("applied");

    let restored = case.restore(case.a(), &[], 0);
    for part in ["spec.selector", "spec.clusterIP", "nginx.example.com/allow"] {
        assert!(restored.said.contains(part), "{part}: {}", restored.said);
    }
    case.restore(case.a(), &["--existing-resource-policy", "recreate"], 0);
    assert_eq!(case.a().read(&budget).await.expect("there")["spec"]["selector"], json!({}));
    assert_ne!(case.a().read(&service).await.expect("there")["spec"]["clusterIP"], "None");
    let annotations = case.a().read(&ingress).await.expect("there")["metadata"]["annotations"].clone();
    assert_eq!(annotations.get("nginx.example.com/allow"), None, "{annotations}");
    case.second_changes_nothing(case.a(), &["--existing-resource-policy", "recreate"]).await;
}
