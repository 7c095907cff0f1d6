//! `ark schedule create`.

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};

use crate::api::{self, ConcurrencyPolicy, Cron, InvalidSpec, Retention, Schedule, ScheduleSpec};
use crate::cli::args::backup_spec::TemplateArgs;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;
use crate::cli::verbs::create::{MakeArgs, make};
use crate::model::ObjectName;

const EXAMPLE: &str = "\
Examples:
  # Every night at three in Berlin, the whole cluster, kept for thirty days
  ark schedule create nightly --schedule '0 3 * * *' --time-zone Europe/Berlin --ttl 30d
  # Every six hours one namespace; of its backups the newest ten are kept
  ark schedule create shop --schedule '@every 6h' --include-namespaces shop --keep-at-most 10

The first backup is made at once, unless --skip-immediately or --paused. The newest backup that
Completed stays as long as the schedule does, however old it is.";

/// Create a schedule.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct CreateCommand {
    /// The name of the schedule; its backups are named NAME-yyyymmddhhmmss
    name: ObjectName,
    /// When to make backups: five cron fields (minute, hour, day of month, month, day of week) as
    /// in '0 3 * * *', or @daily and the like, or '@every 6h'
    #[arg(long, value_name = "CRON")]
    schedule: String,
    /// The time zone of the cron fields, as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Make no backups until `ark schedule unpause`
    #[arg(long)]
    paused: bool,
    /// Make no backup at once, but wait for the first time of the schedule
    #[arg(long)]
    skip_immediately: bool,
    /// Delete the Backup objects together with the schedule; the backups stay in the bucket
    #[arg(long)]
    use_owner_references: bool,
    /// What to do when a backup is due while another one of this schedule runs [default: forbid,
    /// which makes none]
    #[arg(long, value_name = "POLICY", value_enum)]
    concurrency_policy: Option<Policy>,
    /// Remove backups that are older than this, before their ttl ends: 14d [default: no limit]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    keep_for: Option<api::Duration>,
    /// With --keep-for: remove a backup only if this many newer ones have Completed [default: 1]
    #[arg(long, value_name = "NUMBER", requires = "keep_for", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    keep_at_least: Option<u32>,
    /// Keep at most this many backups, and remove the oldest ones [default: no limit]
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
    let then =
        format!("{}; `ark schedule describe` shows what it does", first_backup(&schedule.spec, Utc::now()));
    make(global, &schedule, &command.make, &then, output).await
}

/// When it makes its first backup.
fn first_backup(spec: &ScheduleSpec, now: DateTime<Utc>) -> String {
    let cron = spec.schedule.parse::<Cron>().ok();
    let tick = cron.and_then(|cron| Some(cron.by_the_wall(cron.next(now, now)?)));
    match (spec.paused == Some(true), spec.skip_immediately == Some(true), tick) {
        (true, true, _) => {
            "its first backup is made at the first tick after `ark schedule unpause`".to_owned()
        }
        (true, false, _) => "its first backup is made as soon as `ark schedule unpause` is done".to_owned(),
        (false, true, Some(tick)) => format!("its first backup is made at {tick}"),
        _ => "its first backup is made at once".to_owned(),
    }
}

/// The text of `spec.schedule`, or what is wrong with the two flags that make it.
fn text(schedule: &str, zone: Option<&str>) -> Result<String, String> {
    let Some(zone) = zone else { return Ok(schedule.to_owned()) };
    if Cron::names_zone(schedule) {
        return Err("--time-zone: --schedule names a time zone already; leave one of the two out".to_owned());
    }
    Cron::check_zone(zone).map_err(|why| format!("--time-zone: {why}"))?;
    Ok(format!("CRON_TZ={zone} {schedule}"))
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
    let zoned = text(schedule, time_zone.as_deref());
    let retention =
        Retention { max_age: keep_for.clone(), min_count: *keep_at_least, max_count: *keep_at_most };
    let spec = ScheduleSpec {
        schedule: zoned.clone().unwrap_or_else(|_| schedule.clone()),
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
    let wrong: Vec<String> = zoned.err().into_iter().chain(spec.validate().iter().map(told)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_the_first_backup_is_made_is_said_by_the_schedule_s_own_clock() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let first = |paused: bool, skip: bool| {
            let spec = ScheduleSpec {
                schedule: "CRON_TZ=Europe/Berlin 0 3 * * *".into(),
                paused: paused.then_some(true),
                skip_immediately: skip.then_some(true),
                ..ScheduleSpec::default()
            };
            first_backup(&spec, now)
        };
        assert!(first(false, false).ends_with("at once"));
        assert!(first(false, true).ends_with("at 2026-11-22T03:00:00+01:00"), "{}", first(false, true));
        assert!(first(true, false).contains("as soon as") && first(true, true).contains("first tick after"));
    }

    #[test]
    fn a_time_zone_that_is_wrong_or_named_twice_is_told_by_its_flag() {
        assert_eq!(text("@daily", Some("Europe/Berlin")).unwrap(), "CRON_TZ=Europe/Berlin @daily");
        let wrong = text("@daily", Some("Europe/Berln")).unwrap_err();
        assert!(wrong.starts_with("--time-zone: `Europe/Berln` is not a time zone"), "{wrong}");
        let twice = text("TZ=UTC 0 3 * * *", Some("Europe/Berlin")).unwrap_err();
        assert!(twice.starts_with("--time-zone: --schedule names a time zone already"), "{twice}");
    }
}
