//! The commands of `ark`, and the help of the program.

use clap::{Parser, Subcommand};

use super::global::Global;
use super::{
    backup, bucket, completion, crd, hook, install, location, obligation, restore, schedule, server, version,
};

pub const EXAMPLE: &str = "\
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
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make, inspect and verify backups
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Restore backups, and show what was restored
    #[command(subcommand)]
    Restore(restore::RestoreCommand),
    /// Make backups regularly, by schedules
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Show and try the commands that pods have run around a backup
    #[command(subcommand)]
    Hook(hook::HookCommand),
    /// Show and undo what backups have changed and not undone: workloads at zero, locked databases
    #[command(subcommand)]
    Obligation(obligation::ObligationCommand),
    /// Manage the locations in which the server keeps backups
    #[command(subcommand)]
    Location(location::LocationCommand),
    /// List, verify or add backups in a bucket; needs no cluster
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
    /// Print the version of Ark and of its backup format, and with --server that of the server
    Version(version::VersionCommand),
}
