//! `ark restore delete`: asks the server to delete the records of restores, from the bucket and the
//! cluster.

use clap::Args;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::api::{DELETION, DELETION_REQUESTED, Restore, RestorePhase, Timestamp, synced_from};
use crate::cli::args::targets::ChosenArgs;
use crate::cli::client::ArkClient;
use crate::cli::client::wait::{ObjectProgress, Waited, wait_until};
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;

/// Delete the records of restores; what was restored stays.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ark restore delete shop-copy
  # Those that were created with --labels purpose=rehearsal, without being asked, until they are gone
  ark restore delete -l purpose=rehearsal --confirm --wait

The server deletes the records. If several clusters share the bucket, the records vanish from all of
them; --all and -l mean the records of restores that this server ran. The records of a backup's
restores are also deleted with the backup.")]
pub struct DeleteCommand {
    #[command(flatten)]
    chosen: ChosenArgs,
    /// With --all or -l: also delete the records of restores that ran in other clusters that share
    /// the bucket, or by other servers in this cluster
    #[arg(long, conflicts_with = "names")]
    from_other_clusters: bool,
    /// Wait until the records are gone
    #[arg(long)]
    wait: bool,
}

/// Annotates each Restore for deletion, and with `--wait` waits until it is gone.
pub async fn delete(global: &Global, command: &DeleteCommand, output: &Output) -> Result<Done, Failure> {
    command.chosen.check("deleting restores", output)?;
    let client = ArkClient::open(global).await?;
    let mut restores: Vec<Restore> = command.chosen.choose(&client).await?;
    if !command.from_other_clusters {
        command.chosen.spare_others(&client, &mut restores, output).await;
    }
    let consequence = ", in the bucket, too, for every cluster that uses it; what was restored stays";
    if !command.chosen.agreed("delete", &restores, consequence, output)? {
        return Ok(Done::Complete);
    }
    for restore in &restores {
        let name = restore.name_any();
        client.change::<Restore>(&name, &request(restore)).await?;
        if is_running(restore) {
            output.note(format!(
                "restore {name} is in progress: it goes on to its end, and its record is deleted then; `kubectl -n {} delete \
                 restores.ark.heptio.com {name}` stops it where it is",
                client.namespace()
            ));
        }
        if !command.wait {
            output.line(format!("the deletion of restore {name} is requested; what it restored stays"))?;
        }
    }
    if !command.wait {
        return Ok(Done::Complete);
    }
    let mut kept = 0_u64;
    for restore in &restores {
        let name = restore.name_any();
        match finish(&client, &name, output).await? {
            None => output.line(format!("restore {name} is deleted; what it restored stays"))?,
            Some(why) => {
                kept += 1;
                output.error(format!("restore {name}: {why}"));
            }
        }
    }
    if kept > 0 {
        let all = restores.len();
        return Err(Failure::because(format!(
            "{kept} of {all} restores were not deleted, as the lines above say"
        )));
    }
    Ok(Done::Complete)
}

/// Returns the patch that requests the deletion of this very Restore, by its uid: another Restore
/// that has its name by then is kept.
fn request(restore: &Restore) -> Value {
    let annotations = json!({DELETION_REQUESTED: Timestamp::now()});
    json!({"metadata": {"uid": restore.metadata.uid, "annotations": annotations}})
}

/// Waits until the Restore is gone; returns why it is kept, or `None` if it is gone.
async fn finish(client: &ArkClient, name: &str, output: &Output) -> Result<Option<String>, Failure> {
    let what = format!("the request stays, and restore {name} is deleted as soon as one runs");
    match wait_until::<Restore>(client, name, &what, how_far, output).await? {
        Waited::Gone => Ok(None),
        Waited::Done(kept) => {
            let why = answer(&kept).unwrap_or("somebody took the request back");
            Ok(Some(why.to_owned()))
        }
    }
}

/// Returns whether a server runs the Restore now. A Restore that came out of a bucket is never run.
fn is_running(restore: &Restore) -> bool {
    let phase = restore.status.as_ref().and_then(|status| status.phase);
    phase == Some(RestorePhase::InProgress) && synced_from(&restore.metadata).is_none()
}

/// Returns the progress of a deletion: the annotation stays until the request is answered.
fn how_far(restore: &Restore) -> ObjectProgress {
    let done = !restore.annotations().contains_key(DELETION_REQUESTED);
    let why = answer(restore).filter(|_| !done).map(str::to_owned);
    let phase = if why.is_none() && is_running(restore) {
        "in progress, and is deleted when it has ended".to_owned()
    } else {
        "Deleting".to_owned()
    };
    ObjectProgress { begun: false, done, phase, why, ..ObjectProgress::default() }
}

fn answer(restore: &Restore) -> Option<&str> {
    let conditions = &restore.status.as_ref()?.conditions;
    conditions.iter().find(|known| known.type_ == DELETION).map(|known| known.message.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RestoreSpec;

    #[test]
    fn a_request_names_the_very_restore_that_was_looked_at() {
        let mut restore = Restore::new("back", RestoreSpec::default());
        restore.metadata.uid = Some("of-monday".into());
        assert_eq!(request(&restore)["metadata"]["uid"], "of-monday");
    }
}
