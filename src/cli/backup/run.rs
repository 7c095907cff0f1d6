//! `ark backup run`: runs the engine in this process, without a server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use indicatif::HumanBytes;
use uuid::Uuid;

use crate::api::{self, BackupHooks, BackupSpec, Origin};
use crate::backup::{self, BackupOutcome, BackupRequest};
use crate::bucket::RunKind;
use crate::cli::args::location::LocationArgs;
use crate::cli::args::selection::SelectionArgs;
use crate::cli::exit::signal;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output, count, findings};
use crate::cli::verbs::create::{check, kept, new_name, timed_name};
use crate::cli::verbs::describe::elapsed;
use crate::model::{BackupName, Progress};

const EXAMPLE: &str = "\
Examples:
  # The whole cluster into a folder; the time becomes the name
  ark backup run --location file:///backups
  # Two namespaces into S3, without their secrets
  ark backup run shop-1 --location 's3://backups/prod?region=eu-central-1' \\
    --include-namespaces shop,shop-db --exclude-resources secrets

Ctrl-C ends the run and removes what it had written. A name that exists in the bucket is never overwritten.";

/// Back up a cluster from this machine; nothing needs to be installed in it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct RunCommand {
    /// The name of the backup; it must be new in the bucket [default: the time in UTC as
    /// yyyymmddhhmmss]
    #[arg(value_parser = new_name::<BackupName>)]
    name: Option<BackupName>,
    #[command(flatten)]
    location: LocationArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Run the hooks and actions in this YAML file as well, which holds what a Backup has in
    /// spec.hooks
    #[arg(long, value_name = "FILE", conflicts_with = "disable_hooks")]
    hooks: Option<PathBuf>,
    /// Run no hooks: pods that ask for hooks by annotation are a warning
    #[arg(long)]
    disable_hooks: bool,
    /// Keep the backup for this long: 30d, 720h [default: for ever; a server keeps its own for 30
    /// days]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = kept)]
    ttl: Option<api::Duration>,
}

/// Runs the backup and prints its outcome.
pub async fn run(global: &Global, command: &RunCommand, output: &Output) -> Result<Done, Failure> {
    let spec = BackupSpec {
        filter: command.selection.filter()?,
        hooks: command.hooks.as_deref().map(read_hooks).transpose()?,
        ttl: command.ttl.clone(),
        ..BackupSpec::default()
    };
    // A mistake in the command line is reported before anything is touched.
    check(&spec)?;
    command.location.check()?;
    let cluster = global.cluster().await?;
    let identity = cluster.identity().await?;
    let bucket = command.location.bucket().await?;
    let location = bucket.establish_identity().await?.id;
    let name = match &command.name {
        Some(name) => name.clone(),
        None => timed_name(&bucket, RunKind::Backup, "").await?,
    };
    let request = BackupRequest {
        name,
        spec,
        labels: BTreeMap::new(),
        uid: Uuid::new_v4().to_string(),
        namespace: None,
        origin: Origin { location: Some(location), ..Origin::default() },
        holder: crate::cli::global::holder(),
        cluster: identity,
        runs_hooks: !command.disable_hooks,
        notes: None,
        attempt: 1,
    };
    let began = Instant::now();
    let progress = Progress::default();
    let stop = signal::stopped(
        output,
        "undoing what hooks have changed, and removing what is half-written from the bucket",
    );
    let work = backup::run(&cluster, &bucket, &request, &progress, stop);
    let outcome = output.follow(&progress, work).await?;
    report(&outcome, began, output)
}

fn read_hooks(file: &Path) -> Result<BackupHooks, Failure> {
    let doing = format!("reading the hooks in {}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| Failure::failed(&doing, &error))?;
    serde_saphyr::from_str(&text).map_err(|error| {
        Failure::usage(format!("{doing}: {error}; it should hold what a Backup has in spec.hooks"))
    })
}

fn report(outcome: &BackupOutcome, began: Instant, output: &Output) -> Result<Done, Failure> {
    let BackupOutcome { backup, results } = outcome;
    let name = backup.metadata.name.as_deref().unwrap_or_default();
    let status = backup.status.clone().unwrap_or_default();
    findings(output, results);
    match output.format() {
        Format::Json | Format::Yaml => output.document(backup)?,
        Format::Name => output.line(name)?,
        Format::Table | Format::Wide => {
            let progress = status.progress.unwrap_or_default();
            let stored = status.objects.iter().map(|object| object.size).sum::<u64>();
            output.line(format!(
                "backup {name}: {}, {} ({}, {} stored) at revision {} in {}, {} left out, {}, {}",
                status.phase.unwrap_or_default(),
                count(progress.items_backed_up, "item"),
                HumanBytes(progress.bytes),
                HumanBytes(stored),
                status.revision.unwrap_or_default(),
                elapsed(began),
                results.skipped.total(),
                count(results.warnings, "warning"),
                count(results.errors, "error"),
            ))?;
            match status.expiration {
                Some(expiration) => output.note(format!("it is kept until {expiration}")),
                None => output
                    .note("it is kept for ever; --ttl gives it an end, as a server gives its own 30 days"),
            }
        }
    }
    Ok(Done::unless(results.errors > 0))
}
