//! Namespaces that are restored under other names, in every place that names one.

use super::*;
use serde_json::json;

fn map(pairs: &[(&str, &str)]) -> NamespaceMap {
    NamespaceMap::new(&pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect())
}

/// Checks a template in which `$` stands for a namespace; the chained mapping shows that each
/// place is visited once.
fn check(kind: &str, template: &str) {
    let written =
        |namespace: &str| -> Value { serde_json::from_str(&template.replace('$', namespace)).unwrap() };
    let mut warnings = Vec::new();
    for (before, after) in [("a", "b"), ("b", "c"), ("c", "c"), ("other", "other")] {
        let mut item = written(before);
        rewrite(
            &GroupResource::parse(kind),
            &mut item,
            &map(&[("a", "b"), ("b", "c"), ("other", "other")]),
            &mut warnings,
        );
        assert_eq!(item, written(after), "{kind} from {before}");
    }
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn every_known_place_is_mapped_once() {
    for (kind, template) in [
        (
            "configmaps",
            r#"{"metadata": {"name": "a", "namespace": "$"}, "data": {"a": "a", "namespace": "a"}}"#,
        ),
        (
            "namespaces",
            r#"{"metadata": {"name": "$", "labels": {"kubernetes.io/metadata.name": "$", "team": "a"}}}"#,
        ),
        ("services", r#"{"spec": {"type": "ExternalName", "externalName": "a.$.svc.cluster.local"}}"#),
        ("services", r#"{"spec": {"type": "ExternalName", "externalName": "a.a.example.com"}}"#),
        ("serviceaccounts", r#"{"secrets": [{"name": "a", "namespace": "$"}]}"#),
        (
            "persistentvolumes",
            r#"{"metadata": {"annotations": {"volume.kubernetes.io/provisioner-deletion-secret-namespace": "$"}},
            "spec": {"claimRef": {"name": "a", "namespace": "$"}, "csi": {"nodeStageSecretRef": {"namespace": "$"},
            "nodePublishSecretRef": {"namespace": "$"}, "controllerPublishSecretRef": {"namespace": "$"}, "controllerExpandSecretRef": {"namespace": "$"},
            "nodeExpandSecretRef": {"namespace": "$"}}, "cephfs": {"secretRef": {"namespace": "$"}}}}"#,
        ),
        ("persistentvolumeclaims", r#"{"spec": {"dataSourceRef": {"name": "a", "namespace": "$"}}}"#),
        (
            "storageclasses.storage.k8s.io",
            r#"{"parameters": {"csi.storage.k8s.io/provisioner-secret-namespace": "$", "csi.storage.k8s.io/provisioner-secret-name": "a", "pool": "a"}}"#,
        ),
        (
            "volumesnapshotcontents.snapshot.storage.k8s.io",
            r#"{"spec": {"volumeSnapshotRef": {"namespace": "$", "name": "a"}}}"#,
        ),
        (
            "validatingwebhookconfigurations.admissionregistration.k8s.io",
            r#"{"webhooks": [{"clientConfig": {"caBundle": "a", "service": {"namespace": "$", "name": "a"}},
            "namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["$", "kube-system"]}, {"key": "team", "operator": "In", "values": ["a"]}]}}]}"#,
        ),
        (
            "mutatingwebhookconfigurations.admissionregistration.k8s.io",
            r#"{"webhooks": [{"clientConfig": {"service": {"namespace": "$"}}}]}"#,
        ),
        (
            "validatingadmissionpolicybindings.admissionregistration.k8s.io",
            r#"{"spec": {"paramRef": {"name": "a", "namespace": "$"}, "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "$"}}}}}"#,
        ),
        (
            "customresourcedefinitions.apiextensions.k8s.io",
            r#"{"spec": {"conversion": {"webhook": {"clientConfig": {"service": {"namespace": "$"}}}}}}"#,
        ),
        ("apiservices.apiregistration.k8s.io", r#"{"spec": {"service": {"namespace": "$", "name": "a"}}}"#),
        (
            "networkpolicies.networking.k8s.io",
            r#"{"spec": {"podSelector": {"matchLabels": {"app": "a"}}, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "$", "team": "a"}}}]}]}}"#,
        ),
        ("ingressclasses.networking.k8s.io", r#"{"spec": {"parameters": {"namespace": "$", "name": "a"}}}"#),
        (
            "endpoints",
            r#"{"subsets": [{"addresses": [{"targetRef": {"namespace": "$"}}], "notReadyAddresses": [{"targetRef": {"namespace": "$"}}]}]}"#,
        ),
        ("endpointslices.discovery.k8s.io", r#"{"endpoints": [{"targetRef": {"namespace": "$"}}]}"#),
        (
            "statefulsets.apps",
            r#"{"spec": {"volumeClaimTemplates": [{"metadata": {"name": "a", "namespace": "$"}}], "template": {"metadata": {"namespace": "$"}}}}"#,
        ),
        (
            "deployments.apps",
            r#"{"spec": {"template": {"spec": {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["$", "z"],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "$"}}}], "preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": {"namespaces": ["$"]}}]}}}}}}"#,
        ),
        (
            "pods",
            r#"{"metadata": {"namespace": "$"}, "spec": {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["$"]}]}}}}"#,
        ),
        (
            "cronjobs.batch",
            r#"{"spec": {"jobTemplate": {"spec": {"template": {"spec": {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["$"]}]}}}}}}}}"#,
        ),
        (
            "clusterroles.rbac.authorization.k8s.io",
            r#"{"rules": [{"apiGroups": [""], "resources": ["namespaces", "namespaces/status"], "resourceNames": ["$"]}, {"apiGroups": [""], "resources": ["namespaces", "pods"], "resourceNames": ["a"]}]}"#,
        ),
        (
            "flowschemas.flowcontrol.apiserver.k8s.io",
            r#"{"spec": {"rules": [{"subjects": [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "$", "name": "a"}}, {"kind": "Group", "group": {"name": "system:serviceaccounts:$"}}],
            "resourceRules": [{"namespaces": ["$", "*"]}]}]}}"#,
        ),
        (
            "gateways.gateway.networking.k8s.io",
            r#"{"spec": {"listeners": [{"tls": {"certificateRefs": [{"namespace": "$"}]}, "allowedRoutes": {"namespaces": {"selector": {"matchLabels": {"kubernetes.io/metadata.name": "$"}}}}}]}}"#,
        ),
        (
            "httproutes.gateway.networking.k8s.io",
            r#"{"spec": {"parentRefs": [{"name": "a", "namespace": "$"}], "rules": [{"backendRefs": [{"namespace": "$"}]}]}}"#,
        ),
        (
            "referencegrants.gateway.networking.k8s.io",
            r#"{"spec": {"from": [{"kind": "HTTPRoute", "namespace": "$"}]}}"#,
        ),
        (
            "servicemonitors.monitoring.coreos.com",
            r#"{"metadata": {"namespace": "$"}, "spec": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "$"}}, "namespace": "a"}}"#,
        ),
    ] {
        check(kind, template);
    }
}

#[test]
fn subjects_of_bindings_are_mapped() {
    let template = r#"{"roleRef": {"kind": "Role", "name": "a"}, "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "$"},
        {"kind": "User", "name": "system:serviceaccount:$:a"}, {"kind": "User", "name": "a"}, {"kind": "User", "name": "system:controller:a"},
        {"kind": "Group", "name": "system:serviceaccounts:$"}, {"kind": "Group", "name": "system:serviceaccounts"}, {"kind": "Group", "name": "a"}]}"#;
    check("rolebindings.rbac.authorization.k8s.io", template);
    check("clusterrolebindings.rbac.authorization.k8s.io", template);
}

#[test]
fn what_kubectl_last_applied_is_mapped_too() {
    let item = |namespace: &str| {
        let applied = json!({"kind": "ConfigMap", "metadata": {"annotations": {}, "name": "c", "namespace": namespace}});
        json!({"metadata": {"name": "c", "namespace": namespace, "annotations": {LAST_APPLIED: format!("{applied}\n")}}})
    };
    let (mut mapped, mut warnings) = (item("a"), Vec::new());
    rewrite(&GroupResource::parse("configmaps"), &mut mapped, &map(&[("a", "b"), ("b", "c")]), &mut warnings);
    assert_eq!(mapped, item("b"));
    mapped["metadata"]["annotations"][LAST_APPLIED] = json!("{");
    rewrite(&GroupResource::parse("configmaps"), &mut mapped, &map(&[("a", "b")]), &mut warnings);
    assert_eq!(warnings.len(), 1);
}

#[test]
fn unexpected_shapes_are_left_alone() {
    let mut warnings = Vec::new();
    for odd in [
        json!({"subjects": {"namespace": "a"}, "metadata": ["a"]}),
        json!({"subjects": [["a"], "a", {"kind": "User", "name": 3}]}),
    ] {
        let mut item = odd.clone();
        rewrite(
            &GroupResource::parse("rolebindings.rbac.authorization.k8s.io"),
            &mut item,
            &map(&[("a", "b")]),
            &mut warnings,
        );
        assert_eq!(item, odd);
    }
}
