//! Which items are never restored, and why: what the control plane makes by itself, and what has run its course. Pure.
//!
//! Whether an item's controller comes back in the same restore is not known here; the plan decides that.

use std::borrow::Cow;

use serde_json::Value;

use super::shape;
use crate::api;
use crate::model::{Kind, Origin, SkipReason, is_of_one_cluster, made_again};

/// Why the item, as it is in the backup, is never restored; None when it may be.
pub fn never_restored(kind: &Kind, item: &Value) -> Option<SkipReason> {
    if is_excluded_kind(kind) {
        return Some(SkipReason::DefaultExclusion);
    }
    match kind.as_str() {
        "pods" if is_finished_pod(item) => Some(SkipReason::Finished),
        "jobs.batch" if is_finished_job(item) => Some(SkipReason::Finished),
        _ if is_made_by_control_plane(kind, item) => Some(SkipReason::ControlPlaneMakesIt),
        _ => made_again(kind, &Stored(item)),
    }
}

/// An item of a backup, parsed.
struct Stored<'a>(&'a Value);

impl Origin for Stored<'_> {
    fn name(&self) -> &str {
        shape::text(self.0, &["metadata", "name"]).unwrap_or_default()
    }

    fn label(&self, key: &str) -> Option<Cow<'_, str>> {
        label(self.0, key).map(Cow::Borrowed)
    }

    fn annotation(&self, key: &str) -> Option<Cow<'_, str>> {
        annotation(self.0, key).map(Cow::Borrowed)
    }

    fn secret_type(&self) -> Option<&str> {
        shape::text(self.0, &["type"])
    }

    fn is_controlled(&self) -> bool {
        shape::elements(self.0, &["metadata", "ownerReferences"])
            .any(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))
    }
}

/// Kinds that tell of one cluster at one time, and the records of backup programs.
fn is_excluded_kind(kind: &Kind) -> bool {
    let of_velero = || {
        matches!(
            kind.as_str(),
            "backups.velero.io"
                | "restores.velero.io"
                | "backuprepositories.velero.io"
                | "resticrepositories.velero.io"
        )
    };
    is_of_one_cluster(kind) || kind.group() == api::GROUP || of_velero()
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
        "configmaps" => namespace == "kube-system" && name == "extension-apiserver-authentication",
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

fn label<'a>(item: &'a Value, key: &str) -> Option<&'a str> {
    shape::text(item, &["metadata", "labels", key])
}

fn annotation<'a>(item: &'a Value, key: &str) -> Option<&'a str> {
    shape::text(item, &["metadata", "annotations", key])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TOKEN_TYPE;
    use serde_json::json;

    #[test]
    fn each_reason_is_found_and_its_neighbours_are_restored() {
        let token = |name: &str| json!({"type": TOKEN_TYPE, "metadata": {"name": name, "annotations": {"kubernetes.io/service-account.name": "web"}}});
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
