//! What is counted of backups, and of restores likewise, by schedule.

use chrono::{DateTime, Utc};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Counters, Gauges, Histograms, by, counters, registered};

/// Velero's begin at a minute; most runs here are over by then.
const RUN_SECONDS: [f64; 11] =
    [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0];

/// The names of the metrics; Velero's differ between its backups and its restores.
pub(super) struct Names {
    run: &'static str,
    failed: &'static str,
    refused: &'static str,
}

/// Of backups.
pub(super) const BACKUP: Names = Names { run: "backup", failed: "failure", refused: "validation_failure" };
/// Of restores.
pub(super) const RESTORE: Names = Names { run: "restore", failed: "failed", refused: "validation_failed" };

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub struct RunFigures {
    /// From its begin to its end.
    pub seconds: f64,
    /// Items backed up or restored.
    pub items: u64,
    /// Errors; with one of them the run is not successful.
    pub item_errors: u64,
    /// Warnings.
    pub warnings: u64,
    /// The size of the tarball, in bytes; none for a restore.
    pub tarball_bytes: u64,
    /// When it ended.
    pub at: DateTime<Utc>,
}

/// What became of backups, or of restores. An empty schedule means that a person asked.
#[derive(Clone, Debug)]
pub struct RunMetrics {
    attempts: Counters<1>,
    successes: Counters<1>,
    partial_failures: Counters<1>,
    failures: Counters<1>,
    refusals: Counters<1>,
    warnings: Counters<1>,
    items: Gauges<1>,
    item_errors: Gauges<1>,
    tarball_bytes: Gauges<1>,
    last_status: Gauges<1>,
    last_success: Gauges<1>,
    seconds: Histograms<1>,
}

impl RunMetrics {
    pub(super) fn register(registry: &mut Registry, names: &Names) -> Self {
        let Names { run, failed, refused } = names;
        let name = |suffix: &str| format!("{run}_{suffix}");
        let r = registry;
        let count = |r: &mut Registry, suffix: &str, what: &str| {
            counters(r, &name(suffix), &format!("Number of {run}s {what}"))
        };
        let attempts = count(r, "attempt", "that were begun");
        let successes = count(r, "success", "that ended without errors");
        let partial_failures = count(r, "partial_failure", "that ended with errors");
        let failures = count(r, failed, "that came to nothing");
        let refusals = count(r, refused, "that were refused before they began");
        let warnings = counters(r, &name("warning"), &format!("Warnings of {run}s"));
        let latest = |r: &mut Registry, suffix: &str, what: &str| -> Gauges<1> {
            registered(r, &name(suffix), &format!("{what} of the latest {run}"))
        };
        let items = latest(r, "items_total", "Items");
        let item_errors = latest(r, "items_errors", "Errors");
        let tarball_bytes = latest(r, "tarball_size_bytes", "Size of the tarball");
        let last_status = latest(r, "last_status", "Success (1) or not (0)");
        let last_success = registered(
            r,
            &name("last_successful_timestamp"),
            &format!("End of the latest {run} without errors, Unix seconds"),
        );
        let seconds = Family::new_with_constructor((|| Histogram::new(RUN_SECONDS)) as fn() -> Histogram);
        r.register(name("duration_seconds"), format!("Time that {run}s took"), seconds.clone());
        Self {
            attempts,
            successes,
            partial_failures,
            failures,
            refusals,
            warnings,
            items,
            item_errors,
            tarball_bytes,
            last_status,
            last_success,
            seconds,
        }
    }

    /// One begins.
    pub fn attempted(&self, schedule: &str) {
        self.attempts.get_or_create(&by("schedule", schedule)).inc();
    }

    /// One ended without errors.
    pub fn succeeded(&self, schedule: &str) {
        self.successes.get_or_create(&by("schedule", schedule)).inc();
        self.last_status.get_or_create(&by("schedule", schedule)).set(1);
    }

    /// One ended with errors.
    pub fn partially_failed(&self, schedule: &str) {
        self.partial_failures.get_or_create(&by("schedule", schedule)).inc();
        self.last_status.get_or_create(&by("schedule", schedule)).set(0);
    }

    /// One came to nothing.
    pub fn failed(&self, schedule: &str) {
        self.failures.get_or_create(&by("schedule", schedule)).inc();
        self.last_status.get_or_create(&by("schedule", schedule)).set(0);
    }

    /// One was refused before it began.
    pub fn refused(&self, schedule: &str) {
        self.refusals.get_or_create(&by("schedule", schedule)).inc();
        self.last_status.get_or_create(&by("schedule", schedule)).set(0);
    }

    /// What one came to that ended, with errors or without.
    pub fn finished(&self, schedule: &str, figures: &RunFigures) {
        let RunFigures { seconds, items, item_errors, warnings, tarball_bytes, at } = *figures;
        let labels = by("schedule", schedule);
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.seconds.get_or_create(&labels).observe(seconds);
        self.items.get_or_create(&labels).set(number(items));
        self.item_errors.get_or_create(&labels).set(number(item_errors));
        self.warnings.get_or_create(&labels).inc_by(warnings);
        self.tarball_bytes.get_or_create(&labels).set(number(tarball_bytes));
        if item_errors == 0 {
            self.was_successful(schedule, at);
        }
    }

    /// One of which only this much is known, as after a restart of the server: it ended without errors at this time.
    pub fn was_successful(&self, schedule: &str, at: DateTime<Utc>) {
        let seconds = at.timestamp();
        let last = self.last_success.get_or_create(&by("schedule", schedule));
        if seconds > last.get() {
            last.set(seconds);
        }
    }

    /// The schedule is no longer there: nothing is said of its latest run any more, so that no alert waits for the next.
    pub fn schedule_gone(&self, schedule: &str) {
        let labels = by("schedule", schedule);
        let Self { items, item_errors, tarball_bytes, last_status, last_success, .. } = self;
        for gauges in [items, item_errors, tarball_bytes, last_status, last_success] {
            gauges.remove(&labels);
        }
    }
}
