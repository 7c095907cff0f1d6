//! `ark location set`: changes how a location is used.

use clap::{ArgGroup, Args};
use serde_json::json;

use super::create::Mode;
use crate::api::{self, AccessMode, BackupStorageLocation};
use crate::cli::client::ArkClient;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;
use crate::cli::verbs::create::made;
use crate::model::ObjectName;

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
    pub(super) name: ObjectName,
    /// Allow backups and deletions, or only restores
    #[arg(long, value_name = "MODE", value_enum, ignore_case = true)]
    pub(super) access_mode: Option<Mode>,
    /// How often to look for backups of other clusters: 5m
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(super) sync_period: Option<api::Duration>,
    /// How often to check whether the location can be used: 5m
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(super) validation_period: Option<api::Duration>,
}

/// Changes access mode and periods of the location.
pub async fn set(global: &Global, command: &SetCommand, output: &Output) -> Result<Done, Failure> {
    let SetCommand { name, access_mode, sync_period, validation_period } = command;
    let mut spec = serde_json::Map::new();
    let mut put = |field: &str, value: Option<serde_json::Value>| {
        spec.extend(value.map(|value| (field.to_owned(), value)));
    };
    put("accessMode", access_mode.map(|mode| json!(AccessMode::from(mode))));
    put("syncPeriod", sync_period.as_ref().map(|period| json!(period)));
    put("validationPeriod", validation_period.as_ref().map(|period| json!(period)));
    let client = ArkClient::open(global).await?;
    let changed: BackupStorageLocation = client.change(name.as_str(), &json!({"spec": spec})).await?;
    made(&changed, "changed", "`ark location describe` shows how it is used now", output)
}
