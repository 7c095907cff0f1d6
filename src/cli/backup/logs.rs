//! `ark backup logs`: prints the log of a backup.

use clap::Args;

use crate::api::Backup;
use crate::cli::args::location::SourceArgs;
use crate::cli::download::{self, RunPart};
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;
use crate::cli::verbs::logs::print_log;
use crate::model::BackupName;

/// Print the log of a backup.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ark backup logs nightly\n  ark backup logs nightly --location file:///backups"
)]
pub struct LogsCommand {
    /// The name of the backup
    name: BackupName,
    #[command(flatten)]
    source: SourceArgs,
}

/// Prints the log: a text line each, or as it is stored with `-o json`.
pub async fn logs(global: &Global, command: &LogsCommand, output: &Output) -> Result<Done, Failure> {
    let bucket =
        download::bucket::<Backup>(global, &command.source, &command.name, RunPart::Log, output).await?;
    let log = bucket.open_backup(&command.name).await?.log().await?;
    print_log(log, output)
}
