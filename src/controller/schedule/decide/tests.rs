//! A day in the life of a Schedule: what [`super::decide`] says at each hour of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;
use crate::api::{BackupSpec, BackupStatus, ClusterReference};

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-21T{time}Z").parse().unwrap()
}

fn time(time: DateTime<Utc>) -> Time {
    Time(time.to_rfc3339().parse().unwrap())
}

/// Created at 10:20, hourly.
fn schedule(more: serde_json::Value, status: serde_json::Value) -> Schedule {
    let mut spec = json!({"schedule": "0 * * * *", "template": {}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut schedule = Schedule::new("hourly", serde_json::from_value(spec).unwrap());
    schedule.metadata.creation_timestamp = Some(time(at("10:20:00")));
    schedule.status = Some(serde_json::from_value(status).unwrap());
    schedule
}

fn backup(name: &str, phase: BackupPhase, created: &str) -> Arc<Backup> {
    let mut backup = Backup::new(name, BackupSpec::default());
    backup.metadata.creation_timestamp = Some(time(at(created)));
    backup.status = Some(BackupStatus { phase: Some(phase), ..BackupStatus::default() });
    Arc::new(backup)
}

fn made(last: &str) -> Schedule {
    schedule(json!({}), json!({"lastBackup": at(last)}))
}

#[test]
fn the_first_backup_is_made_at_creation_unless_it_is_to_wait() {
    let new = schedule(json!({}), json!({}));
    assert_eq!(decide(&new, &[], at("10:20:01")), Step::Make(at("10:20:00")));
    assert_eq!(decide(&new, &[], at("10:19:58")), Step::Make(at("10:20:00")), "our clock is slow");
    assert_eq!(decide(&new, &[], at("15:30:00")), Step::Make(at("15:00:00")), "the server came late");
    let patient = schedule(json!({"skipImmediately": true}), json!({}));
    assert_eq!(decide(&patient, &[], at("10:20:01")), Step::Wait(Some(at("11:00:00"))));
    assert_eq!(decide(&patient, &[], at("11:00:00")), Step::Make(at("11:00:00")));
}

#[test]
fn each_tick_is_made_once_also_when_the_clock_goes_back() {
    assert_eq!(decide(&made("11:00:00"), &[], at("11:59:59")), Step::Wait(Some(at("12:00:00"))));
    assert_eq!(decide(&made("11:00:00"), &[], at("12:00:00")), Step::Make(at("12:00:00")));
    assert_eq!(decide(&made("12:00:00"), &[], at("12:00:00")), Step::Wait(Some(at("13:00:00"))));
    assert_eq!(decide(&made("12:00:00"), &[], at("11:30:00")), Step::Wait(Some(at("13:00:00"))));
}

#[test]
fn ticks_that_went_by_unseen_become_one() {
    assert_eq!(decide(&made("11:00:00"), &[], at("18:45:00")), Step::Make(at("18:00:00")));
    let years_later = at("18:45:00") + TimeDelta::days(3650);
    assert_eq!(decide(&made("11:00:00"), &[], years_later), Step::Make(years_later - TimeDelta::minutes(45)));
}

#[test]
fn a_record_of_a_clock_that_was_wrong_is_put_right_by_what_there_is() {
    let ahead =
        schedule(json!({}), json!({"lastBackup": "2036-11-21T11:00:00Z", "lastSkipped": at("10:00:00")}));
    let own = [
        backup("a", BackupPhase::Completed, "10:20:01"),
        backup("b", BackupPhase::Completed, "11:00:01"),
        backup("c", BackupPhase::Completed, "23:00:00"),
    ];
    assert_eq!(decide(&ahead, &own, at("13:30:00")), Step::Correct(at("11:00:01")));
    assert_eq!(decide(&ahead, &[], at("13:30:00")), Step::Correct(at("13:30:00")));
    let skipped_ahead =
        schedule(json!({}), json!({"lastBackup": at("11:00:00"), "lastSkipped": "2036-11-21T11:00:00Z"}));
    assert_eq!(decide(&skipped_ahead, &own, at("11:30:00")), Step::Correct(at("11:00:01")));
}

#[test]
fn a_tick_is_skipped_while_a_backup_of_the_schedule_runs_unless_that_is_allowed() {
    for phase in [BackupPhase::New, BackupPhase::InProgress] {
        let running = [backup("hourly-1", phase, "11:00:00")];
        let skip = Step::Skip(at("12:00:00"), Why::Running("hourly-1".into()));
        assert_eq!(decide(&made("11:00:00"), &running, at("12:00:05")), skip);
        let allowed = schedule(json!({"concurrencyPolicy": "Allow"}), json!({"lastBackup": at("11:00:00")}));
        assert_eq!(decide(&allowed, &running, at("12:00:05")), Step::Make(at("12:00:00")));
    }
    for phase in [BackupPhase::Failed, BackupPhase::Deleting, BackupPhase::FailedValidation] {
        let ended = [backup("hourly-1", phase, "11:00:00")];
        assert_eq!(decide(&made("11:00:00"), &ended, at("12:00:05")), Step::Make(at("12:00:00")));
    }
    let skipped = schedule(json!({}), json!({"lastBackup": at("11:00:00"), "lastSkipped": at("12:00:00")}));
    assert_eq!(
        decide(&skipped, &[], at("12:30:00")),
        Step::Wait(Some(at("13:00:00"))),
        "it is not made up for"
    );
}

#[test]
fn a_backup_that_was_made_and_not_recorded_is_recorded_and_not_taken_for_another_that_runs() {
    let of_noon = [backup("hourly-20261121120000", BackupPhase::InProgress, "12:00:00")];
    assert_eq!(decide(&made("11:00:00"), &of_noon, at("12:00:05")), Step::Make(at("12:00:00")));
}

#[test]
fn the_first_backup_waits_for_one_that_runs() {
    let new = schedule(json!({}), json!({}));
    let running = [backup("by-hand", BackupPhase::InProgress, "10:00:00")];
    assert_eq!(decide(&new, &running, at("10:20:01")), Step::Wait(Some(at("11:00:00"))));
}

#[test]
fn what_goes_by_while_it_is_paused_is_not_made_up_for() {
    let paused = schedule(json!({"paused": true}), json!({"lastBackup": at("11:00:00")}));
    assert_eq!(decide(&paused, &[], at("12:30:00")), Step::Skip(at("12:00:00"), Why::Paused));
    let unpaused = schedule(json!({}), json!({"lastBackup": at("11:00:00"), "lastSkipped": at("12:00:00")}));
    assert_eq!(decide(&unpaused, &[], at("12:31:00")), Step::Wait(Some(at("13:00:00"))));
    let never_made = schedule(json!({"paused": true}), json!({}));
    assert_eq!(decide(&never_made, &[], at("10:30:00")), Step::Wait(Some(at("11:00:00"))));
    let then_unpaused = schedule(json!({}), json!({"lastSkipped": at("12:00:00")}));
    assert_eq!(
        decide(&then_unpaused, &[], at("12:10:00")),
        Step::Make(at("12:00:00")),
        "the first one is still owed"
    );
}

#[test]
fn everything_that_is_wrong_is_said_and_nothing_is_made() {
    let wrong = schedule(
        json!({"schedule": "0 25 * * *", "template": {"ttl": "-1h"}, "retention": {"minCount": 2}}),
        json!({}),
    );
    let Step::Refuse(errors) = decide(&wrong, &[], at("12:00:00")) else { panic!("it is refused") };
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(
        errors[0].starts_with("spec.schedule: ") && errors[1].starts_with("spec.template.ttl: "),
        "{errors:?}"
    );
}

#[test]
fn a_schedule_that_goes_makes_nothing() {
    let mut going = made("11:00:00");
    going.metadata.deletion_timestamp = Some(time(at("11:30:00")));
    assert_eq!(decide(&going, &[], at("12:30:00")), Step::Leave);
}

#[test]
fn only_backups_of_this_cluster_are_its_own() {
    let labelled = |synced: bool, origin: Option<&str>| {
        let mut backup = Backup::new("b", BackupSpec::default());
        backup.metadata.labels = Some([(SCHEDULE_NAME_LABEL.to_owned(), "hourly".to_owned())].into());
        if synced {
            backup.metadata.annotations = Some([(SYNCED_FROM.to_owned(), "id".to_owned())].into());
        }
        let cluster = origin.map(|uid| ClusterReference { uid: uid.into(), version: "v1".into() });
        backup.status = Some(BackupStatus { cluster, ..BackupStatus::default() });
        backup
    };
    assert!(is_own(&labelled(false, None), "hourly", "here"));
    assert!(
        is_own(&labelled(true, Some("here")), "hourly", "here"),
        "synced back after its objects were lost"
    );
    assert!(!is_own(&labelled(true, Some("there")), "hourly", "here"));
    assert!(!is_own(&labelled(true, None), "hourly", "here"));
    assert!(!is_own(&labelled(false, None), "daily", "here"));
    assert!(!is_own(&Backup::new("b", BackupSpec::default()), "hourly", "here"));
}
