//! The names in items, kind by kind, and what they lead to.

use serde_json::{Value, json};

use super::*;

fn found(needs: &ClusterReferences) -> Vec<String> {
    let mut names: Vec<String> = needs.found.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

fn kind(name: &str) -> GroupResource {
    GroupResource::parse(name)
}

fn named_by(of: &str, object: &Value) -> Vec<String> {
    let mut needs = ClusterReferences::default();
    needs.note_references(&kind(of), object.to_string().as_bytes());
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
            "pods",
            json!({"spec": {"volumes": [{"name": "s", "csi": {"driver": "secrets-store.csi.k8s.io"}}]}}),
            vec!["csidrivers.storage.k8s.io secrets-store.csi.k8s.io"],
        ),
        (
            "storageclasses.storage.k8s.io",
            json!({"provisioner": "ebs.csi.aws.com"}),
            vec!["csidrivers.storage.k8s.io ebs.csi.aws.com"],
        ),
        (
            "persistentvolumes",
            json!({"spec": {"csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "v"}}}),
            vec!["csidrivers.storage.k8s.io ebs.csi.aws.com"],
        ),
        (
            "podgroups.scheduling.k8s.io",
            json!({"spec": {"priorityClassName": "high"}}),
            vec!["priorityclasses.scheduling.k8s.io high"],
        ),
        (
            "workloads.scheduling.k8s.io",
            json!({"spec": {"podGroupTemplates": [{"name": "a", "priorityClassName": "low"}], "compositePodGroupTemplates": [
                {"name": "b", "priorityClassName": "mid", "podGroupTemplates": [{"name": "c", "priorityClassName": "high"}]}]}}),
            vec![
                "priorityclasses.scheduling.k8s.io high",
                "priorityclasses.scheduling.k8s.io low",
                "priorityclasses.scheduling.k8s.io mid",
            ],
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
            "volumesnapshotcontents.snapshot.storage.k8s.io",
            json!({"spec": {"driver": "ebs.csi.aws.com"}}),
            vec!["csidrivers.storage.k8s.io ebs.csi.aws.com"],
        ),
        (
            "volumesnapshotclasses.snapshot.storage.k8s.io",
            json!({"driver": "ebs.csi.aws.com"}),
            vec!["csidrivers.storage.k8s.io ebs.csi.aws.com"],
        ),
        (
            "volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io",
            json!({"driver": "ebs.csi.aws.com"}),
            vec!["csidrivers.storage.k8s.io ebs.csi.aws.com"],
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
        assert!(traits.has_references && traits.comes_along && traits.namespaced == Some(false), "{leading}");
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
        let mut needs = ClusterReferences::default();
        assert_eq!(needs.asks(CLUSTER_ROLE_BINDINGS), Offer::Nothing);
        needs.note_references(&kind(ACCOUNTS), account("shop", "web").as_bytes());
        assert_eq!(needs.asks(CLUSTER_ROLE_BINDINGS), Offer::All);
        let body =
            json!({"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [subject]}).to_string();
        needs.offer(&kind(CLUSTER_ROLE_BINDINGS), "b", body.as_bytes());
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
    let mut needs = ClusterReferences::default();
    needs.note_references(
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
    let mut needs = ClusterReferences::default();
    let top = json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}).to_string();
    needs.note_references(&kind(CLUSTER_ROLES), top.as_bytes());
    let part = json!({"metadata": {"labels": {"a": "b"}}}).to_string();
    needs.offer(&kind(CLUSTER_ROLES), "part", part.as_bytes());
    needs.close(std::iter::empty());
    assert_eq!(found(&needs), [format!("{CLUSTER_ROLES} part")]);
}

#[test]
fn what_is_needed_leads_on_and_what_is_not_does_not() {
    let mut needs = ClusterReferences::default();
    needs.note_references(&kind("persistentvolumeclaims"), br#"{"spec":{"volumeName":"mine"}}"#);
    for name in ["mine", "other"] {
        let body = json!({"spec": {"storageClassName": format!("class-of-{name}")}}).to_string();
        needs.offer(&kind(VOLUMES), name, body.as_bytes());
    }
    assert_eq!((needs.asks(VOLUMES), needs.asks(CLUSTER_ROLES)), (Offer::Found, Offer::Nothing));
    assert_eq!(found(&needs), ["persistentvolumes mine", "storageclasses.storage.k8s.io class-of-mine"]);
}

#[test]
fn the_parameters_of_a_class_are_found_by_their_kind() {
    let mut needs = ClusterReferences::default();
    needs.note_references(&kind("ingresses.networking.k8s.io"), br#"{"spec":{"ingressClassName":"alb"}}"#);
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
    let mut in_a_namespace = ClusterReferences::default();
    let class = json!({"spec": {"parameters": {"kind": "ConfigMap", "name": "x", "namespace": "n"}}});
    in_a_namespace.note_references(&classes, class.to_string().as_bytes());
    in_a_namespace.close(kinds.into_iter());
    assert!(in_a_namespace.found.is_empty());
}

#[test]
fn the_parameters_that_a_binding_names_are_of_the_kind_that_its_policy_says() {
    let limits = kind("limits.example.com");
    for (namespace, expected) in [(None, true), (Some("shop"), false)] {
        let mut needs = ClusterReferences::default();
        let binding = json!({"spec": {"policyName": "p", "paramRef": {"name": "strict", "namespace": namespace.unwrap_or_default()}}});
        let bindings = kind("validatingadmissionpolicybindings.admissionregistration.k8s.io");
        needs.note_references(&bindings, binding.to_string().as_bytes());
        assert_eq!((needs.asks(VALIDATING), needs.asks(MUTATING)), (Offer::Found, Offer::Nothing));
        for (name, asked) in [("p", "Limit"), ("other", "Other")] {
            let policy = json!({"metadata": {"name": name}, "spec": {"paramKind": {"apiVersion": "example.com/v1", "kind": asked}}});
            needs.offer(&kind(VALIDATING), name, policy.to_string().as_bytes());
        }
        needs.close([(&limits, "Limit")].into_iter());
        let mut all = vec![format!("{VALIDATING} p")];
        all.extend(expected.then(|| "limits.example.com strict".to_owned()));
        all.sort();
        assert_eq!(found(&needs), all);
    }
}

#[test]
fn trust_bundles_come_that_a_pod_chooses_by_signer_and_labels() {
    let bundle = |signer: &str, labels: Value| {
        json!({"metadata": {"labels": labels}, "spec": {"signerName": signer}}).to_string()
    };
    for (selector, expected) in [
        (json!({"matchLabels": {"live": "yes"}}), vec!["live"]),
        (json!({}), vec!["live", "old"]),
        (Value::Null, vec![]),
    ] {
        let mut needs = ClusterReferences::default();
        let source = json!({"clusterTrustBundle": {"signerName": "example.com/ca", "labelSelector": selector, "path": "ca"}});
        let pod = json!({"spec": {"volumes": [{"projected": {"sources": [source]}}]}});
        needs.note_references(&kind("pods"), pod.to_string().as_bytes());
        assert_eq!(needs.asks(BUNDLES) == Offer::All, !selector.is_null());
        for (name, body) in [
            ("live", bundle("example.com/ca", json!({"live": "yes"}))),
            ("old", bundle("example.com/ca", json!({}))),
            ("foreign", bundle("example.com/other", json!({"live": "yes"}))),
        ] {
            needs.offer(&kind(BUNDLES), name, body.as_bytes());
        }
        let expected: Vec<String> = expected.iter().map(|name| format!("{BUNDLES} {name}")).collect();
        assert_eq!(found(&needs), expected, "{selector}");
    }
}

/// Returns which of these PVCs, `namespace/name` each, are needed once an item has been looked at.
fn claims_named_by(of: &str, object: &Value, there: &[&str]) -> Vec<String> {
    let mut needs = ClusterReferences::with_claims();
    needs.note_references(&kind(of), object.to_string().as_bytes());
    for claim in there {
        let (namespace, name) = claim.split_once('/').unwrap();
        needs.offer_claim(namespace, name, br#"{"spec":{"volumeName":"disk"}}"#);
    }
    let claims = needs.found.iter().filter(|key| key.resource.as_str() == PVCS);
    let mut claims: Vec<String> =
        claims.map(|key| format!("{}/{}", key.namespace.as_deref().unwrap(), key.name)).collect();
    claims.sort();
    assert_eq!(
        needs.needs(&kind(VOLUMES), "disk"),
        !claims.is_empty(),
        "a claim leads on, and only a needed one"
    );
    claims
}

#[test]
fn whatever_makes_pods_needs_the_claims_that_they_mount() {
    let there = ["shop/data", "shop/more", "shop/other", "else/data", "shop/web-scratch"];
    let volumes = json!([
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "more", "persistentVolumeClaim": {"claimName": "more", "readOnly": true}},
        // The PVC `web-scratch` of its ephemeral volume belongs to the pod.
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "other"}, "spec": {}}}},
    ]);
    let metadata = json!({"name": "web", "namespace": "shop"});
    let pod = json!({"metadata": metadata, "spec": {"volumes": volumes}});
    let template = json!({"spec": {"volumes": volumes}});
    let made = json!({"metadata": metadata, "spec": {"template": template}});
    for (of, object) in [
        ("pods", &pod),
        ("podtemplates", &json!({"metadata": metadata, "template": template})),
        ("deployments.apps", &made),
        ("statefulsets.apps", &made),
        ("daemonsets.apps", &made),
        ("replicasets.apps", &made),
        ("replicationcontrollers", &made),
        ("jobs.batch", &made),
        (
            "cronjobs.batch",
            &json!({"metadata": metadata, "spec": {"jobTemplate": {"spec": {"template": template}}}}),
        ),
    ] {
        assert_eq!(claims_named_by(of, object, &there), ["shop/data", "shop/more"], "{of}");
    }
    let elsewhere = json!({"metadata": metadata, "spec": {"volumes": volumes}});
    assert!(claims_named_by("configmaps", &elsewhere, &there).is_empty());
}

#[test]
fn a_stateful_set_needs_the_claims_of_its_templates_by_the_ordinals_that_there_are() {
    let set = json!({"metadata": {"name": "db", "namespace": "shop"}, "spec": {
        "replicas": 1, "template": {"spec": {}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}, {"metadata": {"name": "wal-2"}, "spec": {}}]}});
    let there = [
        "shop/data-db-0",
        "shop/data-db-17",
        "shop/wal-2-db-0",
        "shop/data-db-",
        "shop/data-db-x",
        "shop/data-db-1-0",
        "shop/data-db",
        "shop/db-0",
        "shop/wal-db-0",
        "else/data-db-0",
    ];
    let needed = ["shop/data-db-0", "shop/data-db-17", "shop/wal-2-db-0"];
    assert_eq!(claims_named_by("statefulsets.apps", &set, &there), needed);
}

#[test]
fn claims_are_not_asked_for_where_no_labels_part_them_from_workloads() {
    let mut needs = ClusterReferences::default();
    let pod = json!({"metadata": {"name": "web", "namespace": "shop"},
        "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]}});
    needs.note_references(&kind("pods"), pod.to_string().as_bytes());
    assert!(!needs.names_claims());
    needs.offer_claim("shop", "data", b"{}");
    assert!(needs.found.is_empty());
}
