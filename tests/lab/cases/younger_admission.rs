//! Items that are older than what refuses them by now: a quota that they fill, limits, a schema, a
//! policy, a webhook that is away. Nothing of it matters to what is there already.

use serde_json::{Value, json};

use super::{Case, definition, open_schema};
use crate::restore::count;
use crate::support::{eventually, kind_path};

/// Case 04: one item for each that refuses.
const OLDER: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: c04, labels: {case: c04}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: c04}
data: {k: v}
---
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: c04}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: c04}
---
apiVersion: v1
kind: Pod
metadata: {name: large, namespace: c04}
spec: {containers: [{name: main, image: "example.test/main:1", resources: {requests: {cpu: "4"}, limits: {cpu: "4"}}}]}
"#;

fn younger(case: &Case) -> Vec<Value> {
    let id = &case.id;
    let rule = |resources: Value| json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": resources}]);
    let only = json!({"matchLabels": {"case": id}});
    vec![
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full", "namespace": id}, "spec": {"hard": {"count/configmaps": "1"}}}),
        json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small", "namespace": id},
            "spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}}),
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": id}, "spec": {
            "failurePolicy": "Fail", "validations": [{"expression": "false", "message": "no new accounts"}],
            "matchConstraints": {"namespaceSelector": only, "resourceRules": rule(json!(["serviceaccounts"]))}}}),
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": id},
            "spec": {"policyName": id, "validationActions": ["Deny"]}}),
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": id}, "webhooks": [{
            "name": "away.example.com", "clientConfig": {"url": "https://127.0.0.1:1/"}, "sideEffects": "None", "failurePolicy": "Fail",
            "admissionReviewVersions": ["v1"], "namespaceSelector": only, "rules": rule(json!(["secrets"]))}]}),
    ]
}

/// A quota, a LimitRange, a policy, a webhook and a schema came after the items and would refuse
/// each create: a restore in place finds the items equal and has no finding.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_is_there_is_not_refused_by_what_is_younger() {
    let mut case = Case::get("c04", OLDER).await;
    let group = format!("{}.example.com", case.id);
    let mut widgets = definition(&group, &open_schema(), &json!({}));
    case.objects.push(widgets.clone());
    let widget = json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "old", "namespace": case.id}, "spec": {}});
    case.objects.push(widget.clone());
    case.create().await;
    case.back_up();

    let younger = younger(&case);
    case.a().create_all(&younger).await;
    case.objects.extend(younger); // they go with the case
    let required = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "properties": {"spec": {"type": "object", "required": ["size"], "properties": {"size": {"type": "integer"}}}}});
    widgets["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = required;
    let path = crate::support::path_of(&widgets);
    case.a().merge(&path, &json!({"spec": {"versions": widgets["spec"]["versions"]}})).await;
    let mut new = Vec::new();
    for object in &case.objects[1..6] {
        let mut object = object.clone();
        object["metadata"]["name"] = json!("new");
        new.push(object);
    }
    new.retain(|object| object["kind"] != "CustomResourceDefinition");
    new.push(json!({"apiVersion": widget["apiVersion"], "kind": "Widget", "metadata": {"name": "new", "namespace": case.id}, "spec": {}}));
    for object in new {
        let path = format!("{}?dryRun=All", kind_path(&object));
        eventually(&format!("a new {} is refused", object["kind"]), async || {
            case.a().try_create(&path, &object).await.err()
        })
        .await;
    }
    let first = case.restore(case.a(), &["--exclude-resources", "customresourcedefinitions"], 0);
    let counts = ["created", "updated", "warnings", "errors"].map(|field| count(&first.status, field));
    assert_eq!(counts, [0; 4], "{}\n{}", first.status, first.said);
    case.second_changes_nothing(case.a(), &["--exclude-resources", "customresourcedefinitions"]).await;
    let update = ["--exclude-resources", "customresourcedefinitions", "--existing-resource-policy", "update"];
    case.second_changes_nothing(case.a(), &update).await;
}
