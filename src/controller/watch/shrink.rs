//! What a cache keeps of a run that is over: the fields that a controller reads of it. Pure.
//!
//! A cluster shows thousands of such runs for weeks, and each costs the server some kilobytes as
//! long. One whose deletion is asked for stays whole, since it is worked on.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};

use crate::api::{
    Backup, BackupPhase, BackupSpec, BackupStatus, COMPLETE, DELETION_REQUESTED, FAILED, Restore,
    RestorePhase, RestoreSpec, RestoreStatus, StoredObject,
};

/// Shrinks a Backup that is over.
pub fn backup(object: &mut Backup) {
    let Backup { metadata, spec, status: Some(status) } = object else { return };
    if !status.phase.is_some_and(BackupPhase::is_final) || !shrink(metadata) {
        return;
    }
    let BackupSpec { ttl, storage_location, .. } = std::mem::take(spec);
    *spec = BackupSpec { ttl, storage_location, ..BackupSpec::default() };
    let BackupStatus { format_version, revision, kinds_outside_cut, holder, objects, conditions, .. } =
        status;
    (*format_version, *revision, *holder) = (None, None, None);
    kinds_outside_cut.clear();
    // Metrics tell the size of the tarball. That there are others counts only where there is none.
    if objects.iter().any(StoredObject::is_tarball) {
        objects.retain(StoredObject::is_tarball);
    }
    shrink_conditions(conditions);
}

/// Shrinks a Restore that is over.
pub fn restore(object: &mut Restore) {
    let Restore { metadata, spec, status: Some(status) } = object else { return };
    if !status.phase.is_some_and(RestorePhase::is_final) || !shrink(metadata) {
        return;
    }
    let RestoreSpec { backup_name, schedule_name, ttl, .. } = std::mem::take(spec);
    *spec = RestoreSpec { backup_name, schedule_name, ttl, ..RestoreSpec::default() };
    let RestoreStatus { choice, findings, holder, objects, conditions, .. } = status;
    *holder = None;
    choice.clear();
    findings.clear();
    objects.clear();
    shrink_conditions(conditions);
}

/// Takes the resourceVersion away, without which the API server refuses to replace an object:
/// nobody can write back what lacks fields. Returns false, and does nothing, if the object's
/// deletion is asked for.
fn shrink(metadata: &mut ObjectMeta) -> bool {
    if metadata.annotations.as_ref().is_some_and(|given| given.contains_key(DELETION_REQUESTED)) {
        return false;
    }
    metadata.resource_version = None;
    true
}

/// Leaves out the conditions that only repeat the phase, for people.
fn shrink_conditions(conditions: &mut Vec<Condition>) {
    conditions.retain(|condition| condition.type_ != COMPLETE && condition.type_ != FAILED);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn condition(type_: &str) -> Value {
        json!({"type": type_, "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2026-11-21T03:00:00Z"})
    }

    #[test]
    fn of_a_backup_that_is_over_only_what_controllers_read_is_kept_and_it_cannot_be_written_back() {
        let part = |key: &str| json!({"key": key, "size": 7, "sha256": "00"});
        let object = json!({
            "apiVersion": "ark.heptio.com/v1", "kind": "Backup",
            "metadata": {"name": "nightly", "uid": "u", "resourceVersion": "7", "labels": {"team": "a"}},
            "spec": {"includedNamespaces": ["shop"], "ttl": "30d", "storageLocation": "here"},
            "status": {"phase": "Completed", "formatVersion": "2", "revision": "9", "holder": "h", "warnings": 0, "errors": 0,
                "cluster": {"uid": "c", "version": "v1"}, "origin": {"run": "r"},
                "objects": [part("backups/nightly/nightly.tar.zst"), part("backups/nightly/index.ndjson.zst")],
                "conditions": [condition("Complete"), condition("KeptAsLastGood")]},
        });
        let mut shrunk: Backup = serde_json::from_value(object.clone()).unwrap();
        backup(&mut shrunk);
        let expected = json!({
            "apiVersion": "ark.heptio.com/v1", "kind": "Backup",
            "metadata": {"name": "nightly", "uid": "u", "labels": {"team": "a"}},
            "spec": {"ttl": "30d", "storageLocation": "here"},
            "status": {"phase": "Completed", "warnings": 0, "errors": 0,
                "cluster": {"uid": "c", "version": "v1"}, "origin": {"run": "r"},
                "objects": [part("backups/nightly/nightly.tar.zst")], "conditions": [condition("KeptAsLastGood")]},
        });
        assert_eq!(serde_json::to_value(shrunk).unwrap(), expected);
        let mut failed: Backup = serde_json::from_value(object.clone()).unwrap();
        failed.status.as_mut().unwrap().objects.remove(0);
        backup(&mut failed);
        assert_eq!(failed.status.unwrap().objects.len(), 1, "it has left something in the bucket");
        for changed in [
            json!({"status": {"phase": "InProgress"}}),
            json!({"metadata": {"annotations": {DELETION_REQUESTED: "now"}}}),
        ] {
            let mut worked_on = object.clone();
            json_patch::merge(&mut worked_on, &changed);
            let mut kept: Backup = serde_json::from_value(worked_on.clone()).unwrap();
            backup(&mut kept);
            assert_eq!(serde_json::to_value(kept).unwrap(), worked_on, "it is worked on");
        }
    }

    #[test]
    fn of_a_restore_that_is_over_only_what_controllers_read_is_kept_and_it_cannot_be_written_back() {
        let object = json!({
            "metadata": {"name": "drill", "resourceVersion": "7"},
            "spec": {"backupName": "nightly", "namespaceMapping": {"shop": "drill"}, "ttl": "30d"},
            "status": {"phase": "PartiallyFailed", "holder": "h", "created": 3, "findings": ["f"], "choice": ["c"],
                "objects": [{"key": "restores/drill/logs.ndjson.zst", "size": 7, "sha256": "00"}],
                "conditions": [condition("Failed"), condition("Stored")]},
        });
        let mut shrunk: Restore = serde_json::from_value(object).unwrap();
        restore(&mut shrunk);
        let expected: Restore = serde_json::from_value(json!({
            "metadata": {"name": "drill"}, "spec": {"backupName": "nightly", "ttl": "30d"},
            "status": {"phase": "PartiallyFailed", "created": 3, "conditions": [condition("Stored")]},
        }))
        .unwrap();
        assert_eq!(shrunk, expected);
    }
}
