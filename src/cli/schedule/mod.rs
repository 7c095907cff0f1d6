//! `ark schedule`: one function a verb.

mod change;
mod create;
mod describe;

use clap::Subcommand;

use super::Global;
use super::exit::{Done, Failure};
use super::output::Output;
use super::verbs::get::{self, GetArgs};
use crate::api::Schedule;

/// Make backups by the clock.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Create a schedule
    Create(Box<create::CreateCommand>),
    /// List schedules
    #[command(after_help = "Example:\n  ark schedule get -o wide")]
    Get(GetArgs),
    /// Show what a schedule does, what it keeps, and its newest backups
    Describe(describe::DescribeCommand),
    /// Make no backups until it is unpaused
    #[command(after_help = "Example:\n  ark schedule pause nightly")]
    Pause(change::PauseCommand),
    /// Make backups again
    #[command(after_help = "Example:\n  ark schedule unpause nightly")]
    Unpause(change::PauseCommand),
    /// Delete schedules; the backups that they made stay
    Delete(change::DeleteCommand),
}

/// Runs the verb.
pub async fn run(global: &Global, command: &ScheduleCommand, output: &Output) -> Result<Done, Failure> {
    match command {
        ScheduleCommand::Create(command) => create::create(global, command, output).await,
        ScheduleCommand::Get(args) => get::get::<Schedule>(global, args, output).await,
        ScheduleCommand::Describe(command) => describe::describe(global, command, output).await,
        ScheduleCommand::Pause(command) => change::pause(global, command, true, output).await,
        ScheduleCommand::Unpause(command) => change::pause(global, command, false, output).await,
        ScheduleCommand::Delete(command) => change::delete(global, command, output).await,
    }
}
