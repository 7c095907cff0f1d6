//! `ark restore`: one function a verb.

mod create;
mod delete;
mod describe;
mod logs;
mod run;

use clap::Subcommand;

use super::exit::{Done, Failure};
use super::global::Global;
use super::output::Output;
use super::verbs::get::{self, GetRunsArgs};
use crate::api::Restore;

/// Restore backups, and show what was restored.
#[derive(Debug, Subcommand)]
pub enum RestoreCommand {
    /// Restore a backup, or a part of it, from this machine; nothing needs to be installed in the
    /// cluster
    Run(Box<run::RunCommand>),
    /// Ask the server to restore a backup, or a part of it
    Create(Box<create::CreateCommand>),
    /// List restores
    #[command(after_help = "Examples:\n  ark restore get -o wide\n  ark restore get --schedule nightly")]
    Get(GetRunsArgs),
    /// Show what a restore did and what went wrong
    Describe(describe::DescribeCommand),
    /// Print the log of a restore
    Logs(logs::LogsCommand),
    /// Delete the records of restores; the restored objects stay
    Delete(delete::DeleteCommand),
}

/// Runs the verb.
pub async fn run(global: &Global, command: &RestoreCommand, output: &Output) -> Result<Done, Failure> {
    match command {
        RestoreCommand::Run(command) => run::run(global, command, output).await,
        RestoreCommand::Create(command) => create::create(global, command, output).await,
        RestoreCommand::Describe(command) => describe::describe(global, command, output).await,
        RestoreCommand::Logs(command) => logs::logs(global, command, output).await,
        RestoreCommand::Delete(command) => delete::delete(global, command, output).await,
        RestoreCommand::Get(args) => get::get_runs::<Restore>(global, args, output).await,
    }
}
