//! Properties of every rewritten item, whatever its shape.

use super::*;
use crate::model::Category;
use crate::restore::compare::{Difference, Intended, compare};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

const KINDS: [&str; 18] = [
    "pods",
    "services",
    "namespaces",
    "secrets",
    "serviceaccounts",
    "persistentvolumes",
    "persistentvolumeclaims",
    "resourcequotas",
    "deployments.apps",
    "statefulsets.apps",
    "jobs.batch",
    "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
    "volumesnapshots.snapshot.storage.k8s.io",
    "volumesnapshotcontents.snapshot.storage.k8s.io",
    "widgets.example.com",
];

/// Names that the rewrites look for, so that arbitrary JSON meets them.
const WORDS: [&str; 50] = [
    "metadata",
    "spec",
    "status",
    "name",
    "namespace",
    "labels",
    "annotations",
    "ownerReferences",
    "uid",
    "template",
    "containers",
    "volumes",
    "volumeMounts",
    "image",
    "ports",
    "nodePort",
    "clusterIP",
    "selector",
    "matchLabels",
    "matchExpressions",
    "key",
    "values",
    "kubernetes.io/metadata.name",
    "subjects",
    "kind",
    "User",
    "claimRef",
    "storageClassName",
    "volumeName",
    "secrets",
    "type",
    "finalizers",
    "controller-uid",
    "managedFields",
    LAST_APPLIED,
    "hard",
    "versions",
    "schema",
    "openAPIV3Schema",
    "preserveUnknownFields",
    "properties",
    "items",
    "additionalProperties",
    "object",
    "source",
    "snapshotHandle",
    "boundVolumeSnapshotContentName",
    "deletionPolicy",
    "Delete",
    "dataSource",
];

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![prop::sample::select(&WORDS[..]).prop_map(str::to_owned), "[abc]", "\\PC{0,6}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn arbitrary_kind() -> impl Strategy<Value = GroupResource> {
    prop::sample::select(&KINDS[..]).prop_map(GroupResource::parse)
}

/// An arbitrary object that has the identity of the item `key`.
fn named(mut item: Value, key: &ItemKey) -> Value {
    if !item.is_object() {
        item = json!({"spec": item});
    }
    if !item["metadata"].is_object() {
        item["metadata"] = json!({});
    }
    item["metadata"]["name"] = json!(key.name);
    match &key.namespace {
        Some(namespace) => item["metadata"]["namespace"] = json!(namespace),
        None => drop(item["metadata"].as_object_mut().map(|metadata| metadata.remove("namespace"))),
    }
    item
}

fn key_of(kind: &GroupResource) -> ItemKey {
    if kind.as_str() == "namespaces" {
        ItemKey::cluster(kind.clone(), "a")
    } else {
        ItemKey::namespaced(kind.clone(), "a", "x")
    }
}

fn rewriter(mapping: &[(&str, &str)]) -> Rewriter {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect()
    };
    Rewriter::new(RewriteOptions {
        restore_name: "r".to_owned(),
        backup_name: "b".to_owned(),
        namespace_mapping: pairs(mapping),
        ..RewriteOptions::default()
    })
}

fn unchanged(owner: &OwnerView<'_>) -> Owner {
    Owner::New(owner.uid.to_owned())
}

fn shape(owners: &dyn Fn(&OwnerView<'_>) -> Owner) -> ItemShape<'_> {
    ItemShape { owners, status_is_data: false }
}

proptest! {
    #[test]
    fn no_json_makes_a_rewrite_panic(kind in arbitrary_kind(), item in arbitrary_json()) {
        let key = key_of(&kind);
        let options = RewriteOptions {
            namespace_mapping: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            storage_classes: BTreeMap::from([("a".to_owned(), "b".to_owned())]).into(),
            images: BTreeMap::from([("a".to_owned(), "b".to_owned())]).into(),
            ..RewriteOptions::default()
        };
        let rewriter = Rewriter::new(options);
        never_restored(&kind, &item);
        let whole = rewriter.rewrite(&kind, &key, item.clone(), shape(&|_| Owner::Awaited));
        prop_assert!(whole.is_err() || item["metadata"].is_object());
        prop_assert!(rewriter.rewrite(&kind, &key, named(item, &key), shape(&|_| Owner::Awaited)).is_ok());
    }

    #[test]
    fn rewriting_again_changes_nothing(kind in arbitrary_kind(), item in arbitrary_json()) {
        let key = key_of(&kind);
        let rewriter = rewriter(&[]);
        let once = rewriter.rewrite(&kind, &key, named(item, &key), shape(&unchanged)).unwrap();
        let twice = rewriter.rewrite(&kind, &key, once.body.clone(), shape(&unchanged)).unwrap();
        prop_assert_eq!(once.body, twice.body);
    }

    #[test]
    fn a_plain_item_stays_as_it_is(kind in arbitrary_kind(), item in arbitrary_json()) {
        let key = key_of(&kind);
        let data = ItemShape { owners: &unchanged, status_is_data: true };
        let once = Rewriter::plain().rewrite(&kind, &key, named(item, &key), data).unwrap();
        let twice = Rewriter::plain().rewrite(&kind, &key, once.body.clone(), data).unwrap();
        prop_assert_eq!(once.body, twice.body);
    }

    #[test]
    fn numbers_keep_their_digits(float in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL, unsigned in any::<u64>(), signed in any::<i64>()) {
        let kind = GroupResource::parse("widgets.example.com");
        let key = key_of(&kind);
        let numbers = format!("[{},{unsigned},{signed}]", json!(float));
        let text = format!(r#"{{"metadata":{{"name":"x","namespace":"a"}},"spec":{numbers}}}"#);
        let item = serde_json::from_str(&text).unwrap();
        let rewritten = rewriter(&[("a", "b")]).rewrite(&kind, &key, item, shape(&unchanged)).unwrap();
        prop_assert_eq!(rewritten.body["spec"].to_string(), numbers);
    }

    #[test]
    fn mapping_a_namespace_to_itself_changes_nothing(kind in arbitrary_kind(), item in arbitrary_json()) {
        let key = key_of(&kind);
        let item = named(item, &key);
        let mapped = rewriter(&[("a", "a"), ("b", "b")]).rewrite(&kind, &key, item.clone(), shape(&unchanged)).unwrap();
        prop_assert_eq!(mapped, rewriter(&[]).rewrite(&kind, &key, item, shape(&unchanged)).unwrap());
    }

    #[test]
    fn a_chained_mapping_and_its_inverse_cancel_out(kind in arbitrary_kind(), item in arbitrary_json()) {
        // A swap maps each name once or the two would fall together; swapped back, everything is
        // as it was.
        let key = key_of(&kind);
        let plain = rewriter(&[]).rewrite(&kind, &key, named(item, &key), shape(&unchanged)).unwrap().body;
        // The annotation's text may be spelled differently after the round trip.
        prop_assume!(shape::at(&plain, &["metadata", "annotations", LAST_APPLIED]).is_none());
        let swap = rewriter(&[("a", "b"), ("b", "a")]);
        let there = swap.rewrite(&kind, &key, plain.clone(), shape(&unchanged)).unwrap();
        let mapped = ItemKey { namespace: there.namespace.clone(), name: there.name.clone(), ..key };
        prop_assert!(mapped.namespace.as_deref() == Some("b") || mapped.name == "b");
        prop_assert_eq!(swap.rewrite(&kind, &mapped, there.body, shape(&unchanged)).unwrap().body, plain);
    }
}

#[test]
fn the_chain_makes_an_item_ready_for_another_cluster() {
    let kind = GroupResource::parse("persistentvolumeclaims");
    let key = ItemKey::namespaced(kind.clone(), "shop", "data");
    let modifiers = serde_json::from_value::<Vec<crate::api::ResourceModifier>>(json!([{"conditions": {"groupResource": "persistentvolumeclaims", "namespaces": ["shop"]},
        "patches": [{"operation": "test", "path": "/spec/storageClassName", "value": "slow"}, {"operation": "add", "path": "/metadata/uid", "value": "u"},
            {"operation": "replace", "path": "/spec/resources/requests/storage", "value": "2Gi"}]}]))
    .unwrap();
    let rewriter = Rewriter::new(RewriteOptions {
        restore_name: "r".to_owned(),
        backup_name: "b".to_owned(),
        namespace_mapping: BTreeMap::from([("shop".to_owned(), "stage".to_owned())]),
        storage_classes: BTreeMap::from([("fast".to_owned(), "slow".to_owned())]).into(),
        modifiers: CompiledModifiers::compile(&modifiers).unwrap(),
        ..RewriteOptions::default()
    });
    let item = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "shop", "uid": "1", "resourceVersion": "9", "finalizers": ["kubernetes.io/pvc-protection"],
            "annotations": {"pv.kubernetes.io/bind-completed": "yes"}, "ownerReferences": [{"kind": "StatefulSet", "name": "db", "uid": "old"}]},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeName": "pv-1", "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Bound"}});
    let rewritten = rewriter.rewrite(&kind, &key, item, shape(&|_| Owner::New("new".to_owned()))).unwrap();
    assert_eq!(
        rewritten.body,
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": "stage", "finalizers": ["kubernetes.io/pvc-protection"],
                "labels": {"ark.heptio.com/restore-name": "r", "ark.heptio.com/backup-name": "b"},
                "ownerReferences": [{"kind": "StatefulSet", "name": "db", "uid": "new"}]},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "slow", "resources": {"requests": {"storage": "2Gi"}}}})
    );
    assert_eq!((rewritten.namespace.as_deref(), &*rewritten.name), (Some("stage"), "data"));
    assert_eq!(rewritten.status, Some(json!({"phase": "Bound"})));
    assert_eq!(rewritten.warnings.len(), 1);
}

#[test]
fn an_object_that_is_not_the_item_is_refused() {
    let kind = GroupResource::parse("configmaps");
    let key = ItemKey::namespaced(kind.clone(), "shop", "a");
    for wrong in [
        json!([]),
        json!({"metadata": []}),
        json!({"metadata": {"name": "b", "namespace": "shop"}}),
        json!({"metadata": {"name": "a", "namespace": "other"}}),
        json!({"metadata": {"name": "a"}}),
    ] {
        let error = rewriter(&[]).rewrite(&kind, &key, wrong.clone(), shape(&unchanged)).unwrap_err();
        assert_eq!(error.category(), Category::Corrupt, "{wrong}");
        assert!(error.to_string().contains("configmaps shop/a"), "{error}");
    }
}

#[test]
fn numbers_that_a_quick_parser_rounds_twice_are_kept() {
    for text in
        ["44.440400000000004", "3.6479999999999997", "1e-7", "9007199254740993", "18446744073709551615"]
    {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value.to_string(), text);
    }
}

#[test]
fn a_status_goes_aside_only_where_a_create_does_not_take_it() {
    let kind = GroupResource::parse("widgets.example.com");
    let key = key_of(&kind);
    let item = || named(json!({"spec": {"size": 3}, "status": {"phase": "Provisioned"}}), &key);
    let rewritten = |status_is_data| {
        let shape = ItemShape { owners: &unchanged, status_is_data };
        let rewritten = rewriter(&[]).rewrite(&kind, &key, item(), shape).unwrap();
        (rewritten.body.get("status").cloned(), rewritten.status)
    };
    let status = || Some(json!({"phase": "Provisioned"}));
    assert_eq!(rewritten(false), (None, status()));
    assert_eq!(rewritten(true), (status(), None));
}

#[test]
fn owners_to_come_are_set_aside_and_field_owners_are_given_back() {
    let kind = GroupResource::parse("configmaps");
    let key = key_of(&kind);
    let fields = json!([{"manager": "flux", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}}]);
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "parent", "uid": "old"});
    let item = json!({"metadata": {"name": "x", "namespace": "a", "managedFields": fields, "ownerReferences": [owner]}, "data": {"a": "1"}});
    let rewritten = rewriter(&[]).rewrite(&kind, &key, item, shape(&|_| Owner::Awaited)).unwrap();
    assert_eq!(rewritten.awaited, [owner]);
    assert_eq!(rewritten.field_owners, Some(fields));
    assert_eq!(rewritten.body["metadata"].get("ownerReferences"), None);
    assert_eq!(rewritten.body["metadata"].get("managedFields"), None);
}

#[test]
fn the_mapping_marks_what_all_namespaces_share_when_it_changes_that() {
    let mapped = |kind: &str, name: &str, subject: &str| {
        let kind = GroupResource::parse(kind);
        let key = ItemKey::cluster(kind.clone(), name);
        let item = json!({"metadata": {"name": name}, "subjects": [{"kind": "ServiceAccount", "namespace": subject, "name": "web"}]});
        rewriter(&[("a", "b")]).rewrite(&kind, &key, item, shape(&unchanged)).unwrap().mapped
    };
    assert!(mapped("clusterrolebindings.rbac.authorization.k8s.io", "web", "a"));
    assert!(!mapped("clusterrolebindings.rbac.authorization.k8s.io", "web", "other"));
    assert!(!mapped("namespaces", "a", "a"));
    let kind = GroupResource::parse("rolebindings.rbac.authorization.k8s.io");
    let item = json!({"metadata": {"name": "x", "namespace": "a"}});
    let rewritten = rewriter(&[("a", "b")]).rewrite(&kind, &key_of(&kind), item, shape(&unchanged)).unwrap();
    assert!(!rewritten.mapped);
}

#[test]
fn a_restored_item_is_equal_to_what_it_was_made_from() {
    // The object as the cluster then shows it: allotted, bound, with a status.
    for (kind, stored, live) in [
        (
            "services",
            json!({"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80, "nodePort": 30080}]}}),
            json!({"spec": {"clusterIP": "10.0.0.2", "clusterIPs": ["10.0.0.2"], "ports": [{"port": 80, "nodePort": 30081}]}}),
        ),
        (
            "persistentvolumeclaims",
            json!({"spec": {"volumeName": "old", "storageClassName": "fast"}}),
            json!({"spec": {"volumeName": "new", "storageClassName": "fast"}}),
        ),
        (
            "volumesnapshotcontents.snapshot.storage.k8s.io",
            json!({"spec": {"deletionPolicy": "Delete", "source": {"volumeHandle": "v"}}, "status": {"snapshotHandle": "s"}}),
            json!({"spec": {"deletionPolicy": "Delete", "source": {"volumeHandle": "v"}}, "status": {"snapshotHandle": "s"}}),
        ),
        (
            "customresourcedefinitions.apiextensions.k8s.io",
            json!({"spec": {"preserveUnknownFields": true, "versions": [{"name": "v1"}]}}),
            json!({"spec": {"preserveUnknownFields": true, "versions": [{"name": "v1"}]}}),
        ),
    ] {
        let kind = GroupResource::parse(kind);
        let key = key_of(&kind);
        let wanted = rewriter(&[]).rewrite(&kind, &key, named(stored, &key), shape(&unchanged)).unwrap();
        let live = Rewriter::plain().rewrite(&kind, &key, named(live, &key), shape(&unchanged)).unwrap();
        let intended = Intended { body: &wanted.body, awaited: &wanted.awaited, status: None };
        assert_eq!(
            compare(&kind, intended, &live, &std::collections::HashSet::new()),
            Difference::default(),
            "{kind}"
        );
    }
}
