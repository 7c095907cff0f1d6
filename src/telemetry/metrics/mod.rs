//! Metrics of the server, as Prometheus reads them: prefix `ark_` and Velero's suffixes, so that
//! dashboards need a change of prefix only.
//!
//! Events are counted here. State (`state`) is asked for at each scrape, so that a restart changes
//! no gauge and an object that is gone leaves no series. Labels come from closed or short lists
//! (existing Schedules and locations, verbs, codes), never from names of runs or items.

mod runs;
mod series;
mod state;

pub use runs::{RunFigures, RunMetrics};
pub use state::{LatestRun, LocationState, RunQueue, ScheduleState, ServerState};

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use series::{LabelledSeries, SeriesLabels, registered};

/// The media type of [`Metrics::exposition`].
pub const EXPOSITION_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Buckets of a sync pass in seconds: a pass is one listing when nothing changed, and takes minutes
/// when it fills an empty cluster.
const PASS_SECONDS: [f64; 9] = [0.01, 0.05, 0.2, 1.0, 3.0, 10.0, 30.0, 120.0, 600.0];

/// Returns the state at a scrape, or `None` while it is not known.
type StateSource = Box<dyn Fn() -> Option<ServerState> + Send + Sync>;
/// The phases of hooks and steps of actions, so that the first failure of each is an increase.
const HOOK_PHASES: [&str; 6] = ["pre", "post", "scale-down", "scale-up", "lock", "unlock"];
/// Buckets of a hook's duration in seconds; a hook has 30 s unless it asks for more.
const HOOK_SECONDS: [f64; 10] = [0.05, 0.2, 0.5, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

/// Buckets of the time for which a database was locked, in seconds; a cut takes a fraction of one.
const LOCK_SECONDS: [f64; 9] = [0.05, 0.1, 0.2, 0.5, 1.0, 3.0, 10.0, 60.0, 600.0];

type Counters<const N: usize> = Family<SeriesLabels<N>, Counter>;

/// All metrics of the server, shared by all controllers; counting never fails and never waits for
/// I/O.
pub struct Metrics {
    registry: Registry,
    source: OnceLock<StateSource>,
    /// Counters of backups.
    pub backups: RunMetrics,
    /// Counters of restores.
    pub restores: RunMetrics,
    deletion_attempts: LabelledSeries<Counter>,
    deletion_successes: LabelledSeries<Counter>,
    deletion_failures: LabelledSeries<Counter>,
    deletion_refusals: LabelledSeries<Counter>,
    sync_seconds: LabelledSeries<Histogram>,
    sync_created: LabelledSeries<Counter>,
    sync_deleted: LabelledSeries<Counter>,
    sync_errors: LabelledSeries<Counter>,
    gc_deleted: Counter,
    hooks: Counters<2>,
    hook_seconds: LabelledSeries<Histogram>,
    obligations_undone: Counter,
    lock_seconds: Histogram,
    locks: Gauge,
    reconcile_errors: Counters<1>,
    api_requests: Counters<2>,
    store_requests: Counters<2>,
    leader: Gauge,
    build: Family<SeriesLabels<2>, Gauge>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Creates and registers all metrics, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("ark");
        let r = &mut registry;
        let deletions = |r: &mut Registry, outcome: &str, help: &str| {
            let name = format!("backup_deletion_{outcome}");
            LabelledSeries::register(r, (name, help), "schedule", Counter::default)
        };
        let syncs = |r: &mut Registry, name: &str, help: &str| {
            LabelledSeries::register(r, (name, help), "location", Counter::default)
        };
        let hooks: Counters<2> = registered(r, "hooks", "Hooks that were run, by phase and outcome");
        for phase in HOOK_PHASES {
            for outcome in ["success", "failure"] {
                drop(hooks.get_or_create(&hook_labels(phase, outcome)));
            }
        }
        let hook_seconds = ("hook_duration_seconds", "Time that hooks took");
        let lock_seconds = Histogram::new(LOCK_SECONDS);
        r.register("lock_held_seconds", "Time for which databases were locked", lock_seconds.clone());
        let passes = ("sync_duration_seconds", "Time of one comparison of a location with the cluster");
        Self {
            source: OnceLock::new(),
            backups: RunMetrics::register(r, &runs::BACKUP),
            restores: RunMetrics::register(r, &runs::RESTORE),
            deletion_attempts: deletions(r, "attempt", "Backups that began to be deleted"),
            deletion_successes: deletions(r, "success", "Backups that were deleted"),
            deletion_failures: deletions(
                r,
                "failure",
                "Tries to delete a backup that failed; each is made again",
            ),
            deletion_refusals: deletions(r, "refusal", "Deletions of backups that were refused"),
            sync_seconds: LabelledSeries::register(r, passes, "location", || Histogram::new(PASS_SECONDS)),
            sync_created: syncs(r, "sync_created", "Objects created because a location has them"),
            sync_deleted: syncs(r, "sync_deleted", "Objects deleted because a location has them no longer"),
            sync_errors: syncs(
                r,
                "sync_errors",
                "Comparisons of a location with the cluster that failed, and runs in it that cannot be shown",
            ),
            hooks,
            hook_seconds: LabelledSeries::register(r, hook_seconds, "phase", || Histogram::new(HOOK_SECONDS)),
            obligations_undone: registered(
                r,
                "stale_locks_released",
                "Locks and other changes that were undone because the process that made them had died",
            ),
            lock_seconds,
            locks: registered(r, "locks_active", "Databases that are locked now"),
            gc_deleted: registered(r, "gc_deleted", "Expired backups that were asked to be deleted"),
            reconcile_errors: registered(r, "reconcile_errors", "Tries of a controller that failed, by kind"),
            api_requests: registered(r, "api_requests", "Calls to the API server, by verb and code"),
            store_requests: registered(r, "store_requests", "Acts on buckets, by outcome"),
            leader: registered(r, "leader", "Whether this server acts; the others stand by"),
            build: registered(r, "build_info", "Which Ark it is, and which format it writes"),
            registry,
        }
    }

    /// Sets the source of the state, which each scrape asks from now on. The first source that was
    /// given stays.
    pub fn observe(&self, source: impl Fn() -> Option<ServerState> + Send + Sync + 'static) {
        let _: Result<(), StateSource> = self.source.set(Box::new(source));
    }

    /// Returns all metrics as Prometheus reads them, of the media type [`EXPOSITION_TYPE`].
    ///
    /// # Errors
    /// Never in practice: writing into a string does not fail.
    pub fn exposition(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        if let Some(state) = self.source.get().and_then(|source| source()) {
            self.keep(&state);
            encode_registry(&mut text, &state.registry())?;
        }
        encode_registry(&mut text, &self.registry)?;
        encode_eof(&mut text)?;
        Ok(text)
    }

    /// Gives every existing Schedule and location its series, from zero, so that its first event is
    /// an increase; drops the series of those that are gone.
    fn keep(&self, state: &ServerState) {
        // The empty name stands for runs that no Schedule made.
        let named = state.schedules.iter().map(|schedule| schedule.name.as_str());
        let schedules: BTreeSet<_> = named.chain([""]).collect();
        let locations: BTreeSet<_> = state.locations.iter().map(|location| location.name.as_str()).collect();
        self.backups.keep(&schedules);
        self.restores.keep(&schedules);
        let Self { deletion_attempts, deletion_successes, deletion_failures, deletion_refusals, .. } = self;
        for counters in [deletion_attempts, deletion_successes, deletion_failures, deletion_refusals] {
            counters.keep(&schedules);
        }
        for counters in [&self.sync_created, &self.sync_deleted, &self.sync_errors] {
            counters.keep(&locations);
        }
        self.sync_seconds.drop_all_but(&locations);
    }

    /// Records the version of Ark and of the format that it writes.
    pub fn build(&self, version: &str, format: &str) {
        self.build.get_or_create(&[("version", version.to_owned()), ("format", format.to_owned())]).set(1);
    }

    /// Counts that the deletion of a Backup begins. `schedule` is the Schedule that made the
    /// Backup; empty: none.
    pub fn deletion_attempted(&self, schedule: &str) {
        self.deletion_attempts.of(schedule).inc();
    }

    /// Counts that a Backup was deleted.
    pub fn deletion_succeeded(&self, schedule: &str) {
        self.deletion_successes.of(schedule).inc();
    }

    /// Counts that a try to delete a Backup failed.
    pub fn deletion_failed(&self, schedule: &str) {
        self.deletion_failures.of(schedule).inc();
    }

    /// Counts that the deletion of a Backup was refused.
    pub fn deletion_refused(&self, schedule: &str) {
        self.deletion_refusals.of(schedule).inc();
    }

    /// Records that a location was compared with the cluster in so many seconds.
    pub fn sync_pass(&self, location: &str, seconds: f64) {
        self.sync_seconds.of(location).observe(seconds);
    }

    /// Counts objects that were created because the location has them.
    pub fn sync_created(&self, location: &str, number: u64) {
        self.sync_created.of(location).inc_by(number);
    }

    /// Counts objects that were deleted because the location has them no longer.
    pub fn sync_deleted(&self, location: &str, number: u64) {
        self.sync_deleted.of(location).inc_by(number);
    }

    /// Counts that a location could not be compared with the cluster, or not completely.
    pub fn sync_failed(&self, location: &str) {
        self.sync_errors.of(location).inc();
    }

    /// Counts expired backups whose deletion was requested.
    pub fn gc_deleted(&self, number: u64) {
        self.gc_deleted.inc_by(number);
    }

    /// Counts a hook, or a step of an action, that was run in `phase` and took so many seconds.
    pub fn hook_ran(&self, phase: &str, succeeded: bool, seconds: f64) {
        let outcome = if succeeded { "success" } else { "failure" };
        self.hooks.get_or_create(&hook_labels(phase, outcome)).inc();
        self.hook_seconds.of(phase).observe(seconds);
    }

    /// Counts a database that is locked from now on.
    pub fn lock_taken(&self) {
        self.locks.inc();
    }

    /// Records for how many seconds a database was locked.
    pub fn lock_held(&self, seconds: f64) {
        self.lock_seconds.observe(seconds);
    }

    /// Counts a database no longer as locked.
    pub fn lock_ended(&self) {
        self.locks.dec();
    }

    /// Counts that a controller failed on an object of this kind; it will try again.
    pub fn reconcile_failed(&self, kind: &str) {
        self.reconcile_errors.get_or_create(&[("kind", kind.to_owned())]).inc();
    }

    /// Counts a call to the API server; `code` is the status code of the answer, or a word if there
    /// was none.
    pub fn api_request(&self, verb: &str, code: &str) {
        self.api_requests.get_or_create(&[("verb", verb.to_owned()), ("code", code.to_owned())]).inc();
    }

    /// Counts a change that was undone because the process that made it had died.
    pub fn obligation_undone(&self) {
        self.obligations_undone.inc();
    }

    /// Counts a call to a bucket.
    pub fn store_request(&self, op: &str, outcome: &str) {
        self.store_requests.get_or_create(&[("op", op.to_owned()), ("outcome", outcome.to_owned())]).inc();
    }

    /// Records whether this server is the leader.
    pub fn leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }
}

fn hook_labels(phase: &str, outcome: &str) -> SeriesLabels<2> {
    [("phase", phase.to_owned()), ("outcome", outcome.to_owned())]
}

#[cfg(test)]
mod tests;
