//! The person's door: what can be typed, and which function answers.
//!
//! One file a noun, one function a verb. `output` alone prints; `failure` alone knows exit codes.

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
mod install;
mod invocation;
mod location;
mod memory;
mod output;
mod reference;
mod restore;
mod schedule;
mod server;
mod signal;
mod verbs;
mod version;

pub use commands::Cli;
use commands::Command;
use std::process::ExitCode;

use clap::FromArgMatches;

use exit::{Done, Failure};
use global::Global;
pub use install::{chart_rules, rules_table};
use invocation::Called;
use output::Output;

pub use reference::reference;

/// Cluster and bucket are the slow ones; on a machine of many processors more threads would only hold memory.
const THREADS: usize = 4;

/// Parses the command line, runs the verb, and answers with its exit code.
pub fn main() -> ExitCode {
    memory::keep_large_pieces_apart();
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
            // What still runs on a thread of its own is nobody's any more; a server that lost its lease must not wait for it.
            runtime.shutdown_background();
            done
        });
    match done {
        Ok(done) => done.code(),
        Err(failure) => output.failure(&failure),
    }
}

/// The threads: as many as there are processors, up to [`THREADS`].
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread().worker_threads(processors.min(THREADS)).enable_all().build()
}

async fn run(cli: &Cli, output: &Output) -> Result<Done, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Backup(command) => backup::run(global, command, output).await,
        Command::Restore(command) => restore::run(global, command, output).await,
        Command::Schedule(command) => schedule::run(global, command, output).await,
        Command::Location(command) => location::run(global, command, output).await,
        Command::Bucket(command) => bucket::run(command, output).await,
        Command::Server(command) => server::run(global, command).await,
        Command::Install(command) => install::run(global, command, output),
        Command::Crd(command) => crd::run(command, output),
        Command::Completion(command) => completion::run(command, output),
        Command::Version(command) => version::run(global, command, output).await,
    }
}
