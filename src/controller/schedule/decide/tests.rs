//! Tests of [`super::decide`] at the hours of a Schedule's day.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;
use crate::api::{BackupSpec, BackupStatus, name_at};

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-21T{time}Z").parse().unwrap()
}

fn time(time: DateTime<Utc>) -> Time {
    Time(time.to_rfc3339().parse().unwrap())
}

/// Returns a Schedule created at 10:20, hourly; no server has seen it yet.
fn unseen(more: serde_json::Value, status: serde_json::Value) -> Schedule {
    let mut spec = json!({"schedule": "0 * * * *", "template": {}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut schedule = Schedule::new("hourly", serde_json::from_value(spec).unwrap());
    schedule.metadata.creation_timestamp = Some(time(at("10:20:00")));
    schedule.status = Some(serde_json::from_value(status).unwrap());
    schedule
}

/// Returns the same, as the server saw it when it was created.
fn schedule(more: serde_json::Value, status: serde_json::Value) -> Schedule {
    let mut schedule = unseen(more, status);
    let (text, paused) = (schedule.spec.schedule.clone(), schedule.spec.paused == Some(true));
    let status = schedule.status.get_or_insert_default();
    status.counting = Some(TickCount { schedule: text, paused, since: at("10:20:00").into() });
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
    assert_eq!(decide(&new, &[], at("10:20:01")), ScheduleStep::Make(at("10:20:00")));
    assert_eq!(decide(&new, &[], at("10:19:58")), ScheduleStep::Make(at("10:20:00")), "our clock is slow");
    assert_eq!(decide(&new, &[], at("15:30:00")), ScheduleStep::Make(at("15:00:00")), "the server came late");
    let patient = schedule(json!({"skipImmediately": true}), json!({}));
    assert_eq!(decide(&patient, &[], at("10:20:01")), ScheduleStep::Wait(Some(at("11:00:00"))));
    assert_eq!(decide(&patient, &[], at("11:00:00")), ScheduleStep::Make(at("11:00:00")));
}

#[test]
fn the_first_backup_is_made_for_the_present_where_what_held_it_is_taken_back() {
    let rare = json!({"schedule": "0 3 1 1 *", "skipImmediately": true});
    let mut patient = schedule(rare, json!({}));
    assert!(matches!(decide(&patient, &[], at("15:30:00")), ScheduleStep::Wait(_)));
    patient.spec.skip_immediately = Some(false);
    let later = at("15:30:00") + TimeDelta::milliseconds(750);
    assert_eq!(
        decide(&patient, &[], later),
        ScheduleStep::Make(at("15:30:00")),
        "not for the hour of its creation"
    );
    assert_eq!(
        decide(&patient, &[], at("10:21:00")),
        ScheduleStep::Make(at("10:20:00")),
        "it was just created"
    );
}

#[test]
fn each_tick_is_made_once_also_when_the_clock_goes_back() {
    assert_eq!(decide(&made("11:00:00"), &[], at("11:59:59")), ScheduleStep::Wait(Some(at("12:00:00"))));
    assert_eq!(decide(&made("11:00:00"), &[], at("12:00:00")), ScheduleStep::Make(at("12:00:00")));
    assert_eq!(decide(&made("12:00:00"), &[], at("12:00:00")), ScheduleStep::Wait(Some(at("13:00:00"))));
    assert_eq!(decide(&made("12:00:00"), &[], at("11:30:00")), ScheduleStep::Wait(Some(at("13:00:00"))));
}

#[test]
fn ticks_that_went_by_unseen_become_one() {
    assert_eq!(decide(&made("11:00:00"), &[], at("18:45:00")), ScheduleStep::Make(at("18:00:00")));
    let years_later = at("18:45:00") + TimeDelta::days(3650);
    assert_eq!(
        decide(&made("11:00:00"), &[], years_later),
        ScheduleStep::Make(years_later - TimeDelta::minutes(45))
    );
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
    assert_eq!(decide(&ahead, &own, at("13:30:00")), ScheduleStep::Correct(at("11:00:01")));
    assert_eq!(decide(&ahead, &[], at("13:30:00")), ScheduleStep::Correct(at("13:30:00")));
    let skipped_ahead =
        schedule(json!({}), json!({"lastBackup": at("11:00:00"), "lastSkipped": "2036-11-21T11:00:00Z"}));
    assert_eq!(decide(&skipped_ahead, &own, at("11:30:00")), ScheduleStep::Correct(at("11:00:01")));
}

#[test]
fn a_tick_is_skipped_while_a_backup_of_the_schedule_runs_unless_that_is_allowed() {
    for phase in [BackupPhase::New, BackupPhase::InProgress] {
        let running = [backup("hourly-1", phase, "11:00:00")];
        let skip = ScheduleStep::Skip(at("12:00:00"), Why::Running("hourly-1".into()));
        assert_eq!(decide(&made("11:00:00"), &running, at("12:00:05")), skip);
        let allowed = schedule(json!({"concurrencyPolicy": "Allow"}), json!({"lastBackup": at("11:00:00")}));
        assert_eq!(decide(&allowed, &running, at("12:00:05")), ScheduleStep::Make(at("12:00:00")));
    }
    for phase in [BackupPhase::Failed, BackupPhase::Deleting, BackupPhase::FailedValidation] {
        let ended = [backup("hourly-1", phase, "11:00:00")];
        assert_eq!(decide(&made("11:00:00"), &ended, at("12:00:05")), ScheduleStep::Make(at("12:00:00")));
    }
    let skipped = schedule(json!({}), json!({"lastBackup": at("11:00:00"), "lastSkipped": at("12:00:00")}));
    assert_eq!(
        decide(&skipped, &[], at("12:30:00")),
        ScheduleStep::Wait(Some(at("13:00:00"))),
        "it is not made up for"
    );
}

#[test]
fn a_name_that_was_recorded_is_gone_on_with_whatever_else_is_due() {
    let pending = json!({"tick": at("12:00:00"), "name": "hourly-20261121120000", "proof": "00"});
    for paused in [false, true] {
        let begun =
            schedule(json!({"paused": paused}), json!({"lastBackup": at("11:00:00"), "pending": pending}));
        let ScheduleStep::Finish(found) = decide(&begun, &[], at("13:30:00")) else {
            panic!("it is gone on with")
        };
        assert_eq!(found.name, "hourly-20261121120000");
    }
}

/// Returns a Backup that lost its name in the bucket, made for a tick.
fn lost(second: &str, tick: &str) -> Arc<Backup> {
    let name = name_at("hourly", at(second));
    let mut lost = backup(&name, BackupPhase::FailedValidation, second).as_ref().clone();
    lost.metadata.uid = Some("u".into());
    lost.metadata.annotations = Some([(SCHEDULE_TOKEN.to_owned(), token(at(tick), "random"))].into());
    let taken = json!([{"type": NAME_TAKEN, "status": "True", "reason": "NameTaken", "message": "",
        "lastTransitionTime": at(second)}]);
    lost.status.as_mut().unwrap().conditions = serde_json::from_value(taken).unwrap();
    Arc::new(lost)
}

#[test]
fn a_backup_that_lost_its_name_is_made_again_under_that_of_the_next_second() {
    let own = [lost("11:00:00", "11:00:00")];
    let expected = Again {
        tick: at("11:00:00"),
        second: at("11:00:01"),
        lost: LostName { name: "hourly-20261121110000".into(), uid: "u".into() },
    };
    assert_eq!(decide(&made("11:00:00"), &own, at("11:00:05")), ScheduleStep::Again(expected));
    let ScheduleStep::Again(next) =
        decide(&made("11:00:00"), &[lost("11:00:59", "11:00:00")], at("11:10:00"))
    else {
        panic!("there is a name left");
    };
    assert_eq!((next.tick, next.second), (at("11:00:00"), at("11:01:00")));
    let wait = ScheduleStep::Wait(Some(at("12:00:00")));
    assert_eq!(decide(&made("11:00:00"), &[lost("11:01:00", "11:00:00")], at("11:10:00")), wait, "no end");
    assert_eq!(
        decide(&made("11:00:00"), &[lost("10:30:00", "11:00:00")], at("11:10:00")),
        ScheduleStep::Again(Again {
            tick: at("10:30:00"),
            second: at("10:30:01"),
            lost: LostName { name: "hourly-20261121103000".into(), uid: "u".into() },
        }),
        "what somebody wrote into the annotation gives no more names"
    );
    assert_eq!(
        decide(&made("11:00:00"), &own, at("12:30:00")),
        ScheduleStep::Make(at("12:00:00")),
        "it has gone on"
    );
    let refused = [backup("hourly-20261121110000", BackupPhase::FailedValidation, "11:00:00")];
    assert_eq!(decide(&made("11:00:00"), &refused, at("11:10:00")), wait, "for another reason");
    let busy = [lost("11:00:00", "11:00:00"), backup("hourly-1", BackupPhase::InProgress, "11:00:01")];
    assert_eq!(decide(&made("11:00:00"), &busy, at("11:10:00")), wait, "one at a time");
}

#[test]
fn only_a_few_wait_to_begin_where_several_may_run() {
    let allowed = schedule(json!({"concurrencyPolicy": "Allow"}), json!({"lastBackup": at("11:00:00")}));
    let waiting = |count: usize| vec![backup("hourly-1", BackupPhase::New, "11:00:00"); count];
    assert_eq!(decide(&allowed, &waiting(2), at("12:00:05")), ScheduleStep::Make(at("12:00:00")));
    assert_eq!(
        decide(&allowed, &waiting(3), at("12:00:05")),
        ScheduleStep::Skip(at("12:00:00"), Why::Waiting(3))
    );
    let running = vec![backup("hourly-1", BackupPhase::InProgress, "11:00:00"); 9];
    assert_eq!(decide(&allowed, &running, at("12:00:05")), ScheduleStep::Make(at("12:00:00")));
}

/// Returns the ticks that count from then on, according to the status after a look.
fn counted(schedule: &Schedule, now: &str) -> (Schedule, DateTime<Utc>) {
    let ScheduleStep::Count(counting) = decide(schedule, &[], at(now)) else {
        panic!("it is looked at anew")
    };
    let mut schedule = schedule.clone();
    let since = counting.since.time();
    schedule.status.get_or_insert_default().counting = Some(counting);
    (schedule, since)
}

#[test]
fn editing_fires_nothing_for_a_past_that_was_before_it() {
    let mut edited = made("10:20:00");
    edited.spec.schedule = "38 * * * *".into();
    let (edited, since) = counted(&edited, "10:39:21");
    assert_eq!(since, at("10:39:21"));
    assert_eq!(decide(&edited, &[], at("10:39:22")), ScheduleStep::Wait(Some(at("11:38:00"))));
    assert_eq!(decide(&edited, &[], at("11:38:00")), ScheduleStep::Make(at("11:38:00")));
    let mut zone = edited;
    zone.spec.schedule = "CRON_TZ=Asia/Kolkata 38 * * * *".into();
    let (zone, _) = counted(&zone, "10:50:00");
    assert_eq!(
        decide(&zone, &[], at("10:50:01")),
        ScheduleStep::Wait(Some(at("11:08:00"))),
        "08 past in UTC"
    );
    let mut ticks = made("10:20:00");
    ticks.spec.retention = Some(serde_json::from_value(json!({"maxCount": 3})).unwrap());
    assert_eq!(
        decide(&ticks, &[], at("11:30:00")),
        ScheduleStep::Make(at("11:00:00")),
        "another edit changes no tick"
    );
}

#[test]
fn unpausing_fires_nothing_for_a_past_that_was_before_it() {
    let mut schedule = schedule(json!({"paused": true}), json!({"lastBackup": at("10:20:00")}));
    schedule.spec.paused = None;
    let (unpaused, since) = counted(&schedule, "12:30:00");
    assert_eq!(since, at("12:30:00"));
    assert_eq!(decide(&unpaused, &[], at("12:30:01")), ScheduleStep::Wait(Some(at("13:00:00"))));
    // Created paused: the first Backup is named after the time of unpausing.
    let (paused, _) =
        counted(&unseen(json!({"schedule": "0 3 1 1 *", "paused": true}), json!({})), "10:21:00");
    assert!(matches!(decide(&paused, &[], at("12:00:00")), ScheduleStep::Wait(_)));
    let mut first = paused;
    first.spec.paused = Some(false);
    let (first, since) = counted(&first, "12:30:00");
    assert_eq!(
        (since, decide(&first, &[], at("12:30:01"))),
        (at("12:30:00"), ScheduleStep::Make(at("12:30:00")))
    );
}

#[test]
fn a_schedule_that_is_mended_counts_from_then_on_and_one_that_an_older_server_made_from_its_last_record() {
    let (_, since) = counted(&unseen(json!({}), json!({"phase": "FailedValidation"})), "12:30:00");
    assert_eq!(since, at("12:30:00"));
    let (old, since) = counted(&unseen(json!({}), json!({"lastBackup": at("11:00:00")})), "14:30:00");
    assert_eq!(since, at("11:00:00"));
    assert_eq!(decide(&old, &[], at("14:30:01")), ScheduleStep::Make(at("14:00:00")));
    let (_, since) = counted(&unseen(json!({}), json!({})), "15:30:00");
    assert_eq!(since, at("10:20:00"), "as it was created");
}

#[test]
fn the_next_backup_is_told_by_the_clock_of_the_schedule_s_own_zone() {
    let berlin = schedule(json!({"schedule": "CRON_TZ=Europe/Berlin 0 3 * * *"}), json!({}));
    assert_eq!(next_backup(&berlin, at("12:00:00")).as_deref(), Some("2026-11-22T03:00:00+01:00"));
    assert_eq!(
        next_backup(&schedule(json!({}), json!({})), at("12:00:00")).as_deref(),
        Some("2026-11-21T13:00:00Z")
    );
    assert_eq!(next_backup(&schedule(json!({"paused": true}), json!({})), at("12:00:00")), None);
}

#[test]
fn the_first_backup_waits_for_one_that_runs() {
    let new = schedule(json!({}), json!({}));
    let running = [backup("by-hand", BackupPhase::InProgress, "10:00:00")];
    assert_eq!(decide(&new, &running, at("10:20:01")), ScheduleStep::Wait(Some(at("11:00:00"))));
}

#[test]
fn what_goes_by_while_it_is_paused_is_not_made_up_for() {
    let paused = schedule(json!({"paused": true}), json!({"lastBackup": at("11:00:00")}));
    assert_eq!(decide(&paused, &[], at("12:30:00")), ScheduleStep::Skip(at("12:00:00"), Why::Paused));
    let unpaused = schedule(json!({}), json!({"lastBackup": at("11:00:00"), "lastSkipped": at("12:00:00")}));
    assert_eq!(decide(&unpaused, &[], at("12:31:00")), ScheduleStep::Wait(Some(at("13:00:00"))));
    let never_made = schedule(json!({"paused": true}), json!({}));
    assert_eq!(decide(&never_made, &[], at("10:30:00")), ScheduleStep::Wait(Some(at("11:00:00"))));
}

#[test]
fn everything_that_is_wrong_is_said_and_nothing_is_made() {
    let wrong = schedule(
        json!({"schedule": "0 25 * * *", "template": {"ttl": "-1h"}, "retention": {"minCount": 2}}),
        json!({}),
    );
    let ScheduleStep::Refuse(errors) = decide(&wrong, &[], at("12:00:00")) else { panic!("it is refused") };
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
    assert_eq!(decide(&going, &[], at("12:30:00")), ScheduleStep::Leave);
}

#[test]
fn how_old_the_newest_backup_may_become_follows_the_ticks() {
    let hours = |schedule: &str, day: &str| {
        let now = format!("2026-11-{day}T12:00:00Z").parse().unwrap();
        let schedule = unseen(json!({"schedule": schedule}), json!({}));
        interval(&schedule, now).map(|interval| interval.num_hours())
    };
    // The 21st is a Saturday.
    let workdays = "0 3 * * 1-5";
    assert_eq!(hours(workdays, "22"), Some(72));
    assert_eq!(hours(workdays, "23"), Some(72), "the backup of Monday may still run");
    assert_eq!(hours(workdays, "25"), Some(24));
    assert_eq!(hours("@weekly", "25"), Some(7 * 24));
    assert_eq!(hours("@every 6h", "21"), Some(6), "before its first tick");
    assert_eq!(hours("@every 6h", "25"), Some(6));
    assert_eq!(hours("never", "25"), None);
}

#[test]
fn a_schedule_whose_backups_no_location_could_hold_is_refused_beside_what_else_is_wrong() {
    let why = || Some("too long".to_owned());
    let tick = ScheduleStep::Make(Utc::now());
    assert_eq!(tick.clone().unless(None), tick);
    assert_eq!(tick.unless(why()), ScheduleStep::Refuse(vec!["too long".into()]));
    assert_eq!(
        ScheduleStep::Refuse(vec!["spec".into()]).unless(why()),
        ScheduleStep::Refuse(vec!["spec".into(), "too long".into()])
    );
    assert_eq!(ScheduleStep::Leave.unless(why()), ScheduleStep::Leave);
}
