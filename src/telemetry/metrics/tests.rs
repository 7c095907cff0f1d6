//! What Prometheus is told.

use chrono::DateTime;

use super::*;

fn figures(item_errors: u64, at: i64) -> RunFigures {
    let at = DateTime::from_timestamp(at, 0).unwrap();
    RunFigures { seconds: 2.5, items: 11_560, item_errors, warnings: 3, tarball_bytes: 1 << 20, at }
}

fn says(metrics: &Metrics, line: &str) -> bool {
    metrics.exposition().unwrap().lines().any(|said| said == line)
}

#[test]
fn a_backup_is_told_under_velero_s_names() {
    let metrics = Metrics::new();
    metrics.backups.attempted("nightly");
    metrics.backups.succeeded("nightly");
    metrics.backups.finished("nightly", &figures(0, 1_763_730_000));
    for line in [
        r#"ark_backup_attempt_total{schedule="nightly"} 1"#,
        r#"ark_backup_success_total{schedule="nightly"} 1"#,
        r#"ark_backup_warning_total{schedule="nightly"} 3"#,
        r#"ark_backup_items_total{schedule="nightly"} 11560"#,
        r#"ark_backup_items_errors{schedule="nightly"} 0"#,
        r#"ark_backup_tarball_size_bytes{schedule="nightly"} 1048576"#,
        r#"ark_backup_last_status{schedule="nightly"} 1"#,
        r#"ark_backup_last_successful_timestamp{schedule="nightly"} 1763730000"#,
        r#"ark_backup_duration_seconds_bucket{le="5.0",schedule="nightly"} 1"#,
    ] {
        assert!(says(&metrics, line), "{line} is not in {}", metrics.exposition().unwrap());
    }
}

#[test]
fn a_run_with_errors_does_not_count_as_the_last_success() {
    let metrics = Metrics::new();
    metrics.backups.finished("", &figures(0, 1000));
    metrics.backups.partially_failed("");
    metrics.backups.finished("", &figures(1, 2000));
    metrics.backups.was_successful("", DateTime::from_timestamp(500, 0).unwrap());
    assert!(says(&metrics, r#"ark_backup_last_successful_timestamp{schedule=""} 1000"#));
    assert!(says(&metrics, r#"ark_backup_last_status{schedule=""} 0"#));
}

#[test]
fn a_schedule_that_is_gone_raises_no_alert() {
    let metrics = Metrics::new();
    metrics.restores.finished("nightly", &figures(0, 1000));
    metrics.restores.schedule_gone("nightly");
    assert!(!metrics.exposition().unwrap().contains("last_successful_timestamp{"));
}

#[test]
fn the_rest_is_told_by_location_verb_and_outcome() {
    let metrics = Metrics::new();
    metrics.deletion_attempted("");
    metrics.sync_pass("default", 0.3);
    metrics.sync_created("default", 12);
    metrics.location_available("default", true);
    metrics.location_available("gone", false);
    assert_eq!(metrics.obligation_open("default", 2), 0);
    assert_eq!(metrics.obligation_open("default", 1), 2);
    metrics.obligation_open("gone", 3);
    metrics.location_gone("gone");
    metrics.api_request("GET", "200");
    metrics.store_request("put", "success");
    metrics.leader(true);
    for line in [
        r#"ark_backup_deletion_attempt_total{schedule=""} 1"#,
        r#"ark_sync_duration_seconds_count{location="default"} 1"#,
        r#"ark_sync_created_total{location="default"} 12"#,
        r#"ark_location_available{location="default"} 1"#,
        r#"ark_api_requests_total{verb="GET",code="200"} 1"#,
        r#"ark_store_requests_total{op="put",outcome="success"} 1"#,
        "ark_gc_deleted_total 0",
        r#"ark_obligation_open{location="default"} 1"#,
        "ark_leader 1",
        "# EOF",
    ] {
        assert!(says(&metrics, line), "{line} is not in {}", metrics.exposition().unwrap());
    }
    assert!(!metrics.exposition().unwrap().contains("gone"));
}
