//! `ark obligation list`: lists what backups have changed and not undone.

use chrono::{DateTime, Utc};
use clap::Args;
use kube::ResourceExt as _;
use serde::Serialize;

use super::found::FoundObligations;
use crate::api::{Backup, Timestamp};
use crate::cli::args::location::SourceArgs;
use crate::cli::client::ArkClient;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::{Format, Output, Table};
use crate::hooks::obligations::{ObligationDocument, ObligedRun};

/// List what backups have changed outside of the bucket and not undone yet.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  # What the Backups of the server say\n  ark obligation list\n  # What a bucket says, of all clusters that write there, without a server\n  ark obligation list --location file:///backups\n\nA running backup renews its document every ten seconds; a server in the cluster undoes what has not been renewed for thirty."
)]
pub struct ListCommand {
    #[command(flatten)]
    source: SourceArgs,
}

/// One change that is to be undone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObligationRow {
    id: String,
    run: String,
    what: String,
    since: Option<Timestamp>,
    holder: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
}

/// Prints a line for each change.
pub async fn list(global: &Global, command: &ListCommand, output: &Output) -> Result<Done, Failure> {
    let rows: Vec<_> = match command.source.bucket() {
        Some(location) => {
            let found = FoundObligations::all(&location.bucket().await?).await?;
            found.into_iter().flat_map(of_document).collect()
        }
        None => {
            let backups = ArkClient::open(global).await?.list::<Backup>(None).await?;
            backups.iter().flat_map(of_status).collect()
        }
    };
    match output.format() {
        Format::Json | Format::Yaml => output.document(&rows)?,
        Format::Name => rows.iter().try_for_each(|row| output.line(&row.id))?,
        Format::Table | Format::Wide if rows.is_empty() => output.note("nothing is to be undone"),
        Format::Table => output.line(table(&rows, 5))?,
        Format::Wide => output.line(table(&rows, 7))?,
    }
    Ok(Done::Complete)
}

fn of_document(found: FoundObligations) -> Vec<ObligationRow> {
    let FoundObligations { id, modified, document } = found;
    let ObligationDocument { run, cluster_uid, holder, heartbeat, open, .. } = match document {
        Ok(document) => document,
        Err(why) => {
            let (run, holder, cluster) = ("unknown".to_owned(), "unknown".to_owned(), None);
            let (what, heartbeat) = (format!("cannot be read: {why}"), Some(modified.into()));
            return vec![ObligationRow { id, run, what, since: None, holder, heartbeat, cluster }];
        }
    };
    let ObligedRun { kind, name, .. } = run;
    let row = |what: String, since: DateTime<Utc>| ObligationRow {
        id: id.clone(),
        run: format!("{kind} {name}"),
        what,
        since: Some(since.into()),
        holder: holder.name.clone(),
        heartbeat: Some(heartbeat.into()),
        cluster: Some(cluster_uid.clone()),
    };
    open.iter().map(|each| row(each.describe(), each.since)).collect()
}

fn of_status(backup: &Backup) -> Vec<ObligationRow> {
    let Some(status) = &backup.status else { return Vec::new() };
    let row = |id: &String, what: &String, since| ObligationRow {
        id: id.clone(),
        run: format!("Backup {}", backup.name_any()),
        what: what.clone(),
        since: Some(since),
        holder: status.holder.clone().unwrap_or_default(),
        heartbeat: None,
        cluster: None,
    };
    let all = status.obligations.iter().flat_map(|(id, pending)| pending.iter().map(move |each| (id, each)));
    all.map(|(id, each)| row(id, &each.what, each.since)).collect()
}

fn table(rows: &[ObligationRow], columns: usize) -> Table {
    let names = ["id", "run", "what it does", "holder", "heartbeat", "since (UTC)", "cluster"];
    let mut table = Table::new(&names[..columns]);
    let now = Utc::now();
    for row in rows {
        let age = row.heartbeat.map(|heartbeat| age(now, heartbeat.time()));
        let since = row.since.map(|since| since.time().format("%Y-%m-%d %H:%M:%S").to_string());
        let cells = [Some(&row.id), Some(&row.run), Some(&row.what), Some(&row.holder), age.as_ref()];
        let cells = cells.into_iter().chain([since.as_ref(), row.cluster.as_ref()]);
        table.row(cells.take(columns).map(|cell| cell.map_or("-", String::as_str)));
    }
    table
}

fn age(now: DateTime<Utc>, heartbeat: DateTime<Utc>) -> String {
    match (now - heartbeat).to_std() {
        Ok(age) => {
            let seconds = std::time::Duration::from_secs(age.as_secs());
            format!("{} ago", humantime::format_duration(seconds))
        }
        Err(_) => "in the future".to_owned(),
    }
}
