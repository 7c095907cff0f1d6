//! The person's door: what can be typed, and which function answers.
//!
//! One file a noun, one function a verb. `output` alone prints; `failure` alone knows exit codes.

mod args;
mod backup;
mod bucket;
mod client;
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

use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand};

use exit::{Done, Failure};
use global::Global;
pub use install::{chart_rules, rules_table};
use invocation::Called;
use output::Output;
pub use reference::reference;

/// Cluster and bucket are the slow ones; on a machine of many processors more threads would only hold memory.
const THREADS: usize = 4;

const EXAMPLE: &str = "\
Examples:
  # Back up the cluster of the current kubeconfig context into a folder
  ark backup run nightly --location file:///backups
  # See what is there
  ark bucket list --location file:///backups
  # Bring one namespace back under another name; with --dry-run: only print what would be done
  ark restore run --location file:///backups --from-backup nightly \\
    --include-namespaces shop --namespace-mappings shop:shop-copy

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  done, but some items failed
  4  not found
  5  the cluster cannot be reached
  6  the bucket cannot be reached";

/// Backs up a Kubernetes cluster into a bucket and brings it back, there or in another cluster.
#[derive(Debug, Parser)]
#[command(name = "ark", version, about, after_help = EXAMPLE, max_term_width = 120)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make backups, look into them, check them
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Restore from a backup
    #[command(subcommand)]
    Restore(restore::RestoreCommand),
    /// Make backups by the clock
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Say where the server keeps backups
    #[command(subcommand)]
    Location(location::LocationCommand),
    /// List, check and add to what is in a bucket; needs no cluster
    #[command(subcommand)]
    Bucket(bucket::BucketCommand),
    /// Run the server in a cluster
    Server(server::ServerCommand),
    /// Print the manifests that install the server in a cluster
    Install(install::InstallCommand),
    /// Print Ark's custom resource definitions
    Crd(crd::CrdCommand),
    /// Print a completion script for a shell
    Completion(completion::CompletionCommand),
    /// Print the version of Ark and of the backup format it writes, and of the server
    Version(version::VersionCommand),
}

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
