//! Tells which items are never restored, and why: what the control plane makes by itself, and what
//! has ended. Pure.
//!
//! The rules about single items are in `model::regenerated`. Whether an item's controller comes
//! back in the same restore is not known here; the plan decides about that (`restore::steps`).

use std::borrow::Cow;

use serde_json::Value;

use super::shape;
use crate::api;
use crate::model::traits::{is_given, stays_behind};
use crate::model::{GroupResource, ItemOrigin, SkipReason, regenerated_by};

/// Returns the reason why the item, as it is in the backup, is never restored; `None` if it may
/// be.
pub fn never_restored(kind: &GroupResource, item: &Value) -> Option<SkipReason> {
    if stays_behind(kind) || kind.group() == api::GROUP {
        return Some(SkipReason::DefaultExclusion);
    }
    let stored = Stored(item);
    match kind.as_str() {
        "pods" if is_finished_pod(item) => Some(SkipReason::Finished),
        "jobs.batch" if is_finished_job(item) => Some(SkipReason::Finished),
        _ if is_given(kind, &stored) => Some(SkipReason::ControlPlaneMakesIt),
        _ => regenerated_by(kind, &stored),
    }
}

/// An item of a backup, parsed.
struct Stored<'a>(&'a Value);

impl ItemOrigin for Stored<'_> {
    fn name(&self) -> &str {
        shape::text(self.0, &["metadata", "name"]).unwrap_or_default()
    }

    fn namespace(&self) -> Option<&str> {
        shape::text(self.0, &["metadata", "namespace"])
    }

    fn label(&self, key: &str) -> Option<Cow<'_, str>> {
        shape::text(self.0, &["metadata", "labels", key]).map(Cow::Borrowed)
    }

    fn annotation(&self, key: &str) -> Option<Cow<'_, str>> {
        shape::text(self.0, &["metadata", "annotations", key]).map(Cow::Borrowed)
    }

    fn secret_type(&self) -> Option<&str> {
        shape::text(self.0, &["type"])
    }

    fn managers(&self, field: &str) -> Vec<String> {
        let field = format!("f:{field}");
        shape::elements(self.0, &["metadata", "managedFields"])
            .filter(|entry| entry.get("fieldsV1").is_some_and(|fields| fields.get(&field).is_some()))
            .filter_map(|entry| Some(entry.get("manager")?.as_str()?.to_owned()))
            .collect()
    }
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
                labelled(
                    "endpointslice.kubernetes.io/managed-by",
                    "endpointslicemirroring-controller.k8s.io",
                ),
                Some(SkipReason::ControllerMakesIt),
            ),
            // The backup has it only where its Service has no selector.
            (
                "endpointslices.discovery.k8s.io",
                labelled("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"),
                None,
            ),
            (
                "endpoints",
                json!({"metadata": {"name": "ext", "namespace": "shop", "labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}}}),
                None,
            ),
            (
                "endpoints",
                json!({"metadata": {"name": "kubernetes", "namespace": "default"}}),
                Some(SkipReason::ControlPlaneMakesIt),
            ),
            ("certificatesigningrequests.certificates.k8s.io", json!({}), Some(SkipReason::DefaultExclusion)),
            ("resourceslices.resource.k8s.io", json!({}), Some(SkipReason::DefaultExclusion)),
            (
                "ipaddresses.networking.k8s.io",
                labelled("ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"),
                Some(SkipReason::ControlPlaneMakesIt),
            ),
            ("ipaddresses.networking.k8s.io", labelled("team", "net"), None),
            ("endpointslices.discovery.k8s.io", labelled("app", "external"), None),
            (
                "services",
                json!({"metadata": {"name": "kubernetes", "namespace": "default", "labels": {"provider": "kubernetes"}}}),
                Some(SkipReason::ControlPlaneMakesIt),
            ),
            ("services", json!({"metadata": {"name": "kubernetes", "namespace": "shop"}}), None),
            ("widgets.example.com", json!([1]), None),
        ] {
            assert_eq!(never_restored(&GroupResource::parse(kind), &item), expected, "{kind} {item}");
        }
    }
}
