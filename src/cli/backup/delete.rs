//! `ark backup delete`: asks the server to remove backups, with all that belongs to them.

use clap::Args;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use uuid::Uuid;

use crate::api::{
    BACKUP_NAME_LABEL, Backup, BackupPhase, DeleteBackupRequest, DeleteBackupRequestSpec, label_value,
};
use crate::cli::Global;
use crate::cli::chosen::ChosenArgs;
use crate::cli::door::Door;
use crate::cli::failure::{Done, Failure};
use crate::cli::output::Output;
use crate::cli::waiting::{Waited, wait};

/// What of a backup's name stands in the name of the request; the rest of 253 characters makes it unique.
const NAMED: usize = 200;

/// Delete backups: what is in the bucket, and their restores.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ark backup delete monday tuesday
  # All that a schedule made, without being asked, until they are gone
  ark backup delete -l ark.heptio.com/schedule-name=nightly --confirm --wait

The server does it; where several clusters share the bucket, the backups vanish from all of them.")]
pub struct DeleteCommand {
    #[command(flatten)]
    chosen: ChosenArgs,
    /// Wait until they are gone
    #[arg(long)]
    wait: bool,
}

/// Makes a DeleteBackupRequest for each.
pub async fn delete(global: &Global, command: &DeleteCommand, output: &Output) -> Result<Done, Failure> {
    command.chosen.check("deleting backups", output)?;
    let door = Door::open(global).await?;
    let backups: Vec<Backup> = command.chosen.choose(&door).await?;
    let consequence = " with all that belongs to them in the bucket, for every cluster that uses it";
    if !command.chosen.agreed("delete", &backups, consequence, output)? {
        return Ok(Done::Complete);
    }
    let mut requests = Vec::new();
    for backup in &backups {
        let name = backup.name_any();
        requests.push((name.clone(), door.create(&request(&name, door.namespace())).await?.name_any()));
        if !command.wait {
            output.line(format!("the deletion of backup {name} is requested"))?;
        }
    }
    if !command.wait {
        return Ok(Done::Complete);
    }
    let mut kept = 0_u64;
    for (backup, request) in &requests {
        match finish(&door, backup, request, output).await? {
            errors if errors.is_empty() => output.line(format!("backup {backup} is deleted"))?,
            errors => {
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

fn request(backup: &str, namespace: &str) -> DeleteBackupRequest {
    let begin: String = backup.chars().take(NAMED).collect();
    let spec = DeleteBackupRequestSpec { backup_name: backup.to_owned() };
    let mut request = DeleteBackupRequest::new(&format!("{begin}-{}", Uuid::new_v4()), spec);
    request.metadata = ObjectMeta { namespace: Some(namespace.to_owned()), ..request.metadata };
    request.labels_mut().insert(BACKUP_NAME_LABEL.to_owned(), label_value(backup));
    request
}

/// Waits for one request, and says what stood in its way.
async fn finish(door: &Door, backup: &str, request: &str, output: &Output) -> Result<Vec<String>, Failure> {
    let what = format!("the request {request} stays, and backup {backup} is deleted as soon as one runs");
    match wait::<DeleteBackupRequest>(door, request, &what, output).await? {
        Waited::Done(request) => Ok(request.status.unwrap_or_default().errors),
        // Requests go an hour after they are done, and with their backup.
        Waited::Gone => match door.find::<Backup>(backup).await? {
            None => Ok(Vec::new()),
            Some(backup) => {
                let phase: BackupPhase = backup.status.and_then(|status| status.phase).unwrap_or_default();
                Ok(vec![format!("its delete request {request} is gone, and it is still there ({phase})")])
            }
        },
    }
}
