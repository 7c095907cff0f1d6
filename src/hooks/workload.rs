//! A workload that is scaled to zero for a backup and back: what is read of it, and the patches.
//! Pure.
//!
//! While it is at zero an annotation says how many replicas it had, so that the backup knows, and
//! whoever finds it when all else is lost. Number and annotation change in one write, which fails
//! if the workload was changed since it was read.

use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::REPLICAS_BEFORE;
use crate::cluster::Patch;
use crate::model::{GroupResource, LabelSet};

/// The most writes for one workload: its controller writes its status at any time, which refuses a
/// write that is based on what was before.
pub const MOST_WRITES: usize = 20;

/// A workload as it was read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FoundWorkload {
    metadata: WorkloadMetadata,
    spec: WorkloadSpec,
    status: WorkloadStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WorkloadMetadata {
    name: String,
    uid: String,
    resource_version: String,
    annotations: LabelSet,
    owner_references: Vec<WorkloadOwner>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct WorkloadOwner {
    kind: String,
    name: String,
    controller: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WorkloadSpec {
    replicas: Option<i32>,
    persistent_volume_claim_retention_policy: ClaimRetention,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClaimRetention {
    when_scaled: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WorkloadStatus {
    ready_replicas: i32,
}

impl FoundWorkload {
    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Returns the uid.
    pub fn uid(&self) -> &str {
        &self.metadata.uid
    }

    /// Returns the number of replicas that are asked for; `None` if that is no field of the kind.
    pub fn replicas(&self) -> Option<i32> {
        self.spec.replicas
    }

    /// Returns the number of replicas that are ready.
    pub fn ready(&self) -> i32 {
        self.status.ready_replicas
    }

    /// Returns the number of replicas that it is to have after the backup: what it has, or, at
    /// zero, what it had before an earlier backup that was lost; `None` if zero is its number.
    pub fn number(&self) -> Option<i32> {
        if self.replicas() != Some(0) {
            return self.replicas();
        }
        let before = self.metadata.annotations.get(REPLICAS_BEFORE)?.parse().ok();
        before.filter(|before| *before > 0)
    }

    /// Returns true if it says, even in a way that cannot be read, that Ark scaled it to zero.
    pub fn is_marked(&self) -> bool {
        self.metadata.annotations.contains_key(REPLICAS_BEFORE)
    }

    /// Returns the Deployment that scales it, if it is a ReplicaSet of one.
    pub fn deployment(&self) -> Option<&str> {
        let mut owners = self.metadata.owner_references.iter();
        let deployment = owners.find(|owner| owner.controller && owner.kind == "Deployment")?;
        Some(&deployment.name)
    }

    /// Returns why it must not be scaled to zero, or `None` if it may be.
    pub fn refusal(&self) -> Option<String> {
        if let Some(deployment) = self.deployment() {
            return Some(format!("its Deployment {deployment} scales it: name that"));
        }
        if self.spec.replicas.is_none() {
            return Some("it has no spec.replicas, so that it cannot be scaled in this way".to_owned());
        }
        let claims = &self.spec.persistent_volume_claim_retention_policy;
        (claims.when_scaled == "Delete").then(|| {
            "its claims, and with them its data, would be deleted (persistentVolumeClaimRetentionPolicy.whenScaled is Delete): set that to Retain, or stop it by other means".to_owned()
        })
    }

    /// Returns the patch that scales it to zero and notes the number that it had.
    pub fn to_zero(&self, before: i32) -> Patch {
        self.patch(json!(before.to_string()), Some(0))
    }

    /// Returns the patch that scales it back.
    fn back_to(&self, replicas: i32) -> Patch {
        self.patch(Value::Null, Some(replicas))
    }

    fn patch(&self, mark: Value, replicas: Option<i32>) -> Patch {
        let WorkloadMetadata { uid, resource_version, .. } = &self.metadata;
        let annotations = json!({ REPLICAS_BEFORE: mark });
        let mut patch = json!({
            "metadata": {"uid": uid, "resourceVersion": resource_version, "annotations": annotations},
        });
        if let Some(replicas) = replicas {
            patch["spec"] = json!({"replicas": replicas});
        }
        Patch::Merge(patch.to_string())
    }

    /// Returns the next write on the way back to `replicas`.
    ///
    /// A write that scales it to zero may still be on its way, from a process that was cut short
    /// or killed. It is refused once the workload has changed: so one that is neither at zero nor
    /// marked is marked first, and then unmarked.
    pub fn way_back(&self, replicas: i32) -> WayBack {
        match self.replicas() {
            Some(0) if !self.is_marked() => WayBack::Taken,
            Some(0) => WayBack::Last(self.back_to(replicas)),
            _ if self.is_marked() => WayBack::Unmark(self.patch(Value::Null, None)),
            _ => WayBack::Mark(self.patch(json!(replicas.to_string()), None)),
        }
    }
}

/// The next write on the way back.
#[derive(Debug, PartialEq, Eq)]
pub enum WayBack {
    /// It is at zero, and after this write it is back.
    Last(Patch),
    /// It is not at zero any more; after this write nothing is left of Ark's.
    Unmark(Patch),
    /// It is not at zero, and never was as far as is known.
    Mark(Patch),
    /// It is at zero because somebody else has scaled it there; nothing is written.
    Taken,
}

/// Returns whether a pod has ended, so that nothing runs in it any more.
pub fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// Returns whether a pod is one of a workload of this kind and uid, and has not ended.
pub fn is_pod_of(pod: &Pod, kind: &GroupResource, uid: &str) -> bool {
    if has_ended(pod) {
        return false;
    }
    let mut owners = pod.metadata.owner_references.iter().flatten();
    let controller = owners.find(|owner| owner.controller == Some(true));
    match kind.as_str() {
        // Others than the workload's own have the same labels at times: a Job's, for example.
        "deployments.apps" => controller.is_some_and(|owner| owner.kind == "ReplicaSet"),
        "statefulsets.apps" | "replicasets.apps" | "replicationcontrollers" => {
            controller.is_some_and(|owner| owner.uid == uid)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(more: Value) -> FoundWorkload {
        let mut object = json!({"metadata": {"name": "web", "uid": "u", "resourceVersion": "7"}});
        if more["spec"].is_object() {
            object["spec"] = more["spec"].clone();
        }
        for (key, value) in more["metadata"].as_object().into_iter().flatten() {
            object["metadata"][key] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn body(patch: &Patch) -> Value {
        let Patch::Merge(body) = patch else { panic!("{patch:?}") };
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn number_and_mark_change_in_one_write_that_fails_if_the_workload_has_changed() {
        let of =
            |mark: Value| json!({"uid": "u", "resourceVersion": "7", "annotations": {REPLICAS_BEFORE: mark}});
        let three = workload(json!({"spec": {"replicas": 3}}));
        assert_eq!(body(&three.to_zero(3)), json!({"metadata": of(json!("3")), "spec": {"replicas": 0}}));
        let zero = workload(json!({"spec": {"replicas": 0}}));
        assert_eq!(zero.way_back(3), WayBack::Taken, "somebody else has scaled it to zero");
        let marked = json!({"metadata": {"annotations": {REPLICAS_BEFORE: "3"}}, "spec": {"replicas": 0}});
        let WayBack::Last(patch) = workload(marked).way_back(3) else { panic!("it is at zero") };
        assert_eq!(body(&patch), json!({"metadata": of(Value::Null), "spec": {"replicas": 3}}));
        let WayBack::Mark(patch) = three.way_back(3) else { panic!("it is not marked") };
        assert_eq!(body(&patch), json!({"metadata": of(json!("3"))}));
        let marked = json!({"metadata": {"annotations": {REPLICAS_BEFORE: "3"}}, "spec": {"replicas": 5}});
        let WayBack::Unmark(patch) = workload(marked).way_back(3) else { panic!("it is marked") };
        assert_eq!(body(&patch), json!({"metadata": of(Value::Null)}));
    }

    #[test]
    fn what_would_lose_data_or_fight_is_refused() {
        let refusal = |more: Value| workload(more).refusal().unwrap_or_default();
        assert_eq!(refusal(json!({"spec": {"replicas": 0}})), "");
        assert!(refusal(json!({"spec": {}})).contains("no spec.replicas"));
        let retention = json!({"whenScaled": "Delete", "whenDeleted": "Retain"});
        let claims = json!({"spec": {"replicas": 3, "persistentVolumeClaimRetentionPolicy": retention}});
        assert!(refusal(claims).contains("would be deleted"));
        let owner = json!([{"kind": "Deployment", "name": "web", "controller": true}]);
        let set = json!({"metadata": {"ownerReferences": owner}, "spec": {"replicas": 3}});
        assert!(refusal(set).contains("Deployment web"));
    }

    #[test]
    fn a_mark_that_is_no_number_is_no_number_of_replicas() {
        let marked = |text: &str, replicas: i32| {
            let metadata = json!({"annotations": {REPLICAS_BEFORE: text}});
            let marked = workload(json!({"metadata": metadata, "spec": {"replicas": replicas}}));
            assert!(marked.is_marked());
            marked.number()
        };
        assert_eq!((marked("3", 0), marked("3", 5)), (Some(3), Some(5)));
        for nonsense in ["0", "-1", "three", ""] {
            assert_eq!(marked(nonsense, 0), None, "{nonsense}");
        }
    }

    #[test]
    fn pods_that_have_ended_or_are_of_others_are_not_waited_for() {
        let is_of = |kind: &str, owner: Value, phase: &str| {
            let pod = json!({"metadata": {"ownerReferences": [owner]}, "status": {"phase": phase}});
            is_pod_of(&serde_json::from_value(pod).unwrap(), &GroupResource::parse(kind), "u")
        };
        let owner = |kind: &str, uid: &str| json!({"apiVersion": "v1", "name": "x", "kind": kind, "uid": uid, "controller": true});
        assert!(is_of("deployments.apps", owner("ReplicaSet", "other"), "Running"));
        assert!(!is_of("deployments.apps", owner("Job", "other"), "Running"));
        assert!(!is_of("deployments.apps", owner("ReplicaSet", "other"), "Failed"));
        assert!(is_of("statefulsets.apps", owner("StatefulSet", "u"), "Pending"));
        assert!(!is_of("statefulsets.apps", owner("StatefulSet", "other"), "Running"));
        assert!(is_of("pools.example.com", owner("Pool", "other"), "Running"));
    }
}
