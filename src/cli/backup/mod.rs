//! `ark backup`: one function a verb.

mod contents;
mod create;
mod delete;
mod describe;
mod diff;
mod download;
mod logs;
mod run;
mod verify;

use clap::Subcommand;

use super::exit::{Done, Failure};
use super::global::Global;
use super::output::Output;
use super::verbs::get::{self, GetRunsArgs};
use crate::api::Backup;
use diff::DiffCommand;

/// Make, inspect and verify backups.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Back up a cluster from this machine; nothing needs to be installed in it
    Run(run::RunCommand),
    /// Ask the server for a backup of the cluster
    Create(Box<create::CreateCommand>),
    /// List backups
    #[command(
        after_help = "Examples:\n  ark backup get --watch\n  ark backup get --schedule nightly -o name\n  ark backup get -l team=web"
    )]
    Get(GetRunsArgs),
    /// List the items in a backup; only the index is read, not the whole backup
    Contents(contents::ContentsCommand),
    /// Show when and how a backup was made, what was left out and what went wrong
    Describe(describe::DescribeCommand),
    /// Print the log of a backup
    Logs(logs::LogsCommand),
    /// Compare a backup with another one, or with the live cluster
    Diff(DiffCommand),
    /// Read a whole backup and compare it with its hashes
    Verify(verify::VerifyCommand),
    /// Save a backup as a .tar.zst file
    Download(download::DownloadCommand),
    /// Delete backups from the bucket, with the records of their restores
    Delete(delete::DeleteCommand),
}

/// Runs the verb.
pub async fn run(global: &Global, command: &BackupCommand, output: &Output) -> Result<Done, Failure> {
    match command {
        BackupCommand::Run(command) => run::run(global, command, output).await,
        BackupCommand::Create(command) => create::create(global, command, output).await,
        BackupCommand::Delete(command) => delete::delete(global, command, output).await,
        BackupCommand::Get(args) => get::get_runs::<Backup>(global, args, output).await,
        BackupCommand::Contents(command) => contents::contents(global, command, output).await,
        BackupCommand::Describe(command) => describe::describe(global, command, output).await,
        BackupCommand::Logs(command) => logs::logs(global, command, output).await,
        BackupCommand::Diff(command) => diff::diff(global, command, output).await,
        BackupCommand::Verify(command) => verify::verify(global, command, output).await,
        BackupCommand::Download(command) => download::download(global, command, output).await,
    }
}
