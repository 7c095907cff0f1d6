//! `ark schedule describe`: prints a Schedule and its newest backups.

use clap::Args;
use kube::ResourceExt;

use crate::api::{Backup, SCHEDULE_NAME_LABEL, Schedule, label_value};
use crate::cli::client::ArkClient;
use crate::cli::client::bare;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output};
use crate::cli::verbs::columns::{created, phase};
use crate::cli::verbs::describe::taken_lines;
use crate::cli::verbs::get::{cell, time};
use crate::model::ObjectName;

/// Backups that are shown: the newest ones.
const SHOWN: usize = 5;

/// Show what a schedule does, what it keeps, and its newest backups.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ark schedule describe nightly")]
pub struct DescribeCommand {
    /// The name of the schedule
    name: ObjectName,
}

/// Prints the Schedule and its newest backups.
pub async fn describe(global: &Global, command: &DescribeCommand, output: &Output) -> Result<Done, Failure> {
    let client = ArkClient::open(global).await?;
    let schedule: Schedule = client.get(command.name.as_str()).await?;
    if matches!(output.format(), Format::Json | Format::Yaml) {
        output.document(&bare(&schedule))?;
        return Ok(Done::Complete);
    }
    summary(&schedule, output)?;
    let selector = format!("{SCHEDULE_NAME_LABEL}={}", label_value(command.name.as_str()));
    let mut backups: Vec<Backup> = client.list(Some(&selector)).await?;
    let labelled = backups.len();
    backups.retain(|backup| is_own(backup, &schedule));
    backups.sort_by_key(|backup| std::cmp::Reverse(created(backup)));
    output.line(format!("Backups:       {}", backups.len()))?;
    for backup in backups.iter().take(SHOWN) {
        let status = backup.status.clone().unwrap_or_default();
        let (phase, why) = phase(status.phase.unwrap_or_default(), &status.conditions);
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        output.line(format!("  {}  {phase}{why}", backup.name_any()))?;
    }
    if backups.len() > SHOWN {
        output.line(format!("  … `ark backup get --schedule {}` shows all", schedule.name_any()))?;
    }
    let others = labelled - backups.len();
    if others > 0 {
        output.line(format!(
            "  {others} more with its label that it did not make here: another cluster's, an earlier schedule's, or made by hand"
        ))?;
    }
    Ok(Done::Complete)
}

/// Returns whether the Schedule made a Backup, by the Schedule's uid: a label does not prove that.
fn is_own(backup: &Backup, schedule: &Schedule) -> bool {
    let origin = backup.status.as_ref().and_then(|status| status.origin.as_ref());
    origin.is_some_and(|origin| origin.schedule.is_some() && origin.schedule == schedule.metadata.uid)
}

fn summary(schedule: &Schedule, output: &Output) -> Result<(), Failure> {
    let (spec, status) = (&schedule.spec, schedule.status.clone().unwrap_or_default());
    output.line(format!("Name:          {}", schedule.name_any()))?;
    output.line(format!("Phase:         {}", cell(status.phase.map(|phase| format!("{phase:?}")))))?;
    if status.phase.is_none() {
        output.line("  no server has taken up this schedule yet; if that stays so, no server runs here, or the server was started with --restore-only or --disable-schedules")?;
    }
    for error in &status.validation_errors {
        output.line(format!("  error: {error}"))?;
    }
    output.line(format!("Schedule:      {}", spec.schedule))?;
    output.line(format!("Paused:        {}", spec.paused.unwrap_or_default()))?;
    output.line(format!("Last backup:   {}", time(status.last_backup)))?;
    output.line(format!("Next backup:   {}", cell(status.next_backup)))?;
    output.line(format!("Last skipped:  {}", time(status.last_skipped)))?;
    output.line(format!("Concurrency:   {:?}", spec.concurrency_policy.unwrap_or_default()))?;
    let kept = cell(spec.template.ttl.as_ref());
    output.line(format!("Kept for:      {}", if kept == "-" { "the server's default" } else { &kept }))?;
    if let Some(retention) = &spec.retention {
        let age = retention.max_age.as_ref().map(|age| {
            format!("older than {age} with at least {} newer ones", retention.min_count.unwrap_or(1))
        });
        let count = retention.max_count.map(|count| format!("more than {count}"));
        let removed: Vec<String> = age.into_iter().chain(count).collect();
        output.line(format!("Removed early: {}", removed.join(", or ")))?;
    }
    output.line(format!(
        "Location:      {}",
        spec.template.storage_location.as_deref().unwrap_or("the default one")
    ))?;
    taken_lines(&spec.template, 15, output)
}
