//! Tests of which Restores go, when, and which checks come before.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::api::{DOCUMENT_STAMP, RestoreSpec, RestoreStatus};
use crate::cluster::script::{answer, failure, serve};
use crate::controller::context::scripted;

const HOUR: Duration = Duration::from_secs(3600);

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-21T{time}Z").parse().unwrap()
}

/// Returns a Restore created at 10:00 that ended at 11:00 if it was begun.
fn restore(phase: RestorePhase, ttl: Option<&str>) -> Restore {
    let spec = RestoreSpec {
        backup_name: Some("nightly".into()),
        ttl: ttl.map(|ttl| ttl.parse().unwrap()),
        ..RestoreSpec::default()
    };
    let mut restore = Restore::new("back", spec);
    restore.metadata.creation_timestamp = Some(Time("2026-11-21T10:00:00Z".parse().unwrap()));
    let was_begun = phase.is_final() && phase != RestorePhase::FailedValidation;
    restore.status = Some(RestoreStatus {
        phase: Some(phase),
        completion_timestamp: was_begun.then(|| at("11:00:00").into()),
        ..RestoreStatus::default()
    });
    restore
}

/// Returns why it goes at that time, while its Backup is shown.
fn reason_at(restore: &Restore, time: &str) -> Option<RestoreGcReason> {
    reason(restore, HOUR, at(time), |_| true)
}

#[test]
fn a_restore_goes_when_its_ttl_is_over_and_without_one_stays_while_its_backup_does() {
    for phase in [RestorePhase::Completed, RestorePhase::PartiallyFailed, RestorePhase::Failed] {
        let timed = restore(phase, Some("2h"));
        assert_eq!(reason_at(&timed, "12:59:59"), None, "{phase}");
        assert_eq!(reason_at(&timed, "13:00:00"), Some(RestoreGcReason::Expired), "{phase}");
        let untimed = restore(phase, None);
        assert_eq!(reason_at(&untimed, "23:00:00"), None, "{phase}");
        let day_later = at("11:00:00") + ORPHAN_STAYS;
        assert_eq!(reason(&untimed, HOUR, day_later, |_| false), Some(RestoreGcReason::Orphaned), "{phase}");
        assert_eq!(reason(&untimed, HOUR, day_later, |_| true), None, "{phase}");
        assert_eq!(reason(&untimed, HOUR, at("23:00:00"), |_| false), None, "{phase}");
    }
}

#[test]
fn a_restore_that_was_refused_goes_as_a_backup_would() {
    let refused = restore(RestorePhase::FailedValidation, None);
    assert_eq!(reason(&refused, HOUR, at("10:59:59"), |_| false), None, "a person should see why");
    assert_eq!(reason_at(&refused, "11:00:00"), Some(RestoreGcReason::Expired));
    assert_eq!(reason_at(&restore(RestorePhase::FailedValidation, Some("3h")), "12:59:59"), None);
}

#[test]
fn what_came_out_of_a_bucket_is_kept_from_when_the_store_got_it_whatever_clock_it_was_run_by() {
    let mut synced = restore(RestorePhase::Completed, Some("2h"));
    synced.annotations_mut().insert(DOCUMENT_STAMP.to_owned(), "2026-11-21T14:00:00Z/7/0".to_owned());
    assert_eq!(reason_at(&synced, "15:59:59"), None);
    assert_eq!(reason_at(&synced, "16:00:00"), Some(RestoreGcReason::Expired));
    synced.annotations_mut().insert(DOCUMENT_STAMP.to_owned(), "2026-11-21T09:00:00Z/7/0".to_owned());
    assert_eq!(reason_at(&synced, "12:59:59"), None, "a store whose clock is behind lets nothing go earlier");
    assert_eq!(reason_at(&synced, "13:00:00"), Some(RestoreGcReason::Expired));
}

#[test]
fn a_restore_that_runs_or_goes_already_is_never_asked_for() {
    for phase in [RestorePhase::New, RestorePhase::InProgress] {
        assert_eq!(reason(&restore(phase, Some("1h")), HOUR, at("23:00:00"), |_| false), None, "{phase}");
    }
    let mut going = restore(RestorePhase::Completed, Some("1h"));
    going.annotations_mut().insert(DELETION_REQUESTED.to_owned(), "since".to_owned());
    assert_eq!(reason_at(&going, "23:00:00"), None);
}

#[tokio::test]
async fn it_is_asked_for_as_a_person_asks_and_never_another_of_its_name() {
    let (cluster, asked) = serve(|_, _| failure(404, "NotFound", "restores not found", ""));
    let mut old = restore(RestorePhase::Completed, Some("1h"));
    old.metadata.uid = Some("u".into());
    consider(&scripted(cluster), &old, RestoreGcReason::Expired).await.unwrap();
    let asked = asked.lock().unwrap();
    assert!(asked[0].method == http::Method::PATCH && asked[0].uri.contains("/restores/back"), "{asked:?}");
    assert!(
        asked[0].body.contains(DELETION_REQUESTED) && asked[0].body.contains(r#""uid":"u""#),
        "{asked:?}"
    );
}

#[tokio::test]
async fn an_api_server_whose_clock_differs_by_hours_lets_nothing_expire() {
    let probe = |time: String| {
        let object = json!({
            "apiVersion": "ark.heptio.com/v1", "kind": "DeleteBackupRequest", "spec": {"backupName": "none"},
            "metadata": {"name": "ark-clock", "creationTimestamp": time},
        });
        serve(move |_, _| answer(201, object.to_string()))
    };
    let (agreeing, asked) = probe(Timestamp::now().to_string());
    agree_on_the_time(&scripted(agreeing)).await.unwrap();
    assert!(asked.lock().unwrap()[0].uri.contains("dryRun=All"), "nothing is made");
    let (differing, _) = probe("2020-01-01T00:00:00Z".to_owned());
    let why = agree_on_the_time(&scripted(differing)).await.unwrap_err();
    assert!(why.contains("disagree"), "{why}");
}
