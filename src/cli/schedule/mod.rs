//! `ark schedule`: one function a verb.

mod create;
mod delete;
mod describe;
mod pause;

use clap::Subcommand;

use super::exit::{Done, Failure};
use super::global::Global;
use super::output::Output;
use super::verbs::get::{self, GetArgs};
use crate::api::Schedule;

/// Make backups regularly, by schedules.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Create a schedule, which makes backups at the times that it names
    Create(Box<create::CreateCommand>),
    /// List schedules
    #[command(after_help = "Example:\n  ark schedule get -o wide")]
    Get(GetArgs),
    /// Show what a schedule does, what it keeps, and its newest backups
    Describe(describe::DescribeCommand),
    /// Pause schedules: they make no backups until they are unpaused
    #[command(after_help = "Example:\n  ark schedule pause nightly")]
    Pause(pause::PauseCommand),
    /// Unpause schedules: they make backups again
    #[command(after_help = "Example:\n  ark schedule unpause nightly")]
    Unpause(pause::PauseCommand),
    /// Delete schedules; the backups that they made stay
    Delete(delete::DeleteCommand),
}

/// Runs the verb.
pub async fn run(global: &Global, command: &ScheduleCommand, output: &Output) -> Result<Done, Failure> {
    match command {
        ScheduleCommand::Create(command) => create::create(global, command, output).await,
        ScheduleCommand::Get(args) => get::get::<Schedule>(global, args, output).await,
        ScheduleCommand::Describe(command) => describe::describe(global, command, output).await,
        ScheduleCommand::Pause(command) => pause::pause(global, command, true, output).await,
        ScheduleCommand::Unpause(command) => pause::pause(global, command, false, output).await,
        ScheduleCommand::Delete(command) => delete::delete(global, command, output).await,
    }
}
