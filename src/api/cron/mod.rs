//! The ticks of a Schedule: parses `spec.schedule` and finds the ticks around an instant. Pure.
//!
//! Where clocks are put forward, a tick of a fixed time of day that falls into the gap comes right
//! after it; where they are put back, it comes once, the first time. Ticks of a pattern without a
//! fixed time follow local time.

mod fields;

use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, SecondsFormat, SubsecRound as _, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron as Pattern, Weekday};

use super::Duration;

/// The nicknames of patterns, as every cron has them.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The prefixes of a time zone in the text.
const ZONES: [&str; 2] = ["CRON_TZ=", "TZ="];

/// Days after which the calendar repeats: 28 years, leap years and weekdays included.
const CALENDAR_DAYS: usize = 28 * 365 + 7;

/// A recurring schedule.
#[derive(Clone, Debug)]
pub struct Cron(When);

#[derive(Clone, Debug)]
enum When {
    /// A cron pattern in the local time of a zone.
    Pattern(Box<Pattern>, Tz),
    /// A fixed interval.
    Every(TimeDelta),
}

/// A text that is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a schedule: {why}; write for example `0 3 * * *`, `@daily`, `@every 6h` or `CRON_TZ=Europe/Berlin 0 3 * * 1-5`"
)]
pub struct InvalidCron {
    /// The text as it was given.
    pub text: String,
    /// The fault.
    pub why: String,
}

impl Cron {
    /// Checks that a name is in the IANA database of time zones.
    ///
    /// # Errors
    /// If it is not, with what to write instead.
    pub fn check_zone(name: &str) -> Result<(), String> {
        parse_zone(name).map(drop)
    }

    /// Returns true if a text names a time zone before its fields.
    pub fn names_zone(text: &str) -> bool {
        ZONES.iter().any(|before| text.starts_with(before))
    }

    /// Returns an instant in the local time of the schedule's zone: `2026-11-28T03:00:00+01:00`.
    pub fn by_the_wall(&self, instant: DateTime<Utc>) -> String {
        let zone = match &self.0 {
            When::Pattern(_, zone) => *zone,
            When::Every(_) => Tz::UTC,
        };
        instant.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// Returns the first tick after an instant, or `None` if there is none. `since` is the
    /// creation of the Schedule, from which `@every` counts.
    pub fn next(&self, since: DateTime<Utc>, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.0 {
            When::Pattern(pattern, zone) => {
                let tick = pattern.find_next_occurrence(&local(after, *zone), false).ok()?;
                Some(tick.with_timezone(&Utc))
            }
            When::Every(length) => {
                step(since, *length, passed(since, *length, after).saturating_add(1).max(1))
            }
        }
    }

    /// Returns the last tick at or before an instant, or `None` if there is none. `since` as in
    /// [`Cron::next`].
    pub fn latest(&self, since: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.0 {
            When::Pattern(pattern, zone) => {
                let tick = pattern.find_previous_occurrence(&local(until, *zone), true).ok()?;
                Some(tick.with_timezone(&Utc))
            }
            When::Every(length) => {
                let count = passed(since, *length, until);
                (count >= 1).then(|| step(since, *length, count)).flatten()
            }
        }
    }
}

/// Returns the instant in a zone, in whole seconds as ticks are.
fn local(instant: DateTime<Utc>, zone: Tz) -> DateTime<Tz> {
    instant.trunc_subsecs(0).with_timezone(&zone)
}

/// Returns how many intervals have passed, rounded down.
fn passed(since: DateTime<Utc>, length: TimeDelta, until: DateTime<Utc>) -> i64 {
    (until.timestamp() - since.timestamp()).div_euclid(length.num_seconds())
}

fn step(since: DateTime<Utc>, length: TimeDelta, count: i64) -> Option<DateTime<Utc>> {
    let seconds = length.num_seconds().checked_mul(count)?;
    since.trunc_subsecs(0).checked_add_signed(TimeDelta::try_seconds(seconds)?)
}

impl FromStr for Cron {
    type Err = InvalidCron;
    fn from_str(text: &str) -> Result<Self, InvalidCron> {
        let wrong = |why: String| InvalidCron { text: text.to_owned(), why };
        let (zone, rest) = split_zone(text).map_err(wrong)?;
        let rest = rest.trim_end_matches(' ');
        if let Some(length) = rest.strip_prefix("@every ") {
            return parse_length(length).map(|length| Self(When::Every(length))).map_err(wrong);
        }
        let pattern = match NICKNAMES.iter().find(|(name, _)| *name == rest) {
            Some((_, pattern)) => *pattern,
            None if rest.starts_with('@') => return Err(wrong(format!("`{rest}` has no meaning"))),
            None => rest,
        };
        let pattern = parse_pattern(pattern).map_err(wrong)?;
        Ok(Self(When::Pattern(Box::new(pattern), zone)))
    }
}

/// Returns the time zone and the text behind it.
fn split_zone(text: &str) -> Result<(Tz, &str), String> {
    let Some(named) = ZONES.iter().find_map(|before| text.strip_prefix(before)) else {
        return Ok((Tz::UTC, text));
    };
    let (name, rest) = named.split_once(' ').ok_or("nothing follows the time zone")?;
    let rest = rest.trim_start_matches(' ');
    if Cron::names_zone(rest) {
        return Err("it names two time zones; keep one of them".to_owned());
    }
    Ok((parse_zone(name)?, rest))
}

fn parse_zone(name: &str) -> Result<Tz, String> {
    name.parse()
        .map_err(|_| format!("`{name}` is not a time zone of the IANA database, such as Europe/Berlin"))
}

fn parse_length(text: &str) -> Result<TimeDelta, String> {
    let length =
        text.parse::<Duration>().and_then(|length| length.length()).map_err(|error| error.to_string())?;
    if length.subsec_nanos() != 0 {
        return Err("the time between two ticks must be whole seconds".to_owned());
    }
    TimeDelta::from_std(length).map_err(|error| error.to_string())
}

fn parse_pattern(text: &str) -> Result<Pattern, String> {
    if let Some(why) = fields::objection(text) {
        return Err(why);
    }
    // `5/15` for `5-59/15` is what Velero's schedules take.
    let parser =
        CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).sloppy_ranges(true);
    let pattern = parser.build().parse(text).map_err(|error| error.to_string())?;
    if never_comes(&pattern) {
        return Err("no month that it names has such a day, so that it would never come".to_owned());
    }
    Ok(pattern)
}

/// Returns true if no day ever matches, as on 30 February: the search for such a day would take
/// long.
fn never_comes(pattern: &Pattern) -> bool {
    let days = &pattern.pattern;
    let matches = |day: NaiveDate| {
        let weekday = Weekday::from_days_from_sunday(day.weekday().num_days_from_sunday());
        days.month_match(day.month()).unwrap_or(false)
            && days.day_match(day.year(), day.month(), day.day(), weekday).unwrap_or(false)
    };
    let first = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default();
    !first.iter_days().take(CALENDAR_DAYS).any(matches)
}

#[cfg(test)]
mod tests;
