//! What the server counts, and how Prometheus reads it: `ark_` and Velero's suffixes, so that dashboards need a prefix change.
//!
//! Labels come from closed or short lists (schedules, locations, verbs, codes), never from names of runs or items.

mod runs;

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use runs::{RunFigures, RunMetrics};

/// The media type of [`Metrics::exposition`].
pub const EXPOSITION_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A pass is one listing when nothing changed, and minutes when it fills an empty cluster.
const PASS_SECONDS: [f64; 9] = [0.01, 0.05, 0.2, 1.0, 3.0, 10.0, 30.0, 120.0, 600.0];

type Labels<const N: usize> = [(&'static str, String); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Gauges<const N: usize> = Family<Labels<N>, Gauge>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Everything that the server counts. Shared by all controllers; counting never blocks and never fails.
pub struct Metrics {
    registry: Registry,
    /// What became of backups.
    pub backups: RunMetrics,
    /// What became of restores.
    pub restores: RunMetrics,
    deletion_attempts: Counters<1>,
    deletion_successes: Counters<1>,
    deletion_failures: Counters<1>,
    sync_seconds: Histograms<1>,
    sync_created: Counters<1>,
    sync_deleted: Counters<1>,
    sync_errors: Counters<1>,
    gc_deleted: Counter,
    location_available: Gauges<1>,
    reconcile_errors: Counters<1>,
    api_requests: Counters<2>,
    store_requests: Counters<2>,
    obligation_open: Gauges<1>,
    leader: Gauge,
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
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("ark");
        let r = &mut registry;
        let backups = RunMetrics::register(r, &runs::BACKUP);
        let restores = RunMetrics::register(r, &runs::RESTORE);
        let deletion_attempts =
            counters(r, "backup_deletion_attempt", "Backups that were asked to be deleted");
        let deletion_successes = counters(r, "backup_deletion_success", "Backups that were deleted");
        let deletion_failures = counters(r, "backup_deletion_failure", "Deletions of backups that failed");
        let sync_seconds =
            Family::new_with_constructor((|| Histogram::new(PASS_SECONDS)) as fn() -> Histogram);
        r.register(
            "sync_duration_seconds",
            "Time of one comparison of a location with the cluster",
            sync_seconds.clone(),
        );
        let sync_created = counters(r, "sync_created", "Objects created because a location has them");
        let sync_deleted =
            counters(r, "sync_deleted", "Objects deleted because a location has them no longer");
        let sync_errors =
            counters(r, "sync_errors", "Comparisons of a location with the cluster that failed");
        let gc_deleted = registered(r, "gc_deleted", "Expired backups that were asked to be deleted");
        let location_available = registered(r, "location_available", "Whether a location can be used");
        let reconcile_errors = counters(r, "reconcile_errors", "Tries of a controller that failed, by kind");
        let api_requests = counters(r, "api_requests", "Calls to the API server, by verb and code");
        let store_requests = counters(r, "store_requests", "Acts on buckets, by outcome");
        let obligation_open =
            registered(r, "obligation_open", "What a backup or restore changed and has yet to undo");
        let leader = registered(r, "leader", "Whether this server acts; the others stand by");
        Self {
            registry,
            backups,
            restores,
            deletion_attempts,
            deletion_successes,
            deletion_failures,
            sync_seconds,
            sync_created,
            sync_deleted,
            sync_errors,
            gc_deleted,
            location_available,
            reconcile_errors,
            api_requests,
            store_requests,
            obligation_open,
            leader,
        }
    }

    /// All of it as Prometheus reads it, of the type [`EXPOSITION_TYPE`].
    ///
    /// # Errors
    /// Never in practice: writing into a string does not fail.
    pub fn exposition(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Somebody asked for a backup of this schedule (empty: none) to be deleted.
    pub fn deletion_attempted(&self, schedule: &str) {
        self.deletion_attempts.get_or_create(&by("schedule", schedule)).inc();
    }

    /// It is gone.
    pub fn deletion_succeeded(&self, schedule: &str) {
        self.deletion_successes.get_or_create(&by("schedule", schedule)).inc();
    }

    /// It could not be deleted, this time.
    pub fn deletion_failed(&self, schedule: &str) {
        self.deletion_failures.get_or_create(&by("schedule", schedule)).inc();
    }

    /// A location was compared with the cluster in so many seconds.
    pub fn sync_pass(&self, location: &str, seconds: f64) {
        self.sync_seconds.get_or_create(&by("location", location)).observe(seconds);
    }

    /// So many objects were created because the location has them.
    pub fn sync_created(&self, location: &str, number: u64) {
        self.sync_created.get_or_create(&by("location", location)).inc_by(number);
    }

    /// So many objects were deleted because the location has them no longer.
    pub fn sync_deleted(&self, location: &str, number: u64) {
        self.sync_deleted.get_or_create(&by("location", location)).inc_by(number);
    }

    /// A location could not be compared with the cluster, or not all of it.
    pub fn sync_failed(&self, location: &str) {
        self.sync_errors.get_or_create(&by("location", location)).inc();
    }

    /// So many expired backups were asked to be deleted.
    pub fn gc_deleted(&self, number: u64) {
        self.gc_deleted.inc_by(number);
    }

    /// Whether a location can be used.
    pub fn location_available(&self, location: &str, available: bool) {
        self.location_available.get_or_create(&by("location", location)).set(i64::from(available));
    }

    /// The location is no longer there: nothing more is said of it.
    pub fn location_gone(&self, location: &str) {
        self.location_available.remove(&by("location", location));
        self.obligation_open.remove(&by("location", location));
    }

    /// A controller failed on an object of this kind, and will try again.
    pub fn reconcile_failed(&self, kind: &str) {
        self.reconcile_errors.get_or_create(&by("kind", kind)).inc();
    }

    /// The API server was called; `code` is its answer's, or a word when there was none.
    pub fn api_request(&self, verb: &str, code: &str) {
        self.api_requests.get_or_create(&[("verb", verb.to_owned()), ("code", code.to_owned())]).inc();
    }

    /// A bucket was called.
    pub fn store_request(&self, op: &str, outcome: &str) {
        self.store_requests.get_or_create(&[("op", op.to_owned()), ("outcome", outcome.to_owned())]).inc();
    }

    /// How many things a location says have been changed and must be undone; the number that was known before.
    pub fn obligation_open(&self, location: &str, number: u64) -> u64 {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let before = self.obligation_open.get_or_create(&by("location", location)).set(number);
        u64::try_from(before).unwrap_or_default()
    }

    /// Whether this server acts.
    pub fn leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }
}

fn by(label: &'static str, value: &str) -> Labels<1> {
    [(label, value.to_owned())]
}

fn registered<M>(registry: &mut Registry, name: &str, help: &str) -> M
where
    M: prometheus_client::registry::Metric + Clone + Default,
{
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn counters<const N: usize>(registry: &mut Registry, name: &str, help: &str) -> Counters<N> {
    registered(registry, name, help)
}

#[cfg(test)]
#[path = "metrics/tests.rs"]
mod tests;
