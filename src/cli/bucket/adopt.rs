//! `ark bucket adopt`: a tarball that was saved elsewhere becomes a backup of the bucket again.

use std::path::PathBuf;

use clap::Args;

use crate::backup;
use crate::bucket::Adoption;
use crate::cli::args::location::LocationArgs;
use crate::cli::exit::{Done, Failure};
use crate::cli::output::{Format, Output};
use crate::model::BackupName;

const EXAMPLE: &str = "\
Example: a backup that was saved with `ark backup download`, into another bucket
  ark bucket adopt nightly.tar.zst --location file:///backups

The file is read and checked to its end before anything is written.";

/// Put a saved .tar.zst file into a bucket, as a backup that can be listed and restored.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct AdoptCommand {
    /// The .tar.zst file to add
    file: PathBuf,
    #[command(flatten)]
    location: LocationArgs,
    /// The name of the backup in the bucket [default: the name under which it was made]
    #[arg(long, value_name = "NAME")]
    name: Option<BackupName>,
}

/// Adopts the file and says as what.
pub async fn adopt(command: &AdoptCommand, output: &Output) -> Result<Done, Failure> {
    let AdoptCommand { file, location, name } = command;
    let bucket = location.bucket().await?;
    bucket.establish_identity().await?;
    let adoption = Adoption {
        path: file.clone(),
        name: name.clone(),
        holder: crate::cli::global::holder(),
        describe: backup::index_metadata,
    };
    let backup = bucket.adopt(&adoption).await?;
    let name = backup.metadata.name.as_deref().unwrap_or_default();
    match output.format() {
        Format::Json | Format::Yaml => output.document(&backup)?,
        Format::Name => output.line(name)?,
        Format::Table | Format::Wide => {
            let items = backup.status.and_then(|status| status.progress).unwrap_or_default().items_backed_up;
            output.line(format!("backup {name} is in the bucket: {items} items"))?;
        }
    }
    Ok(Done::Complete)
}
