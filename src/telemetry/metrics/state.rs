//! The state of the server at a scrape, as gauges. Pure: the caller knows the cluster.

use chrono::{DateTime, TimeDelta, Utc};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::RunFigures;
use super::series::{SeriesLabels, registered};

/// The state of the server's objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerState {
    /// The Schedules.
    pub schedules: Vec<ScheduleState>,
    /// The locations.
    pub locations: Vec<LocationState>,
    /// The outcome of the latest Backups: of each Schedule, and of those that people created.
    pub backups: Vec<LatestRun>,
    /// The outcome of the latest Restores, likewise.
    pub restores: Vec<LatestRun>,
    /// The runs that have not ended, by kind.
    pub queues: Vec<(&'static str, RunQueue)>,
    /// When the oldest deletion of a Backup that has not ended began; `None` if there is none.
    pub deleting_since: Option<DateTime<Utc>>,
}

/// The state of a Schedule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScheduleState {
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: String,
    /// Whether it is paused.
    pub paused: bool,
    /// The time from which its ticks count.
    pub since: Option<DateTime<Utc>>,
    /// The next tick that makes a Backup.
    pub next_tick: Option<DateTime<Utc>>,
    /// The longest time between two ticks these days; `None` where this server makes no scheduled
    /// Backups.
    pub interval: Option<TimeDelta>,
}

/// The state of a location.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocationState {
    /// Its name.
    pub name: String,
    /// Whether it can be used.
    pub available: bool,
    /// When it was last compared with the cluster.
    pub last_sync: Option<DateTime<Utc>>,
    /// Seconds between two comparisons.
    pub sync_period: u64,
    /// Number of runs recorded in it that have something to undo; `None` until it was listed.
    pub obligations: Option<u64>,
}

/// The outcome of the latest runs of a Schedule, or of those that people created.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatestRun {
    /// The Schedule; empty for runs that people created.
    pub schedule: String,
    /// Whether the latest run that ended achieved all that was asked for; `None` if none has ended.
    pub good: Option<bool>,
    /// The figures of the latest run that came to a result.
    pub figures: Option<RunFigures>,
    /// When the latest good run ended.
    pub last_good: Option<DateTime<Utc>>,
}

/// The queue of a kind: its runs that have not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunQueue {
    /// Number of runs that have not begun.
    pub waiting: u64,
    /// Number of runs that have begun.
    pub in_progress: u64,
    /// Since when the first run waits that has not begun.
    pub waiting_since: Option<DateTime<Utc>>,
}

impl ServerState {
    /// Returns a registry of gauges for the whole state.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("ark");
        self.tell_schedules(&mut registry);
        self.tell_locations(&mut registry);
        tell_latest(&mut registry, "backup", &self.backups);
        tell_latest(&mut registry, "restore", &self.restores);
        self.tell_queues(&mut registry);
        registry
    }

    fn tell_schedules(&self, registry: &mut Registry) {
        let by = |value: fn(&ScheduleState) -> Option<i64>| {
            self.schedules.iter().map(move |each| ([("schedule", each.name.clone())], value(each)))
        };
        let help = "The phase that the schedule is in";
        let phases = self
            .schedules
            .iter()
            .map(|each| ([("schedule", each.name.clone()), ("phase", each.phase.clone())], Some(1)));
        tell(registry, "schedule_phase", help, phases);
        let help = "Whether the schedule is paused";
        tell(registry, "schedule_paused", help, by(|each| Some(i64::from(each.paused))));
        let help =
            "From when the schedule's ticks count: its creation, last edit or end of a pause, Unix seconds";
        tell(registry, "schedule_since_timestamp", help, by(|each| seconds(each.since)));
        let help = "When the schedule makes its next backup, Unix seconds; none while it makes none";
        tell(registry, "schedule_next_tick_timestamp", help, by(|each| seconds(each.next_tick)));
        let help = "The longest time between two ticks of the schedule these days";
        tell(registry, "schedule_interval_seconds", help, by(|each| Some(each.interval?.num_seconds())));
    }

    fn tell_locations(&self, registry: &mut Registry) {
        let by = |value: fn(&LocationState) -> Option<i64>| {
            self.locations.iter().map(move |each| ([("location", each.name.clone())], value(each)))
        };
        let help = "Whether the location can be used";
        tell(registry, "location_available", help, by(|each| Some(i64::from(each.available))));
        let help = "When the location was last compared with the cluster, Unix seconds";
        tell(registry, "location_last_sync_timestamp", help, by(|each| seconds(each.last_sync)));
        let help = "Time between two comparisons of the location with the cluster";
        tell(registry, "location_sync_period_seconds", help, by(|each| Some(number(each.sync_period))));
        let help = "Runs that have changed something and have yet to undo it";
        tell(registry, "obligation_open", help, by(|each| each.obligations.map(number)));
    }

    fn tell_queues(&self, registry: &mut Registry) {
        let by = |value: fn(&RunQueue) -> Option<i64>| {
            self.queues.iter().map(move |(kind, queue)| ([("kind", (*kind).to_owned())], value(queue)))
        };
        let help = "Backups and Restores that have not begun";
        tell(registry, "runs_waiting", help, by(|queue| Some(number(queue.waiting))));
        let help = "Since when the first of them waits, Unix seconds; none when none waits";
        tell(registry, "runs_waiting_since_timestamp", help, by(|queue| seconds(queue.waiting_since)));
        let help = "Backups and Restores that run";
        tell(registry, "runs_in_progress", help, by(|queue| Some(number(queue.in_progress))));
        let help = "Since when the oldest deletion of a backup has not ended, Unix seconds; none when none is asked for";
        if let Some(since) = self.deleting_since {
            registered::<Gauge>(registry, "backup_deletion_since_timestamp", help).set(since.timestamp());
        }
    }
}

/// Registers the gauges of the latest runs; `run` is `backup` or `restore`.
fn tell_latest(registry: &mut Registry, run: &str, latest: &[LatestRun]) {
    let by = |value: fn(&LatestRun) -> Option<i64>| {
        latest.iter().map(move |each| ([("schedule", each.schedule.clone())], value(each)))
    };
    let name = |suffix: &str| format!("{run}_{suffix}");
    let help = |what: &str| format!("{what} of the latest {run}");
    let figure = |registry: &mut Registry, suffix: &str, what: &str, value| {
        tell(registry, &name(suffix), &help(what), by(value));
    };
    figure(registry, "items_total", "Items", |each| Some(number(each.figures?.items)));
    figure(registry, "items_errors", "Errors", |each| Some(number(each.figures?.item_errors)));
    if run == "backup" {
        let value = |each: &LatestRun| Some(number(each.figures?.tarball_bytes));
        figure(registry, "tarball_size_bytes", "Size of the tarball", value);
    }
    figure(registry, "last_status", "Success (1) or not (0)", |each| Some(i64::from(each.good?)));
    let help = format!("End of the latest {run} that Completed, Unix seconds");
    tell(registry, &name("last_successful_timestamp"), &help, by(|each| seconds(each.last_good)));
}

/// Registers a gauge with those of its series that have a value.
fn tell<const N: usize>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = (SeriesLabels<N>, Option<i64>)>,
) {
    let gauges: Family<SeriesLabels<N>, Gauge> = registered(registry, name, help);
    for (labels, value) in series {
        if let Some(value) = value {
            gauges.get_or_create(&labels).set(value);
        }
    }
}

fn seconds(time: Option<DateTime<Utc>>) -> Option<i64> {
    Some(time?.timestamp())
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
