//! Schedules: when to make a backup, and which backups to remove.
//!
//! A Schedule is reconciled when its specification changes, at each of its ticks, and at least once
//! a minute, so that a clock that was set is noticed soon. `own` says which Backups are the
//! Schedule's, `decide` (pure) returns the next step, `make`, `record` and
//! `refuse` execute it, `retention` selects what has been kept long enough. `delete` removes.

mod decide;
mod make;
mod own;
mod record;
mod refuse;
mod retention;

pub use make::mark_with_schedule;
pub use own::{CLOCKS_DISAGREE, Goodness, begun, goodness, maker};

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use kube::ResourceExt as _;
use kube::runtime::controller::Action;

use super::buckets::objection_to_length;
use super::context::Context;
use super::delete::{self, DeletionReason};
use super::error::ControllerError;
use super::settings::Settings;
use super::watch::drive::drive;
use super::watch::news::news_of;
use super::watch::watches::Watch;
use crate::api::{Backup, Schedule, name_at};
use crate::telemetry::ScheduleState;
use decide::ScheduleStep;
use own::Ownership;

/// Longest pause between two looks: clocks may be set, and Backups that count for retention may
/// end, at any time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Pause while a Backup runs: what retention removes because of it should go soon after its end,
/// and one that loses its name is made again.
const RUNNING_PAUSE: Duration = Duration::from_secs(5);
/// Shortest pause: a tick that has just become due must not turn the loop hot.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Number of removals that one look asks for; the rest waits for the next look.
const MOST_REMOVALS: usize = 32;

/// Reconciles Schedules until the server stops.
pub async fn run(context: Arc<Context>, watched: Watch<Schedule>) {
    drive(context, watched, |schedule| news_of(schedule, ()), reconcile).await;
}

/// Fills the cache of Schedules without acting on them: a server that makes no backups needs to
/// know, too, which Schedule a Backup belongs to.
pub async fn watch(context: Arc<Context>, watched: Watch<Schedule>) {
    let watching = watched.events.for_each(|_| std::future::ready(()));
    tokio::select! {
        () = context.stop.cancelled() => {}
        () = watching => {}
    }
}

/// Returns the name of the Schedule that made a Backup, as a label of metrics; empty unless that
/// Schedule exists. Labels of the object are not used: they may say anything.
pub fn label_of(context: &Context, backup: &Backup) -> String {
    let Some(uid) = maker(backup) else { return String::new() };
    let schedule = context.caches.schedules.find(|schedule| schedule.metadata.uid.as_deref() == Some(uid));
    schedule.map(|schedule| schedule.name_any()).unwrap_or_default()
}

/// Returns the name of a Schedule as a label of metrics; empty unless it exists.
pub fn label_named(context: &Context, schedule: &str) -> String {
    let there = context.caches.schedules.find(|known| known.metadata.name.as_deref() == Some(schedule));
    there.map(|_| schedule.to_owned()).unwrap_or_default()
}

/// Returns the newest good Backup of each existing Schedule, with the Schedule's name.
pub fn last_good(context: &Context) -> Vec<(Arc<Backup>, String)> {
    let newest = |(schedule, own): &(Arc<Schedule>, Vec<Arc<Backup>>)| {
        let good = owned(context, schedule, |ownership| ownership.last_good(own))?;
        Some((good, schedule.name_any()))
    };
    with_own(context, &context.caches.backups.state()).iter().filter_map(newest).collect()
}

/// Returns each existing Schedule with those of the Backups that it made in this cluster.
pub fn with_own(context: &Context, backups: &[Arc<Backup>]) -> Vec<(Arc<Schedule>, Vec<Arc<Backup>>)> {
    let mut made: HashMap<&str, Vec<&Arc<Backup>>> = HashMap::new();
    for backup in backups {
        if let Some(uid) = maker(backup) {
            made.entry(uid).or_default().push(backup);
        }
    }
    let with_own = |schedule: Arc<Schedule>| {
        let made = schedule.metadata.uid.as_deref().and_then(|uid| made.get(uid)).into_iter().flatten();
        let own = owned(context, &schedule, |ownership| {
            made.filter(|backup| ownership.is_own(backup)).map(|backup| Arc::clone(backup)).collect()
        });
        (schedule, own)
    };
    context.caches.schedules.state().into_iter().map(with_own).collect()
}

/// Returns the state of a Schedule for the metrics.
pub fn state_of(context: &Context, schedule: &Schedule, now: DateTime<Utc>) -> ScheduleState {
    let Settings { restore_only, disable_schedules, .. } = context.settings;
    let status = schedule.status.as_ref();
    let phase = status.and_then(|status| status.phase).unwrap_or_default();
    let paused = schedule.spec.paused == Some(true);
    let ticks = !paused && !restore_only && !disable_schedules && schedule.spec.validate().is_empty();
    ScheduleState {
        name: schedule.name_any(),
        phase: format!("{phase:?}"), // the variants are named as the API server spells them
        paused,
        since: decide::counts_from(schedule),
        next_tick: if ticks { decide::next_tick(schedule, now) } else { None },
        interval: if restore_only || disable_schedules { None } else { decide::interval(schedule, now) },
    }
}

async fn reconcile(schedule: Arc<Schedule>, context: Arc<Context>) -> Result<Action, ControllerError> {
    match decide_and_act(&schedule, &context).await {
        // Somebody changed the Schedule meanwhile: it is read again.
        Err(error) if error.is_conflict() => Ok(Action::requeue(SHORTEST_PAUSE)),
        done => done,
    }
}

/// Decides on a step, executes it, applies retention, and returns when to look again.
async fn decide_and_act(schedule: &Schedule, context: &Context) -> Result<Action, ControllerError> {
    let own = own(context, schedule);
    let now = Utc::now();
    let place = context.locations.find(schedule.spec.template.storage_location.as_deref());
    let longest = name_at(&schedule.name_any(), now).len();
    let too_long = place.and_then(|place| objection_to_length(&place, longest));
    let too_long = too_long.map(|why| format!("metadata.name: of its backups, {why}"));
    let step = decide::decide(schedule, &own, now).unless(too_long);
    tracing::debug!(kind = "Schedule", name = schedule.name_any(), ?step, "decided");
    match &step {
        ScheduleStep::Leave => return Ok(Action::await_change()),
        ScheduleStep::Refuse(errors) => {
            refuse::refuse(context, schedule, errors).await?;
            // Another location may become the default, which no event of this Schedule announces.
            return Ok(Action::requeue(LONGEST_PAUSE));
        }
        ScheduleStep::Count(counting) => {
            let is_kept = refuse::count(context, schedule, counting).await?;
            return Ok(Action::requeue(if is_kept { SHORTEST_PAUSE } else { LONGEST_PAUSE }));
        }
        ScheduleStep::Correct(last) => record::correct(context, schedule, *last).await?,
        ScheduleStep::Finish(pending) => make::finish(context, schedule, pending).await?,
        ScheduleStep::Again(again) => make::again(context, schedule, again).await?,
        ScheduleStep::Make(tick) => make::backup(context, schedule, *tick).await?,
        ScheduleStep::Skip(tick, why) => record::skip(context, schedule, *tick, why).await?,
        ScheduleStep::Wait(_) => record::enable(context, schedule).await?,
    }
    retire(context, schedule, &own).await?;
    let made = matches!(step, ScheduleStep::Make(_) | ScheduleStep::Again(_) | ScheduleStep::Finish(_));
    let running = made || own.iter().any(|backup| decide::is_running(backup));
    let longest = if running { RUNNING_PAUSE } else { LONGEST_PAUSE };
    let next = match step {
        ScheduleStep::Wait(next) => next,
        ScheduleStep::Make(tick) | ScheduleStep::Skip(tick, _) => {
            decide::next_tick(schedule, tick.max(Utc::now()))
        }
        _ => None,
    };
    let pause = next.and_then(|next| next.signed_duration_since(Utc::now()).to_std().ok());
    Ok(Action::requeue(pause.unwrap_or(longest).clamp(SHORTEST_PAUSE, longest)))
}

/// Returns the Backups that the Schedule made in this cluster.
fn own(context: &Context, schedule: &Schedule) -> Vec<Arc<Backup>> {
    let mut backups = context.caches.backups.state();
    owned(context, schedule, |ownership| backups.retain(|backup| ownership.is_own(backup)));
    backups
}

/// Calls `ask` with what decides whether a Backup is the Schedule's own.
fn owned<T>(context: &Context, schedule: &Schedule, ask: impl FnOnce(Ownership<'_>) -> T) -> T {
    let location = context.locations.find(schedule.spec.template.storage_location.as_deref());
    let cluster = &context.identity.uid;
    ask(Ownership { schedule, cluster, location: location.as_deref(), now: Utc::now() })
}

/// Asks for the removal of what has been kept long enough. Does nothing for a paused Schedule.
async fn retire(context: &Context, schedule: &Schedule, own: &[Arc<Backup>]) -> Result<(), ControllerError> {
    let Some(retention) = &schedule.spec.retention else { return Ok(()) };
    if schedule.spec.paused == Some(true) {
        return Ok(());
    }
    let kept = owned(context, schedule, |ownership| {
        own.iter().map(AsRef::as_ref).filter(|backup| ownership.is_kept(backup)).collect::<Vec<&Backup>>()
    });
    let surplus = retention::surplus(retention, kept, Utc::now());
    let removable = surplus.into_iter().filter(|backup| delete::is_removable(context, backup));
    for backup in removable.take(MOST_REMOVALS) {
        delete::ask(context, backup, DeletionReason::Retention).await?;
    }
    Ok(())
}
