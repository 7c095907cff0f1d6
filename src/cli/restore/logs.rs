//! `ark restore logs`: prints the log of a restore.

use clap::Args;

use crate::api::Restore;
use crate::cli::args::location::SourceArgs;
use crate::cli::download::{self, RunPart};
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;
use crate::cli::verbs::logs::print_log;
use crate::model::RestoreName;

/// Print the log of a restore.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ark restore logs shop-copy\n  ark restore logs shop-copy --location file:///backups"
)]
pub struct LogsCommand {
    /// The name of the restore
    name: RestoreName,
    #[command(flatten)]
    source: SourceArgs,
}

/// Prints the log: a text line each, or as it is stored with `-o json`.
pub async fn logs(global: &Global, command: &LogsCommand, output: &Output) -> Result<Done, Failure> {
    let bucket =
        download::bucket::<Restore>(global, &command.source, &command.name, RunPart::Log, output).await?;
    print_log(bucket.open_restore(&command.name).await?.log().await?, output)
}
