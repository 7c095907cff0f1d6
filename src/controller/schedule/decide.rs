//! What is to be done about a Schedule now: make a backup, skip a tick, wait. Pure.
//!
//! A tick is made once because it is recorded, and because the Backup's name follows from it. Of several ticks that went
//! by unseen, the last one is made. A record that lies further ahead than clocks ever disagree was written while a clock
//! was wrong; it is put right, as else nothing would be made until that time comes.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::{
    Backup, BackupPhase, ConcurrencyPolicy, Cron, SCHEDULE_NAME_LABEL, SYNCED_FROM, Schedule, ScheduleSpec,
    ScheduleStatus, Timestamp, label_value,
};

/// Clocks of one cluster do not disagree by more than this; neither does a clock that was set right go back further unseen.
const CLOCKS_DISAGREE: TimeDelta = TimeDelta::hours(1);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It goes, with its namespace or by itself.
    Leave,
    /// The specification is wrong: all that is wrong with it.
    Refuse(Vec<String>),
    /// The last ticks were recorded while a clock was wrong: record this one instead.
    Correct(DateTime<Utc>),
    /// Make the Backup of this tick.
    Make(DateTime<Utc>),
    /// Record that nothing is made for this tick.
    Skip(DateTime<Utc>, Why),
    /// Nothing now; the next tick, where there is one.
    Wait(Option<DateTime<Utc>>),
}

/// Why a tick is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The Schedule is paused.
    Paused,
    /// This Backup has not ended.
    Running(String),
}

/// Whether a Backup is one that the Schedule made in this cluster. One that was synced from another cluster, which may well
/// have a Schedule of the same name, is neither counted nor removed; one that was synced back into its own cluster is.
pub fn is_own(backup: &Backup, schedule: &str, cluster: &str) -> bool {
    let metadata = &backup.metadata;
    let label = metadata.labels.as_ref().and_then(|labels| labels.get(SCHEDULE_NAME_LABEL));
    let synced =
        metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(SYNCED_FROM));
    let origin = backup.status.as_ref().and_then(|status| status.cluster.as_ref());
    label == Some(&label_value(schedule)) && (!synced || origin.is_some_and(|origin| origin.uid == cluster))
}

/// Decides; `own` are the Backups that the Schedule made in this cluster.
pub fn decide(schedule: &Schedule, own: &[Arc<Backup>], now: DateTime<Utc>) -> Step {
    if schedule.metadata.deletion_timestamp.is_some() {
        return Step::Leave;
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
        _ => return Step::Refuse(wrong.iter().map(ToString::to_string).collect()),
    };
    let since = created(schedule).unwrap_or(now);
    let recorded = Recorded::of(schedule.status.as_ref());
    if recorded.latest().is_some_and(|latest| latest > now + CLOCKS_DISAGREE) {
        return Step::Correct(newest(own, now));
    }
    let from = recorded.latest().unwrap_or(since);
    let due = cron.latest(since, now).filter(|tick| *tick > from);
    let wait = Step::Wait(cron.next(since, now.max(from)));
    if *paused == Some(true) {
        return due.map_or(wait, |tick| Step::Skip(tick, Why::Paused));
    }
    let is_first = recorded.made.is_none() && *skip_immediately != Some(true);
    let Some(tick) = due.or_else(|| is_first.then_some(from)) else { return wait };
    let name = backup_name(schedule, tick);
    if own.iter().any(|backup| backup.metadata.name.as_ref() == Some(&name)) {
        return Step::Make(tick); // it was, and is not recorded
    }
    let running = match concurrency_policy.unwrap_or_default() {
        ConcurrencyPolicy::Forbid => own.iter().find(|backup| is_running(backup)),
        ConcurrencyPolicy::Allow => None,
    };
    match running.map(|backup| backup.metadata.name.clone().unwrap_or_default()) {
        None => Step::Make(tick),
        Some(running) if due.is_some() => Step::Skip(tick, Why::Running(running)),
        Some(_) => wait,
    }
}

/// The name of the Backup of a tick. It follows from the tick, so that a tick is never made twice.
pub fn backup_name(schedule: &Schedule, tick: DateTime<Utc>) -> String {
    let name = schedule.metadata.name.as_deref().unwrap_or_default();
    format!("{name}-{}", tick.format("%Y%m%d%H%M%S"))
}

/// The first tick after an instant.
pub fn next_tick(schedule: &Schedule, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    schedule.spec.schedule.parse::<Cron>().ok()?.next(created(schedule).unwrap_or(after), after)
}

/// What the status says has been dealt with.
struct Recorded {
    made: Option<DateTime<Utc>>,
    skipped: Option<DateTime<Utc>>,
}

impl Recorded {
    fn of(status: Option<&ScheduleStatus>) -> Self {
        let made = status.and_then(|status| status.last_backup).map(Timestamp::time);
        let skipped = status.and_then(|status| status.last_skipped).map(Timestamp::time);
        Self { made, skipped }
    }

    fn latest(&self) -> Option<DateTime<Utc>> {
        self.made.max(self.skipped)
    }
}

/// When the newest Backup was made, by a clock that can be believed; now, when there is none.
fn newest(own: &[Arc<Backup>], now: DateTime<Utc>) -> DateTime<Utc> {
    let made = own.iter().filter_map(|backup| backup.metadata.creation_timestamp.as_ref());
    let made = made.map(|time| Timestamp::from(time).time());
    made.filter(|made| *made <= now + CLOCKS_DISAGREE).max().unwrap_or(now)
}

fn created(schedule: &Schedule) -> Option<DateTime<Utc>> {
    schedule.metadata.creation_timestamp.as_ref().map(|time| Timestamp::from(time).time())
}

/// Whether a Backup has not ended, or not begun.
pub fn is_running(backup: &Backup) -> bool {
    let phase = backup.status.as_ref().and_then(|status| status.phase).unwrap_or_default();
    matches!(phase, BackupPhase::New | BackupPhase::InProgress)
}

#[cfg(test)]
#[path = "decide/tests.rs"]
mod tests;
