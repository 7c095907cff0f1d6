//! The newest good Backup of each Schedule that is not here. Pure.
//!
//! Only another cluster or server knows whether its Schedule exists and has failed for as long as
//! its ttl, or nobody knows any more. What that Schedule would keep stays, whoever collects the
//! garbage of the bucket. A Schedule of this server may be created again, by a person or after a
//! loss of all objects: what was kept for it stays until the new one has made something as good.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use kube::ResourceExt;

use crate::api::{Backup, synced_from, tick_of};
use crate::bucket::RunDocument as _;
use crate::controller::schedule::{CLOCKS_DISAGREE, Goodness, begun, goodness, maker};

/// Facts about the server that collects garbage.
#[derive(Clone, Debug)]
pub struct ThisServer<'a> {
    /// The uid of the server's cluster.
    pub cluster: &'a str,
    /// Namespace of the server.
    pub namespace: &'a str,
    /// The uids of the existing Schedules.
    pub schedules: HashSet<String>,
    /// For each existing Schedule by name, whether a Completed Backup of it is kept.
    pub served: HashMap<String, bool>,
    /// The present time.
    pub now: DateTime<Utc>,
}

/// Returns the Backups to keep, at most one per location, cluster and Schedule: what one bucket
/// says removes nothing from another.
pub fn last_good<'a>(
    backups: impl IntoIterator<Item = &'a Backup>,
    here: &ThisServer<'_>,
) -> Vec<&'a Backup> {
    let mut newest: BTreeMap<[&str; 3], (Goodness, &Backup)> = BTreeMap::new();
    for backup in backups {
        let (Some(schedule), Some(began), Some(good)) = (maker(backup), begun(backup), goodness(backup))
        else {
            continue;
        };
        if began > here.now + CLOCKS_DISAGREE
            || here.schedules.contains(schedule) && is_of_this_cluster(backup, here)
        {
            continue;
        }
        let location = synced_from(&backup.metadata).or_else(|| backup.origin()?.location.as_deref());
        let of = [location.unwrap_or_default(), backup.cluster().unwrap_or_default(), schedule];
        let kept = newest.entry(of).or_insert_with(|| (good.clone(), backup));
        if good > kept.0 {
            *kept = (good, backup);
        }
    }
    let newest = newest.into_values().map(|(_, backup)| backup);
    newest.filter(|backup| !is_of_this_server(backup, here) || is_missed(backup, here)).collect()
}

fn is_of_this_cluster(backup: &Backup, here: &ThisServer<'_>) -> bool {
    backup.cluster() == Some(here.cluster)
}

/// Returns true if this server certainly made the Backup.
fn is_of_this_server(backup: &Backup, here: &ThisServer<'_>) -> bool {
    let said = backup.origin().and_then(|origin| origin.namespace.as_deref());
    !backup.is_mirror() || is_of_this_cluster(backup, here) && said == Some(here.namespace)
}

/// Returns true if no existing Schedule of the name has a backup as good yet. If no Schedule has
/// the name: a Backup made here was left by a deleted Schedule and is not missed; after a loss of
/// all objects a synced one is, since its Schedule may still be created again.
fn is_missed(backup: &Backup, here: &ThisServer<'_>) -> bool {
    let name = backup.name_any();
    let successor = here.served.iter().find(|(schedule, _)| tick_of(&name, schedule).is_some());
    successor.map_or_else(|| backup.is_mirror(), |(_, served)| !served)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::{BackupPhase, SYNCED_FROM};

    /// Returns a Backup made by the Schedule `s` of cluster `b` on that day, synced from the bucket
    /// `one`.
    fn mirror(day: u32, origin: Value) -> Backup {
        let mut status = json!({"phase": "Completed", "startTimestamp": format!("2026-11-{day:02}T03:00:00Z"),
            "origin": {"location": "one", "cluster": "b", "schedule": "s"}});
        for (key, value) in origin.as_object().unwrap() {
            status["origin"][key] = value.clone();
        }
        let object = json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup", "spec": {}, "status": status,
            "metadata": {"name": format!("nightly-202611{day:02}030000"), "annotations": {SYNCED_FROM: "one"}}});
        serde_json::from_value(object).unwrap()
    }

    fn kept(backups: &[Backup]) -> Vec<String> {
        kept_beside(&[], backups)
    }

    /// Returns what is kept beside Schedules of these names, which have a Completed Backup or not.
    fn kept_beside(served: &[(&str, bool)], backups: &[Backup]) -> Vec<String> {
        let schedules = HashSet::from(["mine".to_owned()]);
        let served = served.iter().map(|(name, served)| ((*name).to_owned(), *served)).collect();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let here = ThisServer { cluster: "a", namespace: "ark", schedules, served, now };
        let mut kept: Vec<_> = last_good(backups, &here).into_iter().map(ResourceExt::name_any).collect();
        kept.sort();
        kept
    }

    #[test]
    fn of_another_cluster_s_schedule_the_newest_that_completed_is_kept() {
        let mut failed = mirror(20, json!({}));
        failed.status.as_mut().unwrap().phase = Some(BackupPhase::Failed);
        let mut partial = mirror(20, json!({}));
        partial.status.as_mut().unwrap().phase = Some(BackupPhase::PartiallyFailed);
        assert_eq!(
            kept(&[mirror(1, json!({"schedule": null})), partial.clone()]),
            ["nightly-20261120030000"]
        );
        let in_the_future = mirror(29, json!({}));
        let all = [
            mirror(17, json!({})),
            mirror(19, json!({})),
            mirror(18, json!({})),
            failed,
            partial,
            in_the_future,
        ];
        assert_eq!(kept(&all), ["nightly-20261119030000"]);
        let by_hand = mirror(19, json!({"schedule": null}));
        assert!(kept(&[by_hand]).is_empty(), "no Schedule made it");
    }

    #[test]
    fn each_schedule_cluster_and_location_has_its_own() {
        let mut elsewhere = mirror(14, json!({}));
        elsewhere.annotations_mut().insert(SYNCED_FROM.to_owned(), "two".to_owned());
        let all = [
            mirror(19, json!({})),
            mirror(15, json!({"schedule": "t"})),
            mirror(16, json!({"cluster": "c"})),
            elsewhere,
        ];
        assert_eq!(kept(&all).len(), 4);
    }

    #[test]
    fn what_a_schedule_here_made_is_its_own_to_keep_and_what_others_of_its_uid_or_cluster_made_is_not() {
        for (of, is_kept) in [
            (json!({"cluster": "a", "schedule": "mine"}), false),
            (json!({"cluster": "b", "schedule": "mine", "namespace": "ark"}), true),
            // Of another server in this cluster, or of an unknown one, whatever the Schedules here
            // have.
            (json!({"cluster": "a", "namespace": "other"}), true),
            (json!({"cluster": "a"}), true),
        ] {
            let backup = mirror(19, of.clone());
            assert_eq!(!kept_beside(&[("nightly", true)], &[backup]).is_empty(), is_kept, "{of}");
        }
    }

    #[test]
    fn a_schedule_that_is_made_anew_does_not_let_go_of_what_was_kept_before_it_has_something_as_good() {
        let came_back = mirror(19, json!({"cluster": "a", "namespace": "ark"}));
        let mut own = came_back.clone();
        own.metadata.annotations = None;
        for (beside, of_object, of_mirror) in [
            (&[("nightly", false)][..], true, true),
            (&[("nightly", true)], false, false),
            // The Schedule was deleted; after a loss of all objects it may still be created again.
            (&[("weekly", true)], false, true),
            (&[], false, true),
        ] {
            assert_eq!(!kept_beside(beside, &[own.clone()]).is_empty(), of_object, "{beside:?}");
            assert_eq!(
                !kept_beside(beside, std::slice::from_ref(&came_back)).is_empty(),
                of_mirror,
                "{beside:?}"
            );
        }
    }
}
