//! The fields that an update takes from the backup, and those that it leaves to the cluster.

use serde_json::json;

use super::*;

fn updated(kind: &str, wanted: &Value, live: &Value) -> Value {
    as_update(wanted, live, &GroupResource::parse(kind))
}

#[test]
fn what_somebody_added_goes_and_identity_stays() {
    let wanted = json!({"metadata": {"name": "web", "labels": {"app": "web"}}, "data": {"a": "1"}});
    let live = json!({"metadata": {"name": "web", "labels": {"app": "web", "x": "y"}, "uid": "u", "resourceVersion": "7", "generation": 3,
            "creationTimestamp": "2026-11-21T04:00:00Z", "managedFields": [{"manager": "kubectl"}]},
        "data": {"a": "2", "b": "2"}});
    assert_eq!(
        updated("configmaps", &wanted, &live),
        json!({"metadata": {"name": "web", "labels": {"app": "web"}, "uid": "u", "resourceVersion": "7", "generation": 3,
            "creationTimestamp": "2026-11-21T04:00:00Z"}, "data": {"a": "1"}})
    );
}

#[test]
fn notes_of_controllers_stay_and_what_a_person_wrote_comes_back() {
    let wanted = json!({"metadata": {"annotations": {"team": "a", "deployment.kubernetes.io/revision": "1", LAST_APPLIED: "old"}, "finalizers": ["a/hold"]}});
    let live = json!({"metadata": {"annotations": {"team": "b", "deployment.kubernetes.io/revision": "4", LAST_APPLIED: "new", "controller/note": "n"},
        "finalizers": ["b/hold", "a/hold"]}});
    let metadata = updated("deployments.apps", &wanted, &live)["metadata"].take();
    assert_eq!(
        metadata,
        json!({"annotations": {"team": "a", "deployment.kubernetes.io/revision": "4", LAST_APPLIED: "old", "controller/note": "n"},
            "finalizers": ["a/hold", "b/hold"]})
    );
    assert_eq!(
        updated(
            "configmaps",
            &json!({"metadata": {}}),
            &json!({"metadata": {"annotations": {"a/b": "c", "mine": "d"}}})
        ),
        json!({"metadata": {"annotations": {"a/b": "c"}}})
    );
}

#[test]
fn a_controller_that_adopted_the_item_stays_its_owner_unless_the_backup_has_another() {
    let owner =
        |name: &str, controller: bool| json!({"kind": "Owner", "name": name, "controller": controller});
    let item = |owners: &[Value]| json!({"metadata": {"ownerReferences": owners}});
    let owners = |wanted: &[Value], live: &[Value]| {
        updated("pods", &item(wanted), &item(live))["metadata"]["ownerReferences"].take()
    };
    let (web, db, tenant) = (owner("web", true), owner("db", true), owner("oil", false));
    assert_eq!(owners(&[], &[web.clone(), tenant.clone()]), json!([web]));
    assert_eq!(owners(&[db.clone(), tenant.clone()], &[web]), json!([db, tenant]));
}

#[test]
fn a_service_keeps_what_the_cluster_allotted_and_gets_what_it_asks_for() {
    let live = json!({"spec": {"type": "NodePort", "clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
        "selector": {"app": "web", "tier": "canary"}, "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 53, "protocol": "UDP", "nodePort": 30053}]}});
    let wanted = json!({"spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80}, {"port": 53, "protocol": "UDP", "nodePort": 30054}, {"port": 81}]}});
    assert_eq!(
        updated("services", &wanted, &live)["spec"],
        json!({"type": "NodePort", "clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            "selector": {"app": "web"}, "ports": [{"port": 80, "nodePort": 30080}, {"port": 53, "protocol": "UDP", "nodePort": 30054}, {"port": 81}]})
    );
    let inner = json!({"spec": {"type": "ClusterIP", "ports": [{"port": 80}]}});
    assert_eq!(updated("services", &inner, &live)["spec"]["ports"], json!([{"port": 80}]));
    let outer = json!({"spec": {"type": "ExternalName", "externalName": "example.test"}});
    assert_eq!(updated("services", &outer, &live), outer);
    let moved = json!({"spec": {"clusterIP": "10.0.0.10", "clusterIPs": ["10.0.0.10"]}});
    assert_eq!(updated("services", &moved, &live)["spec"]["clusterIPs"], json!(["10.0.0.10"]));
}

#[test]
fn bindings_selectors_and_tokens_are_the_clusters() {
    for (kind, wanted, live, expected) in [
        (
            "persistentvolumeclaims",
            json!({"spec": {"resources": 2}}),
            json!({"spec": {"volumeName": "v", "dataSource": 1, "resources": 1}}),
            json!({"spec": {"volumeName": "v", "dataSource": 1, "resources": 2}}),
        ),
        (
            "persistentvolumes",
            json!({"spec": {"claimRef": {"namespace": "a", "name": "b"}, "capacity": 2}}),
            json!({"spec": {"claimRef": {"namespace": "a", "name": "b", "uid": "u"}, "capacity": 1}}),
            json!({"spec": {"claimRef": {"namespace": "a", "name": "b", "uid": "u"}, "capacity": 2}}),
        ),
        (
            "persistentvolumes",
            json!({"spec": {"claimRef": {"namespace": "a", "name": "b"}}}),
            json!({"spec": {"claimRef": {"namespace": "a", "name": "c", "uid": "u"}}}),
            json!({"spec": {"claimRef": {"namespace": "a", "name": "b"}}}),
        ),
        (
            "jobs.batch",
            json!({"spec": {"parallelism": 2, "template": {"metadata": {"labels": {"app": "a"}}}}}),
            json!({"spec": {"parallelism": 1, "selector": {"matchLabels": 1}, "template": {"metadata": {"labels": {"app": "a", "controller-uid": "u"}}}}}),
            json!({"spec": {"parallelism": 2, "selector": {"matchLabels": 1}, "template": {"metadata": {"labels": {"app": "a", "controller-uid": "u"}}}}}),
        ),
        (
            "secrets",
            json!({"type": TOKEN_TYPE}),
            json!({"type": TOKEN_TYPE, "data": {"token": "t"}}),
            json!({"type": TOKEN_TYPE, "data": {"token": "t"}}),
        ),
        (
            "secrets",
            json!({"type": "Opaque", "data": {}}),
            json!({"type": "Opaque", "data": {"token": "t"}}),
            json!({"type": "Opaque", "data": {}}),
        ),
        (
            "serviceaccounts",
            json!({"secrets": [{"name": "a"}], "imagePullSecrets": []}),
            json!({"metadata": {"name": "web"}, "secrets": [{"name": "web-token-x7k2p"}, {"name": "b"}], "imagePullSecrets": [{"name": "c"}]}),
            json!({"secrets": [{"name": "a"}, {"name": "web-token-x7k2p"}], "imagePullSecrets": []}),
        ),
        (
            "clusterroles.rbac.authorization.k8s.io",
            json!({"aggregationRule": {}, "rules": [1]}),
            json!({"aggregationRule": {}, "rules": [1, 2]}),
            json!({"aggregationRule": {}, "rules": [1, 2]}),
        ),
        (
            "volumesnapshotcontents.snapshot.storage.k8s.io",
            json!({"spec": {"driver": "d", "deletionPolicy": "Retain", "source": {"snapshotHandle": "s"}}}),
            json!({"spec": {"driver": "d", "deletionPolicy": "Delete", "source": {"volumeHandle": "v"}}}),
            json!({"spec": {"driver": "d", "deletionPolicy": "Delete", "source": {"volumeHandle": "v"}}}),
        ),
    ] {
        assert_eq!(updated(kind, &wanted, &live), expected, "{kind} {wanted}");
    }
}

#[test]
fn of_a_pod_only_its_images_and_its_time_are_written() {
    let container = |name: &str, image: &str| json!({"name": name, "image": image});
    let wanted = json!({"spec": {"activeDeadlineSeconds": 9, "priorityClassName": "other", "containers": [container("web", "web:1")]}});
    let live = json!({"spec": {"nodeName": "node-1", "containers": [container("web", "web:2"), container("side", "side:1")]}});
    assert_eq!(
        updated("pods", &wanted, &live),
        json!({"spec": {"nodeName": "node-1", "activeDeadlineSeconds": 9, "containers": [container("web", "web:1"), container("side", "side:1")]}})
    );
}

#[test]
fn injected_certificates_stay_fresh() {
    let hooks = |bundles: &[(&str, &str)]| {
        let hook =
            |(name, bundle): &(&str, &str)| json!({"name": name, "clientConfig": {"caBundle": bundle}});
        json!({"webhooks": bundles.iter().map(hook).collect::<Vec<_>>()})
    };
    let kind = "validatingwebhookconfigurations.admissionregistration.k8s.io";
    let (wanted, live) = (hooks(&[("a", "old"), ("b", "old")]), hooks(&[("c", "fresh"), ("b", "fresh")]));
    assert_eq!(updated(kind, &wanted, &live), hooks(&[("a", "old"), ("b", "fresh")]));
    let service = |bundle: &str| json!({"spec": {"caBundle": bundle}});
    assert_eq!(
        updated("apiservices.apiregistration.k8s.io", &service("old"), &service("fresh")),
        service("fresh")
    );
}
