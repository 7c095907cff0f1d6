//! `ark schedule create`.

use clap::{Args, ValueEnum};

use crate::api::{self, ConcurrencyPolicy, InvalidSpec, Retention, Schedule, ScheduleSpec};
use crate::cli::Global;
use crate::cli::failure::{Done, Failure};
use crate::cli::making::{MakeArgs, make};
use crate::cli::output::Output;
use crate::cli::template::TemplateArgs;
use crate::model::ObjectName;

const EXAMPLE: &str = "\
Examples:
  # Every night at three in Berlin, the whole cluster, kept for thirty days
  ark schedule create nightly --schedule '0 3 * * *' --time-zone Europe/Berlin --ttl 30d
  # Every six hours one namespace; of its backups the newest ten are kept
  ark schedule create shop --schedule '@every 6h' --include-namespaces shop --keep-at-most 10

The first backup is made at once, unless --skip-immediately.";

/// Create a schedule.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct CreateCommand {
    /// The name of the schedule; its backups are called NAME-yyyymmddhhmmss
    name: ObjectName,
    /// When: five cron fields (minute, hour, day of month, month, day of week), @daily and the like, or '@every 6h'
    #[arg(long, value_name = "CRON")]
    schedule: String,
    /// The time zone of the cron fields: Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Make no backups before it is unpaused
    #[arg(long)]
    paused: bool,
    /// Wait for the first tick instead of making a backup at once
    #[arg(long)]
    skip_immediately: bool,
    /// Delete the Backup objects together with the schedule
    #[arg(long)]
    use_owner_references: bool,
    /// What to do at a tick while a backup of this schedule runs [default: forbid, which skips the tick]
    #[arg(long, value_name = "POLICY", value_enum)]
    concurrency_policy: Option<Policy>,
    /// Remove backups that are older, before their ttl ends
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    keep_for: Option<api::Duration>,
    /// … but only while so many newer ones have succeeded [default: 1]
    #[arg(long, value_name = "NUMBER", requires = "keep_for", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    keep_at_least: Option<u32>,
    /// Remove the oldest backups when there are more
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    keep_at_most: Option<u32>,
    #[command(flatten)]
    make: MakeArgs,
    #[command(flatten)]
    template: TemplateArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Policy {
    Forbid,
    Allow,
}

/// Creates it.
pub async fn create(global: &Global, command: &CreateCommand, output: &Output) -> Result<Done, Failure> {
    let schedule = build(global, command)?;
    let then = "its first backup is made at once, unless it is told otherwise; `ark schedule describe` shows what it does";
    make(global, &schedule, &command.make, then, output).await
}

fn build(global: &Global, command: &CreateCommand) -> Result<Schedule, Failure> {
    let CreateCommand {
        name,
        schedule,
        time_zone,
        paused,
        skip_immediately,
        use_owner_references,
        concurrency_policy,
        keep_for,
        keep_at_least,
        keep_at_most,
        make,
        template,
    } = command;
    let retention =
        Retention { max_age: keep_for.clone(), min_count: *keep_at_least, max_count: *keep_at_most };
    let spec = ScheduleSpec {
        schedule: match time_zone {
            Some(zone) => format!("CRON_TZ={zone} {schedule}"),
            None => schedule.clone(),
        },
        template: template.spec()?,
        paused: paused.then_some(true),
        skip_immediately: skip_immediately.then_some(true),
        use_owner_references: use_owner_references.then_some(true),
        concurrency_policy: concurrency_policy.map(|policy| match policy {
            Policy::Forbid => ConcurrencyPolicy::Forbid,
            Policy::Allow => ConcurrencyPolicy::Allow,
        }),
        retention: (retention != Retention::default()).then_some(retention),
        ..ScheduleSpec::default()
    };
    let wrong: Vec<String> = spec.validate().iter().map(told).collect();
    if !wrong.is_empty() {
        return Err(Failure::usage(wrong.join("; ")));
    }
    let mut object = Schedule::new(name.as_str(), spec);
    object.metadata = make.metadata(name.as_str(), &global.namespace)?;
    Ok(object)
}

/// What is wrong, by its flag; the template has been checked by its own flags before.
fn told(InvalidSpec { field, why }: &InvalidSpec) -> String {
    let flag = match field.as_str() {
        "schedule" => "--schedule",
        "retention.maxAge" => "--keep-for",
        "retention.minCount" => "--keep-at-least",
        "retention.maxCount" => "--keep-at-most",
        other => other,
    };
    format!("{flag}: {}", why.replace("maxCount", "--keep-at-most").replace("maxAge", "--keep-for"))
}
