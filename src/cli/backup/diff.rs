//! `ark backup diff`: compares two backups, or a backup and the live cluster, by the hashes in the
//! indexes.
//!
//! A hash leaves out status and the fields that the server sets on each write, so that only changes
//! by users and controllers show.

use std::collections::HashMap;

use clap::Args;
use futures::TryStreamExt;

use crate::api::Backup;
use crate::archive::{IndexHeader, IndexLine};
use crate::backup::live_items;
use crate::bucket::Bucket;
use crate::cli::args::location::SourceArgs;
use crate::cli::download::{self, RunPart};
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output};
use crate::model::{BackupName, ItemKey, causes};

const EXAMPLE: &str = "\
Examples:
  # What changed in the cluster since the backup
  ark backup diff nightly --live
  # What changed between two backups in a bucket, without a server
  ark backup diff monday tuesday --location file:///backups

Lines: + only in the second, - only in the first, ~ in both and different; status and what the API server
sets by itself (resourceVersion, managedFields) do not count. The exit code does not tell whether anything differs.";

/// Compare a backup with another one, or with the live cluster.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct DiffCommand {
    /// The name of the first backup
    first: BackupName,
    /// The name of the second backup; left out with --live
    #[arg(required_unless_present = "live", conflicts_with = "live")]
    second: Option<BackupName>,
    /// Compare with the live cluster instead of a second backup
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// The hash of each item, by its key.
type Hashes = HashMap<ItemKey, u64>;

#[derive(Default)]
struct DiffCounts {
    added: u64,
    removed: u64,
    changed: u64,
    equal: u64,
}

/// Prints the differences, a line for each item, and the counts.
pub async fn diff(global: &Global, command: &DiffCommand, output: &Output) -> Result<Done, Failure> {
    let bucket =
        download::bucket::<Backup>(global, &command.source, &command.first, RunPart::Index, output).await?;
    let (header, mut first) = hashes(&bucket, &command.first).await?;
    let mut counts = DiffCounts::default();
    let mut failed = false;
    match &command.second {
        Some(second) => {
            let bucket =
                download::bucket::<Backup>(global, &command.source, second, RunPart::Index, output).await?;
            let mut lines = bucket.open_backup(second).await?.index().await?;
            while let Some(line) = lines.try_next().await? {
                if let IndexLine::Item(item) = line {
                    let key = item.key().map_err(|error| Failure::failed("reading the index", &error))?;
                    compare(&mut first, key, item.hash, &mut counts, output)?;
                }
            }
        }
        None => {
            failed = compare_live(global, &header, &bucket, command, &mut first, &mut counts, output).await?;
        }
    }
    let mut removed: Vec<&ItemKey> = first.keys().collect();
    removed.sort();
    for key in removed {
        counts.removed += 1;
        print('-', key, output)?;
    }
    if output.format() != Format::Name {
        output.note(format!(
            "{} added, {} removed, {} changed, {} equal",
            counts.added, counts.removed, counts.changed, counts.equal
        ));
    }
    Ok(Done::unless(failed))
}

async fn hashes(bucket: &Bucket, name: &BackupName) -> Result<(IndexHeader, Hashes), Failure> {
    let mut lines = bucket.open_backup(name).await?.index().await?;
    let (mut header, mut hashes) = (None, Hashes::new());
    while let Some(line) = lines.try_next().await? {
        match line {
            IndexLine::Header(line) => header = Some(line),
            IndexLine::Item(item) => {
                let key = item.key().map_err(|error| Failure::failed("reading the index", &error))?;
                hashes.insert(key, item.hash);
            }
            IndexLine::Frame(_) => {}
        }
    }
    let header = header.ok_or_else(|| {
        Failure::because(format!(
            "the index of backup {name} has no header; `ark backup verify {name}` says more"
        ))
    })?;
    Ok((header, hashes))
}

/// Lists the cluster as the backup's own specification selects it and compares; returns `true` if a
/// kind could not be listed.
async fn compare_live(
    global: &Global,
    header: &IndexHeader,
    bucket: &Bucket,
    command: &DiffCommand,
    first: &mut Hashes,
    counts: &mut DiffCounts,
    output: &Output,
) -> Result<bool, Failure> {
    let cluster = global.cluster().await?;
    let backup = bucket.read_backup(&command.first).await?;
    if cluster.identity().await?.uid != header.cluster {
        output.note("this is another cluster than the one that was backed up");
    }
    let mut printed = Ok(());
    let failures = live_items(&cluster, &backup.spec, &header.kinds, |key, hash| {
        if printed.is_ok() {
            printed = compare(first, key, hash, counts, output);
        }
    })
    .await?;
    printed?;
    for (kind, error) in &failures {
        first.retain(|key, _| key.resource != *kind);
        output.error(format!("{kind}: not compared: {}", causes(error)));
    }
    Ok(!failures.is_empty())
}

fn compare(
    first: &mut Hashes,
    key: ItemKey,
    hash: u64,
    counts: &mut DiffCounts,
    output: &Output,
) -> Result<(), Failure> {
    match first.remove(&key) {
        None => {
            counts.added += 1;
            print('+', &key, output)
        }
        Some(before) if before != hash => {
            counts.changed += 1;
            print('~', &key, output)
        }
        Some(_) => {
            counts.equal += 1;
            Ok(())
        }
    }
}

fn print(sign: char, key: &ItemKey, output: &Output) -> Result<(), Failure> {
    match output.format() {
        Format::Json => output.line(serde_json::json!({
            "change": match sign { '+' => "added", '-' => "removed", _ => "changed" },
            "kind": key.resource, "namespace": key.namespace, "name": key.name,
        })),
        _ => output.line(format!("{sign} {key}")),
    }
}
