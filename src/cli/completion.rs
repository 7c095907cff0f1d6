//! `ark completion`: prints a completion script.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::args::invocation::{Called, OWN, PLUGIN, called};
use super::exit::{Done, Failure};
use super::output::Output;

/// Print a completion script for a shell.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  # bash, for all users\n  ark completion bash > /etc/bash_completion.d/ark\n  # zsh, in this shell\n  source <(ark completion zsh)\n\nAs a plugin of kubectl, `kubectl ark …`, with two links beside the program, the second for completion:\n  ln -s ark /usr/local/bin/kubectl-ark\n  ln -s ark /usr/local/bin/kubectl_complete-ark"
)]
pub struct CompletionCommand {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script, for the name by which the program was called.
pub fn run(command: &CompletionCommand, output: &Output) -> Result<Done, Failure> {
    let mut script = Vec::new();
    let name = if called() == Called::Plugin { PLUGIN } else { OWN };
    clap_complete::generate(command.shell, &mut Cli::command(), name, &mut script);
    output.bytes(&script)?;
    Ok(Done::Complete)
}
