//! `ark bucket list`: every run in a bucket, with what its document says of it.

use clap::Args;
use futures::TryStreamExt;
use indicatif::HumanBytes;
use serde::Serialize;

use crate::api::Timestamp;
use crate::bucket::{Bucket, BucketError, RunEntry, RunKind, RunState, Writer};
use crate::cli::args::location::LocationArgs;
use crate::cli::exit::{Done, Failure};
use crate::cli::output::{Format, Output, Table};
use crate::model::causes;

/// Documents that are read at once: enough to hide the way to a far bucket, few enough for a slow one.
const AT_ONCE: usize = 16;

/// List the backups and restores in a bucket, also unfinished ones and those of other programs.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ark bucket list --location file:///backups
  ark bucket list --location 's3://backups/prod?region=eu-central-1' -o wide
  # MinIO and other services that speak S3; credentials come from AWS_ACCESS_KEY_ID or ~/.aws as usual
  ark bucket list --location 's3://backups/prod?endpoint=https://minio.example.com'

States: Completed, PartiallyFailed (some items failed) and Failed as the backup itself says;
Unfinished is being written or was left behind by a crash; Foreign was written by Velero or an Ark
of another format; Unreadable and Unrecognised are damaged, or no backup at all.")]
pub struct ListCommand {
    #[command(flatten)]
    location: LocationArgs,
}

/// One line of the list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListRow {
    kind: &'static str,
    name: String,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<u64>,
    size: u64,
    files: u64,
    written: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Lists the runs in the order of the bucket, backups first.
pub async fn list(command: &ListCommand, output: &Output) -> Result<Done, Failure> {
    let bucket = command.location.bucket().await?;
    let mut rows = Vec::new();
    for (kind, entries) in
        [(RunKind::Backup, bucket.list_backups()), (RunKind::Restore, bucket.list_restores())]
    {
        let described = entries.map_ok(|entry| async { Ok(ListRow::of(&bucket, kind, entry).await) });
        rows.extend(described.try_buffered(AT_ONCE).try_collect::<Vec<ListRow>>().await?);
    }
    print(&rows, output)?;
    Ok(Done::Complete)
}

impl ListRow {
    async fn of(bucket: &Bucket, kind: RunKind, entry: RunEntry) -> Self {
        let RunEntry { name, state, objects, size, modified, finished: _ } = entry;
        let noun = if kind == RunKind::Backup { "backup" } else { "restore" };
        let row = Self {
            kind: noun,
            name,
            state: String::new(),
            items: None,
            size,
            files: objects,
            written: modified.into(),
            expires: None,
            note: None,
        };
        match state {
            RunState::Complete => row.complete(bucket, kind).await,
            RunState::Partial(claim) => {
                let note = claim.map(|claim| {
                    let heartbeat = Timestamp::from(claim.heartbeat);
                    format!(
                        "by {} in cluster {}, last heard of at {heartbeat}",
                        claim.holder, claim.cluster_uid
                    )
                });
                Self { state: "Unfinished".to_owned(), note, ..row }
            }
            RunState::Foreign(writer) => {
                Self { note: Some(foreign(writer)), state: "Foreign".to_owned(), ..row }
            }
            RunState::Unrecognised => Self { state: "Unrecognised".to_owned(), ..row },
        }
    }

    /// Adds what the document says; one that cannot be read is a line like any other.
    async fn complete(self, bucket: &Bucket, kind: RunKind) -> Self {
        let read = match kind {
            RunKind::Backup => self.read_backup(bucket).await,
            RunKind::Restore => self.read_restore(bucket).await,
        };
        match read {
            Ok((state, items, expires)) => Self { state, items, expires, ..self },
            Err(problem) => Self { state: "Unreadable".to_owned(), note: Some(problem), ..self },
        }
    }

    async fn read_backup(&self, bucket: &Bucket) -> Result<DocumentSummary, String> {
        let name = self.name.parse().map_err(told)?;
        let status = bucket.read_backup(&name).await.map_err(explained)?.status.unwrap_or_default();
        let items = status.progress.map(|progress| progress.items_backed_up);
        Ok((status.phase.unwrap_or_default().to_string(), items, status.expiration))
    }

    async fn read_restore(&self, bucket: &Bucket) -> Result<DocumentSummary, String> {
        let name = self.name.parse().map_err(told)?;
        let status = bucket.read_restore(&name).await.map_err(explained)?.status.unwrap_or_default();
        let items = status.progress.map(|progress| progress.items_restored);
        Ok((status.phase.unwrap_or_default().to_string(), items, None))
    }
}

/// What a document says: phase, items, when it may go.
type DocumentSummary = (String, Option<u64>, Option<Timestamp>);

fn told(error: crate::model::InvalidName) -> String {
    error.to_string()
}

fn explained(error: BucketError) -> String {
    causes(&error)
}

fn foreign(writer: Writer) -> String {
    format!("written by {writer}")
}

fn print(rows: &[ListRow], output: &Output) -> Result<(), Failure> {
    match output.format() {
        Format::Json | Format::Yaml => output.document(&rows),
        Format::Name => rows.iter().try_for_each(|row| output.line(format!("{}/{}", row.kind, row.name))),
        Format::Table | Format::Wide if rows.is_empty() => {
            output.note("there are no backups and no restores in this bucket");
            Ok(())
        }
        Format::Table => output.line(table(rows, false)),
        Format::Wide => output.line(table(rows, true)),
    }
}

fn table(rows: &[ListRow], wide: bool) -> Table {
    let columns =
        ["kind", "name", "state", "items", "size", "written (UTC)", "expires (UTC)", "files", "note"];
    let mut table = Table::new(if wide { &columns } else { &columns[..6] });
    let time = |time: Timestamp| time.time().format("%Y-%m-%d %H:%M:%S").to_string();
    for row in rows {
        let mut cells = vec![
            row.kind.to_owned(),
            row.name.clone(),
            row.state.clone(),
            row.items.map_or_else(|| "-".to_owned(), |items| items.to_string()),
            HumanBytes(row.size).to_string(),
            time(row.written),
        ];
        if wide {
            cells.push(row.expires.map_or_else(|| "-".to_owned(), time));
            cells.push(row.files.to_string());
            cells.push(row.note.clone().unwrap_or_else(|| "-".to_owned()));
        }
        table.row(cells);
    }
    table
}
