//! `ark restore describe`: prints what restores did, in full.

use clap::Args;
use kube::ResourceExt;

use crate::api::{
    HookCounts, Restore, RestorePhase, RestoreSpec, RestoreStatus, STORED, Timestamp, WAITING, holding,
    kept_from,
};
use crate::cli::args::location::SourceArgs;
use crate::cli::download::{self, Described};
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output};
use crate::cli::verbs::describe::{counts, run_documents, selection_lines, went_wrong};
use crate::model::RestoreName;

/// The column in which values begin.
const WIDTH: usize = 14;

/// Show what a restore did and what went wrong.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ark restore describe shop-copy shop-back --details\n  ark restore describe shop-copy --location file:///backups"
)]
pub struct DescribeCommand {
    /// The names of the restores
    #[arg(value_name = "NAME", required = true)]
    names: Vec<RestoreName>,
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// Also show all warnings and errors
    #[arg(long)]
    details: bool,
}

/// Prints the restores, from their documents or from the cluster and the server's downloads.
pub async fn describe(global: &Global, command: &DescribeCommand, output: &Output) -> Result<Done, Failure> {
    let DescribeCommand { names, source, details } = command;
    if matches!(output.format(), Format::Json | Format::Yaml) {
        return run_documents::<Restore>(global, source, names, output).await;
    }
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            output.line("")?;
        }
        let described = download::describe::<Restore>(global, source, name, true, output).await?;
        show(described, *details, output)?;
    }
    Ok(Done::Complete)
}

fn show(described: Described<Restore>, details: bool, output: &Output) -> Result<(), Failure> {
    let Described { object: restore, results } = described;
    summary(&restore, output)?;
    changes(&restore.spec, output)?;
    match results {
        Ok(None) => kept_findings(&restore, output),
        Ok(Some(results)) => went_wrong(&results, details, output),
        // What the cluster knows is printed all the same.
        Err(failure) => {
            output.warning(format!("what went wrong is not shown: {}", failure.message()));
            Ok(())
        }
    }
}

/// Returns when the record of a restore expires. Without a ttl that is with its Backup or, if the
/// Restore was refused, when a Backup would expire.
fn expires(restore: &Restore, status: &RestoreStatus) -> String {
    let is_refused = status.phase == Some(RestorePhase::FailedValidation);
    let ended = status.completion_timestamp;
    match (&restore.spec.ttl, ended.and_then(|ended| kept_from(&restore.metadata, Some(ended)))) {
        (Some(ttl), Some(from)) => ttl.after(from).map_or_else(|| ttl.to_string(), |time| time.to_string()),
        (Some(ttl), None) if is_refused => format!("{ttl} after it was created"),
        (Some(ttl), None) => format!("{ttl} after it has ended"),
        (None, _) if is_refused => "after it was created, when the server's --default-ttl is over".to_owned(),
        (None, _) => "with its backup".to_owned(),
    }
}

/// Prints the findings that the status keeps: those of a restore from a ReadOnly location.
fn kept_findings(restore: &Restore, output: &Output) -> Result<(), Failure> {
    let Some(status) = restore.status.as_ref().filter(|status| !status.findings.is_empty()) else {
        return Ok(());
    };
    counts(status.warnings, status.errors, output)?;
    status.findings.iter().try_for_each(|finding| output.line(format!("  {finding}")))?;
    let more = (status.warnings + status.errors).saturating_sub(status.findings.len() as u64);
    if more > 0 {
        output.line(format!("  … and {more} more, in the server's log at that time"))?;
    }
    Ok(())
}

fn summary(restore: &Restore, output: &Output) -> Result<(), Failure> {
    let status = restore.status.clone().unwrap_or_default();
    let expires = expires(restore, &status);
    let progress = status.progress.unwrap_or_default();
    let line = |label: &str, text: String| output.line(format!("{label:WIDTH$}{text}"));
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    line("Name:", restore.name_any())?;
    line("Phase:", status.phase.unwrap_or_default().to_string())?;
    status.validation_errors.iter().try_for_each(|error| output.line(format!("  error: {error}")))?;
    if let Some(waiting) = holding(&status.conditions, WAITING) {
        output.line(format!("  waits: {}", waiting.message))?;
    }
    if let Some(reason) = &status.failure_reason {
        output.line(format!("  {reason}"))?;
    }
    if let Some(kept) = status.conditions.iter().find(|each| each.type_ == STORED && each.status == "False") {
        output.line(format!("  not in the bucket: {}", kept.message))?;
    }
    let backup = restore.spec.backup_name.clone().or(status.backup_name);
    line("Backup:", backup.unwrap_or_else(|| "-".to_owned()))?;
    status.choice.iter().try_for_each(|note| output.line(format!("  {note}")))?;
    if let Some(schedule) = &restore.spec.schedule_name {
        line("Schedule:", schedule.clone())?;
    }
    if let Some(attempt) = status.attempt.filter(|attempt| *attempt > 1) {
        line("Attempt:", format!("{attempt}; a server ended during the earlier ones"))?;
    }
    if let Some(cluster) = status.origin.as_ref().and_then(|origin| origin.cluster.as_ref()) {
        line("Ran in:", format!("cluster {cluster}"))?;
    }
    line("Begun:", time(status.start_timestamp))?;
    line("Completed:", time(status.completion_timestamp))?;
    line("Expires:", expires)?;
    line("Items:", format!("{} of {}", progress.items_restored, progress.total_items))?;
    if let Some(HookCounts { attempted, failed, locks: _ }) = &status.hooks {
        line("Hooks:", format!("{attempted} run, {failed} of them failed"))?;
    }
    line(
        "Done:",
        format!("{} created, {} updated, {} skipped", status.created, status.updated, status.skipped),
    )?;
    Ok(())
}

/// Prints the selection, and how items are changed on the way.
fn changes(spec: &RestoreSpec, output: &Output) -> Result<(), Failure> {
    selection_lines(&spec.filter, WIDTH, output)?;
    let mappings = [
        ("Renamed:", &spec.namespace_mapping),
        ("Classes as:", &spec.storage_class_mapping),
        ("Images as:", &spec.image_mapping),
    ];
    for (label, mapping) in mappings.iter().filter(|(_, mapping)| !mapping.is_empty()) {
        let pairs: Vec<String> = mapping.iter().map(|(old, new)| format!("{old} -> {new}")).collect();
        output.line(format!("{label:WIDTH$}{}", pairs.join(", ")))?;
    }
    if !spec.resource_modifiers.is_empty() {
        output.line(format!("{:WIDTH$}{}", "Modifiers:", spec.resource_modifiers.len()))?;
    }
    let policy = spec.existing_resource_policy.unwrap_or_default();
    output.line(format!("{:WIDTH$}{policy}", "Existing:"))
}
