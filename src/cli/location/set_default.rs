//! `ark location set-default`: makes one location the default.

use clap::Args;
use kube::ResourceExt;
use serde_json::json;

use crate::api::BackupStorageLocation;
use crate::cli::client::ArkClient;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;
use crate::cli::verbs::create::made;
use crate::model::ObjectName;

/// Make one location the one of backups that name none.
#[derive(Args, Debug)]
pub struct SetDefaultCommand {
    /// The name of the location
    name: ObjectName,
}

/// Marks the location as the default, and then unmarks every other one, so that there is no moment
/// without a default.
pub async fn set_default(
    global: &Global,
    command: &SetDefaultCommand,
    output: &Output,
) -> Result<Done, Failure> {
    let client = ArkClient::open(global).await?;
    let chosen: BackupStorageLocation =
        client.change(command.name.as_str(), &json!({"spec": {"default": true}})).await?;
    for other in client.list::<BackupStorageLocation>(None).await? {
        if other.spec.default == Some(true) && other.name_any() != chosen.name_any() {
            let change = json!({"spec": {"default": false}});
            client.change::<BackupStorageLocation>(&other.name_any(), &change).await?;
            output.note(format!("location {} is no longer the default", other.name_any()));
        }
    }
    made(&chosen, "the default", "backups that name no location go there", output)
}
