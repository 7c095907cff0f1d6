//! Tests of the exposition that Prometheus reads.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};

use super::*;

fn says(metrics: &Metrics, line: &str) -> bool {
    metrics.exposition().unwrap().lines().any(|said| said == line)
}

fn assert_says(metrics: &Metrics, lines: &[&str]) {
    for line in lines {
        assert!(says(metrics, line), "{line} is not in {}", metrics.exposition().unwrap());
    }
}

fn at(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

/// `nightly` and `default`.
fn state() -> ServerState {
    let figures = RunFigures { items: 11_560, tarball_bytes: 1 << 20, ..RunFigures::default() };
    ServerState {
        schedules: vec![ScheduleState {
            name: "nightly".into(),
            phase: "Enabled".into(),
            paused: false,
            since: at(1000),
            next_tick: at(5000),
            interval: Some(TimeDelta::days(1)),
        }],
        locations: vec![LocationState {
            name: "default".into(),
            available: true,
            last_sync: at(3000),
            sync_period: 60,
            obligations: Some(2),
        }],
        backups: vec![
            LatestRun { schedule: String::new(), ..LatestRun::default() },
            LatestRun {
                schedule: "nightly".into(),
                good: Some(false),
                figures: Some(figures),
                last_good: at(2000),
            },
        ],
        queues: vec![("Backup", RunQueue { waiting: 2, in_progress: 1, waiting_since: at(4000) })],
        ..ServerState::default()
    }
}

#[test]
fn what_there_is_is_told_under_velero_s_names() {
    let metrics = Metrics::new();
    metrics.observe(|| Some(state()));
    let lines = [
        r#"ark_backup_items_total{schedule="nightly"} 11560"#,
        r#"ark_backup_items_errors{schedule="nightly"} 0"#,
        r#"ark_backup_tarball_size_bytes{schedule="nightly"} 1048576"#,
        r#"ark_backup_last_status{schedule="nightly"} 0"#,
        r#"ark_backup_last_successful_timestamp{schedule="nightly"} 2000"#,
        r#"ark_schedule_phase{schedule="nightly",phase="Enabled"} 1"#,
        r#"ark_schedule_paused{schedule="nightly"} 0"#,
        r#"ark_schedule_since_timestamp{schedule="nightly"} 1000"#,
        r#"ark_schedule_next_tick_timestamp{schedule="nightly"} 5000"#,
        r#"ark_schedule_interval_seconds{schedule="nightly"} 86400"#,
        r#"ark_location_available{location="default"} 1"#,
        r#"ark_location_last_sync_timestamp{location="default"} 3000"#,
        r#"ark_location_sync_period_seconds{location="default"} 60"#,
        r#"ark_obligation_open{location="default"} 2"#,
        r#"ark_runs_waiting{kind="Backup"} 2"#,
        r#"ark_runs_in_progress{kind="Backup"} 1"#,
        r#"ark_runs_waiting_since_timestamp{kind="Backup"} 4000"#,
    ];
    assert_says(&metrics, &lines);
    let text = metrics.exposition().unwrap();
    assert_eq!(text.matches("# EOF").count(), 1);
    assert!(
        !text.contains(r#"last_status{schedule=""}"#) && !text.contains("deletion_since_timestamp "),
        "{text}"
    );
}

#[test]
fn what_happens_is_counted() {
    let metrics = Metrics::new();
    metrics.backups.attempted("nightly");
    metrics.backups.succeeded("nightly");
    let figures = RunFigures { seconds: 2.5, warnings: 3, ..RunFigures::default() };
    metrics.backups.finished("nightly", &figures);
    metrics.restores.failed("");
    metrics.deletion_attempted("");
    metrics.deletion_failed("");
    metrics.deletion_refused("");
    metrics.sync_pass("default", 0.3);
    metrics.sync_created("default", 12);
    metrics.api_request("GET", "200");
    metrics.store_request("put", "success");
    metrics.leader(true);
    metrics.build("0.1.0", "2");
    let lines = [
        r#"ark_backup_attempt_total{schedule="nightly"} 1"#,
        r#"ark_backup_success_total{schedule="nightly"} 1"#,
        r#"ark_backup_warning_total{schedule="nightly"} 3"#,
        r#"ark_backup_duration_seconds_bucket{le="5.0",schedule="nightly"} 1"#,
        r#"ark_restore_failed_total{schedule=""} 1"#,
        r#"ark_backup_deletion_attempt_total{schedule=""} 1"#,
        r#"ark_backup_deletion_failure_total{schedule=""} 1"#,
        r#"ark_backup_deletion_refusal_total{schedule=""} 1"#,
        r#"ark_sync_duration_seconds_count{location="default"} 1"#,
        r#"ark_sync_created_total{location="default"} 12"#,
        r#"ark_api_requests_total{verb="GET",code="200"} 1"#,
        r#"ark_store_requests_total{op="put",outcome="success"} 1"#,
        "ark_gc_deleted_total 0",
        r#"ark_build_info{version="0.1.0",format="2"} 1"#,
        "ark_leader 1",
        "# EOF",
    ];
    assert_says(&metrics, &lines);
}

#[test]
fn nothing_is_told_of_a_schedule_or_location_that_is_gone() {
    let metrics = Metrics::new();
    let there = Arc::new(Mutex::new(state()));
    let asked = Arc::clone(&there);
    metrics.observe(move || Some(asked.lock().unwrap().clone()));
    metrics.backups.finished("nightly", &RunFigures::default());
    metrics.restores.failed("nightly");
    metrics.deletion_failed("nightly");
    metrics.sync_pass("default", 0.3);
    metrics.sync_failed("default");
    assert!(metrics.exposition().unwrap().contains("nightly"));
    *there.lock().unwrap() = ServerState::default();
    // A run that was under way when the Schedule was deleted may still count.
    metrics.backups.failed("nightly");
    metrics.sync_failed("default");
    let text = metrics.exposition().unwrap();
    assert!(!text.contains("nightly") && !text.contains("default"), "{text}");
}

#[test]
fn what_is_there_is_counted_from_zero_so_that_its_first_failure_is_an_increase() {
    let metrics = Metrics::new();
    metrics.observe(|| Some(state()));
    let lines = [
        r#"ark_backup_failure_total{schedule="nightly"} 0"#,
        r#"ark_restore_failed_total{schedule=""} 0"#,
        r#"ark_backup_deletion_failure_total{schedule="nightly"} 0"#,
        r#"ark_sync_errors_total{location="default"} 0"#,
    ];
    assert_says(&metrics, &lines);
}

#[test]
fn a_server_that_stands_by_tells_of_itself_only() {
    let metrics = Metrics::new();
    metrics.observe(|| None);
    let text = metrics.exposition().unwrap();
    assert!(text.contains("ark_leader 0") && !text.contains("ark_location_available"), "{text}");
}

#[test]
fn locks_are_counted_while_they_are_held_and_their_time_after_that() {
    let metrics = Metrics::new();
    metrics.lock_taken();
    assert_says(&metrics, &["ark_locks_active 1", "ark_lock_held_seconds_count 0"]);
    metrics.lock_held(0.3);
    metrics.lock_ended();
    assert_says(&metrics, &["ark_locks_active 0", "ark_lock_held_seconds_count 1"]);
}

#[test]
fn hooks_are_counted_by_phase_and_outcome_from_zero() {
    let metrics = Metrics::new();
    assert!(says(&metrics, r#"ark_hooks_total{phase="post",outcome="failure"} 0"#));
    metrics.hook_ran("pre", true, 0.1);
    metrics.hook_ran("pre", false, 40.0);
    assert_says(
        &metrics,
        &[
            r#"ark_hooks_total{phase="pre",outcome="success"} 1"#,
            r#"ark_hooks_total{phase="pre",outcome="failure"} 1"#,
            r#"ark_hook_duration_seconds_count{phase="pre"} 2"#,
        ],
    );
}
