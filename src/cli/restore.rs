//! `ark restore`: one function a verb.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::Utc;
use clap::{Args, Subcommand};
use serde_json::Value;
use uuid::Uuid;

use super::backup::elapsed;
use super::failure::{Done, Failure};
use super::location::LocationArgs;
use super::output::{Format, Output, count, findings};
use super::selection::{SelectionArgs, refused};
use super::{Global, signal};
use crate::api::{ExistingResourcePolicy, ResourceModifier, RestoreSpec, StatusFilter};
use crate::model::{BackupName, Progress, RestoreName};
use crate::restore::{self, Action, DEFAULT_PARALLEL, Preview, RestoreOutcome, RestoreRequest};

/// Restore from a backup.
#[derive(Debug, Subcommand)]
pub enum RestoreCommand {
    /// Restore a backup, or a part of it, from this machine; nothing needs to be installed in the cluster
    Run(Box<RunCommand>),
}

/// Runs the verb.
pub async fn run(global: &Global, command: &RestoreCommand, output: &Output) -> Result<Done, Failure> {
    match command {
        RestoreCommand::Run(command) => make(global, command, output).await,
    }
}

const EXAMPLE: &str = "\
Examples:
  # Look first: print what would be done to each item of one namespace, and do nothing
  ark restore run --location file:///backups --from-backup nightly --include-namespaces shop --dry-run
  # Bring that namespace back under another name
  ark restore run --location file:///backups --from-backup nightly \\
    --include-namespaces shop --namespace-mappings shop:shop-copy

What exists already stays as it is unless --existing-resource-policy says otherwise, so that the same restore can be
run again. Ctrl-C ends the run; what is restored by then stays.";

/// Restore a backup, or a part of it, from this machine; nothing needs to be installed in the cluster.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct RunCommand {
    /// The name of the restore; it must be new in the bucket [default: BACKUP-yyyymmddhhmmss]
    name: Option<RestoreName>,
    /// The backup to restore
    #[arg(long, value_name = "BACKUP")]
    from_backup: BackupName,
    #[command(flatten)]
    location: LocationArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Restore namespaces under other names: old:new,…
    #[arg(long, value_name = "OLD:NEW", value_delimiter = ',', value_parser = pair)]
    namespace_mappings: Vec<(String, String)>,
    /// What to do about an item that exists and differs: none (leave it and warn), update or recreate [default: none]
    #[arg(long, value_name = "POLICY")]
    existing_resource_policy: Option<ExistingResourcePolicy>,
    /// Restore volumes or not [default: where the backup has data for them]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    restore_volumes: Option<bool>,
    /// Restore the status of these kinds, too
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    status_include_resources: Vec<String>,
    /// Not the status of these kinds, even if included
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    status_exclude_resources: Vec<String>,
    /// Ask for the same node ports of Services as in the backup
    #[arg(long)]
    preserve_nodeports: bool,
    /// Replace storage classes: old:new,…
    #[arg(long, value_name = "OLD:NEW", value_delimiter = ',', value_parser = pair)]
    storage_class_mappings: Vec<(String, String)>,
    /// Replace container images, whole or by their beginning: old=new,…
    #[arg(long, value_name = "OLD=NEW", value_delimiter = ',', value_parser = equation)]
    image_mappings: Vec<(String, String)>,
    /// A YAML file of changes to make to items: resourceModifiers, or Velero's resourceModifierRules
    #[arg(long, value_name = "FILE")]
    resource_modifiers: Option<PathBuf>,
    /// Restore nothing if anything that would be restored exists already
    #[arg(long)]
    require_empty: bool,
    /// Only print what would be done to each item
    #[arg(long)]
    dry_run: bool,
    /// How many items to create at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = DEFAULT_PARALLEL as u64, value_parser = clap::value_parser!(u64).range(1..=256))]
    parallel: u64,
}

fn pair(text: &str) -> Result<(String, String), String> {
    split_pair(text, ':')
}

/// Image names hold colons.
fn equation(text: &str) -> Result<(String, String), String> {
    split_pair(text, '=')
}

fn split_pair(text: &str, at: char) -> Result<(String, String), String> {
    match text.split_once(at) {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok((old.to_owned(), new.to_owned())),
        _ => Err(format!("write it as old{at}new")),
    }
}

/// A mapping in which no name stands twice on the left.
fn mapping(flag: &str, pairs: &[(String, String)]) -> Result<BTreeMap<String, String>, Failure> {
    let mut map = BTreeMap::new();
    for (old, new) in pairs {
        if let Some(other) = map.insert(old.clone(), new.clone()).filter(|other| other != new) {
            return Err(Failure::usage(format!(
                "--{flag} maps `{old}` to both `{other}` and `{new}`; keep one of them"
            )));
        }
    }
    Ok(map)
}

fn spec(command: &RunCommand) -> Result<RestoreSpec, Failure> {
    let RunCommand {
        name: _,
        from_backup,
        location: _,
        selection,
        namespace_mappings,
        existing_resource_policy,
        restore_volumes,
        status_include_resources,
        status_exclude_resources,
        preserve_nodeports,
        storage_class_mappings,
        image_mappings,
        resource_modifiers,
        require_empty,
        dry_run: _,
        parallel: _,
    } = command;
    let status = StatusFilter {
        included_resources: status_include_resources.clone(),
        excluded_resources: status_exclude_resources.clone(),
    };
    Ok(RestoreSpec {
        backup_name: Some(from_backup.to_string()),
        filter: selection.filter()?,
        namespace_mapping: mapping("namespace-mappings", namespace_mappings)?,
        existing_resource_policy: *existing_resource_policy,
        restore_pvs: *restore_volumes,
        restore_status: (status != StatusFilter::default()).then_some(status),
        preserve_node_ports: preserve_nodeports.then_some(true),
        resource_modifiers: match resource_modifiers {
            Some(file) => read_modifiers(file)?,
            None => Vec::new(),
        },
        storage_class_mapping: mapping("storage-class-mappings", storage_class_mappings)?,
        image_mapping: mapping("image-mappings", image_mappings)?,
        require_empty: require_empty.then_some(true),
        ..RestoreSpec::default()
    })
}

/// Reads a list of modifiers, or the document that Velero keeps in a ConfigMap.
fn read_modifiers(file: &Path) -> Result<Vec<ResourceModifier>, Failure> {
    let doing = format!("reading the resource modifiers in {}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| Failure::failed(&doing, &error))?;
    let wrong = |problem: String| {
        Failure::usage(format!(
            "{doing}: {problem}; it should be a YAML list of rules with conditions and patches, or Velero's resourceModifierRules"
        ))
    };
    let mut document: Value = serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let rules = match document.get_mut("resourceModifierRules") {
        Some(rules) => rules.take(),
        None => document,
    };
    if !rules.is_array() {
        return Err(wrong("there is no list of rules in it".to_owned()));
    }
    serde_json::from_value(rules).map_err(|error| wrong(error.to_string()))
}

async fn make(global: &Global, command: &RunCommand, output: &Output) -> Result<Done, Failure> {
    let spec = spec(command)?;
    // What is wrong with the command line is told before anything is touched.
    let wrong = spec.validate();
    if !wrong.is_empty() {
        return Err(refused(&wrong));
    }
    command.location.check()?;
    let name = match &command.name {
        Some(name) => name.clone(),
        None => format!("{}-{}", command.from_backup, Utc::now().format("%Y%m%d%H%M%S"))
            .parse()
            .map_err(|error| Failure::failed("naming the restore", &error))?,
    };
    let cluster = global.cluster().await?;
    let request = RestoreRequest {
        name,
        spec,
        backup: None,
        labels: BTreeMap::new(),
        uid: Uuid::new_v4().to_string(),
        holder: super::holder(),
        cluster: cluster.identity().await?,
        attempt: 1,
        record: true,
        parallel: usize::try_from(command.parallel).unwrap_or(DEFAULT_PARALLEL),
    };
    let bucket = command.location.bucket().await?;
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

/// Prints a plan: a line an item, then what it comes to.
fn show(preview: &Preview, output: &Output) -> Result<Done, Failure> {
    findings(output, &preview.results);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for act in &preview.acts {
        *counts.entry(act.action.to_string()).or_default() += 1;
        match output.format() {
            Format::Json | Format::Yaml => {}
            Format::Name if matches!(act.action, Action::Skip(_)) => {}
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
