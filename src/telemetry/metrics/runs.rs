//! What is counted of backups, and of restores likewise, by schedule.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::series::LabelledSeries;

/// Velero's begin at a minute; most runs here are over by then.
const RUN_SECONDS: [f64; 11] =
    [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0];

/// The names of the metrics; Velero's differ between its backups and its restores.
pub(super) struct MetricNames {
    run: &'static str,
    failed: &'static str,
    refused: &'static str,
}

/// Of backups.
pub(super) const BACKUP: MetricNames =
    MetricNames { run: "backup", failed: "failure", refused: "validation_failure" };
/// Of restores.
pub(super) const RESTORE: MetricNames =
    MetricNames { run: "restore", failed: "failed", refused: "validation_failed" };

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunFigures {
    /// From its begin to its end.
    pub seconds: f64,
    /// Items backed up or restored.
    pub items: u64,
    /// Errors.
    pub item_errors: u64,
    /// Warnings.
    pub warnings: u64,
    /// The size of the tarball, in bytes; none for a restore.
    pub tarball_bytes: u64,
    /// When it ended, where it says so.
    pub ended: Option<DateTime<Utc>>,
}

/// What became of backups, or of restores. An empty schedule means that a person asked.
#[derive(Debug)]
pub struct RunMetrics {
    attempts: LabelledSeries<Counter>,
    successes: LabelledSeries<Counter>,
    partial_failures: LabelledSeries<Counter>,
    failures: LabelledSeries<Counter>,
    refusals: LabelledSeries<Counter>,
    warnings: LabelledSeries<Counter>,
    seconds: LabelledSeries<Histogram>,
}

impl RunMetrics {
    pub(super) fn register(registry: &mut Registry, names: &MetricNames) -> Self {
        let MetricNames { run, failed, refused } = names;
        let r = registry;
        let count = |r: &mut Registry, suffix: &str, help: String| {
            LabelledSeries::register(r, (format!("{run}_{suffix}"), help), "schedule", Counter::default)
        };
        let runs =
            |r: &mut Registry, suffix: &str, what: &str| count(r, suffix, format!("Number of {run}s {what}"));
        let seconds = (format!("{run}_duration_seconds"), format!("Time that {run}s took"));
        Self {
            attempts: runs(r, "attempt", "that were begun"),
            successes: runs(r, "success", "that ended without errors"),
            partial_failures: runs(r, "partial_failure", "that ended with errors"),
            failures: runs(r, failed, "that came to nothing"),
            refusals: runs(r, refused, "that were refused before they began"),
            warnings: count(r, "warning", format!("Warnings of {run}s")),
            seconds: LabelledSeries::register(r, seconds, "schedule", || Histogram::new(RUN_SECONDS)),
        }
    }

    /// One begins.
    pub fn attempted(&self, schedule: &str) {
        self.attempts.of(schedule).inc();
    }

    /// One ended without errors.
    pub fn succeeded(&self, schedule: &str) {
        self.successes.of(schedule).inc();
    }

    /// One ended with errors.
    pub fn partially_failed(&self, schedule: &str) {
        self.partial_failures.of(schedule).inc();
    }

    /// One came to nothing.
    pub fn failed(&self, schedule: &str) {
        self.failures.of(schedule).inc();
    }

    /// One was refused before it began.
    pub fn refused(&self, schedule: &str) {
        self.refusals.of(schedule).inc();
    }

    /// What one came to that ended, well or not.
    pub fn finished(&self, schedule: &str, figures: &RunFigures) {
        self.seconds.of(schedule).observe(figures.seconds);
        self.warnings.of(schedule).inc_by(figures.warnings);
    }

    /// Counts for these schedules and no others.
    pub(super) fn keep(&self, schedules: &BTreeSet<&str>) {
        let Self { attempts, successes, partial_failures, failures, refusals, warnings, seconds } = self;
        for counters in [attempts, successes, partial_failures, failures, refusals, warnings] {
            counters.keep(schedules);
        }
        seconds.drop_all_but(schedules);
    }
}
