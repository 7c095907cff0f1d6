//! `ark schedule delete`: deletes Schedules.

use clap::Args;
use kube::ResourceExt;

use crate::api::Schedule;
use crate::cli::args::targets::ChosenArgs;
use crate::cli::client::ArkClient;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;

/// Delete schedules; the backups that they made stay.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ark schedule delete nightly
  ark schedule delete --all --confirm

The backups stay until their ttl ends. If the schedule was created with --use-owner-references, the
Backup objects are deleted with it, and come back from the bucket at the next sync.")]
pub struct DeleteCommand {
    #[command(flatten)]
    chosen: ChosenArgs,
}

/// Deletes the Schedules; their backups stay.
pub async fn delete(global: &Global, command: &DeleteCommand, output: &Output) -> Result<Done, Failure> {
    command.chosen.check("deleting schedules", output)?;
    let client = ArkClient::open(global).await?;
    let schedules: Vec<Schedule> = command.chosen.choose(&client).await?;
    if command.chosen.agreed("delete", &schedules, "; their backups stay", output)? {
        for schedule in &schedules {
            client.delete::<Schedule>(&schedule.name_any()).await?;
            output.line(format!("schedule {} is deleted", schedule.name_any()))?;
        }
    }
    Ok(Done::Complete)
}
