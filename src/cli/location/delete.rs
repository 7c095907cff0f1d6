//! `ark location delete`: deletes locations; their buckets stay as they are.

use clap::Args;
use kube::ResourceExt;

use crate::api::BackupStorageLocation;
use crate::cli::args::targets::ChosenArgs;
use crate::cli::client::ArkClient;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;

/// Delete locations; what is in the buckets stays.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ark location delete offsite
  ark location delete offsite --confirm

Nothing in the bucket is removed, and the Backup objects of the location stay. They can be used
again as soon as a location of the same name points at the bucket.")]
pub struct DeleteCommand {
    #[command(flatten)]
    pub(super) chosen: ChosenArgs,
}

/// Deletes the locations.
pub async fn delete(global: &Global, command: &DeleteCommand, output: &Output) -> Result<Done, Failure> {
    command.chosen.check("deleting locations", output)?;
    let client = ArkClient::open(global).await?;
    let locations: Vec<BackupStorageLocation> = command.chosen.choose(&client).await?;
    let consequence =
        "; their backups can no longer be restored or deleted from here, and stay in the bucket";
    if command.chosen.agreed("delete", &locations, consequence, output)? {
        for location in &locations {
            client.delete::<BackupStorageLocation>(&location.name_any()).await?;
            output.line(format!("location {} is deleted; its bucket is as it was", location.name_any()))?;
        }
    }
    Ok(Done::Complete)
}
