//! `ark location`: one function a verb.

mod create;
mod delete;
mod describe;
mod set;
mod set_default;

use clap::Subcommand;

use super::exit::{Done, Failure};
use super::global::Global;
use super::output::Output;
use super::verbs::get::{self, GetArgs};
use crate::api::BackupStorageLocation;

/// Manage the locations in which the server keeps backups.
#[derive(Debug, Subcommand)]
pub enum LocationCommand {
    /// Create a location: a bucket or folder in which the server keeps backups
    Create(Box<create::CreateCommand>),
    /// List locations
    #[command(after_help = "Example:\n  ark location get -o wide")]
    Get(GetArgs),
    /// Show a location: whether it can be used, why not, and what it holds
    Describe(describe::DescribeCommand),
    /// Change the access mode or the periods of a location
    Set(set::SetCommand),
    /// Make a location the default, which is used by backups that name none
    #[command(name = "set-default", after_help = "Example:\n  ark location set-default offsite")]
    SetDefault(set_default::SetDefaultCommand),
    /// Delete locations; what is in the buckets stays
    Delete(delete::DeleteCommand),
}

/// Runs the verb.
pub async fn run(global: &Global, command: &LocationCommand, output: &Output) -> Result<Done, Failure> {
    match command {
        LocationCommand::Create(command) => create::create(global, command, output).await,
        LocationCommand::Get(args) => get::get::<BackupStorageLocation>(global, args, output).await,
        LocationCommand::Describe(command) => describe::describe(global, command, output).await,
        LocationCommand::Set(command) => set::set(global, command, output).await,
        LocationCommand::SetDefault(command) => set_default::set_default(global, command, output).await,
        LocationCommand::Delete(command) => delete::delete(global, command, output).await,
    }
}
