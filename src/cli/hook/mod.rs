//! `ark hook`: shows and tries the hooks of pods, without a backup; one file a verb.

mod hooked_pods;
mod list;
mod run;

use clap::Subcommand;

use super::exit::{Done, Failure};
use super::global::Global;
use super::output::Output;

/// Show and try the commands that pods have run around a backup.
#[derive(Debug, Subcommand)]
pub enum HookCommand {
    /// List the hooks that a backup would run now, pod by pod
    List(list::ListCommand),
    /// Run the hooks of pods now, those before a backup and then those after it, without a backup
    Run(run::RunCommand),
}

/// Runs the verb that was typed.
pub async fn run(global: &Global, command: &HookCommand, output: &Output) -> Result<Done, Failure> {
    match command {
        HookCommand::List(command) => list::list(global, command, output).await,
        HookCommand::Run(command) => run::run(global, command, output).await,
    }
}
