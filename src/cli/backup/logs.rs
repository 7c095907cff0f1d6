//! `ark backup contents|logs|verify|download`: looking at a backup, in its bucket or through the server.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use futures::TryStreamExt;
use indicatif::HumanBytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::api::{Backup, CompiledSelection};
use crate::archive::{IndexHeader, IndexItem, IndexLine};
use crate::backup;
use crate::cli::Global;
use crate::cli::args::location::SourceArgs;
use crate::cli::args::selection::SelectionArgs;
use crate::cli::download::{self, RunPart};
use crate::cli::exit::{Done, Failure};
use crate::cli::output::{Format, Output};
use crate::model::{BackupName, ClusterScope, ItemKey, Progress, term_means};
use crate::store::Resumed;

const CONTENTS_EXAMPLE: &str = "\
Example: the secrets of one namespace
  ark backup contents nightly \\
    --include-namespaces shop --include-resources secrets

With -o json each item is one line.";

/// List the items in a backup; reads its index, not the backup itself.
#[derive(Args, Debug)]
#[command(after_help = CONTENTS_EXAMPLE)]
pub struct ContentsCommand {
    /// The name of the backup
    name: BackupName,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// Lists the items in tarball order, a line each, as the index streams in.
pub async fn contents(global: &Global, command: &ContentsCommand, output: &Output) -> Result<Done, Failure> {
    let selection = command.selection.compile()?;
    let bucket =
        download::bucket::<Backup>(global, &command.source, &command.name, RunPart::Index, output).await?;
    let mut lines = bucket.open_backup(&command.name).await?.index().await?;
    let (mut columns, mut found) = (Columns::default(), false);
    while let Some(line) = lines.try_next().await? {
        match line {
            IndexLine::Header(header) => {
                warn_of_unknown_kinds(&header, &selection, command, output);
                columns = Columns::begin(header, output)?;
            }
            IndexLine::Item(item) => {
                let key = item.key().map_err(|error| Failure::failed("reading the index", &error))?;
                if columns.selects(&selection, &key, &item) {
                    found = true;
                    columns.print(&key, &item, output)?;
                }
            }
            IndexLine::Frame(_) => {}
        }
    }
    if !found {
        output.note(format!("nothing in backup {} matches", command.name));
    }
    Ok(Done::Complete)
}

/// A kind that is misspelt would silently select nothing.
fn warn_of_unknown_kinds(
    header: &IndexHeader,
    selection: &CompiledSelection,
    command: &ContentsCommand,
    output: &Output,
) {
    let (included, _) = selection.kinds.terms();
    let known = |term: &str| header.kinds.iter().any(|info| term_means(term, &info.resource, info.aliases()));
    for term in included.iter().filter(|term| !known(term)) {
        output.warning(format!("no kind in backup {} is called `{term}`", command.name));
    }
}

/// Column widths are known from the header, so that rows can be printed as they come.
#[derive(Default)]
struct Columns {
    header: Option<IndexHeader>,
    kind: usize,
}

/// Wide enough for most namespaces; a longer one shifts its own row only.
const NAMESPACE_WIDTH: usize = 24;

/// Every uid is a UUID.
const UID_WIDTH: usize = 36;

impl Columns {
    fn begin(header: IndexHeader, output: &Output) -> Result<Self, Failure> {
        let kind =
            header.kinds.iter().map(|kind| kind.resource.as_str().len()).max().unwrap_or_default().max(4);
        if matches!(output.format(), Format::Table | Format::Wide) {
            let wide = if output.format() == Format::Wide {
                format!("{:UID_WIDTH$}   ", "UID")
            } else {
                String::new()
            };
            output.line(format!(
                "{:kind$}   {:NAMESPACE_WIDTH$}   {:>8}   {wide}NAME",
                "KIND", "NAMESPACE", "BYTES"
            ))?;
        }
        Ok(Self { header: Some(header), kind })
    }

    fn selects(&self, selection: &CompiledSelection, key: &ItemKey, item: &IndexItem) -> bool {
        let known = self
            .header
            .as_ref()
            .and_then(|header| header.kinds.iter().find(|kind| kind.resource == key.kind));
        let kind = match known {
            Some(info) => selection.kinds.takes(&key.kind, info.aliases()),
            None => selection.kinds.takes(&key.kind, std::iter::empty()),
        };
        let namespace = match &key.namespace {
            Some(namespace) => selection.namespaces.takes(namespace),
            None if key.kind.as_str() == "namespaces" => selection.namespaces.takes(&key.name),
            None => selection.cluster_scope == ClusterScope::All,
        };
        kind && namespace && selection.labels.matches(&item.labels)
    }

    fn print(&self, key: &ItemKey, item: &IndexItem, output: &Output) -> Result<(), Failure> {
        let namespace = key.namespace.as_deref().unwrap_or("-");
        let kind_width = self.kind;
        match output.format() {
            Format::Name => output.line(key),
            Format::Json => output.line(serde_json::json!({
                "kind": key.kind, "namespace": key.namespace, "name": key.name, "bytes": item.size, "uid": item.uid,
                "labels": item.labels,
            })),
            Format::Yaml => output.line(format!(
                "- {{kind: {:?}, namespace: {:?}, name: {:?}, bytes: {}}}",
                key.kind.as_str(), namespace, key.name, item.size
            )),
            Format::Table | Format::Wide => {
                let wide = if output.format() == Format::Wide {
                    format!("{:UID_WIDTH$}   ", item.uid)
                } else {
                    String::new()
                };
                output.line(format!(
                    "{:kind_width$}   {namespace:NAMESPACE_WIDTH$}   {:>8}   {wide}{}",
                    key.kind.as_str(), item.size, key.name
                ))
            }
        }
    }
}

/// Print the log of a backup.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ark backup logs nightly\n  ark backup logs nightly --location file:///backups"
)]
pub struct LogsCommand {
    /// The name of the backup
    name: BackupName,
    #[command(flatten)]
    source: SourceArgs,
}

/// Prints the log: a line each, or as it is stored with `-o json`.
pub async fn logs(global: &Global, command: &LogsCommand, output: &Output) -> Result<Done, Failure> {
    let bucket =
        download::bucket::<Backup>(global, &command.source, &command.name, RunPart::Log, output).await?;
    let log = bucket.open_backup(&command.name).await?.log().await?;
    print_log(log, output)
}

/// Prints the lines of a log.
pub fn print_log(log: impl BufRead, output: &Output) -> Result<Done, Failure> {
    for line in log.lines() {
        let line = line.map_err(|error| Failure::failed("reading the log", &error))?;
        output.line(if output.format() == Format::Json { line } else { plain(&line) })?;
    }
    Ok(Done::Complete)
}

fn plain(line: &str) -> String {
    let Ok(fields) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    format!("{} {:7} {}", text("time"), text("level"), text("message"))
}

/// Read a whole backup and check it against its hashes.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ark backup verify nightly\n  ark backup verify nightly --location file:///backups"
)]
pub struct VerifyCommand {
    /// The name of the backup
    name: BackupName,
    #[command(flatten)]
    source: SourceArgs,
}

/// Verifies; any problem is exit code 1.
pub async fn verify(global: &Global, command: &VerifyCommand, output: &Output) -> Result<Done, Failure> {
    let bucket =
        download::bucket::<Backup>(global, &command.source, &command.name, RunPart::Everything, output)
            .await?;
    let progress = Progress::default();
    progress.stage(format!("verifying {}", command.name));
    let on_bytes = |bytes| progress.transfer(bytes);
    let report =
        output.follow(&progress, bucket.verify(&command.name, backup::index_metadata, &on_bytes)).await?;
    for problem in &report.problems {
        output.error(problem);
    }
    if !report.is_sound() {
        let problems = report.problems.len() as u64 + report.more_problems;
        return Err(Failure::because(format!(
            "verifying backup {}: it is damaged, see above ({problems} problems); make another backup, and restore from this one only what is whole",
            command.name
        )));
    }
    output.line(format!(
        "backup {} is sound: {} items in {} files, all read and compared with their hashes",
        command.name, report.items, report.objects
    ))?;
    Ok(Done::Complete)
}

/// Save a backup as a .tar.zst file.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ark backup download nightly\n  ark backup download nightly --location file:///backups --to nightly.tar.zst\n  tar --zstd -tf nightly.tar.zst"
)]
pub struct DownloadCommand {
    /// The name of the backup
    name: BackupName,
    #[command(flatten)]
    source: SourceArgs,
    /// The file to write [default: NAME.tar.zst in the current folder]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

/// Downloads beside the file and renames at the end: a file of that name is always whole.
pub async fn download(global: &Global, command: &DownloadCommand, output: &Output) -> Result<Done, Failure> {
    let to = command.to.clone().unwrap_or_else(|| PathBuf::from(format!("{}.tar.zst", command.name)));
    if to.exists() && !command.force {
        return Err(Failure::because(format!(
            "saving the tarball to {}: the file exists; name another with --to, or replace it with --force",
            to.display()
        )));
    }
    let bucket =
        download::bucket::<Backup>(global, &command.source, &command.name, RunPart::Tarball, output).await?;
    let stored = bucket.open_backup(&command.name).await?;
    let key = stored.parts().tarball();
    let mut chunks = Resumed::open(Arc::clone(bucket.store()), key.clone(), None).await?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |error: &dyn std::error::Error| {
        Failure::failed(&format!("saving the tarball to {}", to.display()), error)
    };
    let temporary = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    let mut file = tokio::fs::File::from_std(temporary.reopen().map_err(|error| failed(&error))?);
    let (mut size, mut hash) = (0_u64, Sha256::new());
    while let Some(chunk) = chunks.next().await? {
        size += chunk.len() as u64;
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(|error| failed(&error))?;
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if stored.object(key).is_none_or(|object| object.size != size || object.sha256 != digits) {
        return Err(Failure::because(format!(
            "saving the tarball of backup {}: what was read is not what was written once, and nothing was saved; `ark backup verify {}` says where it is damaged",
            command.name, command.name
        )));
    }
    file.sync_all().await.map_err(|error| failed(&error))?;
    temporary.persist(&to).map_err(|error| failed(&error.error))?;
    output.line(format!("saved {} ({})", to.display(), HumanBytes(size)))?;
    Ok(Done::Complete)
}
