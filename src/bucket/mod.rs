//! What the bytes in a bucket mean: which keys there are, what makes a backup exist, and how it is read back.
//!
//! Writing goes one way: [`Bucket::claim_backup`] takes a name and yields an [`Attempt`], which alone may write the
//! keys of that name ([`Attempt::upload`], [`Attempt::put`]) and ends in [`Attempt::commit`] or [`Attempt::discard`].
//! Reading begins with [`Bucket::open_backup`]: its document first, then from the [`StoredRun`] the index, and of the
//! tarball only the frames that are wanted. [`Bucket::list_backups`] tells complete runs from partial and foreign ones.
//! Restores have the same life below another folder. The keys are in [`layout`], the small documents in [`documents`].

mod adopt;
mod attempt;
mod attempt_id;
mod claim;
pub mod documents;
mod entries;
mod error;
mod frames;
mod identity;
mod index;
mod integrity;
pub mod layout;
mod listing;
mod newest;
mod parts;
mod process;
mod proof;
mod read;
mod reader;
mod readers;
mod record;
mod remove;
mod run_entry;
mod run_folder;
mod run_identity;
mod standalone;
mod upload;
mod verify;

use std::sync::Arc;

use bytes::Bytes;
use chrono::Utc;

use crate::store::{ObjectKey, ObjectStore, PutMode, read_all};

pub use crate::api::StoredObject;
pub use adopt::{ADOPTED, Adoption};
pub use attempt::Attempt;
pub use attempt_id::AttemptId;
pub use documents::{Claim, HEARTBEAT_EVERY, LocationDocument, REMOVAL_LASTS};
pub use error::{BucketError, Taker};
pub use frames::{FrameStream, OpenedFrame};
pub use identity::vouch_alike;
pub use integrity::OnBytes;
pub use layout::{Part, RunKeys, RunKind, Writer};
pub use listing::{ListedRun, Stamp};
pub use newest::Newest;
pub use parts::{PartKeys, longest_file, longest_key};
pub use process::Process;
pub use read::{StoredBackup, StoredRestore, StoredRun};
pub use reader::Reader;
pub use record::RunDocument;
pub use run_entry::{RunEntry, RunState};
pub use run_identity::RunIdentity;
pub use standalone::{DescribeItem, IndexMetadata};
pub use upload::HashingUpload;
pub use verify::{Problem, VerifyReport};

use documents::{FORMAT, MAX_CLAIM};

/// A location, understood. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
}

impl Bucket {
    /// The bucket in `store`. It does not touch it.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// The store underneath.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The location in words, for messages.
    pub fn describe(&self) -> String {
        self.store.describe()
    }

    /// The identity of the location; none when nothing of this format was ever written there.
    ///
    /// # Errors
    /// When the store fails, the document is damaged, or a newer Ark wrote here.
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

    /// The identity of the location, given to it now if it has none: what a writer does first. Of several at once, all
    /// get the same.
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
        let unwritable = |problem: String| BucketError::Unwritable { key: key.to_string(), problem };
        let body = serde_json::to_vec_pretty(&fresh).map_err(|error| unwritable(error.to_string()))?;
        match self.store.put(&key, Bytes::from(body), PutMode::Create).await {
            Ok(()) => Ok(fresh),
            Err(error) if error.is_already_exists() => {
                self.identity().await?.ok_or_else(|| unwritable("it comes and goes".to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn not_found(&self, keys: &RunKeys) -> BucketError {
        BucketError::NotFound {
            kind: keys.kind(),
            name: keys.name().to_owned(),
            location: self.store.describe(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
