//! `ark obligation`: what backups have changed outside of the bucket and not undone; one file a
//! verb.

mod found;
mod list;
mod undo;

use clap::Subcommand;

use super::exit::{Done, Failure};
use super::global::Global;
use super::output::Output;

/// Show and undo what backups have changed and not undone: workloads at zero, locked databases.
#[derive(Debug, Subcommand)]
pub enum ObligationCommand {
    /// List what backups have changed and not undone yet
    List(list::ListCommand),
    /// Undo what backups that died have left
    Undo(undo::UndoCommand),
}

/// Runs the verb that was typed.
pub async fn run(global: &Global, command: &ObligationCommand, output: &Output) -> Result<Done, Failure> {
    match command {
        ObligationCommand::List(command) => list::list(global, command, output).await,
        ObligationCommand::Undo(command) => undo::undo(global, command, output).await,
    }
}
