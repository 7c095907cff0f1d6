//! `ark restore delete`: the record of a restore, in the cluster and in the bucket.

use clap::Args;
use kube::ResourceExt;

use crate::api::{Restore, SYNCED_FROM, is_stored};
use crate::bucket::Bucket;
use crate::cli::Global;
use crate::cli::chosen::ChosenArgs;
use crate::cli::door::Door;
use crate::cli::failure::{Done, Failure};
use crate::cli::location::SourceArgs;
use crate::cli::output::Output;

/// Delete the records of restores; what was restored stays.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # One that was refused, or whose record is in the cluster alone
  ark restore delete shop-copy
  # One whose record is in the bucket, too
  ark restore delete shop-copy --location 's3://backups/prod?region=eu-central-1'

The server removes the records of a backup's restores together with the backup. A record that is in the bucket and
removed from the cluster alone would come back at the next sync; --location opens the bucket and removes it there, too.")]
pub struct DeleteCommand {
    #[command(flatten)]
    chosen: ChosenArgs,
    #[command(flatten)]
    source: SourceArgs,
}

/// Deletes them; the bucket first, so that what is interrupted can be done again.
pub async fn delete(global: &Global, command: &DeleteCommand, output: &Output) -> Result<Done, Failure> {
    command.chosen.check("deleting restores", output)?;
    let door = Door::open(global).await?;
    let restores: Vec<Restore> = command.chosen.choose(&door).await?;
    let bucket = match command.source.bucket() {
        Some(location) => Some(location.bucket().await?),
        None => None,
    };
    if bucket.is_none() {
        let stored: Vec<String> =
            restores.iter().filter(|each| is_recorded(each)).map(ResourceExt::name_any).collect();
        if !stored.is_empty() {
            return Err(Failure::usage(format!(
                "deleting restores: the record of {} is in the bucket, too, and would come back at the next sync; name the bucket with --location to remove it there, or delete the backup, which takes the records of its restores with it; nothing was deleted",
                stored.join(", ")
            )));
        }
    }
    if !command.chosen.agreed("delete", &restores, "; what was restored stays", output)? {
        return Ok(Done::Complete);
    }
    for restore in &restores {
        let name = restore.name_any();
        if let Some(bucket) = bucket.as_ref().filter(|_| is_recorded(restore)) {
            remove(bucket, &name).await?;
        }
        door.delete::<Restore>(&name).await?;
        output.line(format!("restore {name} is deleted; what it restored stays"))?;
    }
    Ok(Done::Complete)
}

/// One that is not there is fine: somebody was faster.
async fn remove(bucket: &Bucket, name: &str) -> Result<(), Failure> {
    let name = name.parse().map_err(|error| Failure::failed("reading the name of a restore", &error))?;
    match bucket.remove_restore(&name, &crate::cli::holder()).await {
        Err(error) if error.is_not_found() => Ok(()),
        removed => Ok(removed.map(drop)?),
    }
}

fn is_recorded(restore: &Restore) -> bool {
    let conditions = restore.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    is_stored(conditions) || restore.annotations().contains_key(SYNCED_FROM)
}
