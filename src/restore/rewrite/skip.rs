//! Which items are never restored, and why: what the control plane makes by itself, and what has run its course. Pure.
//!
//! Whether an item's controller comes back in the same restore is not known here; the plan decides that.

use serde_json::Value;

use super::{secret, shape};
use crate::api;
use crate::model::{Kind, SkipReason};

/// Why the item, as it is in the backup, is never restored; None when it may be.
pub fn never_restored(kind: &Kind, item: &Value) -> Option<SkipReason> {
    if is_excluded_kind(kind) {
        return Some(SkipReason::DefaultExclusion);
    }
    match kind.as_str() {
        "pods" if annotation(item, "kubernetes.io/config.mirror").is_some() => Some(SkipReason::MirrorPod),
        "pods" if is_finished_pod(item) => Some(SkipReason::Finished),
        "jobs.batch" if is_finished_job(item) => Some(SkipReason::Finished),
        _ if is_made_by_control_plane(kind, item) => Some(SkipReason::ControlPlaneMakesIt),
        _ if is_made_by_controller(kind, item) => Some(SkipReason::ControllerMakesIt),
        _ => None,
    }
}

/// Kinds that tell of one cluster at one time, and the records of backup programs.
fn is_excluded_kind(kind: &Kind) -> bool {
    matches!(
        kind.as_str(),
        "nodes"
            | "events"
            | "events.events.k8s.io"
            | "csinodes.storage.k8s.io"
            | "volumeattachments.storage.k8s.io"
            | "backups.velero.io"
            | "restores.velero.io"
            | "backuprepositories.velero.io"
            | "resticrepositories.velero.io"
    ) || kind.group() == api::GROUP
}

fn is_finished_pod(item: &Value) -> bool {
    matches!(shape::text(item, &["status", "phase"]), Some("Succeeded" | "Failed"))
}

fn is_finished_job(item: &Value) -> bool {
    let ended = |condition: &Value| {
        matches!(shape::text(condition, &["type"]), Some("Complete" | "Failed"))
            && shape::text(condition, &["status"]) == Some("True")
    };
    shape::text(item, &["status", "completionTime"]).is_some()
        || shape::elements(item, &["status", "conditions"]).any(ended)
}

fn is_made_by_control_plane(kind: &Kind, item: &Value) -> bool {
    let name = shape::text(item, &["metadata", "name"]).unwrap_or_default();
    let namespace = shape::text(item, &["metadata", "namespace"]).unwrap_or_default();
    match kind.as_str() {
        "configmaps" => {
            name == "kube-root-ca.crt"
                || (namespace == "kube-system" && name == "extension-apiserver-authentication")
        }
        "secrets" => is_generated_token(item, name),
        "apiservices.apiregistration.k8s.io" => {
            label(item, "kube-aggregator.kubernetes.io/automanaged").is_some()
        }
        // The API server's own Service.
        "services" => namespace == "default" && name == "kubernetes" && label(item, "provider").is_some(),
        "priorityclasses.scheduling.k8s.io" => name.starts_with("system-"),
        "flowschemas.flowcontrol.apiserver.k8s.io"
        | "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io" => {
            annotation(item, "apf.kubernetes.io/autoupdate-spec") == Some("true")
        }
        "ipaddresses.networking.k8s.io" => label(item, "ipaddress.kubernetes.io/managed-by").is_some(),
        "servicecidrs.networking.k8s.io" => name == "kubernetes",
        _ => false,
    }
}

/// A token that the control plane made for an account, of clusters before 1.24; one that a person asked for has another name.
fn is_generated_token(item: &Value, name: &str) -> bool {
    shape::text(item, &["type"]) == Some(secret::TOKEN_TYPE)
        && annotation(item, "kubernetes.io/service-account.name")
            .is_some_and(|account| shape::is_generated(name, &format!("{account}-token-")))
}

/// Endpoints that follow from a Service's selector.
fn is_made_by_controller(kind: &Kind, item: &Value) -> bool {
    match kind.as_str() {
        "endpointslices.discovery.k8s.io" => label(item, "endpointslice.kubernetes.io/managed-by")
            .is_some_and(|by| by.ends_with("-controller.k8s.io")),
        "endpoints" => label(item, "endpoints.kubernetes.io/managed-by") == Some("endpoint-controller"),
        _ => false,
    }
}

fn label<'a>(item: &'a Value, key: &str) -> Option<&'a str> {
    shape::text(item, &["metadata", "labels", key])
}

fn annotation<'a>(item: &'a Value, key: &str) -> Option<&'a str> {
    shape::text(item, &["metadata", "annotations", key])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_reason_is_found_and_its_neighbours_are_restored() {
        let token = |name: &str| json!({"type": secret::TOKEN_TYPE, "metadata": {"name": name, "annotations": {"kubernetes.io/service-account.name": "web"}}});
        let ended = |condition: &str, status: &str| json!({"status": {"conditions": [{"type": condition, "status": status}]}});
        let labelled = |key: &str, value: &str| json!({"metadata": {"name": "x", "labels": {key: value}}});
        for (kind, item, expected) in [
            ("nodes", json!({}), Some(SkipReason::DefaultExclusion)),
            ("events.events.k8s.io", json!({}), Some(SkipReason::DefaultExclusion)),
            ("backups.ark.heptio.com", json!({}), Some(SkipReason::DefaultExclusion)),
            ("backups.example.com", json!({}), None),
            (
                "pods",
                json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "h"}}}),
                Some(SkipReason::MirrorPod),
            ),
            ("pods", json!({"status": {"phase": "Succeeded"}}), Some(SkipReason::Finished)),
            ("pods", json!({"status": {"phase": "Failed"}}), Some(SkipReason::Finished)),
            ("pods", json!({"status": {"phase": "Running"}}), None),
            (
                "jobs.batch",
                json!({"status": {"completionTime": "2026-11-21T04:00:00Z"}}),
                Some(SkipReason::Finished),
            ),
            ("jobs.batch", ended("Failed", "True"), Some(SkipReason::Finished)),
            ("jobs.batch", ended("Complete", "False"), None),
            ("jobs.batch", ended("Suspended", "True"), None),
            ("secrets", token("web-token-x7k2p"), Some(SkipReason::ControlPlaneMakesIt)),
            ("secrets", token("web-token"), None),
            (
                "configmaps",
                json!({"metadata": {"name": "kube-root-ca.crt"}}),
                Some(SkipReason::ControlPlaneMakesIt),
            ),
            ("configmaps", json!({"metadata": {"name": "settings"}}), None),
            (
                "apiservices.apiregistration.k8s.io",
                labelled("kube-aggregator.kubernetes.io/automanaged", "onstart"),
                Some(SkipReason::ControlPlaneMakesIt),
            ),
            ("apiservices.apiregistration.k8s.io", labelled("app", "metrics"), None),
            (
                "priorityclasses.scheduling.k8s.io",
                json!({"metadata": {"name": "system-node-critical"}}),
                Some(SkipReason::ControlPlaneMakesIt),
            ),
            (
                "endpointslices.discovery.k8s.io",
                labelled("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"),
                Some(SkipReason::ControllerMakesIt),
            ),
            ("endpointslices.discovery.k8s.io", labelled("app", "external"), None),
            (
                "services",
                json!({"metadata": {"name": "kubernetes", "namespace": "default", "labels": {"provider": "kubernetes"}}}),
                Some(SkipReason::ControlPlaneMakesIt),
            ),
            ("services", json!({"metadata": {"name": "kubernetes", "namespace": "shop"}}), None),
            ("widgets.example.com", json!([1]), None),
        ] {
            assert_eq!(never_restored(&Kind::parse(kind), &item), expected, "{kind} {item}");
        }
    }
}
