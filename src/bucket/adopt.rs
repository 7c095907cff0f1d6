//! Adopting a tarball: a tarball without its other parts becomes a backup of the bucket again, with
//! an index that is built anew.
//!
//! The file is read to its end before the name is claimed, so that a damaged file changes nothing.
//! Next on the way: `standalone`, which reads it.

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

use crate::api::{Backup, BackupPhase, BackupProgress, ClusterReference, StoredObject, Timestamp};
use crate::archive::IndexHeader;
use crate::model::{BackupName, Category, Finding, Results, causes};

use super::documents::{FORMAT, encode_compressed};
use super::standalone::{self, DescribeItem, StandaloneTarball};
use super::{Attempt, Bucket, BucketError, Claim, Part};

/// Annotation of a Backup that was adopted, with the time of adoption.
pub const ADOPTED: &str = "ark.heptio.com/adopted";

/// Bytes that are read from the file at once: a part of an upload takes eight of them.
const CHUNK: usize = 1 << 20;

/// Pieces of the index that wait for the store, each of some hundred kilobytes at most.
const PIECES: usize = 4;

/// A tarball that is to be adopted, and the name for it.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// The path of the tarball on this machine.
    pub path: PathBuf,
    /// The name in the bucket; the Backup's own name if `None`.
    pub name: Option<BackupName>,
    /// The process that adopts, for the claim.
    pub holder: String,
    /// Finds in a body what an index line says of it.
    pub describe: DescribeItem,
}

impl Bucket {
    /// Writes a tarball of format 2 into the bucket as a complete backup and returns its document.
    /// The findings of the run that made the tarball are unknown: a warning in the results says so.
    ///
    /// # Errors
    /// If the file is damaged or cannot be adopted, before anything is written;
    /// [`BucketError::NameTaken`]; or if the store fails, and then what was written is removed
    /// again as far as possible.
    pub async fn adopt(&self, adoption: &Adoption) -> Result<Backup, BucketError> {
        let Adoption { path, name, holder, describe } = adoption;
        let lone = {
            let (path, describe) = (path.clone(), *describe);
            blocking(&adoption.path, move || standalone::inspect(&path, describe)).await?
        };
        let name = match name {
            Some(name) => name.clone(),
            None => lone
                .backup
                .metadata
                .name
                .as_deref()
                .unwrap_or_default()
                .parse()
                .map_err(|source| BucketError::AdoptedName { path: path.clone(), source })?,
        };
        let uid = lone.backup.metadata.uid.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        // With the uid and the cluster of the run itself, adopting again after a crash takes over
        // the claim that is left.
        let claim = Claim::new(uid, cluster_of(&lone).uid, holder);
        let location = self.identity().await?.map(|location| location.id);
        let attempt = self.claim_backup(&name, &claim).await?;
        match write(&attempt, adoption, lone, &name, location).await {
            Ok(backup) => Ok(backup),
            Err(error) => {
                if let Err(left) = attempt.discard().await {
                    tracing::warn!(backup = %name, error = causes(&left), "the parts that the adoption had written could not be removed");
                }
                Err(error)
            }
        }
    }
}

async fn write(
    attempt: &Attempt,
    adoption: &Adoption,
    lone: StandaloneTarball,
    name: &BackupName,
    location: Option<String>,
) -> Result<Backup, BucketError> {
    let mut results = Results::default();
    results.add(Finding::warning(
        Category::Other,
        "this backup was adopted from its tarball; what went wrong when it was made is not known",
    ));
    let log = serde_json::json!({
        "time": Timestamp::now(), "level": "info", "message": "adopted; the log of the backup itself is not known"
    });
    let compressed = |part: Result<Bytes, std::io::Error>| {
        part.map_err(|error| BucketError::Unwritable {
            key: attempt.keys().to_string(),
            source: error.into(),
        })
    };
    let objects = vec![
        upload_tarball(attempt, &adoption.path).await?,
        upload_index(attempt, adoption, &lone).await?,
        attempt.put(Part::Results, compressed(encode_compressed(&results))?).await?,
        attempt.put(Part::Log, compressed(encode_compressed(&log))?).await?,
    ];
    let mut backup = document(attempt, lone, name, objects, results.warnings);
    if let Some(origin) = backup.status.as_mut().and_then(|status| status.origin.as_mut()) {
        origin.location = location; // here it lies now, wherever it was made
    }
    attempt.commit(&backup).await?;
    Ok(backup)
}

async fn upload_tarball(attempt: &Attempt, path: &Path) -> Result<StoredObject, BucketError> {
    let unreadable = |source| BucketError::File { path: path.to_owned(), source };
    let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut upload = attempt.upload(Part::Tarball).await?;
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        if file.read_buf(&mut chunk).await.map_err(unreadable)? == 0 {
            return upload.finish().await;
        }
        upload.write(chunk.freeze()).await?;
    }
}

async fn upload_index(
    attempt: &Attempt,
    adoption: &Adoption,
    lone: &StandaloneTarball,
) -> Result<StoredObject, BucketError> {
    let status = lone.backup.status.as_ref();
    let header = IndexHeader {
        format: FORMAT.to_string(),
        revision: status.and_then(|status| status.revision.clone()),
        cluster: cluster_of(lone).uid,
        kinds: lone.kinds.clone(),
    };
    let mut upload = attempt.upload(Part::Index).await?;
    let (sender, mut pieces) = mpsc::channel::<Bytes>(PIECES);
    let (path, describe) = (adoption.path.clone(), adoption.describe);
    let reading = blocking(&adoption.path, move || {
        standalone::rebuild_index(&path, &header, describe, |piece| sender.blocking_send(piece).is_ok())
    });
    let writing = async {
        while let Some(piece) = pieces.recv().await {
            upload.write(piece).await?;
        }
        Ok::<_, BucketError>(upload)
    };
    let ((), upload) = tokio::try_join!(reading, writing)?;
    upload.finish().await
}

/// Returns the document of the adopted backup, made from the Backup in the tarball.
fn document(
    attempt: &Attempt,
    lone: StandaloneTarball,
    name: &BackupName,
    objects: Vec<StoredObject>,
    warnings: u64,
) -> Backup {
    let cluster = cluster_of(&lone);
    let StandaloneTarball { mut backup, kinds: _, items, bytes } = lone;
    let now = Timestamp::now();
    backup.metadata.name = Some(name.to_string());
    backup.metadata.annotations.get_or_insert_default().insert(ADOPTED.to_owned(), now.to_string());
    let status = backup.status.get_or_insert_default();
    status.phase = Some(BackupPhase::Completed);
    status.format_version = Some(FORMAT.to_string());
    status.completion_timestamp = Some(now);
    status.cluster = Some(cluster);
    status.progress = Some(BackupProgress { total_items: items, items_backed_up: items, bytes });
    (status.warnings, status.errors) = (warnings, 0);
    status.attempt = Some(attempt.number());
    // The expiration was set when the backup was made; whoever adopts the tarball wants to keep it.
    status.expiration = None;
    status.objects = objects;
    backup
}

/// Returns the cluster that the Backup names, or one that is "unknown".
fn cluster_of(lone: &StandaloneTarball) -> ClusterReference {
    let status = lone.backup.status.as_ref();
    status
        .and_then(|status| status.cluster.clone())
        .unwrap_or_else(|| ClusterReference { uid: "unknown".to_owned(), version: "unknown".to_owned() })
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, BucketError> + Send + 'static,
) -> Result<T, BucketError> {
    let ended = |_| BucketError::Worker { key: path.display().to_string() };
    tokio::task::spawn_blocking(work).await.map_err(ended)?
}
