//! Gauges that are not of one run: what was successful before this server began, and what is said of Schedules that are gone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;

use super::context::Context;
use crate::api::{Backup, BackupPhase, SCHEDULE_NAME_LABEL, SYNCED_FROM};

/// Alerts wait for minutes.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Looks until the server stops.
pub async fn run(context: Arc<Context>) {
    for backup in context.stores.backups.state() {
        if let Some((schedule, at)) = success(&backup) {
            context.metrics.backups.was_successful(&schedule, at);
        }
    }
    let mut known = BTreeSet::new();
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let schedules = context.stores.schedules.state();
        let present: BTreeSet<_> = schedules.iter().map(|schedule| schedule.name_any()).collect();
        for gone in known.difference(&present) {
            context.metrics.backups.schedule_gone(gone);
            context.metrics.restores.schedule_gone(gone);
        }
        known = present;
    }
}

/// The schedule and the end of a backup of this cluster that is complete.
fn success(backup: &Backup) -> Option<(String, chrono::DateTime<chrono::Utc>)> {
    let status = backup.status.as_ref().filter(|status| status.phase == Some(BackupPhase::Completed))?;
    if backup.annotations().contains_key(SYNCED_FROM) {
        return None;
    }
    let schedule = backup.labels().get(SCHEDULE_NAME_LABEL).cloned().unwrap_or_default();
    Some((schedule, status.completion_timestamp?.time()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn backup(phase: &str, annotations: &Value) -> Backup {
        serde_json::from_value(json!({
            "apiVersion": "ark.heptio.com/v1",
            "kind": "Backup",
            "metadata": {"name": "a", "labels": {SCHEDULE_NAME_LABEL: "nightly"}, "annotations": annotations},
            "spec": {},
            "status": {"phase": phase, "completionTimestamp": "2026-11-21T03:00:00Z"},
        }))
        .unwrap()
    }

    #[test]
    fn only_complete_backups_of_this_cluster_count_as_successes_from_before() {
        let (schedule, at) = success(&backup("Completed", &json!({}))).unwrap();
        assert_eq!((schedule.as_str(), at.to_rfc3339().as_str()), ("nightly", "2026-11-21T03:00:00+00:00"));
        assert_eq!(success(&backup("PartiallyFailed", &json!({}))), None);
        assert_eq!(success(&backup("Completed", &json!({SYNCED_FROM: "id"}))), None);
    }
}
