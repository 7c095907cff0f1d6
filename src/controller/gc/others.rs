//! The newest good Backup of each Schedule that is not this server's. Pure.
//!
//! Whether such a Schedule is still there, and has failed for as long as its ttl is, only the cluster knows that has it, or
//! nobody any more. So what that cluster would keep stays, whoever collects the garbage of the bucket.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use kube::ResourceExt;

use crate::api::{Backup, BackupPhase, synced_from};
use crate::bucket::RunDocument as _;
use crate::controller::schedule::{CLOCKS_DISAGREE, begun, maker};

/// The server that looks.
#[derive(Clone, Debug)]
pub struct Here<'a> {
    /// The uid of its cluster.
    pub cluster: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// The uids of the Schedules that are there.
    pub schedules: HashSet<String>,
    /// The present.
    pub now: DateTime<Utc>,
}

/// Which they are, in each location by itself: what one bucket says removes nothing from another.
pub fn last_good<'a>(backups: impl IntoIterator<Item = &'a Backup>, here: &Here<'_>) -> Vec<&'a Backup> {
    let mut newest: BTreeMap<[&str; 3], (DateTime<Utc>, &Backup)> = BTreeMap::new();
    for backup in backups {
        let phase = backup.status.as_ref().and_then(|status| status.phase);
        let is_good = phase == Some(BackupPhase::Completed) && backup.metadata.deletion_timestamp.is_none();
        let (Some(location), Some(schedule), Some(began)) =
            (synced_from(&backup.metadata), maker(backup), begun(backup))
        else {
            continue;
        };
        if !is_good || began > here.now + CLOCKS_DISAGREE || is_of_this_server(backup, schedule, here) {
            continue;
        }
        let of = [location, backup.cluster().unwrap_or_default(), schedule];
        let (at, kept) = newest.entry(of).or_insert((began, backup));
        if (began, backup.name_any()) > (*at, kept.name_any()) {
            (*at, *kept) = (began, backup);
        }
    }
    newest.into_values().map(|(_, backup)| backup).collect()
}

/// Whether a Schedule of this server made it, which is there or was deleted.
fn is_of_this_server(backup: &Backup, schedule: &str, here: &Here<'_>) -> bool {
    let said = backup.origin().and_then(|origin| origin.namespace.as_deref());
    backup.cluster() == Some(here.cluster)
        && (here.schedules.contains(schedule) || said == Some(here.namespace))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::SYNCED_FROM;

    /// Made by the Schedule `s` of cluster `b` on that day, and out of the bucket `one`.
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
        let schedules = HashSet::from(["mine".to_owned()]);
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let here = Here { cluster: "a", namespace: "ark", schedules, now };
        let mut kept: Vec<_> = last_good(backups, &here).into_iter().map(ResourceExt::name_any).collect();
        kept.sort();
        kept
    }

    #[test]
    fn of_another_cluster_s_schedule_the_newest_that_completed_is_kept() {
        let mut failed = mirror(20, json!({}));
        failed.status.as_mut().unwrap().phase = Some(BackupPhase::Failed);
        let in_the_future = mirror(29, json!({}));
        let all =
            [mirror(17, json!({})), mirror(19, json!({})), mirror(18, json!({})), failed, in_the_future];
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
    fn what_this_server_made_is_kept_by_its_schedule_or_not_at_all() {
        for (of, is_kept) in [
            (json!({"cluster": "a", "schedule": "mine"}), false),
            (json!({"cluster": "a", "schedule": "deleted", "namespace": "ark"}), false),
            // Another server's in this cluster, or nobody knows whose.
            (json!({"cluster": "a", "schedule": "s", "namespace": "other"}), true),
            (json!({"cluster": "a", "schedule": "s"}), true),
            (json!({"cluster": "b", "schedule": "mine", "namespace": "ark"}), true),
        ] {
            assert_eq!(!kept(&[mirror(19, of.clone())]).is_empty(), is_kept, "{of}");
        }
        let mut own = mirror(19, json!({"cluster": "a", "schedule": "s"}));
        own.metadata.annotations = None;
        assert!(kept(&[own]).is_empty(), "made here, and its Schedule is gone");
    }
}
