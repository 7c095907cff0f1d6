//! The next step for a Schedule: make a backup, skip a tick, wait. Pure.
//!
//! A tick is made once, because its Backup's name is recorded before it is used, and the tick once
//! the Backup exists. Of several ticks that passed unseen, the last one is made. Ticks count from
//! when the server first saw the cron text, unpaused. A record that lies further ahead than clocks
//! ever disagree was written while a clock was wrong; it is corrected, or nothing would be made
//! until that time comes.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use super::own::CLOCKS_DISAGREE;
use crate::api::{
    Backup, BackupPhase, ConcurrencyPolicy, Cron, LostName, NAME_TAKEN, PendingBackup, SCHEDULE_TOKEN,
    Schedule, SchedulePhase, ScheduleSpec, ScheduleStatus, TickCount, Timestamp, tick_of,
};

/// Number of Backups that may wait to begin under Allow. More would all run at once when what they
/// wait for is there.
const MOST_WAITING: usize = 3;

/// Time within which a new or unpaused Schedule must be seen for its first Backup, which belongs to
/// no tick, to be named after the creation or the unpausing.
const SEEN_WITHIN: TimeDelta = TimeDelta::minutes(1);

/// Longest distance between a tick and the name of its Backup. Each other cluster that writes the
/// same names into the bucket takes a second of its own; no bucket has 60 of these.
pub const LATEST_NAME: TimeDelta = TimeDelta::seconds(60);

/// Age beyond which a Backup that lost its name is not made again: the Schedule was paused or no
/// server ran, and it has gone on.
const MADE_AGAIN_WITHIN: TimeDelta = TimeDelta::hours(1);

/// The next step for a Schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleStep {
    /// Do nothing: the Schedule is being deleted.
    Leave,
    /// Refuse the specification, for all these reasons.
    Refuse(Vec<String>),
    /// Continue with the Backup whose name was recorded: it exists, or is made now.
    Finish(PendingBackup),
    /// Record this as the last tick: the recorded ones were written while a clock was wrong.
    Correct(DateTime<Utc>),
    /// Record from when ticks count: the cron text is new, or the Schedule is no longer paused.
    Count(TickCount),
    /// Make a Backup under a later second's name: another run has its name in the bucket.
    Again(Again),
    /// Make the Backup of this tick.
    Make(DateTime<Utc>),
    /// Record that nothing is made for this tick.
    Skip(DateTime<Utc>, Why),
    /// Wait for the next tick; `None` if there is none.
    Wait(Option<DateTime<Utc>>),
}

/// A Backup that is to be made instead of one that lost its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// The tick that the Backup is for.
    pub tick: DateTime<Utc>,
    /// The first second whose name may be free.
    pub second: DateTime<Utc>,
    /// The Backup that lost its name.
    pub lost: LostName,
}

/// Reason to skip a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The Schedule is paused.
    Paused,
    /// This Backup has not ended.
    Running(String),
    /// This number of its Backups have not begun.
    Waiting(usize),
}

impl ScheduleStep {
    /// Returns this step, or a refusal if `wrong` says why the Schedule's backups cannot have their
    /// names.
    pub fn unless(self, wrong: Option<String>) -> Self {
        match (self, wrong) {
            (Self::Refuse(mut errors), Some(wrong)) => {
                errors.push(wrong);
                Self::Refuse(errors)
            }
            (step, Some(wrong)) if step != Self::Leave => Self::Refuse(vec![wrong]),
            (step, _) => step,
        }
    }
}

/// Returns the next step; `own` are the Backups that the Schedule made in this cluster.
pub fn decide(schedule: &Schedule, own: &[Arc<Backup>], now: DateTime<Utc>) -> ScheduleStep {
    if schedule.metadata.deletion_timestamp.is_some() {
        return ScheduleStep::Leave;
    }
    let ScheduleSpec {
        schedule: text,
        template: _,
        paused,
        skip_immediately,
        use_owner_references: _,
        concurrency_policy,
        retention: _,
        velero: _,
    } = &schedule.spec;
    let wrong = schedule.spec.validate();
    let cron = match text.parse::<Cron>() {
        Ok(cron) if wrong.is_empty() => cron,
        _ => return ScheduleStep::Refuse(wrong.iter().map(ToString::to_string).collect()),
    };
    if let Some(pending) = schedule.status.as_ref().and_then(|status| status.pending.as_ref()) {
        return ScheduleStep::Finish(pending.clone());
    }
    let since = created(schedule).unwrap_or(now);
    let recorded = Recorded::of(schedule.status.as_ref());
    if recorded.latest().is_some_and(|latest| latest > now + CLOCKS_DISAGREE) {
        return ScheduleStep::Correct(newest(own, now));
    }
    let counting = counting(schedule, &recorded, now);
    if schedule.status.as_ref().and_then(|status| status.counting.as_ref()) != Some(&counting) {
        return ScheduleStep::Count(counting);
    }
    let from = recorded.latest().unwrap_or(since);
    let due = cron.latest(since, now).filter(|tick| *tick > from);
    let wait = ScheduleStep::Wait(cron.next(since, now.max(from)));
    if *paused == Some(true) {
        return due.map_or(wait, |tick| ScheduleStep::Skip(tick, Why::Paused));
    }
    let hindrance = hindrance(concurrency_policy.unwrap_or_default(), own);
    if hindrance.is_none()
        && let Some(again) = own.iter().find_map(|backup| again(schedule, backup, now))
    {
        return ScheduleStep::Again(again);
    }
    let is_first = recorded.made.is_none() && *skip_immediately != Some(true);
    // A later first Backup is of the present: `skipImmediately` was taken back, or no server ran.
    let at_once = if now - from > SEEN_WITHIN { now.trunc_subsecs(0) } else { from };
    let Some(tick) = due.or_else(|| is_first.then_some(at_once)) else { return wait };
    match hindrance {
        None => ScheduleStep::Make(tick),
        Some(why) if due.is_some() => ScheduleStep::Skip(tick, why),
        Some(_) => wait,
    }
}

/// Returns from when ticks count: at the first look from the creation or the last record, later
/// from when the Schedule was seen to be edited, mended or unpaused.
fn counting(schedule: &Schedule, recorded: &Recorded, now: DateTime<Utc>) -> TickCount {
    let status = schedule.status.clone().unwrap_or_default();
    let ScheduleSpec { schedule: text, paused, .. } = &schedule.spec;
    let paused = *paused == Some(true);
    let since = match &status.counting {
        Some(seen) if seen.schedule == *text && (paused || !seen.paused) => seen.since.time(),
        None if status.phase != Some(SchedulePhase::FailedValidation) => {
            recorded.latest().or_else(|| created(schedule)).unwrap_or(now)
        }
        _ => now,
    };
    TickCount { schedule: text.clone(), paused, since: since.into() }
}

/// Returns why no Backup may begin now, or `None`.
fn hindrance(policy: ConcurrencyPolicy, own: &[Arc<Backup>]) -> Option<Why> {
    match policy {
        ConcurrencyPolicy::Forbid => {
            let running = own.iter().find(|backup| is_running(backup))?;
            Some(Why::Running(running.metadata.name.clone().unwrap_or_default()))
        }
        ConcurrencyPolicy::Allow => {
            let waiting = own.iter().filter(|backup| phase(backup) == BackupPhase::New).count();
            (waiting >= MOST_WAITING).then_some(Why::Waiting(waiting))
        }
    }
}

/// Returns what is to be made instead of a Backup that lost its name; `None` if it did not, or too
/// long ago, or too many names after its tick are taken.
fn again(schedule: &Schedule, backup: &Backup, now: DateTime<Utc>) -> Option<Again> {
    let conditions = &backup.status.as_ref()?.conditions;
    let lost = conditions.iter().find(|each| each.type_ == NAME_TAKEN && each.status == "True")?;
    let refused =
        phase(backup) == BackupPhase::FailedValidation && backup.metadata.deletion_timestamp.is_none();
    let recent = now - Timestamp::from(&lost.last_transition_time).time() <= MADE_AGAIN_WITHIN;
    let (name, uid) = (backup.metadata.name.clone()?, backup.metadata.uid.clone()?);
    let second = tick_of(&name, schedule.metadata.name.as_deref()?).filter(|_| refused && recent)?;
    let token = backup.metadata.annotations.as_ref().and_then(|all| all.get(SCHEDULE_TOKEN));
    let tick = token.and_then(|token| tick_in(token)).filter(|tick| *tick <= second).unwrap_or(second);
    let second = second + TimeDelta::seconds(1);
    (second - tick <= LATEST_NAME).then_some(Again { tick, second, lost: LostName { name, uid } })
}

/// Returns the text of a token: the tick in seconds, a dot, and a random part.
pub fn token(tick: DateTime<Utc>, random: &str) -> String {
    format!("{}.{random}", tick.timestamp())
}

fn tick_in(token: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(token.split_once('.')?.0.parse().ok()?, 0)
}

/// Returns the first tick after an instant, or `None` if the schedule is wrong or has no tick any
/// more.
pub fn next_tick(schedule: &Schedule, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    schedule.spec.schedule.parse::<Cron>().ok()?.next(created(schedule).unwrap_or(after), after)
}

/// Returns the first tick after an instant, in the Schedule's own time zone; `None` for a paused
/// Schedule.
pub fn next_backup(schedule: &Schedule, after: DateTime<Utc>) -> Option<String> {
    let cron = schedule.spec.schedule.parse::<Cron>().ok()?;
    let next = cron.next(created(schedule).unwrap_or(after), after)?;
    (schedule.spec.paused != Some(true)).then(|| cron.by_the_wall(next))
}

/// Returns since when ticks count, as recorded, or else the Schedule's creation; `None` if it has
/// neither.
pub fn counts_from(schedule: &Schedule) -> Option<DateTime<Utc>> {
    let counting = schedule.status.as_ref().and_then(|status| status.counting.as_ref());
    counting.map(|counting| counting.since.time()).or_else(|| created(schedule))
}

/// Returns the longest time between two ticks around an instant, or `None` if the schedule is wrong
/// or has no tick any more. One that leaves out weekends may be followed by another a day later and
/// preceded by one three days before.
pub fn interval(schedule: &Schedule, now: DateTime<Utc>) -> Option<TimeDelta> {
    let cron = schedule.spec.schedule.parse::<Cron>().ok()?;
    let since = created(schedule).unwrap_or(now);
    let next = cron.next(since, now)?;
    let last = cron.latest(since, now).unwrap_or(since);
    let before = cron.latest(since, last - TimeDelta::seconds(1)).unwrap_or(last);
    Some((next - last).max(last - before))
}

/// Times that the status records as dealt with.
struct Recorded {
    made: Option<DateTime<Utc>>,
    skipped: Option<DateTime<Utc>>,
    counted: Option<DateTime<Utc>>,
}

impl Recorded {
    fn of(status: Option<&ScheduleStatus>) -> Self {
        let made = status.and_then(|status| status.last_backup).map(Timestamp::time);
        let skipped = status.and_then(|status| status.last_skipped).map(Timestamp::time);
        let counted =
            status.and_then(|status| status.counting.as_ref()).map(|counting| counting.since.time());
        Self { made, skipped, counted }
    }

    fn latest(&self) -> Option<DateTime<Utc>> {
        self.made.max(self.skipped).max(self.counted)
    }
}

/// Returns when the newest Backup was created, by a clock that can be believed; `now` if there is
/// none.
fn newest(own: &[Arc<Backup>], now: DateTime<Utc>) -> DateTime<Utc> {
    let made = own.iter().filter_map(|backup| backup.metadata.creation_timestamp.as_ref());
    let made = made.map(|time| Timestamp::from(time).time());
    made.filter(|made| *made <= now + CLOCKS_DISAGREE).max().unwrap_or(now)
}

fn created(schedule: &Schedule) -> Option<DateTime<Utc>> {
    schedule.metadata.creation_timestamp.as_ref().map(|time| Timestamp::from(time).time())
}

fn phase(backup: &Backup) -> BackupPhase {
    backup.status.as_ref().and_then(|status| status.phase).unwrap_or_default()
}

/// Returns true if a Backup has not begun, or not ended.
pub fn is_running(backup: &Backup) -> bool {
    matches!(phase(backup), BackupPhase::New | BackupPhase::InProgress)
}

#[cfg(test)]
mod tests;
