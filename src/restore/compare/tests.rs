//! Differences, and what servers and controllers do by themselves, which is none.

use serde_json::json;

use super::*;
use crate::restore::rewrite::annotations_by_hand;

fn there(body: Value, status: Option<Value>) -> Rewritten {
    Rewritten {
        body,
        namespace: None,
        name: "a".to_owned(),
        status,
        warnings: Vec::new(),
        lost_hook: None,
        left_out: None,
        field_owners: None,
        mapped: false,
        awaited: Vec::new(),
        wants_fixed_address: false,
    }
}

fn differ(kind: &str, wanted: &Value, live: Value) -> Difference {
    let wanted = Intended { body: wanted, awaited: &[], status: None };
    compare(&GroupResource::parse(kind), wanted, &there(live, None), &HashSet::new())
}

#[test]
fn what_servers_and_controllers_add_is_no_difference() {
    for (kind, wanted, live) in [
        (
            "configmaps",
            json!({"metadata": {"name": "a", "labels": {RESTORE_NAME_LABEL: "one"}}, "data": {"k": "v"}}),
            json!({"metadata": {"name": "a", "uid": "u", "annotations": {"example.com/controller": "note"}, "labels": {RESTORE_NAME_LABEL: "two"}}, "data": {"k": "v"}}),
        ),
        (
            "persistentvolumeclaims",
            json!({"spec": {"resources": {}}}),
            json!({"spec": {"volumeName": "pv-1", "dataSource": {"name": "s"}, "dataSourceRef": {"name": "s"}}}),
        ),
        (
            "deployments.apps",
            json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "3"}}}),
            json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}}}),
        ),
        (
            "services",
            json!({"spec": {"ports": [{"port": 80}]}}),
            json!({"spec": {"clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
                "healthCheckNodePort": 31000, "ports": [{"port": 80, "nodePort": 30080}]}}),
        ),
        (
            "clusterroles.rbac.authorization.k8s.io",
            json!({"aggregationRule": {}, "rules": [1]}),
            json!({"aggregationRule": {}, "rules": [1, 2]}),
        ),
    ] {
        assert!(differ(kind, &wanted, live.clone()).is_none(), "{kind} {wanted} {live}");
    }
}

#[test]
fn what_an_item_asks_for_must_be_what_it_has() {
    for (kind, wanted, live, path) in [
        ("persistentvolumeclaims", json!({"volumeName": "a"}), json!({"volumeName": "b"}), "spec.volumeName"),
        ("services", json!({"clusterIP": "10.0.0.1"}), json!({"clusterIP": "10.0.0.2"}), "spec.clusterIP"),
        (
            "services",
            json!({"ports": [{"nodePort": 30080}]}),
            json!({"ports": [{"nodePort": 30081}]}),
            "spec.ports[0].nodePort",
        ),
        ("clusterroles.rbac.authorization.k8s.io", json!({"rules": 1}), json!({"rules": 2}), "spec.rules"),
    ] {
        let found = differ(kind, &json!({"spec": wanted}), json!({"spec": live}));
        assert_eq!(found, Difference { changed: vec![path.to_owned()], extra: vec![] }, "{kind}");
    }
}

#[test]
fn a_revision_that_was_counted_anew_falls_back_and_one_that_went_on_is_let_be() {
    let revision = |number: u64| json!({"revision": number, "data": {"spec": 1}});
    let differ = |live| differ("controllerrevisions.apps", &revision(3), revision(live)).changed;
    assert_eq!((differ(1), differ(3), differ(4)), (vec!["revision".to_owned()], vec![], vec![]));
}

#[test]
fn what_a_person_changed_is_named_by_its_path() {
    let wanted = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"replicas": 1, "ports": [{"port": 1}], "list": [1]}, "data": {"a": "1"}});
    let live = json!({"metadata": {"labels": {"app": "web", "x": "y"}}, "spec": {"replicas": 2, "ports": [{"port": 2}], "list": [1, 2]}, "data": {"a": "1", "b": "2"}});
    let Difference { changed, extra } = differ("things", &wanted, live);
    assert_eq!(changed, ["spec.list", "spec.ports[0].port", "spec.replicas"]);
    assert_eq!(extra, ["data.b", "metadata.labels[x]"]);
    let gone = differ("things", &wanted, json!({"metadata": {"labels": {}}, "spec": {}}));
    assert_eq!(gone.describe(), "data, metadata.labels[app], spec.list, …");
}

#[test]
fn a_status_that_is_data_is_compared_whole_and_one_that_is_asked_for_as_far_as_it_goes() {
    let item = |phase: &str| json!({"status": {"phase": phase}});
    assert!(differ("widgets.example.com", &item("a"), item("a")).is_none());
    assert_eq!(differ("widgets.example.com", &item("a"), item("b")).changed, ["status.phase"]);
    assert_eq!(differ("widgets.example.com", &item("a"), json!({})).changed, ["status"]);
    let (body, status) = (json!({}), json!({"phase": "a"}));
    let asked = |live: Option<Value>| {
        let wanted = Intended { body: &body, awaited: &[], status: Some(&status) };
        compare(
            &GroupResource::parse("widgets.example.com"),
            wanted,
            &there(json!({}), live),
            &HashSet::new(),
        )
    };
    assert!(asked(Some(json!({"phase": "a", "seen": 3}))).is_none());
    assert_eq!(asked(Some(json!({"phase": "b", "seen": 3}))).changed, ["status.phase"]);
    assert_eq!(asked(None).changed, ["status"]);
}

#[test]
fn owners_are_compared_as_far_as_they_are_known() {
    let owner = |name: &str, uid: &str, controller: bool| json!({"apiVersion": "example.com/v1", "kind": "Tenant", "name": name, "uid": uid, "controller": controller});
    let item = |owners: &[Value]| json!({"metadata": {"ownerReferences": owners}});
    let differ = |wanted: &[Value], awaited: &[Value], live: &[Value]| {
        let body = item(wanted);
        let wanted = Intended { body: &body, awaited, status: None };
        compare(&GroupResource::parse("configmaps"), wanted, &there(item(live), None), &HashSet::new())
    };
    let oil = owner("oil", "1", false);
    let path = || vec!["metadata.ownerReferences[Tenant/oil]".to_owned()];
    assert!(differ(std::slice::from_ref(&oil), &[], std::slice::from_ref(&oil)).is_none());
    assert_eq!(differ(std::slice::from_ref(&oil), &[], &[]).changed, path());
    assert_eq!(differ(std::slice::from_ref(&oil), &[], &[owner("oil", "2", false)]).changed, path());
    // Of an owner that is to come only kind and name are known; whether its reference is missing
    // shows when it has come.
    let mut newer = owner("oil", "2", false);
    newer["apiVersion"] = json!("example.com/v2");
    assert!(differ(&[], std::slice::from_ref(&oil), &[newer]).is_none());
    assert!(differ(&[], std::slice::from_ref(&oil), &[]).is_none());
    // An owner that the backup does not have is a difference, unless it has adopted the item.
    assert_eq!(differ(&[], &[], &[oil]).extra, path());
    assert!(differ(&[], &[], &[owner("oil", "1", true)]).is_none());
}

#[test]
fn a_finalizer_that_is_missing_counts_and_those_of_kubernetes_do_not() {
    let item = |finalizers: &[&str]| json!({"metadata": {"finalizers": finalizers}});
    let differ = |wanted: &[&str], live: &[&str]| differ("things", &item(wanted), item(live));
    assert_eq!(differ(&["example.com/hold"], &[]).changed, ["metadata.finalizers[example.com/hold]"]);
    assert!(differ(&["kubernetes.io/pvc-protection", "orphan", "external.storage.k8s.io/x"], &[]).is_none());
    assert!(!differ(&["notkubernetes.io/x"], &[]).is_none());
    assert!(differ(&[], &["example.com/hold", "foregroundDeletion"]).is_none());
}

#[test]
fn what_is_empty_says_something_where_it_selects_and_in_custom_resources() {
    let missing = |kind: &str, wanted: Value| differ(kind, &json!({"spec": wanted}), json!({"spec": {}}));
    let budgets = "poddisruptionbudgets.policy";
    assert_eq!(missing(budgets, json!({"selector": {}})).changed, ["spec.selector"]);
    assert_eq!(
        missing("networkpolicies.networking.k8s.io", json!({"podSelector": {}})).changed,
        ["spec.podSelector"]
    );
    assert_eq!(missing("widgets.example.com", json!({"nothing": []})).changed, ["spec.nothing"]);
    assert_eq!(
        differ(budgets, &json!({"spec": {}}), json!({"spec": {"selector": {}}})).extra,
        ["spec.selector"]
    );
    assert!(missing("pods", json!({"resources": {}, "volumes": [], "other": null})).is_none());
    assert!(missing("widgets.example.com", json!({"other": null})).is_none());
}

#[test]
fn a_replica_set_is_scaled_by_its_deployment() {
    let set = |replicas: u64, controller: bool| {
        let owner = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u", "controller": controller});
        json!({"metadata": {"ownerReferences": [owner]}, "spec": {"replicas": replicas}})
    };
    assert!(differ("replicasets.apps", &set(1, true), set(2, true)).is_none());
    assert_eq!(differ("replicasets.apps", &set(1, false), set(2, false)).changed, ["spec.replicas"]);
}

#[test]
fn a_service_that_lost_its_address_differs_from_one_that_has_any() {
    let headless = json!({"spec": {"clusterIP": "None", "clusterIPs": ["None"]}});
    assert_eq!(
        differ("services", &json!({"spec": {}}), headless).extra,
        ["spec.clusterIP", "spec.clusterIPs"]
    );
}

#[test]
fn the_secrets_of_an_account_are_compared() {
    let account = |secret: &str| json!({"metadata": {"name": "a"}, "secrets": [{"name": secret}]});
    assert_eq!(differ("serviceaccounts", &account("one"), account("two")).changed, ["secrets[0].name"]);
    assert_eq!(
        differ("serviceaccounts", &json!({"metadata": {"name": "a"}}), account("two")).extra,
        ["secrets"]
    );
}

#[test]
fn what_a_person_tells_a_program_by_an_annotation_counts() {
    for (manager, by_hand) in [
        ("kubectl-annotate", true),
        ("oc", true),
        ("OpenAPI-Generator", true),
        ("pulumi-kubernetes", true),
        ("node-fetch", true),
        ("Mozilla", true),
        ("dashboard", true),
        ("controller", false),
        ("ocs-operator", false),
    ] {
        let live = json!({"metadata": {"name": "a", "annotations": {"nginx.example.com/allow": "10.0.0.0/8"},
            "managedFields": [{"manager": manager, "fieldsV1": {"f:metadata": {"f:annotations": {"f:nginx.example.com/allow": {}}}}}]}});
        let body = json!({"metadata": {"name": "a"}});
        let wanted = Intended { body: &body, awaited: &[], status: None };
        let kind = GroupResource::parse("ingresses.networking.k8s.io");
        let found = compare(&kind, wanted, &there(live.clone(), None), &annotations_by_hand(&live));
        let expected =
            if by_hand { vec!["metadata.annotations[nginx.example.com/allow]".to_owned()] } else { vec![] };
        assert_eq!(found.extra, expected, "{manager}");
    }
}

#[test]
fn an_annotation_that_was_added_counts_when_it_is_a_persons() {
    let wanted = json!({"metadata": {"name": "a"}});
    let live =
        json!({"metadata": {"name": "a", "annotations": {"owner": "me", "example.com/controller": "note"}}});
    assert_eq!(differ("things", &wanted, live).extra, ["metadata.annotations[owner]"]);
}
