//! Claims and volumes are unbound, in a way that the same pair binds again when both come back. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use super::shape;
use crate::model::Kind;

/// Marks of the binding of a claim: with them the controller takes a claim without its volume for lost.
const CLAIM_MARKS: [&str; 5] = [
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
];

/// Whether the volume itself comes back: one whose reclaim policy is Delete went with its claim, unless `restore_pvs` insists.
pub fn volume_comes_back(volume: &Value, restore_pvs: Option<bool>) -> bool {
    let reclaimed = shape::text(volume, &["spec", "persistentVolumeReclaimPolicy"]) == Some("Delete");
    restore_pvs.unwrap_or(!reclaimed)
}

/// Takes the binding off. `returning`: the volumes that will be there; a claim on another one asks for a new volume.
pub(super) fn rewrite(
    kind: &Kind,
    item: &mut Value,
    returning: &BTreeSet<String>,
    warnings: &mut Vec<String>,
) {
    match kind.as_str() {
        "persistentvolumes" => {
            // A claimRef without uid is a reservation: the claim of that name, and no other, may bind.
            shape::remove_keys(item, &["spec", "claimRef"], &["uid", "resourceVersion"]);
            shape::remove_keys(item, &["metadata", "annotations"], &["pv.kubernetes.io/bound-by-controller"]);
        }
        "persistentvolumeclaims" => {
            shape::remove_keys(item, &["metadata", "annotations"], &CLAIM_MARKS);
            let Some(spec) = shape::object_mut(item, &["spec"]) else { return };
            let Some(volume) = spec.get("volumeName").and_then(Value::as_str) else { return };
            if !volume.is_empty() && !returning.contains(volume) {
                warnings.push(format!(
                    "its volume `{volume}` is not restored, so that the claim gets a new, empty one"
                ));
                spec.remove("volumeName");
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claim() -> Value {
        let annotations: serde_json::Map<String, Value> =
            CLAIM_MARKS.iter().map(|mark| ((*mark).to_owned(), json!("yes"))).collect();
        json!({"metadata": {"name": "data", "annotations": annotations}, "spec": {"volumeName": "pv-1", "storageClassName": "fast"}})
    }

    #[test]
    fn a_claim_keeps_its_volume_only_when_that_comes_back() {
        for (returning, spec, warned) in [
            ("pv-1", json!({"volumeName": "pv-1", "storageClassName": "fast"}), 0),
            ("pv-2", json!({"storageClassName": "fast"}), 1),
        ] {
            let (mut item, mut warnings) = (claim(), Vec::new());
            let returning = BTreeSet::from([returning.to_owned()]);
            rewrite(&Kind::parse("persistentvolumeclaims"), &mut item, &returning, &mut warnings);
            assert_eq!(item, json!({"metadata": {"name": "data"}, "spec": spec}));
            assert_eq!(warnings.len(), warned, "{warnings:?}");
        }
    }

    #[test]
    fn a_volume_stays_reserved_for_its_claim() {
        let mut item = json!({"metadata": {"annotations": {"pv.kubernetes.io/bound-by-controller": "yes", "pv.kubernetes.io/provisioned-by": "x"}},
            "spec": {"claimRef": {"kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data", "uid": "u", "resourceVersion": "7"}}});
        rewrite(&Kind::parse("persistentvolumes"), &mut item, &BTreeSet::new(), &mut Vec::new());
        assert_eq!(
            item,
            json!({"metadata": {"annotations": {"pv.kubernetes.io/provisioned-by": "x"}},
                "spec": {"claimRef": {"kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data"}}})
        );
    }

    #[test]
    fn a_volume_that_went_with_its_claim_comes_back_only_on_demand() {
        let volume = |policy: &str| json!({"spec": {"persistentVolumeReclaimPolicy": policy}});
        assert!(volume_comes_back(&volume("Retain"), None));
        assert!(!volume_comes_back(&volume("Delete"), None));
        assert!(volume_comes_back(&volume("Delete"), Some(true)));
        assert!(!volume_comes_back(&volume("Retain"), Some(false)));
    }
}
