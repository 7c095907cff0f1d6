//! `ark backup contents`: lists the items of a backup, from its index.

use clap::Args;
use futures::TryStreamExt;

use crate::api::{Backup, CompiledSelection};
use crate::archive::{IndexHeader, IndexItem, IndexLine};
use crate::cli::args::location::SourceArgs;
use crate::cli::args::selection::SelectionArgs;
use crate::cli::download::{self, RunPart};
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output};
use crate::model::{BackupName, ClusterScope, ItemKey, term_means};

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
    pub(super) name: BackupName,
    #[command(flatten)]
    pub(super) source: SourceArgs,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
}

/// Prints the items in the order of the tarball, a line each, as the index streams in.
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

/// Warns of kinds that the backup does not have: a misspelt kind would silently select nothing.
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

/// The widths of columns, which are known from the header, so that rows can be printed as they
/// come.
#[derive(Default)]
struct Columns {
    pub(super) header: Option<IndexHeader>,
    pub(super) kind: usize,
}

/// Width of the namespace: enough for most; a longer one shifts its own row only.
const NAMESPACE_WIDTH: usize = 24;

/// Width of a uid: every uid is a UUID.
const UID_WIDTH: usize = 36;

impl Columns {
    pub(super) fn begin(header: IndexHeader, output: &Output) -> Result<Self, Failure> {
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
            .and_then(|header| header.kinds.iter().find(|kind| kind.resource == key.resource));
        let kind = match known {
            Some(info) => selection.kinds.takes(&key.resource, info.aliases()),
            None => selection.kinds.takes(&key.resource, std::iter::empty()),
        };
        let namespace = match &key.namespace {
            Some(namespace) => selection.namespaces.takes(namespace),
            None if key.resource.as_str() == "namespaces" => selection.namespaces.takes(&key.name),
            None => selection.cluster_scope == ClusterScope::All,
        };
        kind && namespace && selection.labels.matches(&item.labels)
    }

    pub(super) fn print(&self, key: &ItemKey, item: &IndexItem, output: &Output) -> Result<(), Failure> {
        let namespace = key.namespace.as_deref().unwrap_or("-");
        let kind_width = self.kind;
        match output.format() {
            Format::Name => output.line(key),
            Format::Json => output.line(serde_json::json!({
                "kind": key.resource, "namespace": key.namespace, "name": key.name, "bytes": item.size, "uid": item.uid,
                "labels": item.labels,
            })),
            Format::Yaml => output.line(format!(
                "- {{kind: {:?}, namespace: {:?}, name: {:?}, bytes: {}}}",
                key.resource.as_str(), namespace, key.name, item.size
            )),
            Format::Table | Format::Wide => {
                let wide = if output.format() == Format::Wide {
                    format!("{:UID_WIDTH$}   ", item.uid)
                } else {
                    String::new()
                };
                output.line(format!(
                    "{:kind_width$}   {namespace:NAMESPACE_WIDTH$}   {:>8}   {wide}{}",
                    key.resource.as_str(), item.size, key.name
                ))
            }
        }
    }
}
