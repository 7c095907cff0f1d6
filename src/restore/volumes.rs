//! Which PersistentVolumes come back as they were, and which claims get a new volume. Pure.
//!
//! Volume data is not restored yet, so that a volume is worth restoring only when its storage was kept: reclaim policy
//! Retain, or because `restorePVs` insists. One that is in the cluster and another claim's is left alone, and the
//! restored claim gets a new volume: two claims on one disk would ruin both.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Deserialize;
use serde_json::Value;

use super::rewrite::volume_comes_back;

/// Namespace and name of a claim in the cluster.
pub type Claim = (String, String);

/// A volume that is in the cluster: whose it is, and whether anybody may have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveVolume {
    /// The claim that has it, or has it reserved.
    pub claim: Option<Claim>,
    /// The uid of that claim; none when the volume is reserved for whatever claim has the name.
    pub holder: Option<String>,
    /// `status.phase`.
    pub phase: String,
    /// Whether its storage outlives its claim.
    pub retained: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// What becomes of the volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volumes {
    /// Names of volumes that will be there for their claims.
    pub returning: BTreeSet<String>,
    /// Volumes of the backup that are not restored, and why, in words.
    pub left_out: BTreeMap<String, String>,
    /// Those of them that are in the cluster and belong to another claim.
    pub anothers: BTreeSet<String>,
    /// Volumes of the cluster that are kept for a claim which comes back under a new uid, if the claim is not there: by name,
    /// with the old uid.
    pub held: BTreeMap<String, String>,
    /// Those of them whose claims are gone already, so that they can be freed at once.
    pub released: BTreeMap<String, String>,
}

impl Volumes {
    /// Whether the volume is left out because another claim of the cluster has it.
    pub fn is_anothers(&self, name: &str) -> bool {
        self.anothers.contains(name)
    }
}

/// Decides. `stored`: name and body of each planned volume; `live`: the cluster's volumes; `claims`: the claims that will be
/// restored, by their names in the cluster; `map`: from a namespace of the backup to the cluster's.
pub fn decide<'a>(
    stored: &'a [(String, Value)],
    live: &BTreeMap<String, LiveVolume>,
    claims: &HashSet<Claim>,
    restore_pvs: Option<bool>,
    map: impl Fn(&'a str) -> String,
) -> Volumes {
    let mut volumes = Volumes::default();
    for (name, there) in live {
        let ours = there.claim.as_ref().is_some_and(|claim| claims.contains(claim));
        let kept = there.retained || restore_pvs == Some(true) || there.phase == "Bound";
        if there.deleting || !(there.phase == "Available" || (ours && kept)) {
            continue;
        }
        volumes.returning.insert(name.clone());
        if let Some(holder) = there.holder.as_ref().filter(|_| ours) {
            volumes.held.insert(name.clone(), holder.clone());
            if there.phase == "Released" {
                volumes.released.insert(name.clone(), holder.clone());
            }
        }
    }
    for (name, body) in stored {
        if !volume_comes_back(body, restore_pvs) {
            let why = match restore_pvs {
                Some(false) => "restorePVs is false",
                _ => "its reclaim policy is Delete, so that its storage went with its claim",
            };
            volumes.left_out.insert(name.clone(), why.to_owned());
            if !live.contains_key(name) {
                volumes.returning.remove(name);
            }
            continue;
        }
        match live.get(name).and_then(|there| there.claim.as_ref()) {
            Some(other) if claim_of(body, &map).as_ref() != Some(other) => {
                let why =
                    format!("it is in the cluster already and belongs to the claim {}/{}", other.0, other.1);
                volumes.left_out.insert(name.clone(), why);
                volumes.anothers.insert(name.clone());
            }
            _ => {
                volumes.returning.insert(name.clone());
            }
        }
    }
    volumes
}

fn claim_of<'a>(volume: &'a Value, map: &impl Fn(&'a str) -> String) -> Option<Claim> {
    let reference = volume.get("spec")?.get("claimRef")?;
    let text = |key: &str| reference.get(key).and_then(Value::as_str);
    Some((map(text("namespace")?), text("name")?.to_owned()))
}

impl LiveVolume {
    /// Reads a volume of the cluster; its name and what is known of it.
    pub fn read(body: &[u8]) -> Option<(String, Self)> {
        let Live { metadata, spec, status } = serde_json::from_slice(body).ok()?;
        let retained = spec.persistent_volume_reclaim_policy == "Retain";
        let reference = spec.claim_ref.unwrap_or_default();
        let claim = (!reference.name.is_empty()).then_some((reference.namespace, reference.name));
        let holder = Some(reference.uid).filter(|uid| claim.is_some() && !uid.is_empty());
        let deleting = metadata.deletion_timestamp.is_some();
        Some((metadata.name, Self { claim, holder, phase: status.phase, retained, deleting }))
    }
}

#[derive(Deserialize)]
struct Live {
    metadata: Named,
    #[serde(default)]
    spec: Spec,
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

    fn claim(namespace: &str) -> Claim {
        (namespace.to_owned(), "data".to_owned())
    }

    fn live(namespace: Option<&str>, phase: &str, policy: &str) -> LiveVolume {
        LiveVolume {
            claim: namespace.map(claim),
            holder: namespace.map(|_| "old".to_owned()),
            phase: phase.to_owned(),
            retained: policy == "Retain",
            deleting: false,
        }
    }

    fn decided(
        stored: &[(String, Value)],
        live: &[(&str, LiveVolume)],
        restore_pvs: Option<bool>,
    ) -> (Vec<String>, Vec<String>) {
        let there = live.iter().map(|(name, there)| ((*name).to_owned(), there.clone())).collect();
        let claims = HashSet::from([claim("stage")]);
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
            let claims = HashSet::from([claim("stage")]);
            let Volumes { returning, held, released, .. } =
                decide(&[], &there, &claims, None, |name| name.to_owned());
            (returning.len(), held.len(), released.len())
        };
        assert_eq!(told(live(Some("stage"), "Released", "Retain")), (1, 1, 1));
        // The controller has not seen yet that the claim is gone: the volume is freed when the claim has its new uid.
        assert_eq!(told(live(Some("stage"), "Bound", "Retain")), (1, 1, 0));
        assert_eq!(told(live(Some("stage"), "Released", "Delete")), (0, 0, 0));
        assert_eq!(told(live(Some("other"), "Released", "Retain")), (0, 0, 0));
        let leaving = LiveVolume { deleting: true, ..live(Some("stage"), "Released", "Retain") };
        assert_eq!(told(leaving), (0, 0, 0));
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
            deleting: false,
        };
        assert_eq!(LiveVolume::read(body.to_string().as_bytes()), Some(("v".to_owned(), there)));
        assert_eq!(LiveVolume::read(b"{}"), None);
    }
}
