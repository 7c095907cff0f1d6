//! `ark bucket`: looking after a bucket with no cluster at all.

mod adopt;
mod list;
mod verify;

use clap::Subcommand;

use super::exit::{Done, Failure};
use super::output::Output;
use verify::{VerifyCommand, verify};

/// List, verify or add backups in a bucket; needs no cluster.
#[derive(Debug, Subcommand)]
pub enum BucketCommand {
    /// List the backups and restores in a bucket, also unfinished ones and those of other programs
    List(list::ListCommand),
    /// Read every backup in a bucket and compare it with its hashes
    Verify(VerifyCommand),
    /// Add a saved .tar.zst file to a bucket, as a backup that can be listed and restored
    Adopt(adopt::AdoptCommand),
}

/// Runs the verb.
pub async fn run(command: &BucketCommand, output: &Output) -> Result<Done, Failure> {
    match command {
        BucketCommand::List(command) => list::list(command, output).await,
        BucketCommand::Verify(command) => verify(command, output).await,
        BucketCommand::Adopt(command) => adopt::adopt(command, output).await,
    }
}
