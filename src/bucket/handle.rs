//! A location that has been opened: its object store and its identity.

use std::sync::Arc;

use bytes::Bytes;
use chrono::Utc;

use super::documents::{FORMAT, LocationDocument, MAX_CLAIM};
use super::error::BucketError;
use super::layout::{self, RunKeys};
use crate::model::Cause;
use crate::store::{ObjectKey, ObjectStore, PutMode, read_all};

/// A location and the runs in it. Cheap to clone.
///
/// # Examples
/// A backup exists once its document does, which is written last:
/// ```
/// use ark::api::{Backup, BackupPhase, BackupSpec, BackupStatus};
/// use ark::bucket::{Bucket, Claim, Part};
/// use ark::model::BackupName;
/// use ark::store::{self, Location};
/// use bytes::Bytes;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let location = Location::from_url(&format!("file://{}", folder.path().display()))?;
/// let bucket = Bucket::new(store::open(&location).await?);
///
/// let name: BackupName = "monday".parse()?;
/// let claim = Claim::new("uid of the run", "uid of the cluster", "host/1");
/// let attempt = bucket.claim_backup(&name, &claim).await?;
/// let mut tarball = attempt.upload(Part::Tarball).await?;
/// tarball.write(Bytes::from("the items")).await?;
/// let objects = vec![tarball.finish().await?];
/// assert!(bucket.open_backup(&name).await.is_err());
///
/// let mut backup = Backup::new("monday", BackupSpec::default());
/// let phase = Some(BackupPhase::Completed);
/// backup.status = Some(BackupStatus { phase, objects, ..BackupStatus::default() });
/// attempt.commit(&backup).await?;
/// assert_eq!(bucket.open_backup(&name).await?.objects()[0].size, 9);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Bucket {
    pub(super) store: Arc<dyn ObjectStore>,
}

impl Bucket {
    /// Creates a handle for the location in `store`, without a request.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Returns the object store of the location.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Returns the location in words, for messages.
    pub fn describe(&self) -> String {
        self.store.describe()
    }

    /// Returns the identity of the location, or `None` if nothing of this format was ever written
    /// there.
    ///
    /// # Errors
    /// If the store fails, the document is damaged, or a newer Ark wrote there.
    pub async fn identity(&self) -> Result<Option<LocationDocument>, BucketError> {
        let key = ObjectKey::new(layout::LOCATION)?;
        let bytes = match read_all(&*self.store, &key, MAX_CLAIM).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let location = self.store.describe();
        let identity: LocationDocument = serde_json::from_slice(&bytes).map_err(|source| {
            BucketError::Document { key: key.to_string(), location: location.clone(), source }
        })?;
        if identity.format > FORMAT {
            let (key, found) = (key.to_string(), identity.format);
            return Err(BucketError::NewerFormat { key, location, found, known: FORMAT });
        }
        Ok(Some(identity))
    }

    /// Returns the identity of the location, which is created if there is none: the first act of a
    /// writer. Of several writers at once, all get the same identity.
    ///
    /// # Errors
    /// As [`Bucket::identity`].
    pub async fn establish_identity(&self) -> Result<LocationDocument, BucketError> {
        if let Some(identity) = self.identity().await? {
            return Ok(identity);
        }
        let key = ObjectKey::new(layout::LOCATION)?;
        let id = uuid::Uuid::new_v4().to_string();
        let fresh = LocationDocument { id, format: FORMAT, created_at: Utc::now() };
        let unwritable = |source: Cause| BucketError::Unwritable { key: key.to_string(), source };
        let body = serde_json::to_vec_pretty(&fresh).map_err(|error| unwritable(error.into()))?;
        match self.store.put(&key, Bytes::from(body), PutMode::Create).await {
            Ok(()) => Ok(fresh),
            Err(error) if error.is_already_exists() => self
                .identity()
                .await?
                .ok_or_else(|| unwritable("another process writes and removes it again and again".into())),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the error that there is no such run.
    pub(super) fn not_found(&self, keys: &RunKeys) -> BucketError {
        BucketError::NotFound {
            kind: keys.kind(),
            name: keys.name().to_owned(),
            location: self.store.describe(),
        }
    }
}
