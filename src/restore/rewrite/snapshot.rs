//! Turns a VolumeSnapshot and its content into a pre-provisioned pair, which names the snapshot
//! that was taken. As they are stored, both would ask for a new snapshot under the old name, of
//! whatever the PVC holds now. Pure.

use serde_json::{Value, json};

use super::shape;
use crate::model::GroupResource;

/// The kind of snapshots.
pub const SNAPSHOTS: &str = "volumesnapshots.snapshot.storage.k8s.io";

/// The kind of the cluster-scoped contents behind snapshots.
pub const CONTENTS: &str = "volumesnapshotcontents.snapshot.storage.k8s.io";

/// Prefixes of the finalizers of the snapshot controllers. The controllers set them again; without
/// a controller nothing would remove them.
const FINALIZERS: [&str; 2] = ["snapshot.storage.kubernetes.io/", "groupsnapshot.storage.kubernetes.io/"];

/// Annotations about what a snapshotter was doing when the backup was made.
const UNDER_WAY: [&str; 2] = [
    "snapshot.storage.kubernetes.io/volumesnapshot-being-created",
    "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted",
];

/// Points a snapshot at its content, or a content at what the storage system has. `status` is the
/// one that was set aside. Returns the reason why the item must not be created, or `None` if it
/// may be.
pub(super) fn rewrite(
    kind: &GroupResource,
    item: &mut Value,
    status: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Option<String> {
    match kind.as_str() {
        SNAPSHOTS | CONTENTS | "persistentvolumeclaims" => shed(item),
        "volumegroupsnapshots.groupsnapshot.storage.k8s.io"
        | "volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io" => {
            return Some("a group of snapshots is not restored: created again, it would take new snapshots of what the claims hold now; the snapshots that belong to it are restored one by one".to_owned());
        }
        _ => return None,
    }
    let said =
        |key: &str| status.or_else(|| item.get("status")).and_then(|status| shape::text(status, &[key]));
    match kind.as_str() {
        SNAPSHOTS if shape::text(item, &["spec", "source", "volumeSnapshotContentName"]).is_none() => {
            match said("boundVolumeSnapshotContentName").map(str::to_owned) {
                Some(content) => set_source(item, json!({"volumeSnapshotContentName": content})),
                None => {
                    return Some("no snapshot had been taken for it when the backup was made; created again, it would take one of what its claim holds now".to_owned());
                }
            }
        }
        CONTENTS => {
            if shape::text(item, &["spec", "source", "snapshotHandle"]).is_none() {
                match said("snapshotHandle").map(str::to_owned) {
                    Some(handle) => set_source(item, json!({"snapshotHandle": handle})),
                    None => {
                        return Some("the storage system had taken no snapshot for it when the backup was made; created again, it would take one of what the volume holds now".to_owned());
                    }
                }
            }
            retain(item, warnings);
        }
        _ => {}
    }
    None
}

fn shed(item: &mut Value) {
    shape::retain(item, &["metadata", "finalizers"], |finalizer| {
        !finalizer.as_str().is_some_and(|name| FINALIZERS.iter().any(|prefix| name.starts_with(prefix)))
    });
    shape::remove_keys(item, &["metadata", "annotations"], &UNDER_WAY);
}

fn set_source(item: &mut Value, source: Value) {
    if let Some(spec) = shape::object_mut(item, &["spec"]) {
        spec.insert("source".to_owned(), source);
    }
}

/// Frees a content for the snapshot of its name, by removing the snapshot's uid, and makes it a
/// mere pointer: deleting it must not delete the snapshot in the storage system, to which another
/// cluster or content may point as well.
fn retain(item: &mut Value, warnings: &mut Vec<String>) {
    shape::remove_keys(item, &["spec", "volumeSnapshotRef"], &["uid", "resourceVersion"]);
    let handle = shape::text(item, &["spec", "source", "snapshotHandle"]).unwrap_or_default().to_owned();
    if let Some(policy) = shape::at_mut(item, &["spec", "deletionPolicy"])
        && policy.as_str() == Some("Delete")
    {
        *policy = "Retain".into();
        warnings.push(format!(
            "its deletionPolicy is Retain now instead of Delete, so that deleting it here does not delete the snapshot `{handle}`, which another cluster may still use; if the snapshot was deleted since the backup, it cannot be used"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(kind: &str, mut item: Value, status: &Value) -> (Value, Option<String>, usize) {
        let mut warnings = Vec::new();
        let left_out = rewrite(&GroupResource::parse(kind), &mut item, Some(status), &mut warnings);
        (item, left_out, warnings.len())
    }

    fn content(policy: &str, source: &Value) -> Value {
        json!({"metadata": {"name": "c", "finalizers": ["snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection", "example.com/hold"],
                "annotations": {"snapshot.storage.kubernetes.io/volumesnapshot-being-created": "yes", "snapshot.storage.kubernetes.io/deletion-secret-name": "s"}},
            "spec": {"driver": "csi.example.com", "deletionPolicy": policy, "source": source,
                "volumeSnapshotRef": {"kind": "VolumeSnapshot", "namespace": "shop", "name": "monday", "uid": "u", "resourceVersion": "7"}}})
    }

    fn pre_provisioned() -> Value {
        json!({"metadata": {"name": "c", "finalizers": ["example.com/hold"],
                "annotations": {"snapshot.storage.kubernetes.io/deletion-secret-name": "s"}},
            "spec": {"driver": "csi.example.com", "deletionPolicy": "Retain", "source": {"snapshotHandle": "snap-4711"},
                "volumeSnapshotRef": {"kind": "VolumeSnapshot", "namespace": "shop", "name": "monday"}}})
    }

    #[test]
    fn a_content_names_the_snapshot_that_was_taken_and_never_deletes_it() {
        let dynamic = json!({"volumeHandle": "vol-1"});
        let taken = json!({"snapshotHandle": "snap-4711", "readyToUse": true});
        for (policy, warned) in [("Retain", 0), ("Delete", 1)] {
            let expected = (pre_provisioned(), None, warned);
            assert_eq!(rewritten(CONTENTS, content(policy, &dynamic), &taken), expected, "{policy}");
        }
        // Once restored it is as it should be, whatever its status says.
        assert_eq!(rewritten(CONTENTS, pre_provisioned(), &json!({})), (pre_provisioned(), None, 0));
        let (_, left_out, _) =
            rewritten(CONTENTS, content("Retain", &dynamic), &json!({"readyToUse": false}));
        assert!(left_out.unwrap().contains("had taken no snapshot"));
    }

    #[test]
    fn a_snapshot_names_its_content_and_takes_no_new_snapshot() {
        let snapshot = |source: &Value| json!({"metadata": {"name": "monday"}, "spec": {"source": source, "volumeSnapshotClassName": "fast"}});
        let of_claim = snapshot(&json!({"persistentVolumeClaimName": "data"}));
        let of_content = snapshot(&json!({"volumeSnapshotContentName": "c"}));
        let bound = json!({"boundVolumeSnapshotContentName": "c"});
        assert_eq!(rewritten(SNAPSHOTS, of_claim.clone(), &bound), (of_content.clone(), None, 0));
        assert_eq!(rewritten(SNAPSHOTS, of_content.clone(), &json!({})), (of_content, None, 0));
        let (_, left_out, _) = rewritten(SNAPSHOTS, of_claim, &json!({}));
        assert!(left_out.unwrap().contains("no snapshot had been taken"));
    }

    #[test]
    fn groups_stay_away_and_claims_lose_only_the_controllers_finalizer() {
        for kind in ["volumegroupsnapshots", "volumegroupsnapshotcontents"] {
            let kind = format!("{kind}.groupsnapshot.storage.k8s.io");
            assert!(rewritten(&kind, json!({"spec": {}}), &json!({})).1.is_some());
        }
        let claim =
            |finalizers: &[&str]| json!({"metadata": {"finalizers": finalizers}, "spec": {"source": {}}});
        let held = claim(&[
            "kubernetes.io/pvc-protection",
            "snapshot.storage.kubernetes.io/pvc-as-source-protection",
        ]);
        let expected = claim(&["kubernetes.io/pvc-protection"]);
        assert_eq!(rewritten("persistentvolumeclaims", held, &json!({})), (expected, None, 0));
        let other = content("Delete", &json!({}));
        assert_eq!(rewritten("widgets.example.com", other.clone(), &json!({})), (other, None, 0));
    }
}
