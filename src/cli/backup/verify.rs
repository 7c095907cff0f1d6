//! `ark backup verify`: reads and checks every byte of a backup.

use clap::Args;

use crate::api::Backup;
use crate::backup;
use crate::cli::args::location::SourceArgs;
use crate::cli::download::{self, RunPart};
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;
use crate::model::{BackupName, Progress};

/// Read a whole backup and check it against its hashes.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ark backup verify nightly\n  ark backup verify nightly --location file:///backups"
)]
pub struct VerifyCommand {
    /// The name of the backup
    pub(super) name: BackupName,
    #[command(flatten)]
    pub(super) source: SourceArgs,
}

/// Verifies the backup; fails with exit code 1 if there is any problem.
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
