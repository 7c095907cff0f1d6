//! Tests of what a scrape says of a server that has just begun, from the objects of the cluster.

use serde_json::{Value, json};

use crate::controller::context::{Context, filled, settings};
use crate::controller::settings::Settings;

use super::*;

fn server() -> Settings {
    settings()
}

/// Returns the scrape of a server whose caches hold these objects.
async fn scraped(settings: Settings, objects: Vec<Value>) -> String {
    let context = begun(settings, objects).await;
    context.metrics.exposition().unwrap()
}

async fn begun(settings: Settings, objects: Vec<Value>) -> Arc<Context> {
    let context = filled(settings, objects).await;
    tell(&context);
    context
}

fn object(kind: &str, metadata: Value, spec: Value, status: Value) -> Value {
    json!({"apiVersion": "ark.heptio.com/v1", "kind": kind, "metadata": metadata, "spec": spec, "status": status})
}

fn schedule(name: &str) -> Value {
    let metadata =
        json!({"name": name, "uid": format!("uid-of-{name}"), "creationTimestamp": "2026-11-01T00:00:00Z"});
    object(
        "Schedule",
        metadata,
        json!({"schedule": "0 3 * * *", "template": {}}),
        json!({"phase": "Enabled"}),
    )
}

/// Returns a Backup that the Schedule made on that day of November 2026.
fn backup(schedule: &str, day: u8, phase: &str) -> Value {
    let begun = format!("2026-11-{day:02}T03:00:00Z");
    let mut status = json!({"phase": phase, "startTimestamp": begun, "errors": 0,
        "completionTimestamp": format!("2026-11-{day:02}T03:10:00Z"), "progress": {"itemsBackedUp": day},
        "origin": {"cluster": "cluster", "schedule": format!("uid-of-{schedule}")}});
    if phase == "New" || phase == "FailedValidation" {
        status.as_object_mut().unwrap().retain(|field, _| field == "phase" || field == "origin");
    }
    let name = format!("{schedule}-202611{day:02}030000");
    let metadata = json!({"name": name, "uid": name, "creationTimestamp": begun});
    object("Backup", metadata, json!({"storageLocation": "default"}), status)
}

fn restore(day: u8, phase: &str, schedule: Option<&str>) -> Value {
    let begun = format!("2026-11-{day:02}T04:00:00Z");
    let metadata = json!({"name": format!("restore-{day}"), "creationTimestamp": begun});
    let spec = match schedule {
        Some(schedule) => json!({"scheduleName": schedule}),
        None => json!({"backupName": "some"}),
    };
    let status = json!({"phase": phase, "errors": 0, "startTimestamp": begun, "completionTimestamp": begun});
    object("Restore", metadata, spec, status)
}

fn seconds(text: &str) -> i64 {
    text.parse::<DateTime<Utc>>().unwrap().timestamp()
}

#[track_caller]
fn assert_says(text: &str, lines: &[String]) {
    for line in lines {
        assert!(text.lines().any(|said| said == line), "{line} is not in {text}");
    }
}

fn last_good(run: &str, schedule: &str, at: &str) -> String {
    format!(r#"ark_{run}_last_successful_timestamp{{schedule="{schedule}"}} {}"#, seconds(at))
}

#[tokio::test]
async fn a_server_that_begins_knows_the_last_good_and_the_last_failed_backup_of_each_schedule() {
    let objects = vec![
        schedule("nightly"),
        backup("nightly", 20, "Completed"),
        backup("nightly", 21, "PartiallyFailed"),
        backup("nightly", 22, "Failed"),
        backup("nightly", 23, "Deleting"),
    ];
    let text = scraped(server(), objects).await;
    let lines = [
        last_good("backup", "nightly", "2026-11-20T03:10:00Z"),
        r#"ark_backup_last_status{schedule="nightly"} 0"#.to_owned(),
        r#"ark_backup_items_total{schedule="nightly"} 21"#.to_owned(),
        r#"ark_schedule_interval_seconds{schedule="nightly"} 86400"#.to_owned(),
    ];
    assert_says(&text, &lines);
}

#[tokio::test]
async fn a_schedule_whose_backups_are_all_refused_or_wait_is_told() {
    let mut refused = schedule("refused");
    refused["status"]["phase"] = json!("FailedValidation");
    let objects = vec![
        refused,
        schedule("nightly"),
        backup("nightly", 20, "FailedValidation"),
        backup("nightly", 21, "New"),
    ];
    let text = scraped(server(), objects).await;
    let lines = [
        r#"ark_schedule_phase{schedule="refused",phase="FailedValidation"} 1"#.to_owned(),
        r#"ark_backup_last_status{schedule="nightly"} 0"#.to_owned(),
        r#"ark_runs_waiting{kind="Backup"} 1"#.to_owned(),
        format!(r#"ark_runs_waiting_since_timestamp{{kind="Backup"}} {}"#, seconds("2026-11-21T03:00:00Z")),
        format!(r#"ark_schedule_since_timestamp{{schedule="nightly"}} {}"#, seconds("2026-11-01T00:00:00Z")),
    ];
    assert_says(&text, &lines);
    assert!(!text.contains(r#"last_successful_timestamp{schedule="nightly"}"#), "{text}");
}

#[tokio::test]
async fn a_schedule_that_is_gone_has_no_series_however_many_backups_of_it_are_left() {
    for restore_only in [false, true] {
        let objects = vec![
            backup("gone", 20, "Completed"),
            backup("gone", 21, "Failed"),
            restore(21, "Completed", Some("gone")),
        ];
        let text = scraped(Settings { restore_only, ..server() }, objects).await;
        assert!(!text.contains("gone") && !text.contains("last_status{"), "{text}");
    }
}

#[tokio::test]
async fn a_label_and_another_cluster_s_document_say_nothing_of_a_schedule() {
    let mut labelled = backup("nightly", 20, "Completed");
    labelled["metadata"]["labels"] = json!({"ark.heptio.com/schedule-name": "nightly"});
    labelled["status"]["origin"] = json!({"cluster": "cluster"});
    let mut elsewhere = backup("nightly", 21, "Completed");
    elsewhere["metadata"]["annotations"] = json!({"ark.heptio.com/synced-from": "there"});
    elsewhere["status"]["origin"] =
        json!({"cluster": "other", "location": "there", "schedule": "uid-of-nightly"});
    let text = scraped(server(), vec![schedule("nightly"), labelled, elsewhere]).await;
    assert!(!text.contains(r#"last_status{schedule="nightly"}"#), "{text}");
    assert_says(&text, &[last_good("backup", "", "2026-11-20T03:10:00Z")]);
}

#[tokio::test]
async fn a_name_of_any_length_is_told_in_full() {
    let name = "a".repeat(80);
    let text = scraped(server(), vec![schedule(&name), backup(&name, 20, "Completed")]).await;
    assert_says(&text, &[last_good("backup", &name, "2026-11-20T03:10:00Z")]);
}

#[tokio::test]
async fn a_run_that_failed_is_no_success_whatever_it_counts() {
    let objects = vec![
        schedule("nightly"),
        restore(20, "Completed", Some("nightly")),
        restore(21, "Failed", Some("nightly")),
        restore(22, "Completed", None),
        restore(23, "Failed", None),
    ];
    let text = scraped(server(), objects).await;
    let lines = [
        last_good("restore", "nightly", "2026-11-20T04:00:00Z"),
        last_good("restore", "", "2026-11-22T04:00:00Z"),
        r#"ark_restore_last_status{schedule="nightly"} 0"#.to_owned(),
        r#"ark_restore_last_status{schedule=""} 0"#.to_owned(),
    ];
    assert_says(&text, &lines);
}

#[tokio::test]
async fn a_time_that_has_not_come_yet_does_not_hide_that_there_is_no_newer_backup() {
    let mut ahead = backup("nightly", 20, "Completed");
    ahead["status"]["completionTimestamp"] = json!("2099-01-01T00:00:00Z");
    let text = scraped(server(), vec![schedule("nightly"), ahead]).await;
    assert_says(&text, &[last_good("backup", "nightly", "2026-11-20T03:00:00Z")]);
}

#[tokio::test]
async fn a_backup_that_lost_its_name_raises_no_alert_as_it_is_made_under_another() {
    let mut lost = backup("nightly", 21, "FailedValidation");
    lost["status"]["conditions"] = json!([{"type": NAME_TAKEN, "status": "True", "reason": NAME_TAKEN, "message": "",
        "lastTransitionTime": "2026-11-21T03:00:00Z"}]);
    let text = scraped(server(), vec![schedule("nightly"), backup("nightly", 20, "Completed"), lost]).await;
    assert_says(&text, &[r#"ark_backup_last_status{schedule="nightly"} 1"#.to_owned()]);
}

#[tokio::test]
async fn the_next_tick_is_told_only_where_it_makes_a_backup() {
    let mut paused = schedule("paused");
    paused["spec"]["paused"] = json!(true);
    let objects = vec![schedule("nightly"), paused];
    let text = scraped(server(), objects.clone()).await;
    let next = |name: &str| format!(r#"ark_schedule_next_tick_timestamp{{schedule="{name}"}}"#);
    assert!(text.contains(&next("nightly")) && !text.contains(&next("paused")), "{text}");
    // A server that makes no scheduled backups misses none.
    let settings =
        [Settings { disable_schedules: true, ..server() }, Settings { restore_only: true, ..server() }];
    for settings in settings {
        let text = scraped(settings, objects.clone()).await;
        assert!(!text.contains(&next("nightly")) && !text.contains("schedule_interval_seconds{"), "{text}");
    }
}

#[tokio::test]
async fn a_location_is_told_while_it_is_there() {
    let location = |name: &str, phase: &str| {
        let spec = json!({"provider": "s3", "bucket": "bucket", "syncPeriod": "1h"});
        let mut location = object(
            "BackupStorageLocation",
            json!({"name": name, "uid": name}),
            spec,
            json!({"phase": phase, "lastSyncedTime": "2026-11-20T03:00:00Z"}),
        );
        location["metadata"]["resourceVersion"] = json!("1");
        location
    };
    let mut going = location("going", "Unavailable");
    going["metadata"]["deletionTimestamp"] = json!("2026-11-20T03:00:00Z");
    going["metadata"]["finalizers"] = json!(["example.com/some"]);
    let objects = vec![location("default", "Available"), location("broken", "Unavailable"), going];
    let context = begun(server(), objects).await;
    // A look that was under way when the location was deleted ends later.
    let gone = serde_json::from_value(location("gone", "Unavailable")).unwrap();
    crate::controller::location::note_obligations(&context, &gone, 3);
    let text = context.metrics.exposition().unwrap();
    let lines = [
        r#"ark_location_available{location="default"} 1"#.to_owned(),
        r#"ark_location_available{location="broken"} 0"#.to_owned(),
        r#"ark_location_sync_period_seconds{location="default"} 3600"#.to_owned(),
        format!(
            r#"ark_location_last_sync_timestamp{{location="default"}} {}"#,
            seconds("2026-11-20T03:00:00Z")
        ),
    ];
    assert_says(&text, &lines);
    assert!(!text.contains("gone") && !text.contains("going"), "{text}");
}

#[tokio::test]
async fn a_deletion_that_does_not_end_is_told_since_when() {
    let request = |day: u8, phase: &str| {
        let metadata = json!({"name": format!("{phase}-{day}").to_lowercase(),
            "creationTimestamp": format!("2026-11-{day:02}T03:00:00Z")});
        object("DeleteBackupRequest", metadata, json!({"backupName": "some"}), json!({"phase": phase}))
    };
    let objects = vec![request(18, "Processed"), request(21, "InProgress"), request(20, "InProgress")];
    let text = scraped(server(), objects).await;
    assert_says(&text, &[format!("ark_backup_deletion_since_timestamp {}", seconds("2026-11-20T03:00:00Z"))]);
    assert!(!scraped(server(), Vec::new()).await.contains("deletion_since_timestamp "));
    // The request was taken back. Of a Backup that finalizers of others hold, the bucket has
    // nothing any more.
    let mut deleting = backup("nightly", 12, "Deleting");
    deleting["status"]["conditions"] = json!([{"type": DELETION, "status": "True", "reason": "Begun", "message": "",
        "lastTransitionTime": "2026-11-19T03:00:00Z"}]);
    let text = scraped(server(), vec![deleting.clone(), request(18, "Processed")]).await;
    assert_says(&text, &[format!("ark_backup_deletion_since_timestamp {}", seconds("2026-11-19T03:00:00Z"))]);
    deleting["metadata"]["deletionTimestamp"] = json!("2026-11-19T03:10:00Z");
    assert!(!scraped(server(), vec![deleting]).await.contains("deletion_since_timestamp "));
}
