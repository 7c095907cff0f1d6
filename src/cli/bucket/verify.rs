//! `ark bucket verify`: reads and checks every complete backup of a location.

use clap::Args;
use futures::TryStreamExt;

use crate::backup;
use crate::bucket::{Bucket, BucketError, RunState};
use crate::cli::args::location::LocationArgs;
use crate::cli::exit::{Done, Failure};
use crate::cli::output::Output;
use crate::model::{BackupName, Progress};

/// Read every backup in a bucket and check every size, hash, frame and item.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ark bucket verify --location file:///backups")]
pub struct VerifyCommand {
    #[command(flatten)]
    pub(super) location: LocationArgs,
}

/// Verifies every complete backup; fails with exit code 1 if one of them is damaged.
pub async fn verify(command: &VerifyCommand, output: &Output) -> Result<Done, Failure> {
    let bucket = command.location.bucket().await?;
    let mut entries = bucket.list_backups();
    let (mut sound, mut broken) = (0_u64, 0_u64);
    while let Some(entry) = entries.try_next().await? {
        let (RunState::Complete, Ok(name)) = (&entry.state, entry.name.parse::<BackupName>()) else {
            output.note(format!(
                "backup {}: not checked, as it is no complete backup of this format",
                entry.name
            ));
            continue;
        };
        let progress = Progress::default();
        let problems = match output.follow(&progress, check(&bucket, &name, &progress)).await {
            Ok(problems) => problems,
            Err(error) => vec![crate::model::causes(&error)],
        };
        for problem in &problems {
            output.error(format!("backup {name}: {problem}"));
        }
        if problems.is_empty() { sound += 1 } else { broken += 1 }
    }
    if broken > 0 {
        let all = sound + broken;
        return Err(Failure::because(format!(
            "verifying the backups: {broken} of {all} are damaged, as the lines above say; make new backups, and look at the storage behind the bucket"
        )));
    }
    output.line(format!("all {sound} complete backups are sound"))?;
    Ok(Done::Complete)
}

async fn check(bucket: &Bucket, name: &BackupName, progress: &Progress) -> Result<Vec<String>, BucketError> {
    progress.stage(format!("verifying {name}"));
    let report = bucket.verify(name, backup::index_metadata, &|bytes| progress.transfer(bytes)).await?;
    Ok(report.problems.iter().map(ToString::to_string).collect())
}
