//! Unbinds PVCs and volumes in a way that the same pair binds again if both come back. Pure.

use serde_json::Value;

use super::{RewriteOptions, shape};
use crate::model::GroupResource;

/// Annotations about the binding of a PVC: with them the controller takes a PVC without its volume
/// for Lost.
const CLAIM_MARKS: [&str; 5] = [
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
];

/// The fields in which a PVC names its source; the first may name more, and the API server keeps
/// them alike.
const SOURCES: [&str; 2] = ["dataSourceRef", "dataSource"];

/// Returns whether the volume itself comes back: a volume whose reclaim policy is Delete went with
/// its PVC, unless `restore_pvs` insists.
pub fn volume_comes_back(volume: &Value, restore_pvs: Option<bool>) -> bool {
    restore_pvs.unwrap_or(policy(volume) != Some("Delete"))
}

/// Returns whether the storage of a volume outlives its PVC.
pub fn is_retained(volume: &Value) -> bool {
    policy(volume) == Some("Retain")
}

fn policy(volume: &Value) -> Option<&str> {
    shape::text(volume, &["spec", "persistentVolumeReclaimPolicy"])
}

/// The source from which a PVC asks its volume to be filled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataSource {
    /// The group of the source's kind; empty for the core group.
    pub group: String,
    /// The source's kind, as `VolumeSnapshot`.
    pub kind: String,
    /// The source's namespace in the backup.
    pub namespace: String,
    /// The source's name.
    pub name: String,
}

impl DataSource {
    fn read(claim: &Value, field: &str) -> Option<Self> {
        let source = shape::at(claim, &["spec", field])?;
        let text = |key: &str| shape::text(source, &[key]);
        let namespace = text("namespace").or_else(|| shape::text(claim, &["metadata", "namespace"]));
        Some(Self {
            group: text("apiGroup").unwrap_or_default().to_owned(),
            kind: text("kind")?.to_owned(),
            namespace: namespace.unwrap_or_default().to_owned(),
            name: text("name")?.to_owned(),
        })
    }
}

/// Returns the source of a PVC, as it is in the backup; `None` if the PVC asks for an empty
/// volume.
pub fn data_source(claim: &Value) -> Option<DataSource> {
    SOURCES.into_iter().find_map(|field| DataSource::read(claim, field))
}

/// Returns the warning about a PVC whose volume has other storage in the cluster than in the
/// backup.
pub fn other_storage(volume: &str) -> String {
    format!(
        "its volume `{volume}` is in the cluster with other storage than in the backup, so that the claim has the data that are there; look at the spec of both"
    )
}

/// Decides about the volume and the source of a PVC of the backup, and warns of what is lost.
pub(super) fn rewrite_claim(
    kind: &GroupResource,
    item: &mut Value,
    options: &RewriteOptions,
    warnings: &mut Vec<String>,
) {
    if kind.as_str() != "persistentvolumeclaims" {
        return;
    }
    let missing = data_source(item).filter(|source| !options.sources.contains(source));
    let volume = shape::text(item, &["spec", "volumeName"]).unwrap_or_default().to_owned();
    if options.returning_volumes.contains(&volume) {
        if options.volumes_elsewhere.contains(&volume) {
            warnings.push(other_storage(&volume));
        }
        if options.unknown_volumes.contains(&volume) {
            warnings.push(format!(
                "a volume `{volume}` that nobody has is in the cluster, and the claim gets that; the backup's own was not selected, so that nothing says whether both have the same storage: look before anything writes to it"
            ));
        }
        return;
    }
    let of_source = |source: &DataSource| format!("the {} `{}`", source.kind, source.name);
    match (volume.is_empty(), &missing) {
        (true, None) => {}
        // The PVC was Pending when the backup was made, so that it loses no volume.
        (true, Some(source)) => warnings.push(format!(
            "it asks for a volume that is filled from {}, which is neither in the cluster nor restored, and waits for that",
            of_source(source)
        )),
        (false, None) => warnings.push(format!(
            "its volume `{volume}` is not restored, so that the claim gets a new, empty one"
        )),
        (false, Some(source)) => warnings.push(format!(
            "its volume `{volume}` is not restored, nor is {} there, from which the volume was filled, so that the claim gets a new, empty one",
            of_source(source)
        )),
    }
    if !volume.is_empty() {
        shape::remove_keys(item, &["spec"], &["volumeName"]);
        if missing.is_some() {
            shape::remove_keys(item, &["spec"], &SOURCES);
        }
    }
}

/// Removes the binding.
pub(super) fn rewrite(kind: &GroupResource, item: &mut Value, options: &RewriteOptions) {
    match kind.as_str() {
        "persistentvolumes" => {
            // A claimRef without uid is a reservation: only the PVC of that name may bind. With
            // the uid of a PVC that no longer exists none may, and the volume is Released.
            let outlived = shape::text(item, &["metadata", "name"])
                .is_some_and(|name| options.outlived_volumes.contains(name));
            let marks: &[&str] = if outlived { &["resourceVersion"] } else { &["uid", "resourceVersion"] };
            shape::remove_keys(item, &["spec", "claimRef"], marks);
            shape::remove_keys(item, &["metadata", "annotations"], &["pv.kubernetes.io/bound-by-controller"]);
        }
        "persistentvolumeclaims" => shape::remove_keys(item, &["metadata", "annotations"], &CLAIM_MARKS),
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

    fn rewritten(mut item: Value, options: &RewriteOptions) -> (Value, Vec<String>) {
        let mut warnings = Vec::new();
        rewrite_claim(&GroupResource::parse("persistentvolumeclaims"), &mut item, options, &mut warnings);
        rewrite(&GroupResource::parse("persistentvolumeclaims"), &mut item, options);
        (item, warnings)
    }

    fn returning(volume: &str) -> RewriteOptions {
        RewriteOptions { returning_volumes: [volume.to_owned()].into(), ..RewriteOptions::default() }
    }

    #[test]
    fn a_claim_on_a_volume_that_has_other_storage_here_says_so() {
        let options = RewriteOptions { volumes_elsewhere: ["pv-1".to_owned()].into(), ..returning("pv-1") };
        let (item, warnings) = rewritten(claim(), &options);
        assert_eq!(item["spec"]["volumeName"], "pv-1");
        assert!(warnings[0].contains("`pv-1`") && warnings[0].contains("other storage"), "{warnings:?}");
    }

    #[test]
    fn a_claim_on_a_volume_of_which_only_the_name_is_known_says_so() {
        let options = RewriteOptions { unknown_volumes: ["pv-1".to_owned()].into(), ..returning("pv-1") };
        let (item, warnings) = rewritten(claim(), &options);
        assert_eq!(item["spec"]["volumeName"], "pv-1");
        assert!(warnings[0].contains("`pv-1`") && warnings[0].contains("same storage"), "{warnings:?}");
    }

    #[test]
    fn a_claim_keeps_its_volume_only_when_that_comes_back() {
        for (volume, spec, warned) in [
            ("pv-1", json!({"volumeName": "pv-1", "storageClassName": "fast"}), 0),
            ("pv-2", json!({"storageClassName": "fast"}), 1),
        ] {
            let (item, warnings) = rewritten(claim(), &returning(volume));
            assert_eq!(item, json!({"metadata": {"name": "data"}, "spec": spec}));
            assert_eq!(warnings.len(), warned, "{warnings:?}");
        }
    }

    #[test]
    fn a_claim_on_a_new_volume_loses_a_source_that_is_gone() {
        let claim = |volume: &str| {
            let source =
                json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "monday"});
            json!({"metadata": {"name": "data", "namespace": "shop"}, "spec": {"volumeName": volume, "dataSource": source, "dataSourceRef": source}})
        };
        let there = RewriteOptions {
            sources: data_source(&claim("")).into_iter().collect(),
            ..RewriteOptions::default()
        };
        let gone = RewriteOptions::default();
        for (volume, options, keeps, told) in [
            ("pv-1", &returning("pv-1"), true, ""),
            ("pv-1", &there, true, "gets a new, empty one"),
            ("pv-1", &gone, false, "nor is the VolumeSnapshot `monday` there"),
            ("", &gone, true, "waits for that"),
            ("", &there, true, ""),
        ] {
            let (item, warnings) = rewritten(claim(volume), options);
            assert_eq!(item["spec"].get("dataSource").is_some(), keeps, "{volume} {item}");
            assert_eq!(item["spec"].get("dataSourceRef").is_some(), keeps, "{volume} {item}");
            assert_eq!(warnings.len(), usize::from(!told.is_empty()), "{warnings:?}");
            assert!(warnings.concat().contains(told), "{warnings:?}");
        }
    }

    #[test]
    fn a_source_is_in_the_claims_namespace_unless_it_says_another() {
        let source = |spec: Value| data_source(&json!({"metadata": {"namespace": "shop"}, "spec": spec}));
        let expected = |group: &str, kind: &str, namespace: &str| {
            let [group, kind, namespace] = [group, kind, namespace].map(str::to_owned);
            Some(DataSource { group, kind, namespace, name: "a".to_owned() })
        };
        let claim = json!({"kind": "PersistentVolumeClaim", "name": "a"});
        let populator =
            json!({"apiGroup": "example.com", "kind": "Image", "name": "a", "namespace": "images"});
        assert_eq!(source(json!({"dataSource": claim})), expected("", "PersistentVolumeClaim", "shop"));
        assert_eq!(
            source(json!({"dataSource": claim, "dataSourceRef": populator})),
            expected("example.com", "Image", "images")
        );
        assert_eq!(source(json!({})), None);
    }

    #[test]
    fn a_volume_stays_reserved_for_its_claim_and_one_that_had_outlived_its_claim_for_nobody() {
        let outlived =
            RewriteOptions { outlived_volumes: ["pv-1".to_owned()].into(), ..RewriteOptions::default() };
        for (options, uid) in [(&RewriteOptions::default(), None), (&outlived, Some("u"))] {
            let mut item = json!({"metadata": {"name": "pv-1", "annotations": {"pv.kubernetes.io/bound-by-controller": "yes", "pv.kubernetes.io/provisioned-by": "x"}},
                "spec": {"claimRef": {"kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data", "uid": "u", "resourceVersion": "7"}}});
            rewrite(&GroupResource::parse("persistentvolumes"), &mut item, options);
            let mut claim = json!({"kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data"});
            if let Some(uid) = uid {
                claim["uid"] = uid.into();
            }
            assert_eq!(item["spec"]["claimRef"], claim);
            assert_eq!(item["metadata"]["annotations"], json!({"pv.kubernetes.io/provisioned-by": "x"}));
        }
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
