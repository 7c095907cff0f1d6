//! `ark backup describe`.

use clap::Args;
use indicatif::HumanBytes;

use crate::api::{Backup, Filter, Timestamp};
use crate::cli::failure::{Done, Failure};
use crate::cli::location::LocationArgs;
use crate::cli::output::{Format, Output};
use crate::model::{BackupName, Results, Severity};

/// Findings shown without `--details`.
const FINDINGS_SHOWN: usize = 20;

/// Show when and how a backup was made, what was left out, what went wrong.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ark backup describe nightly --location file:///backups --details")]
pub struct DescribeCommand {
    /// The name of the backup
    name: BackupName,
    #[command(flatten)]
    location: LocationArgs,
    /// Also show all warnings and errors, and the files in the bucket
    #[arg(long)]
    details: bool,
}

/// Describes the backup from its documents.
pub async fn describe(command: &DescribeCommand, output: &Output) -> Result<Done, Failure> {
    let bucket = command.location.bucket().await?;
    let stored = bucket.open_backup(&command.name).await?;
    let backup = stored.document();
    if matches!(output.format(), Format::Json | Format::Yaml) {
        output.document(backup)?;
        return Ok(Done::Complete);
    }
    let results = stored.results().await?;
    summary(backup, output)?;
    selection_lines(&backup.spec.filter, 14, output)?;
    left_out(&results, output)?;
    went_wrong(&results, command.details, output)?;
    if command.details {
        output.line("Files in the bucket:")?;
        for object in backup.status.iter().flat_map(|status| &status.objects) {
            output.line(format!(
                "  {}  {}  sha256 {}",
                object.key,
                HumanBytes(object.size),
                object.sha256
            ))?;
        }
    }
    Ok(Done::Complete)
}

fn summary(backup: &Backup, output: &Output) -> Result<(), Failure> {
    let status = backup.status.clone().unwrap_or_default();
    let progress = status.progress.unwrap_or_default();
    let cluster = status.cluster.unwrap_or_default();
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    output.line(format!("Name:         {}", backup.metadata.name.as_deref().unwrap_or_default()))?;
    output.line(format!("Phase:        {}", status.phase.unwrap_or_default()))?;
    output.line(format!("Cluster:      {} ({})", cluster.uid, cluster.version))?;
    output.line(format!(
        "Taken:        {} (all items as they were at resource version {})",
        time(status.start_timestamp),
        status.revision.unwrap_or_default()
    ))?;
    output.line(format!("Completed:    {}", time(status.completion_timestamp)))?;
    output.line(format!(
        "Expires:      {}",
        status.expiration.map_or_else(|| "never".to_owned(), |time| time.to_string())
    ))?;
    output.line(format!("Items:        {} ({})", progress.items_backed_up, HumanBytes(progress.bytes)))?;
    if !status.kinds_outside_cut.is_empty() {
        output
            .line(format!("Read later:   {} (not at that instant)", status.kinds_outside_cut.join(", ")))?;
    }
    Ok(())
}

/// What a filter selects, in lines whose values begin in column `width`.
pub fn selection_lines(filter: &Filter, width: usize, output: &Output) -> Result<(), Failure> {
    let list = |included: &[String], excluded: &[String]| {
        let included = if included.is_empty() { "all".to_owned() } else { included.join(", ") };
        if excluded.is_empty() { included } else { format!("{included} without {}", excluded.join(", ")) }
    };
    let line = |label: &str, text: String| output.line(format!("{label:width$}{text}"));
    line("Namespaces:", list(&filter.included_namespaces, &filter.excluded_namespaces))?;
    line("Kinds:", list(&filter.included_resources, &filter.excluded_resources))?;
    let cluster = match filter.include_cluster_resources {
        Some(true) => "all",
        Some(false) => "none",
        None if filter.included_namespaces.is_empty() && filter.excluded_namespaces.is_empty() => "all",
        None => "those that the items need",
    };
    line("Cluster-wide:", cluster.to_owned())
}

fn left_out(results: &Results, output: &Output) -> Result<(), Failure> {
    output.line(format!("Left out:     {}", results.skipped.total()))?;
    for (reason, kind, count) in results.skipped.iter() {
        output.line(format!("  {count:>6}  {kind}: {}", reason.describe()))?;
    }
    Ok(())
}

fn went_wrong(results: &Results, all: bool, output: &Output) -> Result<(), Failure> {
    output.line(format!("Warnings:     {}", results.warnings))?;
    output.line(format!("Errors:       {}", results.errors))?;
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
