//! `ark restore run`: runs the engine in this process, without a server.

use std::collections::BTreeMap;
use std::time::Instant;

use clap::Args;
use uuid::Uuid;

use crate::api::{Origin, RestoreSpec};
use crate::bucket::RunKind;
use crate::cli::args::location::LocationArgs;
use crate::cli::args::restore_spec::RestoreArgs;
use crate::cli::client::{ServerPresence, server_presence};
use crate::cli::exit::signal;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output, count, findings};
use crate::cli::verbs::create::{new_name, timed_name};
use crate::cli::verbs::describe::elapsed;
use crate::cluster::Cluster;
use crate::model::{BackupName, Progress, RestoreName};
use crate::restore::{self, ItemAction, Preview, RestoreOutcome, RestoreRequest};

const EXAMPLE: &str = "\
Examples:
  # Look first: print what would be done to each item of one namespace, and do nothing
  ark restore run --location file:///backups --from-backup nightly --include-namespaces shop --dry-run
  # Bring that namespace back under another name
  ark restore run --location file:///backups --from-backup nightly \\
    --include-namespaces shop --namespace-mappings shop:shop-copy

What exists already stays as it is unless --existing-resource-policy says otherwise, so that the
same restore can be run again. Ctrl-C ends the run; what is restored by then stays.";

/// Restore a backup, or a part of it, from this machine; nothing needs to be installed in the
/// cluster.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct RunCommand {
    /// The name of the restore; it must be new in the bucket [default: BACKUP-yyyymmddhhmmss]
    #[arg(value_parser = new_name::<RestoreName>)]
    name: Option<RestoreName>,
    /// The name of the backup to restore
    #[arg(long, value_name = "BACKUP")]
    from_backup: BackupName,
    #[command(flatten)]
    location: LocationArgs,
    /// Only print what would be done with each item; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Run no hooks: pods that ask for hooks by annotation are a warning
    #[arg(long)]
    disable_hooks: bool,
    /// How many items to create at the same time [default: as many as the API server answers
    /// soonest, up to 256]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=256))]
    parallel: Option<u64>,
    #[command(flatten)]
    restore: RestoreArgs,
}

/// Runs the restore, or with `--dry-run` prints what a restore would do.
pub async fn run(global: &Global, command: &RunCommand, output: &Output) -> Result<Done, Failure> {
    let backup_name = Some(command.from_backup.to_string());
    let spec = command.restore.spec(RestoreSpec { backup_name, ..RestoreSpec::default() })?;
    command.location.check()?;
    let cluster = global.cluster().await?;
    let identity = cluster.identity().await?;
    let server = beside(&cluster, &global.namespace, output).await;
    let bucket = command.location.bucket().await?;
    // A restore works without the location's identity, so that a lost or unreadable one is no
    // failure.
    let location = bucket.identity().await.ok().flatten();
    let name = match &command.name {
        Some(name) => name.clone(),
        None => timed_name(&bucket, RunKind::Restore, &format!("{}-", command.from_backup)).await?,
    };
    let request = RestoreRequest {
        goes_on: false,
        name,
        spec,
        backup: None,
        source: None,
        labels: BTreeMap::new(),
        uid: Uuid::new_v4().to_string(),
        namespace: None,
        began: None,
        origin: Origin { location: location.map(|location| location.id), ..Origin::default() },
        holder: crate::cli::global::holder(),
        cluster: identity,
        server,
        attempt: 1,
        record: true,
        runs_hooks: !command.disable_hooks,
        parallel: command.parallel.and_then(|number| usize::try_from(number).ok()).unwrap_or_default(),
    };
    let began = Instant::now();
    let progress = Progress::default();
    if command.dry_run {
        let preview =
            output.follow(&progress, restore::preview(&cluster, &bucket, &request, &progress)).await?;
        return show(&preview, output);
    }
    let stop = signal::stopped(output, "what is restored by now stays, and is recorded in the bucket");
    let work = restore::run(&cluster, &bucket, &request, &progress, stop);
    let outcome = output.follow(&progress, work).await?;
    report(&outcome, began, output)
}

/// Returns the server's namespace if a server runs in it, or may run: that namespace stays as it
/// is.
async fn beside(cluster: &Cluster, namespace: &str, output: &Output) -> Option<String> {
    match server_presence(cluster.client(), namespace).await {
        ServerPresence::Before(_) | ServerPresence::Never => return None,
        ServerPresence::Running(_) => output.note(format!(
            "a server runs in namespace {namespace}, which stays as it is unless --include-namespaces names it"
        )),
        ServerPresence::Unknown(why) => output.note(format!(
            "namespace {namespace} stays as it is unless --include-namespaces names it: whether a server runs there is not known ({why})"
        )),
    }
    Some(namespace.to_owned())
}

/// Prints a preview: a line for each item, then the counts.
fn show(preview: &Preview, output: &Output) -> Result<Done, Failure> {
    findings(output, &preview.results);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for act in &preview.acts {
        *counts.entry(act.action.to_string()).or_default() += 1;
        match output.format() {
            Format::Json | Format::Yaml => {}
            Format::Name if matches!(act.action, ItemAction::Skip(_)) => {}
            Format::Name => output.line(act.target.as_ref().unwrap_or(&act.item))?,
            Format::Table | Format::Wide => {
                let target = act.target.as_ref().map(|target| format!(" as {target}")).unwrap_or_default();
                let reason = act.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                output.line(format!("{} {}{target}{reason}", act.action, act.item))?;
            }
        }
    }
    match output.format() {
        Format::Json | Format::Yaml => output.document(&preview.acts)?,
        _ => {
            let counts: Vec<String> =
                counts.iter().map(|(action, count)| format!("{count} {action}")).collect();
            let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
            output.note(format!(
                "a restore of backup {} would do this: {counts}; nothing was done",
                preview.backup
            ));
        }
    }
    Ok(Done::unless(preview.results.errors > 0))
}

fn report(outcome: &RestoreOutcome, began: Instant, output: &Output) -> Result<Done, Failure> {
    let RestoreOutcome { restore, results } = outcome;
    let name = restore.metadata.name.as_deref().unwrap_or_default();
    let status = restore.status.clone().unwrap_or_default();
    findings(output, results);
    match output.format() {
        Format::Json | Format::Yaml => output.document(restore)?,
        Format::Name => output.line(name)?,
        Format::Table | Format::Wide => output.line(format!(
            "restore {name}: {}, {} created, {} updated, {} skipped in {}, {}, {}",
            status.phase.unwrap_or_default(),
            status.created,
            status.updated,
            status.skipped,
            elapsed(began),
            count(results.warnings, "warning"),
            count(results.errors, "error"),
        ))?,
    }
    Ok(Done::unless(results.errors > 0))
}
