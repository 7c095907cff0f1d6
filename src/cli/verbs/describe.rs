//! Parts of `describe` that backups and restores share.

use std::time::Instant;

use indicatif::HumanDuration;

use super::get::documents;
use crate::api::{BackupSpec, Filter, ScopedKinds};
use crate::cli::args::location::SourceArgs;
use crate::cli::download::{self, Downloadable};
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;
use crate::model::{Results, Severity};

/// Findings shown without `--details`.
const FINDINGS_SHOWN: usize = 20;

/// Prints runs as documents, without their findings: `describe` with `-o json` or `-o yaml`.
pub async fn run_documents<K: Downloadable>(
    global: &Global,
    source: &SourceArgs,
    names: &[K::Name],
    output: &Output,
) -> Result<Done, Failure> {
    let mut runs = Vec::new();
    for name in names {
        runs.push(download::describe::<K>(global, source, name, false, output).await?.object);
    }
    documents(&runs, names.len() == 1, output)?;
    Ok(Done::Complete)
}

/// Prints the selection of a backup; values begin in column `width`.
pub fn taken_lines(spec: &BackupSpec, width: usize, output: &Output) -> Result<(), Failure> {
    let BackupSpec { filter, scoped, .. } = spec;
    if *scoped == ScopedKinds::default() {
        return selection_lines(filter, width, output);
    }
    let line = |label: &str, text: String| output.line(format!("{label:width$}{text}"));
    line("Namespaces:", list(&filter.included_namespaces, &filter.excluded_namespaces, "all"))?;
    let (included, excluded) =
        (&scoped.included_namespace_scoped_resources, &scoped.excluded_namespace_scoped_resources);
    line("Kinds:", list(included, excluded, "all"))?;
    let (included, excluded) =
        (&scoped.included_cluster_scoped_resources, &scoped.excluded_cluster_scoped_resources);
    line("Cluster-wide:", list(included, excluded, "those that the items need"))
}

fn list(included: &[String], excluded: &[String], default: &str) -> String {
    let included = if included.is_empty() { default.to_owned() } else { included.join(", ") };
    if excluded.is_empty() { included } else { format!("{included} without {}", excluded.join(", ")) }
}

/// Prints what a filter selects; values begin in column `width`.
pub fn selection_lines(filter: &Filter, width: usize, output: &Output) -> Result<(), Failure> {
    let line = |label: &str, text: String| output.line(format!("{label:width$}{text}"));
    line("Namespaces:", list(&filter.included_namespaces, &filter.excluded_namespaces, "all"))?;
    line("Kinds:", list(&filter.included_resources, &filter.excluded_resources, "all"))?;
    let cluster = match filter.include_cluster_resources {
        Some(true) => "all",
        Some(false) => "none",
        None if filter.included_namespaces.is_empty() && filter.excluded_namespaces.is_empty() => "all",
        None => "those that the items need",
    };
    line("Cluster-wide:", cluster.to_owned())
}

/// Prints the numbers of warnings and errors.
pub fn counts(warnings: u64, errors: u64, output: &Output) -> Result<(), Failure> {
    output.line(format!("Warnings:     {warnings}"))?;
    output.line(format!("Errors:       {errors}"))
}

/// Prints the numbers of warnings and errors, and all of the findings or the first
/// [`FINDINGS_SHOWN`].
pub fn went_wrong(results: &Results, all: bool, output: &Output) -> Result<(), Failure> {
    counts(results.warnings, results.errors, output)?;
    let shown = if all { results.findings.len() } else { FINDINGS_SHOWN };
    for finding in results.findings.iter().take(shown) {
        let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
        output.line(format!("  {severity} ({}): {finding}", finding.category))?;
    }
    let more = (results.warnings + results.errors).saturating_sub(shown as u64);
    if more > 0 {
        output.line(format!("  … and {more} more; --details shows up to 10,000"))?;
    }
    Ok(())
}

/// Returns the elapsed time: seconds with one decimal below a minute, words above.
pub fn elapsed(began: Instant) -> String {
    let elapsed = began.elapsed();
    if elapsed.as_secs() < 60 {
        format!("{:.1}s", elapsed.as_secs_f64())
    } else {
        HumanDuration(elapsed).to_string()
    }
}
