//! `ark restore`: one function a verb.

mod flags;
mod run;

use clap::Subcommand;

use super::Global;
use super::failure::{Done, Failure};
use super::listing::{self, GetArgs};
use super::output::Output;
use crate::api::Restore;

/// Restore from a backup.
#[derive(Debug, Subcommand)]
pub enum RestoreCommand {
    /// Restore a backup, or a part of it, from this machine; nothing needs to be installed in the cluster
    Run(Box<run::RunCommand>),
    /// List restores
    #[command(after_help = "Example:\n  ark restore get -o wide")]
    Get(GetArgs),
}

/// Runs the verb.
pub async fn run(global: &Global, command: &RestoreCommand, output: &Output) -> Result<Done, Failure> {
    match command {
        RestoreCommand::Run(command) => run::run(global, command, output).await,
        RestoreCommand::Get(args) => listing::get::<Restore>(global, args, output).await,
    }
}
