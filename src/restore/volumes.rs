//! Decides which PersistentVolumes come back as they were, and which PVCs get a new volume. Pure.
//!
//! Volume data is not restored yet, so that a volume is worth restoring only if its storage was
//! kept: its reclaim policy is not Delete, or `restorePVs` insists. A volume that is in the
//! cluster and another PVC's is left alone, and the restored PVC gets a new one: two PVCs on one
//! disk would ruin both.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::rewrite::{is_retained, volume_comes_back};
use crate::model::SkipReason;

/// Namespace and name of a PVC in the cluster.
pub type PvcName = (String, String);

/// A volume of the cluster: the PVC that has it, and whether another may have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveVolume {
    /// The PVC that has the volume, or for which it is reserved; `None` if there is none.
    pub claim: Option<PvcName>,
    /// The uid of that PVC; `None` if the volume is reserved for any PVC of the name.
    pub holder: Option<String>,
    /// `status.phase`.
    pub phase: String,
    /// Whether the storage outlives the PVC.
    pub retained: bool,
    /// Whether the volume is being deleted.
    pub deleting: bool,
    /// The place of the volume's data.
    pub storage: Storage,
}

/// The place of a volume's data: the fields of `spec` that do not say how it is used. For a CSI
/// volume, driver and handle say all.
pub type Storage = Map<String, Value>;

/// The fields of a volume's `spec` that say how it is used.
const USE: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

fn storage(spec: Option<&Value>) -> Storage {
    let mut storage = spec.and_then(Value::as_object).cloned().unwrap_or_default();
    storage.retain(|field, _| !USE.contains(&field.as_str()));
    if let Some(Value::Object(csi)) = storage.get_mut("csi") {
        csi.retain(|field, _| ["driver", "volumeHandle"].contains(&field.as_str()));
    }
    storage
}

/// The former PVC of a Released volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The uid that the PVC had.
    pub uid: String,
    /// Namespace and name of the PVC.
    pub claim: PvcName,
}

/// The decisions about all volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volumes {
    /// Names of volumes that will be there for their PVCs.
    pub returning: BTreeSet<String>,
    /// Volumes of the backup that are not restored, each with the reason, also in words.
    pub left_out: BTreeMap<String, (SkipReason, String)>,
    /// Volumes that had outlived their PVCs when the backup was made: no PVC that is restored has
    /// them.
    pub outlived: BTreeSet<String>,
    /// Volumes of the cluster that are kept for a PVC which comes back under a new uid if it is
    /// not there: by name, with the old uid.
    pub held: BTreeMap<String, String>,
    /// Those of them that are Released: their PVCs are gone, so that they can be freed at once.
    pub released: BTreeMap<String, Holder>,
    /// PVCs that had their volume when the backup was made, by their names in the cluster; others
    /// need not become Bound.
    pub bound: BTreeSet<PvcName>,
    /// Volumes of the cluster that belong to no PVC, and of which nothing says that they are those
    /// of the backup.
    pub unknown: BTreeSet<String>,
    /// Volumes of the cluster whose data are at another place than those of the backup's volume of
    /// that name.
    pub elsewhere: BTreeSet<String>,
}

/// Decides about the volumes. `stored` holds name and body of each planned volume; `live` the
/// cluster's volumes; `claims` the PVCs that will be restored, by their names in the cluster, each
/// with the volume that it names; `map` turns a namespace of the backup into the cluster's.
pub fn decide<'a>(
    stored: &'a [(String, Value)],
    live: &BTreeMap<String, LiveVolume>,
    claims: &BTreeMap<PvcName, String>,
    restore_pvs: Option<bool>,
    map: impl Fn(&'a str) -> String,
) -> Volumes {
    let mut volumes = Volumes::default();
    let wanted = live.iter().filter(|_| restore_pvs != Some(false));
    for (name, there) in wanted {
        // Only the volume that the PVC names is its: an older volume that a PVC of that name once
        // had holds other data.
        let ours = there.claim.as_ref().is_some_and(|claim| claims.get(claim) == Some(name));
        let kept = there.retained || restore_pvs == Some(true) || there.phase == "Bound";
        let free = there.phase == "Available" && there.claim.is_none();
        if there.deleting || !(free || (ours && (kept || there.phase == "Available"))) {
            continue;
        }
        volumes.returning.insert(name.clone());
        if free && !stored.iter().any(|(known, _)| known == name) {
            volumes.unknown.insert(name.clone());
        }
        if let Some(holder) = there.holder.as_ref().filter(|_| ours) {
            volumes.held.insert(name.clone(), holder.clone());
            if let ("Released", Some(claim)) = (&*there.phase, &there.claim) {
                let held = Holder { uid: holder.clone(), claim: claim.clone() };
                volumes.released.insert(name.clone(), held);
            }
        }
    }
    for (name, body) in stored {
        let claim = claim_of(body, &map);
        let comes = claim.as_ref().is_some_and(|claim| claims.get(claim) == Some(name));
        if !volume_comes_back(body, restore_pvs) {
            let why = match restore_pvs {
                Some(false) => "restorePVs is false",
                _ => "its reclaim policy is Delete, so that its storage went with its claim",
            };
            volumes.left_out.insert(name.clone(), (SkipReason::ControllerMakesIt, why.to_owned()));
            continue;
        }
        if has_outlived_its_claim(body) && !comes {
            if !is_retained(body) {
                let why = "no claim had it any more when the backup was made, and its reclaim policy has its storage deleted as soon as the volume is there";
                volumes.left_out.insert(name.clone(), (SkipReason::NotRestorable, why.to_owned()));
                continue;
            }
            volumes.outlived.insert(name.clone());
        }
        if live.get(name).is_some_and(|there| there.storage != storage(body.get("spec"))) {
            volumes.elsewhere.insert(name.clone());
        }
        match live.get(name).and_then(|there| there.claim.as_ref()) {
            Some(other) if claim.as_ref() != Some(other) => {
                let why =
                    format!("it is in the cluster already and belongs to the claim {}/{}", other.0, other.1);
                volumes.left_out.insert(name.clone(), (SkipReason::Exists, why));
            }
            _ => {
                volumes.returning.insert(name.clone());
            }
        }
    }
    volumes
}

/// Returns whether the PVC that had the volume was gone already when the backup was made.
fn has_outlived_its_claim(volume: &Value) -> bool {
    let phase = volume.get("status").and_then(|status| status.get("phase")?.as_str());
    matches!(phase, Some("Released" | "Failed"))
}

fn claim_of<'a>(volume: &'a Value, map: &impl Fn(&'a str) -> String) -> Option<PvcName> {
    let reference = volume.get("spec")?.get("claimRef")?;
    let text = |key: &str| reference.get(key).and_then(Value::as_str);
    Some((map(text("namespace")?), text("name")?.to_owned()))
}

impl LiveVolume {
    /// Reads a volume of the cluster; returns its name and what is known of it, or `None` if it
    /// cannot be read.
    pub fn read(body: &[u8]) -> Option<(String, Self)> {
        let Live { metadata, spec: all, status } = serde_json::from_slice(body).ok()?;
        let storage = storage(Some(&all));
        let spec = Spec::deserialize(all).ok()?;
        let retained = spec.persistent_volume_reclaim_policy == "Retain";
        let reference = spec.claim_ref.unwrap_or_default();
        let claim = (!reference.name.is_empty()).then_some((reference.namespace, reference.name));
        let holder = Some(reference.uid).filter(|uid| claim.is_some() && !uid.is_empty());
        let deleting = metadata.deletion_timestamp.is_some();
        Some((metadata.name, Self { claim, holder, phase: status.phase, retained, deleting, storage }))
    }
}

#[derive(Deserialize)]
struct Live {
    metadata: Named,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    name: String,
    #[serde(default)]
    deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    claim_ref: Option<Reference>,
    persistent_volume_reclaim_policy: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reference {
    namespace: String,
    name: String,
    uid: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn volume(name: &str, policy: &str) -> (String, Value) {
        let claim = json!({"namespace": "prod", "name": "data"});
        (name.to_owned(), json!({"spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": claim}}))
    }

    fn claim(namespace: &str) -> PvcName {
        (namespace.to_owned(), "data".to_owned())
    }

    fn live(namespace: Option<&str>, phase: &str, policy: &str) -> LiveVolume {
        LiveVolume {
            claim: namespace.map(claim),
            holder: namespace.map(|_| "old".to_owned()),
            phase: phase.to_owned(),
            retained: policy == "Retain",
            ..LiveVolume::default()
        }
    }

    fn claims(namespace: &str, volume: &str) -> BTreeMap<PvcName, String> {
        BTreeMap::from([(claim(namespace), volume.to_owned())])
    }

    fn decided(
        stored: &[(String, Value)],
        live: &[(&str, LiveVolume)],
        restore_pvs: Option<bool>,
    ) -> (Vec<String>, Vec<String>) {
        let there = live.iter().map(|(name, there)| ((*name).to_owned(), there.clone())).collect();
        let claims = claims("stage", "kept");
        let map = |name: &str| if name == "prod" { "stage".to_owned() } else { name.to_owned() };
        let Volumes { returning, left_out, .. } = decide(stored, &there, &claims, restore_pvs, map);
        (returning.into_iter().collect(), left_out.into_keys().collect())
    }

    #[test]
    fn kept_storage_comes_back_and_the_rest_is_made_anew() {
        let both = [volume("kept", "Retain"), volume("gone", "Delete")];
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(decided(&both, &[], None), (names(&["kept"]), names(&["gone"])));
        assert_eq!(decided(&both, &[], Some(true)), (names(&["gone", "kept"]), names(&[])));
        assert_eq!(decided(&both, &[], Some(false)), (names(&[]), names(&["gone", "kept"])));
    }

    #[test]
    fn a_volume_that_is_another_claims_is_left_alone() {
        let of = |namespace: &str| live(Some(namespace), "Bound", "Retain");
        let stored = [volume("kept", "Retain")];
        assert_eq!(decided(&stored, &[("kept", of("prod"))], None), (vec![], vec!["kept".to_owned()]));
        assert_eq!(decided(&stored, &[("kept", of("stage"))], None), (vec!["kept".to_owned()], vec![]));
        let free = live(None, "Available", "Retain");
        assert_eq!(decided(&stored, &[("kept", free)], None), (vec!["kept".to_owned()], vec![]));
    }

    #[test]
    fn a_volume_that_is_kept_for_a_claim_of_before_is_freed_for_the_one_that_comes_back() {
        let told = |volume: LiveVolume| {
            let there = BTreeMap::from([("kept".to_owned(), volume)]);
            let Volumes { returning, held, released, .. } =
                decide(&[], &there, &claims("stage", "kept"), None, |name| name.to_owned());
            (returning.len(), held.len(), released.len())
        };
        assert_eq!(told(live(Some("stage"), "Released", "Retain")), (1, 1, 1));
        // The controller has not seen yet that the PVC is gone: the volume is freed when the
        // PVC has its new uid.
        assert_eq!(told(live(Some("stage"), "Bound", "Retain")), (1, 1, 0));
        assert_eq!(told(live(Some("stage"), "Released", "Delete")), (0, 0, 0));
        assert_eq!(told(live(Some("other"), "Released", "Retain")), (0, 0, 0));
        let leaving = LiveVolume { deleting: true, ..live(Some("stage"), "Released", "Retain") };
        assert_eq!(told(leaving), (0, 0, 0));
    }

    #[test]
    fn only_the_volume_that_the_claim_names_is_freed_for_it() {
        let there = BTreeMap::from([("older".to_owned(), live(Some("stage"), "Released", "Retain"))]);
        let name = |name: &str| name.to_owned();
        assert_eq!(decide(&[], &there, &claims("stage", "newer"), None, name), Volumes::default());
        // No volume is freed where volumes are not wanted.
        assert_eq!(decide(&[], &there, &claims("stage", "older"), Some(false), name), Volumes::default());
    }

    #[test]
    fn a_volume_that_had_outlived_its_claim_is_not_for_the_next_claim_of_the_name() {
        let decided = |phase: &str, policy: &str, claims: &BTreeMap<PvcName, String>| {
            let (name, mut body) = volume("kept", policy);
            body["status"] = json!({ "phase": phase });
            let Volumes { outlived, left_out, .. } =
                decide(&[(name, body)], &BTreeMap::new(), claims, Some(true), str::to_owned);
            (outlived.len(), left_out.into_values().map(|(reason, _)| reason).collect::<Vec<_>>())
        };
        let (other, its_own) = (claims("prod", "newer"), claims("prod", "kept"));
        assert_eq!(decided("Bound", "Retain", &other), (0, vec![]));
        for phase in ["Released", "Failed"] {
            assert_eq!(decided(phase, "Retain", &other), (1, vec![]));
            // The volume would be deleted with its storage.
            assert_eq!(decided(phase, "Delete", &other), (0, vec![SkipReason::NotRestorable]));
            // Somebody was about to give the volume back to its PVC.
            assert_eq!(decided(phase, "Retain", &its_own), (0, vec![]));
        }
    }

    #[test]
    fn a_volume_of_the_name_that_has_other_storage_is_told() {
        let stored = |path: &str| {
            let (name, mut body) = volume("kept", "Retain");
            body["spec"]["csi"] =
                json!({"driver": "d", "volumeHandle": path, "volumeAttributes": {"a": "b"}});
            [(name, body)]
        };
        let there = |handle: &str| {
            let body = json!({"metadata": {"name": "kept"}, "status": {"phase": "Available"},
                "spec": {"capacity": {"storage": "9Gi"}, "csi": {"driver": "d", "volumeHandle": handle}}});
            BTreeMap::from([LiveVolume::read(body.to_string().as_bytes()).unwrap()])
        };
        let elsewhere = |handle: &str| {
            decide(&stored("one"), &there(handle), &claims("prod", "kept"), None, str::to_owned)
                .elsewhere
                .len()
        };
        assert_eq!((elsewhere("one"), elsewhere("two")), (0, 1));
    }

    #[test]
    fn a_free_volume_of_the_name_is_not_known_to_be_the_one_that_the_backup_lacks() {
        let there =
            |phase: &str, of: Option<&str>| BTreeMap::from([("kept".to_owned(), live(of, phase, "Retain"))]);
        let unknown = |stored: &[(String, Value)], there: &BTreeMap<String, LiveVolume>| {
            decide(stored, there, &claims("prod", "kept"), None, str::to_owned).unknown.len()
        };
        let free = there("Available", None);
        assert_eq!(unknown(&[], &free), 1);
        // The two are compared, or the volume says itself whose it was.
        assert_eq!(unknown(&[volume("kept", "Retain")], &free), 0);
        assert_eq!(unknown(&[], &there("Released", Some("prod"))), 0);
    }

    #[test]
    fn a_volume_of_the_cluster_says_whose_it_is() {
        let body = json!({"metadata": {"name": "v"}, "status": {"phase": "Bound"},
            "spec": {"persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": "a", "name": "b", "uid": "u"}}});
        let there = LiveVolume {
            claim: Some(("a".to_owned(), "b".to_owned())),
            holder: Some("u".to_owned()),
            phase: "Bound".to_owned(),
            retained: true,
            ..LiveVolume::default()
        };
        assert_eq!(LiveVolume::read(body.to_string().as_bytes()), Some(("v".to_owned(), there)));
        assert_eq!(LiveVolume::read(b"{}"), None);
    }
}
