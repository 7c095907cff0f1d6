//! `ark backup create`: creates a Backup, which the server runs.

use std::time::Instant;

use clap::Args;
use kube::{Resource, ResourceExt};

use crate::api::{Backup, BackupPhase, BackupStatus, SCHEDULE_NAME_LABEL, Schedule, label_value};
use crate::cli::args::backup_spec::TemplateArgs;
use crate::cli::client::ArkClient;
use crate::cli::client::bare;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output, count};
use crate::cli::verbs::create::{MakeArgs, create_and_wait, create_timed, made, new_name, preview, stamp};
use crate::cli::verbs::create::{failed, refused};
use crate::cli::verbs::describe::elapsed;
use crate::model::{BackupName, ObjectName};

const EXAMPLE: &str = "\
Examples:
  # The whole cluster, into the default location; the time becomes the name
  ark backup create --wait
  # Two namespaces without their secrets, kept for a week
  ark backup create before-upgrade --include-namespaces shop,shop-db --exclude-resources secrets --ttl 7d
  # What a schedule would make, now
  ark backup create --from-schedule nightly
  # As YAML, to look at or to keep
  ark backup create nightly --include-namespaces shop --dry-run -o yaml

Ctrl-C stops waiting; the server goes on. Exit code with --wait: 0 completed, 3 some items failed, 1 failed or refused.";

/// Have the server back the cluster up.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct CreateCommand {
    /// The name of the backup [default: the time in UTC as yyyymmddhhmmss, after the schedule's
    /// name with --from-schedule]
    #[arg(value_parser = new_name::<BackupName>)]
    name: Option<BackupName>,
    /// Make the backup that this schedule would make; --ttl, --storage-location and
    /// --snapshot-volumes override its template
    #[arg(long, value_name = "SCHEDULE")]
    from_schedule: Option<ObjectName>,
    /// Wait until the backup has ended, and show its progress
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    #[command(flatten)]
    make: MakeArgs,
    #[command(flatten)]
    template: TemplateArgs,
}

/// Creates the Backup, and with `--wait` waits until it has ended.
pub async fn create(global: &Global, command: &CreateCommand, output: &Output) -> Result<Done, Failure> {
    let (client, backup) = match &command.from_schedule {
        None => {
            let backup = plain(global, command)?;
            if command.make.dry_run {
                return preview(&backup, output);
            }
            (ArkClient::open(global).await?, backup)
        }
        Some(schedule) => {
            let client = ArkClient::open(global).await?;
            let backup = of_schedule(global, command, &client.get(schedule.as_str()).await?)?;
            (client, backup)
        }
    };
    if command.make.dry_run {
        return preview(&backup, output);
    }
    let began = Instant::now();
    let prefix = command.name.is_none().then(|| prefix(command));
    if command.wait {
        let what = "the Backup stays, and is made as soon as one runs";
        let ended = create_and_wait(&client, backup, prefix.as_deref(), what, output).await?;
        return report(&ended, began, output);
    }
    let created = match prefix {
        None => client.create(&backup).await?,
        Some(prefix) => create_timed(&client, backup, &prefix).await?,
    };
    let then = format!("`ark backup describe {}` says how far it is", created.name_any());
    made(&created, "requested", &then, output)
}

fn name(command: &CreateCommand) -> String {
    let timed = || format!("{}{}", prefix(command), stamp());
    command.name.as_ref().map_or_else(timed, ToString::to_string)
}

/// Returns the part before the time in the name of a Backup that was given none.
fn prefix(command: &CreateCommand) -> String {
    command.from_schedule.as_ref().map(|schedule| format!("{schedule}-")).unwrap_or_default()
}

fn plain(global: &Global, command: &CreateCommand) -> Result<Backup, Failure> {
    let name = name(command);
    let mut backup = Backup::new(&name, command.template.spec()?);
    backup.metadata = command.make.metadata(&name, &global.namespace)?;
    Ok(backup)
}

/// Returns the Backup that the Schedule would make now.
fn of_schedule(global: &Global, command: &CreateCommand, schedule: &Schedule) -> Result<Backup, Failure> {
    let origin = schedule.name_any();
    let name = name(command);
    let spec = command.template.over_template(schedule.spec.template.clone(), &origin)?;
    let mut backup = Backup::new(&name, spec);
    backup.metadata = command.make.metadata(&name, &global.namespace)?;
    for (key, value) in schedule.spec.template.labels() {
        backup.labels_mut().entry(key.clone()).or_insert_with(|| value.clone());
    }
    backup.labels_mut().insert(SCHEDULE_NAME_LABEL.to_owned(), label_value(&origin));
    if schedule.spec.use_owner_references == Some(true) {
        backup.owner_references_mut().extend(schedule.owner_ref(&()));
    }
    Ok(backup)
}

fn report(backup: &Backup, began: Instant, output: &Output) -> Result<Done, Failure> {
    let name = backup.name_any();
    let status = backup.status.clone().unwrap_or_default();
    let phase = status.phase.unwrap_or_default();
    match output.format() {
        Format::Json | Format::Yaml => output.document(&bare(backup))?,
        Format::Name => output.line(&name)?,
        Format::Table | Format::Wide => {
            let items = status.progress.as_ref().map(|progress| progress.items_backed_up).unwrap_or_default();
            output.line(format!(
                "backup {name}: {phase}, {} in {}, {}, {}",
                count(items, "item"),
                elapsed(began),
                count(status.warnings, "warning"),
                count(status.errors, "error"),
            ))?;
        }
    }
    judge(&name, &status, output)
}

fn judge(name: &str, status: &BackupStatus, output: &Output) -> Result<Done, Failure> {
    match status.phase.unwrap_or_default() {
        BackupPhase::Completed => Ok(Done::Complete),
        BackupPhase::PartiallyFailed => {
            output.note(format!("`ark backup describe {name}` says what went wrong"));
            Ok(Done::Partial)
        }
        BackupPhase::FailedValidation => Err(refused::<Backup>(name, &status.validation_errors, output)),
        _ => Err(failed::<Backup>(name, status.failure_reason.as_deref())),
    }
}
