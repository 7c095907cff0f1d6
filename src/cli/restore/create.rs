//! `ark restore create`: creates a Restore, which the server runs.

use std::time::Instant;

use clap::{ArgGroup, Args};
use kube::ResourceExt;

use crate::api::{Backup, Restore, RestorePhase, RestoreSpec, RestoreStatus, Timestamp};
use crate::cli::args::restore_spec::RestoreArgs;
use crate::cli::client::ArkClient;
use crate::cli::client::bare;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output, count};
use crate::cli::verbs::create::{MakeArgs, create_and_wait, create_timed, made, new_name, preview, stamp};
use crate::cli::verbs::create::{failed, refused};
use crate::cli::verbs::describe::elapsed;
use crate::model::{BackupName, ObjectName, RestoreName};

const EXAMPLE: &str = "\
Examples:
  # One namespace, under another name
  ark restore create --from-backup nightly-20261121030000 \\
    --include-namespaces shop --namespace-mappings shop:shop-copy --wait
  # The newest complete backup of a schedule
  ark restore create --from-schedule nightly --wait
  # As YAML, to look at or to keep
  ark restore create --from-backup monday --dry-run -o yaml

What exists already stays as it is unless --existing-resource-policy says otherwise.
`ark restore run --dry-run` says what would be done to each item. Ctrl-C stops waiting; the server
goes on. Exit code with --wait: 0 completed, 3 some items failed, 1 failed or refused.";

/// Have the server restore a backup, or a part of it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE, group(ArgGroup::new("source").required(true).args(["from_backup", "from_schedule"])))]
pub struct CreateCommand {
    /// The name of the restore [default: BACKUP-yyyymmddhhmmss, or SCHEDULE-yyyymmddhhmmss]
    #[arg(value_parser = new_name::<RestoreName>)]
    name: Option<RestoreName>,
    /// The name of the backup to restore
    #[arg(
        long,
        value_name = "BACKUP",
        required_unless_present = "from_schedule",
        conflicts_with = "from_schedule"
    )]
    from_backup: Option<BackupName>,
    /// The name of the schedule whose newest Completed backup to restore
    #[arg(long, value_name = "SCHEDULE")]
    from_schedule: Option<ObjectName>,
    /// With --from-schedule: only backups begun before this time, as 2026-11-21T03:00:00Z
    #[arg(long, value_name = "TIME", requires = "from_schedule", value_parser = time)]
    before: Option<Timestamp>,
    /// With --from-schedule: only backups made in the cluster of this uid [default: this cluster,
    /// or if it has none, the only other one that has some]
    #[arg(long, value_name = "UID", requires = "from_schedule")]
    from_cluster: Option<String>,
    /// With --from-schedule: also a backup that PartiallyFailed
    #[arg(long, requires = "from_schedule")]
    allow_partially_failed: bool,
    /// Wait until the restore has ended, and show its progress
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    #[command(flatten)]
    make: MakeArgs,
    #[command(flatten)]
    restore: RestoreArgs,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let time: Result<chrono::DateTime<chrono::Utc>, _> = text.parse();
    time.map(Timestamp::from).map_err(|error| format!("{error}; write it as 2026-11-21T03:00:00Z"))
}

/// Creates the Restore, and with `--wait` waits until it has ended.
pub async fn create(global: &Global, command: &CreateCommand, output: &Output) -> Result<Done, Failure> {
    let restore = build(global, command)?;
    if command.make.dry_run {
        return preview(&restore, output);
    }
    let client = ArkClient::open(global).await?;
    if let Some(backup) = &command.from_backup
        && let Ok(None) = client.find::<Backup>(backup.as_str()).await
    {
        return Err(client.missing::<Backup>(&[backup.as_str()]).await);
    }
    let began = Instant::now();
    let prefix = command.name.is_none().then(|| prefix(command));
    if command.wait {
        let what = "the Restore stays, and is done as soon as one runs";
        let ended = create_and_wait(&client, restore, prefix.as_deref(), what, output).await?;
        return report(&ended, began, output);
    }
    let created = match prefix {
        None => client.create(&restore).await?,
        Some(prefix) => create_timed(&client, restore, &prefix).await?,
    };
    let then = format!("`ark restore describe {}` says how far it is", created.name_any());
    made(&created, "requested", &then, output)
}

fn build(global: &Global, command: &CreateCommand) -> Result<Restore, Failure> {
    let CreateCommand {
        name,
        from_backup,
        from_schedule,
        before,
        from_cluster,
        allow_partially_failed,
        wait: _,
        make,
        restore,
    } = command;
    let source = RestoreSpec {
        backup_name: from_backup.as_ref().map(ToString::to_string),
        schedule_name: from_schedule.as_ref().map(ToString::to_string),
        before: *before,
        from_cluster: from_cluster.clone(),
        allow_partially_failed: allow_partially_failed.then_some(true),
        ..RestoreSpec::default()
    };
    let name = match name {
        Some(name) => name.to_string(),
        None => format!("{}{}", prefix(command), stamp()),
    };
    let mut object = Restore::new(&name, restore.spec(source)?);
    object.metadata = make.metadata(&name, &global.namespace)?;
    Ok(object)
}

/// Returns the part before the time in the name of a Restore that was given none: its backup or
/// Schedule.
fn prefix(command: &CreateCommand) -> String {
    let backup = command.from_backup.as_ref().map(ToString::to_string);
    let origin = backup.or_else(|| command.from_schedule.as_ref().map(ToString::to_string));
    format!("{}-", origin.unwrap_or_default())
}

fn report(restore: &Restore, began: Instant, output: &Output) -> Result<Done, Failure> {
    let name = restore.name_any();
    let status = restore.status.clone().unwrap_or_default();
    status.choice.iter().for_each(|note| output.warning(note));
    let from = chosen(restore).map(|backup| format!(" from backup {backup}")).unwrap_or_default();
    match output.format() {
        Format::Json | Format::Yaml => output.document(&bare(restore))?,
        Format::Name => output.line(&name)?,
        Format::Table | Format::Wide => output.line(format!(
            "restore {name}{from}: {}, {} created, {} updated, {} skipped in {}, {}, {}",
            status.phase.unwrap_or_default(),
            status.created,
            status.updated,
            status.skipped,
            elapsed(began),
            count(status.warnings, "warning"),
            count(status.errors, "error"),
        ))?,
    }
    judge(&name, &status, output)
}

/// Returns the Backup that the server chose, if the Restore names only a Schedule; else `None`.
fn chosen(restore: &Restore) -> Option<&str> {
    restore.spec.schedule_name.as_ref()?;
    restore.status.as_ref()?.backup_name.as_deref()
}

fn judge(name: &str, status: &RestoreStatus, output: &Output) -> Result<Done, Failure> {
    match status.phase.unwrap_or_default() {
        RestorePhase::Completed => Ok(Done::Complete),
        RestorePhase::PartiallyFailed => {
            output.note(format!("`ark restore describe {name}` says what went wrong"));
            Ok(Done::Partial)
        }
        RestorePhase::FailedValidation => Err(refused::<Restore>(name, &status.validation_errors, output)),
        _ => Err(failed::<Restore>(name, status.failure_reason.as_deref())),
    }
}
