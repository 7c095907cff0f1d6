//! Tests of [`super::Cron`]: time zones, daylight saving, missed and impossible ticks.

use proptest::prelude::*;

use super::*;

fn cron(text: &str) -> Cron {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Returns the ticks after an instant.
fn ticks(text: &str, after: &str, count: usize) -> Vec<String> {
    let (cron, since) = (cron(text), at("2026-01-01T00:00:00Z"));
    std::iter::successors(cron.next(since, at(after)), |tick| cron.next(since, *tick))
        .take(count)
        .map(|tick| tick.format("%m-%dT%H:%M:%S").to_string())
        .collect()
}

#[test]
fn patterns_and_nicknames_tick_in_utc() {
    assert_eq!(ticks("0 3 * * *", "2026-11-21T03:00:00Z", 2), ["11-22T03:00:00", "11-23T03:00:00"]);
    assert_eq!(ticks("*/15 * * * *", "2026-11-21T03:10:30Z", 2), ["11-21T03:15:00", "11-21T03:30:00"]);
    assert_eq!(ticks("0 3 * * 1-5", "2026-11-20T12:00:00Z", 1), ["11-23T03:00:00"]);
    assert_eq!(ticks("0  3 * * sun ", "2026-11-21T12:00:00Z", 1), ["11-22T03:00:00"]);
    assert_eq!(ticks("5/15 * * * *", "2026-11-21T03:00:00Z", 2), ["11-21T03:05:00", "11-21T03:20:00"]);
    assert_eq!(ticks("0 0 1,15 JAN ?", "2026-01-02T00:00:00Z", 1), ["01-15T00:00:00"]);
    for (nickname, tick) in [
        ("@hourly", "11-21T04:00:00"),
        ("@daily", "11-22T00:00:00"),
        ("@midnight", "11-22T00:00:00"),
        ("@weekly", "11-22T00:00:00"),
        ("@monthly", "12-01T00:00:00"),
        ("@yearly", "01-01T00:00:00"),
        ("@annually", "01-01T00:00:00"),
    ] {
        assert_eq!(ticks(nickname, "2026-11-21T03:00:00Z", 1), [tick], "{nickname}");
    }
}

#[test]
fn a_time_zone_moves_the_ticks() {
    assert_eq!(ticks("CRON_TZ=Europe/Berlin 0 3 * * *", "2026-11-21T00:00:00Z", 1), ["11-21T02:00:00"]);
    assert_eq!(ticks("TZ=Asia/Kolkata  @daily", "2026-11-21T00:00:00Z", 1), ["11-21T18:30:00"]);
}

#[test]
fn a_fixed_time_in_the_gap_of_spring_comes_right_after_it_and_one_in_autumn_comes_once() {
    let half_past_two = "CRON_TZ=Europe/Berlin 30 2 * * *";
    assert_eq!(
        ticks(half_past_two, "2026-03-28T12:00:00Z", 2),
        ["03-29T01:00:00", "03-30T00:30:00"] // 02:30 is missing on the 29th: 03:00 in summer time
    );
    assert_eq!(
        ticks(half_past_two, "2026-10-24T12:00:00Z", 2),
        ["10-25T00:30:00", "10-26T01:30:00"] // the first of two 02:30
    );
}

#[test]
fn every_hour_is_every_hour_when_clocks_change() {
    let hourly = "CRON_TZ=Europe/Berlin 0 * * * *";
    assert_eq!(ticks(hourly, "2026-03-29T00:30:00Z", 2), ["03-29T01:00:00", "03-29T02:00:00"]);
    assert_eq!(
        ticks(hourly, "2026-10-24T23:30:00Z", 3),
        ["10-25T00:00:00", "10-25T01:00:00", "10-25T02:00:00"]
    );
}

#[test]
fn every_counts_from_the_creation() {
    assert_eq!(
        ticks("@every 7h", "2026-01-01T06:59:59Z", 3),
        ["01-01T07:00:00", "01-01T14:00:00", "01-01T21:00:00"]
    );
    let (every, since) = (cron("@every 1h30m"), at("2026-01-01T00:00:00Z"));
    assert_eq!(every.latest(since, at("2026-01-01T01:29:59Z")), None);
    assert_eq!(every.latest(since, at("2026-01-01T01:30:00Z")), Some(at("2026-01-01T01:30:00Z")));
    assert_eq!(every.latest(since, at("2025-12-31T00:00:00Z")), None);
    assert_eq!(every.next(since, at("2025-12-31T00:00:00Z")), Some(at("2026-01-01T01:30:00Z")));
}

#[test]
fn what_cannot_be_meant_is_refused_and_named() {
    for (text, why) in [
        ("", "0 fields"),
        ("0 3 * *", "4 fields"),
        ("0 3 * * * *", "6 fields"),
        ("61 3 * * *", "61"),
        ("0 3 * * nonsense", "the day of week `nonsense` is not"),
        ("0 24 * * *", "the hour 24 is out of 0–23"),
        ("CRON_TZ=UTC TZ=UTC @daily", "two time zones"),
        ("0 3\t* * * *", "5 fields"),
        ("@fortnightly", "no meaning"),
        ("@reboot", "no meaning"),
        ("@every soon", "not a duration"),
        ("@every 0s", "zero"),
        ("@every 500ms", "whole seconds"),
        ("CRON_TZ=Europe/Atlantis @daily", "`Europe/Atlantis` is not a time zone"),
        ("CRON_TZ=Local @daily", "not a time zone"),
        ("TZ=UTC", "nothing follows"),
        ("0 0 30 2 *", "never come"),
        ("0 0 31 4,6,9,11 *", "never come"),
    ] {
        let error = text.parse::<Cron>().unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("`@daily`"), "{text}: {error}");
    }
    cron("0 0 29 2 *"); // comes, if seldom
}

proptest! {
    /// Schedules rely on this: time goes on, nothing is between a tick and the next, and looking
    /// back finds the same ticks as looking ahead; also across the changes of clocks in March and
    /// October.
    #[test]
    fn ticks_are_the_same_seen_from_both_sides(
        text in prop::sample::select(vec![
            "CRON_TZ=Europe/Berlin 30 2 * * *", "CRON_TZ=Europe/Berlin */7 * * * *", "CRON_TZ=Europe/Berlin 0 */2 * * *",
            "CRON_TZ=America/New_York 15 1,2 * * *", "CRON_TZ=Australia/Lord_Howe 45 1 * * *", "@daily", "0 3 * * 1-5",
            "@every 2s", "@every 7h", "*/5 0-6 1,15 * 1",
        ]),
        seconds in 0_i64..2 * 366 * 24 * 3600,
        near in prop::sample::select(vec![None, Some("2026-03-29T00:00:00Z"), Some("2026-10-25T00:00:00Z"), Some("2026-11-01T04:00:00Z")]),
    ) {
        let (cron, since) = (cron(text), at("2026-01-01T00:00:00Z"));
        let now = near.map_or(since + TimeDelta::seconds(seconds), |near| at(near) + TimeDelta::seconds(seconds % (4 * 3600)));
        let next = cron.next(since, now).unwrap();
        prop_assert!(next > now);
        prop_assert_eq!(cron.latest(since, next), Some(next));
        prop_assert_eq!(cron.next(since, next - TimeDelta::seconds(1)), Some(next));
        if let Some(latest) = cron.latest(since, now) {
            prop_assert!(latest <= now);
            prop_assert_eq!(cron.next(since, latest), Some(next));
            prop_assert_eq!(cron.next(since, latest - TimeDelta::seconds(1)), Some(latest));
        }
        let before_next = cron.latest(since, next - TimeDelta::seconds(1));
        prop_assert_eq!(before_next, cron.latest(since, now));
    }
}
