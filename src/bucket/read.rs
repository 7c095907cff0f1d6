//! Reading a complete run: its document first, then the parts that the document vouches for.
//!
//! Nothing is trusted: sizes are bounded before memory is allocated, and names and hashes are
//! compared.

use std::io::BufRead;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::api::{Backup, Restore, StoredObject};
use crate::model::{BackupName, RestoreName, Results};
use crate::store::{ObjectKey, read_all};

use super::documents::{self, FORMAT, MAX_COMPRESSED, MAX_DOCUMENT, hex};
use super::layout::{RunKeys, RunKind};
use super::parts::PartKeys;
use super::record::RunDocument;
use super::run_folder::ClaimState;
use super::{Bucket, BucketError};

/// Characters that are shown of a `kind` that should not be there; ours are shorter.
const LONGEST_KIND: usize = 64;

/// A complete run that has been opened: its document has been read and agrees with its name.
#[derive(Clone, Debug)]
pub struct StoredRun<D> {
    pub(super) bucket: Bucket,
    pub(super) keys: RunKeys,
    pub(super) parts: PartKeys,
    document: D,
}

/// A complete backup that has been opened.
pub type StoredBackup = StoredRun<Backup>;

/// A complete restore that has been opened.
pub type StoredRestore = StoredRun<Restore>;

impl Bucket {
    /// Opens a complete backup by reading its document.
    ///
    /// # Errors
    /// [`BucketError::NotFound`], [`BucketError::Incomplete`], [`BucketError::Foreign`], an error
    /// that says what is wrong with the document, or if the store fails.
    pub async fn open_backup(&self, name: &BackupName) -> Result<StoredBackup, BucketError> {
        self.open_run(RunKeys::backup(name)?).await
    }

    /// Opens a complete restore by reading its document.
    ///
    /// # Errors
    /// As [`Bucket::open_backup`].
    pub async fn open_restore(&self, name: &RestoreName) -> Result<StoredRestore, BucketError> {
        self.open_run(RunKeys::restore(name)?).await
    }

    /// Returns the document of a complete backup.
    ///
    /// # Errors
    /// As [`Bucket::open_backup`].
    pub async fn read_backup(&self, name: &BackupName) -> Result<Backup, BucketError> {
        Ok(self.open_backup(name).await?.document)
    }

    /// Returns the document of a complete restore.
    ///
    /// # Errors
    /// As [`Bucket::open_backup`].
    pub async fn read_restore(&self, name: &RestoreName) -> Result<Restore, BucketError> {
        Ok(self.open_restore(name).await?.document)
    }

    /// Opens a complete run of either kind, as [`Bucket::open_backup`] opens a backup.
    ///
    /// # Errors
    /// As [`Bucket::open_backup`].
    pub async fn open_run<D: RunDocument>(&self, keys: RunKeys) -> Result<StoredRun<D>, BucketError> {
        let (key, location) = (keys.document().to_string(), self.store.describe());
        let bytes = match read_all(&*self.store, keys.document(), MAX_DOCUMENT).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => return Err(self.explain_absence(&keys).await?),
            Err(error) => return Err(error.into()),
        };
        let document: D = match serde_json::from_slice(&bytes) {
            Ok(document) => document,
            Err(source) => {
                // Ark 0.10 used the same key for a document of another shape.
                if let Some(writer) = self.foreign_writer(&keys).await? {
                    return Err(BucketError::Foreign { name: keys.name().to_owned(), location, writer });
                }
                return Err(BucketError::Document { key, location, source });
            }
        };
        if let Some(kind) = foreign_kind(&bytes, D::KIND) {
            let problem = format!("it holds a {kind} and not a {}", D::KIND.resource());
            return Err(BucketError::Corrupt { key, location, offset: None, problem });
        }
        if let Some(found) = document.newer_format() {
            return Err(BucketError::NewerFormat { key, location, found, known: FORMAT });
        }
        if let Some(problem) = document.objection(&keys) {
            return Err(BucketError::Corrupt { key, location, offset: None, problem });
        }
        // A document without a format may be one of Ark 0.10: a `.tar.gz` beside it tells.
        if document.format().is_none()
            && let Some(writer) = self.foreign_writer(&keys).await?
        {
            return Err(BucketError::Foreign { name: keys.name().to_owned(), location, writer });
        }
        let parts = PartKeys::named(&keys, document.objects())?;
        Ok(StoredRun { bucket: self.clone(), keys, parts, document })
    }

    /// Returns the uid of the cluster in which a complete run was made, escaped for messages, or
    /// `None` if that cannot be found out.
    pub(super) async fn committed_cluster(&self, keys: &RunKeys) -> Option<String> {
        let cluster = |cluster: Option<&str>| cluster.map(|uid| uid.escape_debug().to_string());
        match keys.kind() {
            RunKind::Backup => cluster(self.open_run::<Backup>(keys.clone()).await.ok()?.document.cluster()),
            RunKind::Restore => {
                cluster(self.open_run::<Restore>(keys.clone()).await.ok()?.document.cluster())
            }
        }
    }

    /// Returns the other program that wrote the folder, or `None`; parts of ours make the run ours.
    async fn foreign_writer(&self, keys: &RunKeys) -> Result<Option<super::Writer>, BucketError> {
        let survey = self.survey(keys).await?;
        Ok(survey.foreign.filter(|_| survey.parts == 0))
    }

    /// Returns the error that says why a run has no document.
    async fn explain_absence(&self, keys: &RunKeys) -> Result<BucketError, BucketError> {
        let survey = self.survey(keys).await?;
        let (name, location) = (keys.name().to_owned(), self.store.describe());
        if let Some(writer) = survey.foreign {
            return Ok(BucketError::Foreign { name, location, writer });
        }
        let state = match self.read_claim(keys.claim()).await? {
            ClaimState::Held(claim) if claim.removing => "it is being removed".to_owned(),
            ClaimState::Held(claim) => format!(
                "cluster {} (holder {}) has been making it since {} and last renewed its claim at {}",
                claim.cluster_uid, claim.holder, claim.claimed_at, claim.heartbeat
            ),
            _ if survey.is_empty() => return Ok(self.not_found(keys)),
            _ => "a run that died left it behind".to_owned(),
        };
        Ok(BucketError::Incomplete { kind: keys.kind(), name, location, state })
    }
}

/// Returns the `kind` that a document states if it is not the expected one, else `None`.
fn foreign_kind(document: &[u8], expected: RunKind) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Header {
        kind: Option<String>,
    }
    let header: Header = serde_json::from_slice(document).ok()?;
    let kind = header.kind.filter(|kind| kind != expected.resource())?;
    Some(kind.chars().take(LONGEST_KIND).collect::<String>().escape_debug().to_string())
}

impl<D: RunDocument> StoredRun<D> {
    /// Returns the document.
    pub fn document(&self) -> &D {
        &self.document
    }

    /// Returns the document by value.
    pub fn into_document(self) -> D {
        self.document
    }

    /// Returns the keys of the run.
    pub fn keys(&self) -> &RunKeys {
        &self.keys
    }

    /// Returns the objects of the run, without the document.
    pub fn objects(&self) -> &[StoredObject] {
        self.document.objects()
    }

    /// Returns the keys of the parts, as the document names them.
    pub fn parts(&self) -> &PartKeys {
        &self.parts
    }

    /// Returns the document's statement about an object, or `None` if the document does not list
    /// it.
    pub fn object(&self, key: &ObjectKey) -> Option<&StoredObject> {
        self.document.objects().iter().find(|object| object.key == key.as_str())
    }

    /// Reads the warnings and errors of the run.
    ///
    /// # Errors
    /// If they are not there or damaged, or the store fails; [`BucketError::Replaced`] if another
    /// run has the name by now.
    pub async fn results(&self) -> Result<Results, BucketError> {
        let key = self.parts.results();
        let bytes = self.read_own_part(key).await?;
        documents::decode_compressed(&bytes).map_err(|problem| self.corrupt(key, None, problem))
    }

    /// Reads the log of the run, NDJSON, which is decompressed as it is read.
    ///
    /// # Errors
    /// If the log is not there or damaged, or the store fails; damage inside shows while reading.
    /// [`BucketError::Replaced`] if another run has the name by now.
    pub async fn log(&self) -> Result<Box<dyn BufRead + Send>, BucketError> {
        let key = self.parts.log();
        let bytes = self.read_own_part(key).await?;
        documents::open_log(bytes).map_err(|error| self.corrupt(key, None, error.to_string()))
    }

    /// Reads a small object; reports [`BucketError::Replaced`] if it does not fit because another
    /// run has the name by now.
    async fn read_own_part(&self, key: &ObjectKey) -> Result<Bytes, BucketError> {
        match self.read_part(key).await {
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(self.blame(error).await),
        }
    }

    /// Reads a small object and compares it with the document's statement.
    async fn read_part(&self, key: &ObjectKey) -> Result<Bytes, BucketError> {
        let bytes = read_all(&*self.bucket.store, key, MAX_COMPRESSED).await?;
        if let Some(expected) = self.object(key) {
            let size = bytes.len() as u64;
            if size != expected.size {
                let problem = format!("it has {size} bytes, and the document says {}", expected.size);
                return Err(self.corrupt(key, None, problem));
            }
            if hex(&Sha256::digest(&bytes)) != expected.sha256.to_ascii_lowercase() {
                return Err(self.corrupt(key, None, "its SHA-256 differs from the document's"));
            }
        }
        Ok(bytes)
    }

    /// Returns the error that an object does not hold what it should.
    pub(super) fn corrupt(
        &self,
        key: &ObjectKey,
        offset: Option<u64>,
        problem: impl Into<String>,
    ) -> BucketError {
        let (key, location) = (key.to_string(), self.bucket.store.describe());
        BucketError::Corrupt { key, location, offset, problem: problem.into() }
    }
}
