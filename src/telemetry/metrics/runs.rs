//! Counters of backups, and likewise of restores, by Schedule.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::series::LabelledSeries;

/// Buckets of a run's duration in seconds. Velero's begin at a minute; most runs here are over by
/// then.
const RUN_SECONDS: [f64; 11] =
    [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0];

/// The names of the metrics that differ: Velero's suffixes are not the same for backups and
/// restores.
pub(super) struct MetricNames {
    run: &'static str,
    failed: &'static str,
    refused: &'static str,
}

/// Names for backups.
pub(super) const BACKUP: MetricNames =
    MetricNames { run: "backup", failed: "failure", refused: "validation_failure" };
/// Names for restores.
pub(super) const RESTORE: MetricNames =
    MetricNames { run: "restore", failed: "failed", refused: "validation_failed" };

/// The figures of a run that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunFigures {
    /// Seconds from its begin to its end.
    pub seconds: f64,
    /// Items backed up or restored.
    pub items: u64,
    /// Number of errors.
    pub item_errors: u64,
    /// Number of warnings.
    pub warnings: u64,
    /// The size of the tarball in bytes; 0 for a restore.
    pub tarball_bytes: u64,
    /// When the run ended; `None` if its status does not say so.
    pub ended: Option<DateTime<Utc>>,
}

/// Counters of backups, or of restores. An empty `schedule` means that a person created the run.
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
    /// Registers the counters under their names.
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

    /// Counts a run that begins.
    pub fn attempted(&self, schedule: &str) {
        self.attempts.of(schedule).inc();
    }

    /// Counts a run that ended without errors.
    pub fn succeeded(&self, schedule: &str) {
        self.successes.of(schedule).inc();
    }

    /// Counts a run that ended with errors.
    pub fn partially_failed(&self, schedule: &str) {
        self.partial_failures.of(schedule).inc();
    }

    /// Counts a run that failed as a whole.
    pub fn failed(&self, schedule: &str) {
        self.failures.of(schedule).inc();
    }

    /// Counts a run that was refused before it began.
    pub fn refused(&self, schedule: &str) {
        self.refusals.of(schedule).inc();
    }

    /// Records duration and warnings of a run that ended, whatever its outcome.
    pub fn finished(&self, schedule: &str, figures: &RunFigures) {
        self.seconds.of(schedule).observe(figures.seconds);
        self.warnings.of(schedule).inc_by(figures.warnings);
    }

    /// Has the series of these Schedules and no others.
    pub(super) fn keep(&self, schedules: &BTreeSet<&str>) {
        let Self { attempts, successes, partial_failures, failures, refusals, warnings, seconds } = self;
        for counters in [attempts, successes, partial_failures, failures, refusals, warnings] {
            counters.keep(schedules);
        }
        seconds.drop_all_but(schedules);
    }
}
