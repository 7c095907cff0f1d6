//! `ark location set|set-default|delete`.

use clap::{ArgGroup, Args};
use kube::ResourceExt;
use serde_json::json;

use super::create::Mode;
use crate::api::{self, AccessMode, BackupStorageLocation};
use crate::cli::Global;
use crate::cli::args::targets::ChosenArgs;
use crate::cli::client::ArkClient;
use crate::cli::exit::{Done, Failure};
use crate::cli::output::Output;
use crate::cli::verbs::create::made;
use crate::model::ObjectName;

/// Make one location the one of backups that name none.
#[derive(Args, Debug)]
pub struct SetDefaultCommand {
    /// The name of the location
    name: ObjectName,
}

/// Marks it, and then unmarks every other one, so that there is no moment without a default.
pub async fn set_default(
    global: &Global,
    command: &SetDefaultCommand,
    output: &Output,
) -> Result<Done, Failure> {
    let door = ArkClient::open(global).await?;
    let chosen: BackupStorageLocation =
        door.change(command.name.as_str(), &json!({"spec": {"default": true}})).await?;
    for other in door.list::<BackupStorageLocation>(None).await? {
        if other.spec.default == Some(true) && other.name_any() != chosen.name_any() {
            let change = json!({"spec": {"default": false}});
            door.change::<BackupStorageLocation>(&other.name_any(), &change).await?;
            output.note(format!("location {} is no longer the default", other.name_any()));
        }
    }
    made(&chosen, "the default", "backups that name no location go there", output)
}

/// Change how a location is used. What it points at stays: another bucket is another location.
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("what").required(true).multiple(true).args(["access_mode", "sync_period", "validation_period"])),
    after_help = "\
Examples:
  # Nothing is written or removed there from now on, as before a bucket is handed over
  ark location set prod --access-mode read-only
  ark location set prod --sync-period 5m"
)]
pub struct SetCommand {
    /// The name of the location
    name: ObjectName,
    /// Whether anything may be written: backups, deletions
    #[arg(long, value_name = "MODE", value_enum, ignore_case = true)]
    access_mode: Option<Mode>,
    /// How often to look for what other clusters wrote
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    sync_period: Option<api::Duration>,
    /// How often to check that it can be used
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    validation_period: Option<api::Duration>,
}

/// Changes it.
pub async fn set(global: &Global, command: &SetCommand, output: &Output) -> Result<Done, Failure> {
    let SetCommand { name, access_mode, sync_period, validation_period } = command;
    let mut spec = serde_json::Map::new();
    let mut put = |field: &str, value: Option<serde_json::Value>| {
        spec.extend(value.map(|value| (field.to_owned(), value)));
    };
    put("accessMode", access_mode.map(|mode| json!(AccessMode::from(mode))));
    put("syncPeriod", sync_period.as_ref().map(|period| json!(period)));
    put("validationPeriod", validation_period.as_ref().map(|period| json!(period)));
    let door = ArkClient::open(global).await?;
    let changed: BackupStorageLocation = door.change(name.as_str(), &json!({"spec": spec})).await?;
    made(&changed, "changed", "`ark location describe` shows how it is used now", output)
}

/// Delete locations; what is in the buckets stays.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ark location delete offsite
  ark location delete offsite --confirm

Nothing in the bucket is removed, and the Backup objects of the location stay; they can be used again as soon as a
location of that name points at the bucket.")]
pub struct DeleteCommand {
    #[command(flatten)]
    chosen: ChosenArgs,
}

/// Deletes them.
pub async fn delete(global: &Global, command: &DeleteCommand, output: &Output) -> Result<Done, Failure> {
    command.chosen.check("deleting locations", output)?;
    let door = ArkClient::open(global).await?;
    let locations: Vec<BackupStorageLocation> = command.chosen.choose(&door).await?;
    let consequence =
        "; their backups can no longer be restored or deleted from here, and stay in the bucket";
    if command.chosen.agreed("delete", &locations, consequence, output)? {
        for location in &locations {
            door.delete::<BackupStorageLocation>(&location.name_any()).await?;
            output.line(format!("location {} is deleted; its bucket is as it was", location.name_any()))?;
        }
    }
    Ok(Done::Complete)
}
