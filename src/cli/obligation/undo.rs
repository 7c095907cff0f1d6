//! `ark obligation undo`: undoes what backups that died have left, without a server.

use std::sync::Arc;

use chrono::Utc;
use clap::{ArgGroup, Args};

use super::found::FoundObligations;
use crate::bucket::Bucket;
use crate::cli::args::location::LocationArgs;
use crate::cli::exit::{Done, Failure};
use crate::cli::global::{Global, holder};
use crate::cli::output::Output;
use crate::hooks::obligations::{ObligationHolder, Undoer, undo_left};
use crate::model::causes;

/// Undo what backups that died have left: scale workloads back, unlock databases.
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("which").required(true).args(["ids", "all"])),
    after_help = "Examples:\n  # All that this cluster's backups have left in a bucket\n  ark obligation undo --all --location file:///backups\n  # One of them, although its backup seems to live\n  ark obligation undo backup-0c2f7a52-1-3f9c2e7b41d0 --force --location file:///backups\n\nWhat another cluster's backups have left is undone there. The exit code is 3 if something could not be undone; its record stays then."
)]
pub struct UndoCommand {
    /// The ids, as `ark obligation list` prints them
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All of this cluster whose backups do not live any more
    #[arg(long)]
    all: bool,
    /// Also what a backup that lives has changed; that backup is then not consistent
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    location: LocationArgs,
}

/// Undoes the obligations and prints what was done.
pub async fn undo(global: &Global, command: &UndoCommand, output: &Output) -> Result<Done, Failure> {
    command.location.check()?;
    let cluster = global.cluster().await?;
    let identity = cluster.identity().await?;
    let bucket = command.location.bucket().await?;
    let ids = chosen(command, &bucket, &identity.uid, output).await?;
    let holder = ObligationHolder::this_process(&holder(), None);
    let undoer: Arc<dyn Undoer> = Arc::new(cluster);
    Ok(Done::unless(undo_each(&undoer, &bucket, &ids, &holder, output).await?))
}

/// Undoes documents one after another, and goes on after one that cannot be undone. Returns whether
/// there was such a one.
async fn undo_each(
    undoer: &Arc<dyn Undoer>,
    bucket: &Bucket,
    ids: &[String],
    holder: &ObligationHolder,
    output: &Output,
) -> Result<bool, Failure> {
    let mut has_failed = false;
    for id in ids {
        let became = match undo_left(Arc::clone(undoer), bucket, id, holder, None).await {
            Ok(became) => became,
            Err(error) => {
                has_failed = true;
                output.error(format!("undoing {id}: {}", causes(&error)));
                continue;
            }
        };
        became.undone.iter().try_for_each(|what| output.line(format!("done: {what}")))?;
        for (what, why) in became.failed {
            has_failed = true;
            output.error(format!("what {what} failed: {why}"));
        }
    }
    Ok(has_failed)
}

/// Returns the ids of what is to be undone; fails, before anything is done, if one of those that
/// were named may not be undone.
async fn chosen(
    command: &UndoCommand,
    bucket: &Bucket,
    cluster: &str,
    output: &Output,
) -> Result<Vec<String>, Failure> {
    if command.all {
        let mut ids = Vec::new();
        for found in FoundObligations::all(bucket).await? {
            match objection(&found, cluster, command.force) {
                Some(why) => output.note(why),
                None => ids.push(found.id),
            }
        }
        if ids.is_empty() {
            output.note("there is nothing to undo here");
        }
        return Ok(ids);
    }
    for id in &command.ids {
        let Some(found) = FoundObligations::read(bucket, id).await? else {
            return Err(Failure::not_found(format!(
                "there is no obligation `{id}` in {}; it may be undone by now: `ark obligation list` shows what is left",
                bucket.describe()
            )));
        };
        if let Some(why) = objection(&found, cluster, command.force) {
            return Err(Failure::because(why));
        }
    }
    Ok(command.ids.clone())
}

/// Returns why a document is not undone here, or `None`.
fn objection(found: &FoundObligations, cluster: &str, is_forced: bool) -> Option<String> {
    let id = &found.id;
    let document = match &found.document {
        Ok(document) => document,
        Err(why) => return Some(format!("{id} cannot be read, and is left alone: {why}")),
    };
    let (uid, holder) = (&document.cluster_uid, &document.holder.name);
    if uid != cluster {
        return Some(format!("{id} is of cluster {uid}, and this is {cluster}; undo it there (--context)"));
    }
    (found.is_alive(Utc::now()) && !is_forced).then(|| {
        format!(
            "the backup of {id} lives: {holder} wrote it at {}; let it end, or add --force",
            document.heartbeat.format("%Y-%m-%d %H:%M:%S UTC")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::tests::{Fault, Operation, faulty_bucket};
    use crate::cli::output::{Color, Format};

    #[tokio::test]
    async fn a_document_that_cannot_be_undone_keeps_no_other_from_it() {
        let (faults, bucket) = faulty_bucket();
        let ids = ["backup-u-1", "backup-v-1"].map(str::to_owned);
        for id in &ids {
            let document = serde_json::json!({"format": 1, "clusterUid": "c", "holder": "h", "process": "p",
                "run": {"kind": "Backup", "name": "a", "uid": "u"}, "heartbeat": Utc::now(), "open": []});
            let document = document.to_string().into_bytes().into();
            assert!(bucket.write_obligations(id, None, document).await.unwrap());
        }
        faults.script(Operation::Delete, 1, Fault::Forbidden);
        let (cluster, _) = crate::cluster::script::serve(|_, _| crate::cluster::script::broken());
        let undoer: Arc<dyn Undoer> = Arc::new(cluster);
        let holder = ObligationHolder::this_process("me", None);
        let output = Output::new(Format::Table, true, 0, Color::Never, false);
        assert!(undo_each(&undoer, &bucket, &ids, &holder, &output).await.unwrap());
        let left: Vec<_> = bucket.list_obligations().await.unwrap();
        assert!(matches!(&*left, [one] if one.id == ids[0]), "{left:?}");
    }
}
