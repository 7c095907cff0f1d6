//! The command line: what can be typed, and which function answers.
//!
//! A folder or file for each noun, a file for each verb; a group of verbs that are alike for
//! several nouns is in `verbs`. `output` alone prints; `exit` says how a command ends, with its
//! exit code.

mod args;
mod backup;
mod bucket;
mod client;
mod commands;
mod completion;
mod crd;
mod download;
mod exit;
mod global;
mod hook;
mod install;
mod location;
mod obligation;
mod output;
mod restore;
mod schedule;
mod server;
mod verbs;
mod version;

pub use args::reference::reference;
pub use commands::Cli;
pub use install::{chart_rules, rules_table};

use std::process::ExitCode;

use clap::FromArgMatches;

use args::invocation::{self, Called};
use commands::Command;
use exit::{Done, Failure};
use global::Global;
use output::Output;

/// Most worker threads: cluster and bucket limit the speed, and on a machine of many processors
/// more threads would only hold memory.
const THREADS: usize = 4;

/// Parses the command line, runs the command and returns its exit code.
///
/// # Flow
/// 1. The name of the program decides whether it is `ark`, kubectl's plugin or the plugin's
///    completion.
/// 2. Clap parses the arguments, with the noun put before its verb.
/// 3. The command runs and returns `Done` or `Failure`, which becomes the exit code.
pub fn main() -> ExitCode {
    let called = invocation::called();
    if called == Called::Completion {
        let arguments: Vec<String> =
            std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
        return output::raw(&invocation::completions(&arguments));
    }
    let arguments = invocation::noun_first(std::env::args_os().collect());
    let parsed = invocation::command(called).try_get_matches_from(arguments);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return output::usage(&invocation::to_the_point(error)),
    };
    let serves = matches!(cli.command, Command::Server(_));
    let Global { output, quiet, verbose, color, .. } = cli.global;
    let output = Output::new(output, quiet, verbose, color, serves);
    let done =
        runtime().map_err(|source| Failure::failed("starting the program", &source)).and_then(|runtime| {
            let done = runtime.block_on(run(&cli, &output));
            // Tasks that still run are abandoned: a server that lost its lease must not wait for
            // them.
            runtime.shutdown_background();
            done
        });
    match done {
        Ok(done) => done.code(),
        Err(failure) => output.failure(&failure),
    }
}

/// Builds the runtime, with as many threads as there are processors, up to [`THREADS`].
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread().worker_threads(processors.min(THREADS)).enable_all().build()
}

/// Runs the command that was typed.
async fn run(cli: &Cli, output: &Output) -> Result<Done, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Backup(command) => backup::run(global, command, output).await,
        Command::Restore(command) => restore::run(global, command, output).await,
        Command::Schedule(command) => schedule::run(global, command, output).await,
        Command::Hook(command) => hook::run(global, command, output).await,
        Command::Location(command) => location::run(global, command, output).await,
        Command::Obligation(command) => obligation::run(global, command, output).await,
        Command::Bucket(command) => bucket::run(command, output).await,
        Command::Server(command) => server::run(global, command).await,
        Command::Install(command) => install::run(global, command, output),
        Command::Crd(command) => crd::run(command, output),
        Command::Completion(command) => completion::run(command, output),
        Command::Version(command) => version::run(global, command, output).await,
    }
}
