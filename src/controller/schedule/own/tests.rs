//! Tests of ownership: claims of people, other clusters and buckets, and Backups that are a
//! Schedule's own.

use serde_json::{Value, json};

use super::*;
use crate::api::SYNCED_FROM;

fn now() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// Returns the Schedule `nightly` of uid `s`.
fn schedule() -> Schedule {
    let object = json!({"apiVersion": "ark.heptio.com/v1", "kind": "Schedule",
        "metadata": {"name": "nightly", "uid": "s"}, "spec": {"schedule": "@daily", "template": {}}});
    serde_json::from_value(object).unwrap()
}

/// Returns the location `default` of identity `here`.
fn location(access: &str) -> BackupStorageLocation {
    let object = json!({"apiVersion": "ark.heptio.com/v1", "kind": "BackupStorageLocation",
        "metadata": {"name": "default"}, "spec": {"provider": "s3", "bucket": "bucket", "accessMode": access},
        "status": {"id": "here"}});
    serde_json::from_value(object).unwrap()
}

/// Returns a Backup that the Schedule made and that is done, with changes to it.
fn backup(changes: Value) -> Backup {
    let mut object = json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup",
        "metadata": {"name": "nightly-20261121030000", "labels": {"ark.heptio.com/schedule-name": "nightly"}},
        "spec": {"storageLocation": "default"},
        "status": {"phase": "Completed", "startTimestamp": "2026-11-21T03:00:00Z", "cluster": {"uid": "c", "version": "v1"},
            "origin": {"location": "here", "cluster": "c", "run": "r", "schedule": "s"}}});
    merge(&mut object, changes);
    serde_json::from_value(object).unwrap()
}

fn merge(into: &mut Value, changes: Value) {
    match changes {
        Value::Object(fields) => {
            for (key, value) in fields {
                merge(&mut into[key], value);
            }
        }
        value => *into = value,
    }
}

/// Returns whether the Backup is own, and whether it is kept.
fn judged(changes: Value) -> (bool, bool) {
    let (schedule, location) = (schedule(), location("ReadWrite"));
    let ownership = Ownership { schedule: &schedule, cluster: "c", location: Some(&location), now: now() };
    let backup = backup(changes);
    (ownership.is_own(&backup), ownership.is_kept(&backup))
}

fn synced(more: Value) -> Value {
    let mut changes = json!({"metadata": {"annotations": {SYNCED_FROM: "here"}}});
    merge(&mut changes, more);
    changes
}

#[test]
fn only_what_the_server_says_makes_a_backup_a_schedule_s_own() {
    assert_eq!(judged(json!({})), (true, true));
    for forged in [
        json!({"status": {"origin": null}}),
        json!({"status": {"origin": {"schedule": null}}}),
        json!({"status": null}),
        // Of an earlier Schedule of the name, or of another namespace of this cluster.
        json!({"status": {"origin": {"schedule": "another"}}}),
        json!({"status": {"origin": {"cluster": "d"}}}),
        json!({"metadata": {"name": "mine"}}),
        json!({"metadata": {"name": "weekly-20261121030000"}}),
        json!({"status": {"startTimestamp": "2099-11-21T03:00:00Z"}}),
    ] {
        assert_eq!(judged(forged.clone()), (false, false), "{forged}");
    }
    let without_label = json!({"metadata": {"labels": null}});
    assert_eq!(judged(without_label), (true, true), "a label that somebody took off says nothing");
}

#[test]
fn one_that_has_not_begun_is_own_as_soon_as_the_server_has_said_so() {
    let new = json!({"status": {"phase": "New", "startTimestamp": null, "cluster": null,
        "origin": {"location": null, "cluster": null, "run": null}}});
    assert_eq!(judged(new.clone()), (true, true));
    assert_eq!(judged(synced(new)), (false, false), "out of a bucket comes nothing that has not begun");
}

#[test]
fn what_came_out_of_a_bucket_is_own_only_where_the_schedule_writes() {
    assert_eq!(judged(synced(json!({}))), (true, true), "synced back after its objects were lost");
    for elsewhere in [
        json!({"metadata": {"annotations": {SYNCED_FROM: "partner"}}, "status": {"origin": {"location": "partner"}}}),
        json!({"metadata": {"annotations": {SYNCED_FROM: "partner"}}}),
        json!({"status": {"origin": {"location": "partner"}}}),
        json!({"status": {"origin": {"location": null}}}),
        json!({"status": {"origin": {"cluster": "d"}}}),
        json!({"status": {"origin": {"cluster": null}, "cluster": null}}),
    ] {
        assert_eq!(judged(synced(elsewhere.clone())), (false, false), "{elsewhere}");
    }
}

#[test]
fn what_lies_elsewhere_is_own_and_not_kept() {
    assert_eq!(judged(json!({"status": {"origin": {"location": "there"}}})), (true, false));
    let (schedule, read_only) = (schedule(), location("ReadOnly"));
    for location in [None, Some(&read_only)] {
        let ownership = Ownership { schedule: &schedule, cluster: "c", location, now: now() };
        assert!(ownership.is_own(&backup(json!({}))) && !ownership.is_kept(&backup(json!({}))));
        assert!(!ownership.is_own(&backup(synced(json!({})))));
    }
}

#[test]
fn the_newest_good_one_is_the_last_that_completed_or_else_the_last_that_partially_failed() {
    let named = |day: u32, phase: &str| {
        Arc::new(backup(json!({"metadata": {"name": format!("nightly-202611{day:02}030000")},
            "status": {"phase": phase, "startTimestamp": format!("2026-11-{day:02}T03:00:00Z")}})))
    };
    let backups = [
        named(18, "Completed"),
        named(19, "Completed"),
        named(17, "PartiallyFailed"),
        named(20, "PartiallyFailed"),
        named(21, "Failed"),
    ];
    let (schedule, location) = (schedule(), location("ReadWrite"));
    let ownership = Ownership { schedule: &schedule, cluster: "c", location: Some(&location), now: now() };
    let newest = |backups: &[Arc<Backup>]| ownership.last_good(backups)?.metadata.name.clone();
    assert_eq!(newest(&backups).as_deref(), Some("nightly-20261119030000"));
    assert_eq!(newest(&backups[2..]).as_deref(), Some("nightly-20261120030000"));
    assert_eq!(newest(&backups[4..]), None);
}
