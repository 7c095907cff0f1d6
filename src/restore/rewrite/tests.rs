//! What holds of every rewritten item, whatever its shape.

use super::*;
use proptest::prelude::*;
use serde_json::json;

const KINDS: [&str; 16] = [
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
    "widgets.example.com",
];

/// Names that the rewrites look for, so that arbitrary JSON meets them.
const WORDS: [&str; 36] = [
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

fn arbitrary_kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(&KINDS[..]).prop_map(Kind::parse)
}

/// An arbitrary object that is the item `key` all the same.
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

fn key_of(kind: &Kind) -> ItemKey {
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
            storage_classes: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            images: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            ..RewriteOptions::default()
        };
        let rewriter = Rewriter::new(options);
        never_restored(&kind, &item);
        let whole = rewriter.rewrite(&kind, &key, item.clone(), shape(&|_| Owner::Gone));
        prop_assert!(whole.is_err() || item["metadata"].is_object());
        prop_assert!(rewriter.rewrite(&kind, &key, named(item, &key), shape(&|_| Owner::Gone)).is_ok());
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
    fn mapping_a_namespace_to_itself_changes_nothing(kind in arbitrary_kind(), item in arbitrary_json()) {
        let key = key_of(&kind);
        let item = named(item, &key);
        let mapped = rewriter(&[("a", "a"), ("b", "b")]).rewrite(&kind, &key, item.clone(), shape(&unchanged)).unwrap();
        prop_assert_eq!(mapped, rewriter(&[]).rewrite(&kind, &key, item, shape(&unchanged)).unwrap());
    }

    #[test]
    fn a_chained_mapping_and_its_inverse_cancel_out(kind in arbitrary_kind(), item in arbitrary_json()) {
        // A swap maps each name once or the two would fall together; swapped back, everything is as it was.
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
    let kind = Kind::parse("persistentvolumeclaims");
    let key = ItemKey::namespaced(kind.clone(), "shop", "data");
    let modifiers = serde_json::from_value::<Vec<crate::api::ResourceModifier>>(json!([{"conditions": {"groupResource": "persistentvolumeclaims", "namespaces": ["shop"]},
        "patches": [{"operation": "test", "path": "/spec/storageClassName", "value": "slow"}, {"operation": "add", "path": "/metadata/uid", "value": "u"},
            {"operation": "replace", "path": "/spec/resources/requests/storage", "value": "2Gi"}]}]))
    .unwrap();
    let rewriter = Rewriter::new(RewriteOptions {
        restore_name: "r".to_owned(),
        backup_name: "b".to_owned(),
        namespace_mapping: BTreeMap::from([("shop".to_owned(), "stage".to_owned())]),
        storage_classes: BTreeMap::from([("fast".to_owned(), "slow".to_owned())]),
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
    let kind = Kind::parse("configmaps");
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
