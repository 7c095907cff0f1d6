//! `ark backup download`: the tarball of a backup, as a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use indicatif::HumanBytes;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::api::Backup;
use crate::cli::args::location::SourceArgs;
use crate::cli::download::{self, RunPart};
use crate::cli::exit::{Done, Failure};
use crate::cli::global::Global;
use crate::cli::output::Output;
use crate::model::BackupName;
use crate::store::Resumed;

/// Save a backup as a .tar.zst file.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ark backup download nightly\n  ark backup download nightly --location file:///backups --to nightly.tar.zst\n  tar --zstd -tf nightly.tar.zst"
)]
pub struct DownloadCommand {
    /// The name of the backup
    pub(super) name: BackupName,
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// The file to write [default: NAME.tar.zst in the current folder]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Overwrite the file if it exists
    #[arg(long)]
    force: bool,
}

/// Downloads beside the file and renames at the end: a file of that name is always whole.
pub async fn download(global: &Global, command: &DownloadCommand, output: &Output) -> Result<Done, Failure> {
    let to = command.to.clone().unwrap_or_else(|| PathBuf::from(format!("{}.tar.zst", command.name)));
    if to.exists() && !command.force {
        return Err(Failure::because(format!(
            "saving the tarball to {}: the file exists; name another with --to, or replace it with --force",
            to.display()
        )));
    }
    let bucket =
        download::bucket::<Backup>(global, &command.source, &command.name, RunPart::Tarball, output).await?;
    let stored = bucket.open_backup(&command.name).await?;
    let key = stored.parts().tarball();
    let mut chunks = Resumed::open(Arc::clone(bucket.store()), key.clone(), None).await?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |error: &dyn std::error::Error| {
        Failure::failed(&format!("saving the tarball to {}", to.display()), error)
    };
    let temporary = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    let mut file = tokio::fs::File::from_std(temporary.reopen().map_err(|error| failed(&error))?);
    let (mut size, mut hash) = (0_u64, Sha256::new());
    while let Some(chunk) = chunks.next().await? {
        size += chunk.len() as u64;
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(|error| failed(&error))?;
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if stored.object(key).is_none_or(|object| object.size != size || object.sha256 != digits) {
        return Err(Failure::because(format!(
            "saving the tarball of backup {}: what was read is not what was written once, and nothing was saved; `ark backup verify {}` says where it is damaged",
            command.name, command.name
        )));
    }
    file.sync_all().await.map_err(|error| failed(&error))?;
    temporary.persist(&to).map_err(|error| failed(&error.error))?;
    output.line(format!("saved {} ({})", to.display(), HumanBytes(size)))?;
    Ok(Done::Complete)
}
