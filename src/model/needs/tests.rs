//! What items name, kind by kind, and where that leads.

use serde_json::{Value, json};

use super::*;

fn found(needs: &Needs) -> Vec<String> {
    let mut names: Vec<String> = needs.found.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

fn kind(name: &str) -> Kind {
    Kind::parse(name)
}

fn named_by(of: &str, object: &Value) -> Vec<String> {
    let mut needs = Needs::default();
    needs.look(&kind(of), object.to_string().as_bytes());
    found(&needs)
}

#[test]
fn items_say_what_of_the_cluster_they_need() {
    for (of, object, expected) in [
        (
            "persistentvolumeclaims",
            json!({"spec": {"volumeName": "pv-1", "storageClassName": "fast", "volumeAttributesClassName": "gold"}}),
            vec![
                "persistentvolumes pv-1",
                "storageclasses.storage.k8s.io fast",
                "volumeattributesclasses.storage.k8s.io gold",
            ],
        ),
        (
            "persistentvolumeclaims",
            json!({"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "old"}}, "spec": null}),
            vec!["storageclasses.storage.k8s.io old"],
        ),
        (
            "statefulsets.apps",
            json!({"spec": {"template": {"spec": {"priorityClassName": "high"}}, "volumeClaimTemplates": [{"spec": {"storageClassName": "fast"}}]}}),
            vec!["priorityclasses.scheduling.k8s.io high", "storageclasses.storage.k8s.io fast"],
        ),
        (
            "deployments.apps",
            json!({"spec": {"template": {"spec": {"volumes": [
                {"name": "tmp", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "scratch"}}}},
                {"name": "ca", "projected": {"sources": [{"clusterTrustBundle": {"name": "corp"}}, {"secret": {"name": "s"}}]}},
                {"name": "plain", "emptyDir": {}}]}}}}),
            vec!["clustertrustbundles.certificates.k8s.io corp", "storageclasses.storage.k8s.io scratch"],
        ),
        (
            "cronjobs.batch",
            json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"runtimeClassName": "gvisor"}}}}}}),
            vec!["runtimeclasses.node.k8s.io gvisor"],
        ),
        (
            "podtemplates",
            json!({"template": {"spec": {"priorityClassName": "low"}}}),
            vec!["priorityclasses.scheduling.k8s.io low"],
        ),
        (
            "rolebindings.rbac.authorization.k8s.io",
            json!({"roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": null}),
            vec!["clusterroles.rbac.authorization.k8s.io view"],
        ),
        (
            "resourceclaimtemplates.resource.k8s.io",
            json!({"spec": {"spec": {"devices": {"requests": [{"exactly": {"deviceClassName": "gpu"}}, {"firstAvailable": [{"deviceClassName": "big"}]}]}}}}),
            vec!["deviceclasses.resource.k8s.io big", "deviceclasses.resource.k8s.io gpu"],
        ),
        (
            "resourceclaims.resource.k8s.io",
            json!({"spec": {"devices": {"requests": [{"deviceClassName": "gpu"}]}}}),
            vec!["deviceclasses.resource.k8s.io gpu"],
        ),
        (
            "volumesnapshots.snapshot.storage.k8s.io",
            json!({"spec": {"source": {"volumeSnapshotContentName": "made"}, "volumeSnapshotClassName": "snap"}, "status": {"boundVolumeSnapshotContentName": "bound"}}),
            vec![
                "volumesnapshotclasses.snapshot.storage.k8s.io snap",
                "volumesnapshotcontents.snapshot.storage.k8s.io bound",
                "volumesnapshotcontents.snapshot.storage.k8s.io made",
            ],
        ),
        (
            "ingresses.networking.k8s.io",
            json!({"metadata": {"annotations": {"kubernetes.io/ingress.class": "old"}}, "spec": {"ingressClassName": "nginx"}}),
            vec!["ingressclasses.networking.k8s.io nginx", "ingressclasses.networking.k8s.io old"],
        ),
        (
            "gateways.gateway.networking.k8s.io",
            json!({"spec": {"gatewayClassName": "envoy"}}),
            vec!["gatewayclasses.gateway.networking.k8s.io envoy"],
        ),
        (
            "validatingadmissionpolicybindings.admissionregistration.k8s.io",
            json!({"spec": {"policyName": "p"}}),
            vec!["validatingadmissionpolicies.admissionregistration.k8s.io p"],
        ),
        (
            "rolebindings.rbac.authorization.k8s.io",
            json!({"roleRef": {"kind": "Role", "name": "local"}}),
            vec![],
        ),
        ("configmaps", json!({"spec": {"storageClassName": "fast"}}), vec![]),
        ("pods", json!({"spec": 3}), vec![]),
        ("pods", json!({"spec": {"volumes": null, "priorityClassName": ""}}), vec![]),
    ] {
        assert_eq!(named_by(of, &object), expected, "{of} {object}");
    }
}

#[test]
fn every_kind_whose_items_name_others_says_so_in_the_table() {
    use crate::model::traits::Traits;
    for leading in LEADING {
        let traits = Traits::of(&kind(leading));
        assert!(traits.refers && traits.comes_along && traits.namespaced == Some(false), "{leading}");
    }
}

fn account(namespace: &str, name: &str) -> String {
    json!({"metadata": {"namespace": namespace, "name": name}}).to_string()
}

#[test]
fn a_cluster_binding_comes_when_it_speaks_of_a_taken_account_in_any_form() {
    for (subject, comes) in [
        (json!({"kind": "ServiceAccount", "namespace": "shop", "name": "web"}), true),
        (json!({"kind": "ServiceAccount", "namespace": "other", "name": "web"}), false),
        (json!({"kind": "User", "name": "system:serviceaccount:shop:web"}), true),
        (json!({"kind": "User", "name": "system:serviceaccount:shop:other"}), false),
        (json!({"kind": "User", "name": "web"}), false),
        (json!({"kind": "Group", "name": "system:serviceaccounts:shop"}), true),
        (json!({"kind": "Group", "name": "system:serviceaccounts"}), false),
        (json!({"kind": "Group", "name": "system:authenticated"}), false),
    ] {
        let mut needs = Needs::default();
        assert_eq!(needs.asks(CLUSTER_BINDINGS), Offer::Nothing);
        needs.look(&kind(ACCOUNTS), account("shop", "web").as_bytes());
        assert_eq!(needs.asks(CLUSTER_BINDINGS), Offer::All);
        let body =
            json!({"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [subject]}).to_string();
        needs.offer(&kind(CLUSTER_BINDINGS), "b", body.as_bytes());
        assert_eq!(needs.found.len(), if comes { 2 } else { 0 }, "{subject}");
    }
}

#[test]
fn an_aggregated_role_brings_the_roles_that_it_gathers_and_what_those_gather() {
    let role = |labels: Value, selectors: Value| {
        json!({"metadata": {"labels": labels}, "aggregationRule": {"clusterRoleSelectors": selectors}})
            .to_string()
    };
    let by = |key: &str| json!([{"matchLabels": {key: "true"}}]);
    let expressions = json!([{"matchExpressions": [{"key": "leaf", "operator": "Exists"}]}]);
    let mut needs = Needs::default();
    needs.look(
        &kind("rolebindings.rbac.authorization.k8s.io"),
        json!({"roleRef": {"kind": "ClusterRole", "name": "top"}}).to_string().as_bytes(),
    );
    for (name, body) in [
        ("leaf", role(json!({"leaf": ""}), Value::Null)),
        ("middle", role(json!({"to-top": "true"}), expressions)),
        ("top", role(json!({}), by("to-top"))),
        ("stranger", role(json!({"to-other": "true"}), by("leaf"))),
        ("plain", role(json!({}), Value::Null)),
    ] {
        needs.offer(&kind(CLUSTER_ROLES), name, body.as_bytes());
    }
    needs.close(std::iter::empty());
    let roles = ["leaf", "middle", "top"].map(|name| format!("{CLUSTER_ROLES} {name}"));
    assert_eq!(found(&needs), roles);
}

#[test]
fn a_taken_role_gathers_though_nothing_needs_it() {
    let mut needs = Needs::default();
    let top = json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}).to_string();
    needs.look(&kind(CLUSTER_ROLES), top.as_bytes());
    let part = json!({"metadata": {"labels": {"a": "b"}}}).to_string();
    needs.offer(&kind(CLUSTER_ROLES), "part", part.as_bytes());
    needs.close(std::iter::empty());
    assert_eq!(found(&needs), [format!("{CLUSTER_ROLES} part")]);
}

#[test]
fn what_is_needed_leads_on_and_what_is_not_does_not() {
    let mut needs = Needs::default();
    needs.look(&kind("persistentvolumeclaims"), br#"{"spec":{"volumeName":"mine"}}"#);
    for name in ["mine", "other"] {
        let body = json!({"spec": {"storageClassName": format!("class-of-{name}")}}).to_string();
        needs.offer(&kind(VOLUMES), name, body.as_bytes());
    }
    assert_eq!((needs.asks(VOLUMES), needs.asks(CLUSTER_ROLES)), (Offer::Found, Offer::Nothing));
    assert_eq!(found(&needs), ["persistentvolumes mine", "storageclasses.storage.k8s.io class-of-mine"]);
}

#[test]
fn the_parameters_of_a_class_are_found_by_their_kind() {
    let mut needs = Needs::default();
    needs.look(&kind("ingresses.networking.k8s.io"), br#"{"spec":{"ingressClassName":"alb"}}"#);
    let class = json!({"spec": {"parameters": {"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": "alb"}}});
    let classes = kind("ingressclasses.networking.k8s.io");
    needs.offer(&classes, "alb", class.to_string().as_bytes());
    let parameters = kind("ingressclassparams.elbv2.k8s.aws");
    let others = kind("ingressclassparams.example.com");
    let kinds = [(&others, "IngressClassParams"), (&parameters, "IngressClassParams")];
    needs.close(kinds.into_iter());
    assert_eq!(
        found(&needs),
        ["ingressclasses.networking.k8s.io alb", "ingressclassparams.elbv2.k8s.aws alb"]
    );
    let mut in_a_namespace = Needs::default();
    let class = json!({"spec": {"parameters": {"kind": "ConfigMap", "name": "x", "namespace": "n"}}});
    in_a_namespace.look(&classes, class.to_string().as_bytes());
    in_a_namespace.close(kinds.into_iter());
    assert!(in_a_namespace.found.is_empty());
}
