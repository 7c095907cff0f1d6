//! State for the metrics, derived from the caches at each scrape. A restart loses nothing, and
//! deleted objects vanish.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use kube::ResourceExt as _;

use super::context::Context;
use super::runs::{RunResource, Stage};
use super::{schedule, sync};
use crate::api::{
    Backup, BackupPhase, BackupStorageLocation, DELETION, DeletePhase, LocationPhase, NAME_TAKEN, Restore,
    SYNCED_FROM, Timestamp, holding,
};
use crate::telemetry::{LatestRun, LocationState, RunQueue, ServerState};

/// Lets scrapes observe the caches from now on. Call only after the caches are filled: an object
/// that a cache does not hold yet would pass for deleted.
pub fn tell(context: &Arc<Context>) {
    let context_then = Arc::downgrade(context);
    context.metrics.observe(move || Some(observe(&*context_then.upgrade()?, Utc::now())));
}

/// Returns the state of the server from its caches. Sends no request.
fn observe(context: &Context, now: DateTime<Utc>) -> ServerState {
    let caches = &context.caches;
    let (backups, restores) = (caches.backups.state(), caches.restores.state());
    let schedules = schedule::with_own(context, &backups);
    let mut latest_backups =
        vec![latest(String::new(), backups.iter().filter(|each| is_people_s(each)), now)];
    let mut latest_restores =
        vec![latest(String::new(), restores.iter().filter(|each| is_people_s(each)), now)];
    for (schedule, own) in &schedules {
        let name = schedule.name_any();
        let meant = restores
            .iter()
            .filter(|each| is_here(&***each) && each.spec.schedule_name.as_ref() == Some(&name));
        latest_restores.push(latest(name.clone(), meant, now));
        latest_backups.push(latest(name, own.iter(), now));
    }
    ServerState {
        schedules: schedules.iter().map(|(each, _)| schedule::state_of(context, each, now)).collect(),
        locations: caches.locations.state().iter().filter_map(|each| location(context, each)).collect(),
        backups: latest_backups,
        restores: latest_restores,
        queues: vec![("Backup", queue::<Backup>(&backups)), ("Restore", queue::<Restore>(&restores))],
        deleting_since: deleting_since(context),
    }
}

/// Returns the outcome of the latest of these runs, and when the last good one ended.
fn latest<'a, K: RunResource>(
    schedule: String,
    runs: impl Iterator<Item = &'a Arc<K>>,
    now: DateTime<Utc>,
) -> LatestRun {
    let is_scheduled = !schedule.is_empty();
    let mut over: Vec<_> = runs
        .map(|run| (run, run.state()))
        // A Backup that is being deleted is left out, and one that lost its name: it is made again
        // under another.
        .filter(|(run, state)| {
            state.stage == Stage::Over
                && state.phase != "Deleting"
                && !(is_scheduled && has_lost_name(&***run))
        })
        .collect();
    over.sort_by_key(|(run, _)| (run.begun(), run.name_any()));
    let is_good = |phase: &str| phase == "Completed";
    let good = over.last().map(|(_, state)| is_good(&state.phase));
    let came_to_something = |phase: &str| is_good(phase) || phase == "PartiallyFailed";
    let figures = over.iter().rfind(|(_, state)| came_to_something(&state.phase));
    let figures = figures.map(|(run, _)| run.figures());
    // A time in the future would hide for long that there is no newer good one.
    let ended = |run: &K| run.figures().ended.filter(|ended| *ended <= now).or_else(|| run.begun());
    let last_good =
        over.iter().filter(|(_, state)| is_good(&state.phase)).filter_map(|(run, _)| ended(run)).max();
    LatestRun { schedule, good, figures, last_good }
}

fn has_lost_name<K: RunResource>(run: &K) -> bool {
    run.conditions().iter().any(|each| each.type_ == NAME_TAKEN && each.status == "True")
}

/// Returns true if the run was asked for in this cluster.
fn is_here<K: RunResource>(run: &K) -> bool {
    !run.annotations().contains_key(SYNCED_FROM)
}

/// Returns true if a person asked for the run. Runs of a Schedule that no longer exists appear
/// under no name.
fn is_people_s<K: RunResource>(run: &Arc<K>) -> bool {
    is_here(&**run) && !run.is_scheduled()
}

/// Counts the runs of this cluster that wait or are in progress.
fn queue<K: RunResource>(runs: &[Arc<K>]) -> RunQueue {
    let mut queue = RunQueue::default();
    for run in runs.iter().filter(|run| is_here(&***run) && run.meta().deletion_timestamp.is_none()) {
        match run.state().stage {
            Stage::New => {
                queue.waiting += 1;
                let since = run.meta().creation_timestamp.as_ref().map(|time| Timestamp::from(time).time());
                queue.waiting_since = queue.waiting_since.into_iter().chain(since).min();
            }
            Stage::Begun => queue.in_progress += 1,
            Stage::Over => {}
        }
    }
    queue
}

/// Returns the state of a location; `None` if it is being deleted.
fn location(context: &Context, location: &BackupStorageLocation) -> Option<LocationState> {
    if location.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let status = location.status.as_ref();
    Some(LocationState {
        name: location.name_any(),
        available: status.and_then(|status| status.phase) == Some(LocationPhase::Available),
        last_sync: status.and_then(|status| status.last_synced_time).map(Timestamp::time),
        sync_period: sync::period(context, location).as_secs(),
        obligations: location.metadata.uid.as_deref().and_then(|uid| context.obligations.of(uid)),
    })
}

/// Returns since when the oldest deletion is open, requested or begun; `None` if there is none.
/// Deleting a request stops nothing that was begun.
fn deleting_since(context: &Context) -> Option<DateTime<Utc>> {
    let backups = context.caches.backups.state();
    let begun = backups.iter().filter_map(|backup| {
        let status = backup.status.as_ref()?;
        let is_begun =
            status.phase == Some(BackupPhase::Deleting) && backup.metadata.deletion_timestamp.is_none();
        holding(&status.conditions, DELETION).filter(|_| is_begun).map(|begun| &begun.last_transition_time)
    });
    let requests = context.caches.deletions.state();
    let open = requests.iter().filter(|request| {
        request.status.as_ref().and_then(|status| status.phase) != Some(DeletePhase::Processed)
    });
    let asked_for = open.filter_map(|request| request.metadata.creation_timestamp.as_ref());
    asked_for.chain(begun).map(|time| Timestamp::from(time).time()).min()
}

#[cfg(test)]
mod tests;
