//! Modifiers of a person: which items they change, and how.

use super::*;

fn compile_rules(rules: Value) -> Result<CompiledModifiers, Vec<InvalidModifier>> {
    CompiledModifiers::compile(&serde_json::from_value::<Vec<ResourceModifier>>(rules).unwrap())
}

fn claim() -> (ItemKey, Value) {
    let key = ItemKey::namespaced(GroupResource::parse("persistentvolumeclaims"), "shop", "data-db-0");
    let item = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-db-0", "namespace": "stage", "labels": {"app": "db"}}, "spec": {"storageClassName": "fast"}});
    (key, item)
}

fn apply(rules: Value) -> Result<Value, RewriteError> {
    let (key, mut item) = claim();
    compile_rules(rules).unwrap().apply(&key.resource.clone(), &key, &mut item).map(|()| item)
}

fn rule(conditions: &Value) -> Value {
    json!([{"conditions": conditions, "patches": [{"operation": "replace", "path": "/spec/storageClassName", "value": "slow"}]}])
}

#[test]
fn a_rule_changes_only_what_meets_all_its_conditions() {
    for (conditions, expected) in [
        (json!({"groupResource": "persistentvolumeclaims"}), "slow"),
        (json!({"groupResource": "*"}), "slow"),
        (json!({"groupResource": "pods"}), "fast"),
        (json!({"groupResource": "persistentvolumeclaims", "namespaces": ["shop"]}), "slow"),
        (json!({"groupResource": "persistentvolumeclaims", "namespaces": ["sho?"]}), "slow"),
        (json!({"groupResource": "persistentvolumeclaims", "namespaces": ["stage"]}), "fast"),
        (json!({"groupResource": "persistentvolumeclaims", "resourceNameRegex": "^data-.*-0$"}), "slow"),
        (json!({"groupResource": "persistentvolumeclaims", "resourceNameRegex": "^db"}), "fast"),
        (
            json!({"groupResource": "persistentvolumeclaims", "labelSelector": {"matchLabels": {"app": "db"}}}),
            "slow",
        ),
        (
            json!({"groupResource": "persistentvolumeclaims", "labelSelector": {"matchLabels": {"app": "web"}}}),
            "fast",
        ),
        (
            json!({"groupResource": "persistentvolumeclaims", "matches": [{"path": "/spec/storageClassName", "value": "fast"}]}),
            "slow",
        ),
        (
            json!({"groupResource": "persistentvolumeclaims", "matches": [{"path": "/spec/storageClassName", "value": "x"}]}),
            "fast",
        ),
        (
            json!({"groupResource": "persistentvolumeclaims", "matches": [{"path": "/spec/absent", "value": "x"}]}),
            "fast",
        ),
    ] {
        assert_eq!(apply(rule(&conditions)).unwrap()["spec"]["storageClassName"], expected, "{conditions}");
    }
}

#[test]
fn a_failed_test_gives_its_rule_up_and_the_next_rule_is_applied() {
    let all = json!({"groupResource": "*"});
    let item = apply(json!([
        {"conditions": all, "patches": [{"operation": "remove", "path": "/spec/storageClassName"}, {"operation": "test", "path": "/spec/absent", "value": 1}]},
        {"conditions": all, "mergePatches": [{"patchData": "metadata: {labels: {app: null, tier: back}}"}]},
    ]))
    .unwrap();
    assert_eq!(item["spec"]["storageClassName"], "fast");
    assert_eq!(item["metadata"]["labels"], json!({"tier": "back"}));
}

#[test]
fn a_patch_that_cannot_be_applied_names_item_rule_and_path() {
    let error = apply(json!([{"conditions": {"groupResource": "*"}, "patches": [{"operation": "remove", "path": "/spec/absent"}]}]))
        .unwrap_err();
    let text = crate::model::causes(&error);
    for part in ["persistentvolumeclaims shop/data-db-0", "resource modifier 1", "/spec/absent"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn no_rule_makes_an_item_into_another() {
    for (path, value) in [
        ("/kind", "Pod"),
        ("/metadata/name", "x"),
        ("/metadata/namespace", "x"),
        ("/apiVersion", "v2"),
        ("", "x"),
        ("/metadata", "x"),
    ] {
        let rules = json!([{"conditions": {"groupResource": "*"}, "patches": [{"operation": "replace", "path": path, "value": value}]}]);
        assert!(matches!(apply(rules), Err(RewriteError::Identity { rule: 1, .. })), "{path}");
    }
    let merge = json!([{"conditions": {"groupResource": "*"}, "mergePatches": [{"patchData": "{\"metadata\": null}"}]}]);
    assert!(matches!(apply(merge), Err(RewriteError::Identity { .. })));
}

#[test]
fn a_rule_on_references_to_owners_is_refused_since_they_follow_the_owners() {
    let all = json!({"groupResource": "*"});
    for rule in [
        json!({"conditions": all, "patches": [{"operation": "remove", "path": "/metadata/ownerReferences"}]}),
        json!({"conditions": all, "patches": [{"operation": "remove", "path": "/metadata/ownerReferences/0"}]}),
        json!({"conditions": all, "mergePatches": [{"patchData": "metadata: {ownerReferences: null}"}]}),
    ] {
        let wrong = compile_rules(json!([rule])).unwrap_err();
        assert!(wrong.len() == 1 && wrong[0].why.contains("follow the owners"), "{rule}: {wrong:?}");
    }
}

#[test]
fn everything_wrong_with_any_rule_is_said_at_once() {
    let wrong = compile_rules(json!([
        {"conditions": {"groupResource": "", "namespaces": ["{a}"], "resourceNameRegex": "(", "matches": [{"path": "spec", "value": 1}],
            "labelSelector": {"matchExpressions": [{"key": "a", "operator": "Nearly"}]}},
            "patches": [{"operation": "add", "path": "/a"}, {"operation": "move", "path": "/a"}, {"operation": "remove", "path": "a"}]},
        {"conditions": {"groupResource": "pods"}},
        {"conditions": {"groupResource": "pods"}, "mergePatches": [{"patchData": "[1]"}, {"patchData": "a: [1"}]},
    ]))
    .unwrap_err();
    let text: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    for part in [
        "modifier 1: conditions.groupResource",
        "modifier 1: conditions.namespaces",
        "modifier 1: conditions.resourceNameRegex",
        "modifier 1: conditions.matches",
        "modifier 1: conditions.labelSelector",
        "modifier 1: patches[0]: add, replace and test need `value`",
        "modifier 1: patches[1]",
        "modifier 1: patches[2]",
        "modifier 2: patches: give either",
        "modifier 3: mergePatches[0]: is not an object",
        "modifier 3: mergePatches[1]",
    ] {
        assert!(text.iter().any(|line| line.contains(part)), "{part} in {text:#?}");
    }
}
