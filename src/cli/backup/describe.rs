//! `ark backup describe`: prints when and how backups were made, and their findings.

use std::time::Duration;

use clap::Args;
use humantime::format_duration;
use indicatif::HumanBytes;
use kube::ResourceExt;

use crate::api::{
    BACKUP_NAME_LABEL, Backup, BackupPhase, BackupSpec, BackupStatus, DeleteBackupRequest, DeletePhase,
    HookCounts, LockTime, SCHEDULE_NAME_LABEL, Timestamp, WAITING, holding, label_value,
};
use crate::cli::args::location::SourceArgs;
use crate::cli::client::ArkClient;
use crate::cli::download::{self, Described};
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output};
use crate::cli::verbs::columns::kept;
use crate::cli::verbs::describe::{run_documents, taken_lines, went_wrong};
use crate::cli::verbs::get::Listed as _;
use crate::model::{BackupName, Results};

/// Show when and how a backup was made, what was left out, what went wrong.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ark backup describe monday tuesday\n  ark backup describe nightly --location file:///backups --details"
)]
pub struct DescribeCommand {
    /// The names of the backups
    #[arg(value_name = "NAME", required = true)]
    names: Vec<BackupName>,
    #[command(flatten)]
    source: SourceArgs,
    /// Also show all warnings and errors, and the files in the bucket
    #[arg(long)]
    details: bool,
}

/// Prints the backups, from their documents or from the cluster and the server's downloads.
pub async fn describe(global: &Global, command: &DescribeCommand, output: &Output) -> Result<Done, Failure> {
    let DescribeCommand { names, source, details } = command;
    if matches!(output.format(), Format::Json | Format::Yaml) {
        return run_documents::<Backup>(global, source, names, output).await;
    }
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            output.line("")?;
        }
        let mut described = download::describe::<Backup>(global, source, name, true, output).await?;
        let mut undeleted = Vec::new();
        if source.bucket().is_none() {
            let complete =
                Backup::complete(&ArkClient::open(global).await?, vec![described.object.clone()]).await;
            described.object = complete.into_iter().next().unwrap_or(described.object);
            undeleted = deletion(global, &described.object).await?;
        }
        show(described, &undeleted, *details, output)?;
    }
    Ok(Done::Complete)
}

fn show(
    described: Described<Backup>,
    undeleted: &[String],
    details: bool,
    output: &Output,
) -> Result<(), Failure> {
    let Described { object: backup, results } = described;
    summary(&backup, output)?;
    undeleted.iter().try_for_each(|why| output.line(format!("Not deleted:  {why}")))?;
    taken_lines(&backup.spec, 14, output)?;
    match results {
        Ok(None) => {}
        Ok(Some(results)) => {
            left_out(&results, output)?;
            went_wrong(&results, details, output)?;
        }
        // What the cluster knows is printed all the same.
        Err(failure) => output
            .warning(format!("what was left out and what went wrong is not shown: {}", failure.message())),
    }
    if details { files(&backup, output) } else { Ok(()) }
}

/// Returns when a backup expires, or how long after which event if the time is not known yet.
fn expires(spec: &BackupSpec, status: &BackupStatus) -> String {
    if let Some(time) = status.expiration {
        return kept(status).map_or_else(|| time.to_string(), |kept| format!("{time} ({})", kept.message));
    }
    let after = match status.phase.unwrap_or_default() {
        BackupPhase::New | BackupPhase::InProgress => "it has begun",
        BackupPhase::FailedValidation => "it was created",
        _ => return "never".to_owned(),
    };
    match &spec.ttl {
        Some(ttl) => format!("{ttl} after {after}"),
        None => {
            format!("after {after}, when the server's --default-ttl is over (720h unless it says otherwise)")
        }
    }
}

/// Returns why a deletion that was begun does not end, as its requests say; nothing for a user who
/// may not read requests.
async fn deletion(global: &Global, backup: &Backup) -> Result<Vec<String>, Failure> {
    if backup.status.as_ref().and_then(|status| status.phase) != Some(BackupPhase::Deleting) {
        return Ok(Vec::new());
    }
    let selector = format!("{BACKUP_NAME_LABEL}={}", label_value(&backup.name_any()));
    let client = ArkClient::open(global).await?;
    let Ok(requests) = client.list::<DeleteBackupRequest>(Some(&selector)).await else {
        return Ok(Vec::new());
    };
    let statuses: Vec<_> = requests.into_iter().map(|request| request.status.unwrap_or_default()).collect();
    let is_asked_for = statuses.iter().any(|status| status.phase != Some(DeletePhase::Processed));
    let mut why: Vec<_> = statuses.into_iter().flat_map(|status| status.errors).collect();
    if !is_asked_for {
        why.push(format!(
            "no request asks for this deletion any more, and garbage collection finishes it; `kubectl delete backups.ark.heptio.com {}` \
             keeps what the bucket still has of the backup, which then comes back",
            backup.name_any()
        ));
    }
    Ok(why)
}

fn files(backup: &Backup, output: &Output) -> Result<(), Failure> {
    output.line("Files in the bucket:")?;
    for object in backup.status.iter().flat_map(|status| &status.objects) {
        output.line(format!("  {}  {}  sha256 {}", object.key, HumanBytes(object.size), object.sha256))?;
    }
    Ok(())
}

fn summary(backup: &Backup, output: &Output) -> Result<(), Failure> {
    let status = backup.status.clone().unwrap_or_default();
    let expires = expires(&backup.spec, &status);
    let progress = status.progress.unwrap_or_default();
    let line = |label: &str, text: String| output.line(format!("{label:14}{text}"));
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    line("Name:", backup.name_any())?;
    line("Phase:", status.phase.unwrap_or_default().to_string())?;
    status.validation_errors.iter().try_for_each(|error| output.line(format!("  error: {error}")))?;
    if let Some(waiting) = holding(&status.conditions, WAITING) {
        output.line(format!("  waits: {}", waiting.message))?;
    }
    if let Some(reason) = &status.failure_reason {
        output.line(format!("  {reason}"))?;
    }
    if let Some(location) = &backup.spec.storage_location {
        line("Location:", location.clone())?;
    }
    if let Some(schedule) = backup.labels().get(SCHEDULE_NAME_LABEL) {
        line("Schedule:", schedule.clone())?;
    }
    if let Some(attempt) = status.attempt.filter(|attempt| *attempt > 1) {
        line("Attempt:", format!("{attempt}; a server ended while it made the earlier ones"))?;
    }
    if let Some(cluster) = status.cluster {
        line("Cluster:", format!("{} ({})", cluster.uid, cluster.version))?;
    }
    match &status.revision {
        Some(revision) => line(
            "Taken:",
            format!(
                "{} (all items as they were at resource version {revision})",
                time(status.start_timestamp)
            ),
        )?,
        None => line("Begun:", time(status.start_timestamp))?,
    }
    line("Completed:", time(status.completion_timestamp))?;
    line("Expires:", expires)?;
    let items = if status.completion_timestamp.is_none() && progress.total_items > 0 {
        format!("{} of {}", progress.items_backed_up, progress.total_items)
    } else {
        progress.items_backed_up.to_string()
    };
    line("Items:", format!("{items} ({})", HumanBytes(progress.bytes)))?;
    if let Some(HookCounts { attempted, failed, locks }) = &status.hooks {
        line("Hooks:", format!("{attempted} run, {failed} of them failed"))?;
        for LockTime { action, held_milliseconds } in locks {
            line(
                "Locked:",
                format!("{action}, for {}", format_duration(Duration::from_millis(*held_milliseconds))),
            )?;
        }
    }
    for pending in status.obligations.values().flatten() {
        line("To undo:", format!("what {}, since {}", pending.what, pending.since))?;
    }
    if !status.kinds_outside_cut.is_empty() {
        line("Read later:", format!("{} (not at that instant)", status.kinds_outside_cut.join(", ")))?;
    }
    Ok(())
}

fn left_out(results: &Results, output: &Output) -> Result<(), Failure> {
    output.line(format!("Left out:     {}", results.skipped.total()))?;
    for (reason, kind, count) in results.skipped.iter() {
        output.line(format!("  {count:>6}  {kind}: {}", reason.describe()))?;
    }
    Ok(())
}
