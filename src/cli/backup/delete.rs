//! `ark backup delete`: asks the server to delete backups, with all that belongs to them.

use std::time::Duration;

use clap::Args;
use kube::ResourceExt;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::api::{Backup, BackupPhase, DeleteBackupRequest, DeletePhase};
use crate::cli::args::targets::ChosenArgs;
use crate::cli::client::ArkClient;
use crate::cli::client::wait::{Waited, held, wait};
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;

/// Time in which an answer is waited for: a leading server answers a request, or refuses it, in a
/// second or two.
const ANSWER: Duration = Duration::from_secs(5);
/// Time between two reads of a request.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Characters of a backup's name in the name of its request; the rest of the 253 characters makes
/// the name unique.
const NAMED: usize = 200;

/// Delete backups: what is in the bucket, and their restores.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ark backup delete monday tuesday
  # All that a schedule made, without being asked, until they are gone
  ark backup delete -l ark.heptio.com/schedule-name=nightly --confirm --wait

The server deletes the backups; a refusal is told within seconds, also without --wait. If several
clusters share the bucket, the backups vanish from all of them; --all and -l mean the backups that
this server made.")]
pub struct DeleteCommand {
    #[command(flatten)]
    chosen: ChosenArgs,
    /// With --all or -l: also delete backups that were made by other clusters that share the
    /// bucket, or by other servers in this cluster
    #[arg(long, conflicts_with = "names")]
    from_other_clusters: bool,
    /// Wait until the backups are gone
    #[arg(long)]
    wait: bool,
}

/// Creates a DeleteBackupRequest for each backup and prints the answers.
pub async fn delete(global: &Global, command: &DeleteCommand, output: &Output) -> Result<Done, Failure> {
    command.chosen.check("deleting backups", output)?;
    let client = ArkClient::open(global).await?;
    let mut backups: Vec<Backup> = command.chosen.choose(&client).await?;
    if !command.from_other_clusters {
        command.chosen.spare_others(&client, &mut backups, output).await;
    }
    let consequence = " with all that belongs to them in the bucket, for every cluster that uses it";
    if !command.chosen.agreed("delete", &backups, consequence, output)? {
        return Ok(Done::Complete);
    }
    let mut requests = Vec::new();
    for backup in &backups {
        let name = backup.name_any();
        requests.push((name.clone(), client.create(&request(backup, client.namespace())).await?.name_any()));
    }
    let mut kept = 0_u64;
    let until = Instant::now() + ANSWER;
    for (backup, request) in &requests {
        let answer = match command.wait {
            true => finish(&client, backup, request, output).await?,
            false => hear(&client, backup, request, until, output).await?,
        };
        match answer {
            Ok(line) => output.line(line)?,
            Err(errors) => {
                kept += 1;
                errors.iter().for_each(|error| output.error(format!("backup {backup}: {error}")));
            }
        }
    }
    if kept > 0 {
        return Err(Failure::because(format!(
            "{kept} of {} backups were not deleted, as the lines above say",
            requests.len()
        )));
    }
    Ok(Done::Complete)
}

/// Returns the request for this very Backup, by its uid: another Backup that has its name by then
/// is kept.
fn request(backup: &Backup, namespace: &str) -> DeleteBackupRequest {
    let begin: String = backup.name_any().chars().take(NAMED).collect();
    let mut request = DeleteBackupRequest::of(backup, &format!("{begin}-{}", Uuid::new_v4()));
    request.metadata.namespace = Some(namespace.to_owned());
    request
}

/// The outcome of one request: a line that says it, or the reasons against the deletion.
type DeletionReport = Result<String, Vec<String>>;

/// Waits until one request is done.
async fn finish(
    client: &ArkClient,
    backup: &str,
    request: &str,
    output: &Output,
) -> Result<DeletionReport, Failure> {
    let what = format!("the request {request} stays, and backup {backup} is deleted as soon as one runs");
    match wait::<DeleteBackupRequest>(client, request, &what, output).await? {
        Waited::Done(request) => ended(client, backup, request.status.unwrap_or_default().errors).await,
        Waited::Gone => gone(client, backup, request).await,
    }
}

/// Waits until a server refuses a request or begins with it, up to `until`; without a server the
/// request stays.
async fn hear(
    client: &ArkClient,
    backup: &str,
    request: &str,
    until: Instant,
    output: &Output,
) -> Result<DeletionReport, Failure> {
    let requested = format!("the deletion of backup {backup} is requested");
    loop {
        let Some(asked) = client.find::<DeleteBackupRequest>(request).await? else {
            return gone(client, backup, request).await;
        };
        let status = asked.status.unwrap_or_default();
        match (status.phase.unwrap_or_default(), status.errors) {
            (DeletePhase::Processed, errors) => return ended(client, backup, errors).await,
            (DeletePhase::New, errors) if errors.is_empty() => {}
            (_, errors) => {
                errors
                    .iter()
                    .for_each(|why| output.note(format!("backup {backup} is not deleted yet: {why}")));
                return Ok(Ok(requested));
            }
        }
        if Instant::now() >= until {
            output.note(format!(
                "the request {request} is not answered yet; it stays, and `ark backup delete --wait` would tell what becomes of it"
            ));
            return Ok(Ok(requested));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Returns the outcome of a request that is done. The bucket has nothing of the backup any more;
/// the object is deleted as soon as no finalizer holds it.
async fn ended(client: &ArkClient, backup: &str, errors: Vec<String>) -> Result<DeletionReport, Failure> {
    if !errors.is_empty() {
        return Ok(Err(errors));
    }
    let found = client.find::<Backup>(backup).await?;
    Ok(Ok(match found.as_ref().and_then(held) {
        Some(why) => format!("backup {backup} is gone from its bucket: {why}"),
        None => format!("backup {backup} is deleted"),
    }))
}

/// Returns the outcome of a request that is gone: requests are deleted an hour after they are done,
/// and with their backup.
async fn gone(client: &ArkClient, backup: &str, request: &str) -> Result<DeletionReport, Failure> {
    let Some(found) = client.find::<Backup>(backup).await? else {
        return ended(client, backup, Vec::new()).await;
    };
    let phase: BackupPhase = found.status.and_then(|status| status.phase).unwrap_or_default();
    let why = format!("its delete request {request} is gone, and it is still there ({phase})");
    Ok(Err(vec![why]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::BACKUP_UID_LABEL;

    #[test]
    fn a_request_names_the_very_backup_that_was_looked_at() {
        let object = json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup",
            "metadata": {"name": "nightly", "uid": "of-monday"}, "spec": {}});
        let backup: Backup = serde_json::from_value(object).unwrap();
        let request = request(&backup, "heptio-ark");
        assert_eq!(request.labels()[BACKUP_UID_LABEL], "of-monday");
        assert_eq!(request.spec.backup_name, "nightly");
    }
}
