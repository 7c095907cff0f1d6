//! The documents below `obligations/`, as bytes: what a run changed outside of the bucket and has
//! yet to undo. What they say is read and written by `hooks::obligations`.
//!
//! A document is written anew only by who has read it as it is now, so that a slow holder brings
//! nothing back that another process has undone and deleted. Where the service knows no conditions
//! on writes and deletes, it is compared right before.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;

use super::layout::OBLIGATIONS;
use super::{Bucket, BucketError};
use crate::store::{ETag, ObjectInfo, ObjectKey, PutMode, StoreError, read_all};

/// Largest document of obligations in bytes: a thousand workloads take a third of it.
const MAX_OBLIGATIONS: u64 = 1 << 20;

/// Longest id in bytes: the kind of a run, its uid, and the id of the attempt.
const LONGEST_ID: usize = 200;

/// Most documents that a listing yields: each run has one, and only while it has something to undo.
const MAX_LISTED: usize = 1000;

/// A document of obligations as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObligations {
    /// The id: the name of the object without its ending.
    pub id: String,
    /// What changes whenever the document is written.
    pub stamp: ObligationStamp,
}

/// What changes of a listed document whenever it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObligationStamp {
    /// The size in bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub modified: DateTime<Utc>,
}

/// A document of obligations as it was read.
#[derive(Clone, Debug)]
pub struct StoredObligations {
    /// What it holds; not checked.
    pub bytes: Bytes,
    /// When it was written, by the store's clock.
    pub modified: DateTime<Utc>,
    etag: Option<ETag>,
}

impl Bucket {
    /// Returns the documents of obligations of all clusters, at most a thousand.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list_obligations(&self) -> Result<Vec<ListedObligations>, BucketError> {
        let mut pages = std::pin::pin!(self.pages(OBLIGATIONS, false));
        let mut listed = Vec::new();
        while let Some(page) = pages.try_next().await? {
            listed.extend(page.objects.iter().filter_map(listed_as));
            if listed.len() >= MAX_LISTED {
                listed.truncate(MAX_LISTED);
                break;
            }
        }
        Ok(listed)
    }

    /// Reads a document of obligations, or returns `None` if it is not there.
    ///
    /// # Errors
    /// If it is larger than such a document may be, or the store fails.
    pub async fn read_obligations(&self, id: &str) -> Result<Option<StoredObligations>, BucketError> {
        let key = key_of(id)?;
        // The tag first: should the document change in between, a write with the older tag fails.
        let ObjectInfo { etag, modified, .. } = match self.store.head(&key).await {
            Ok(info) => info,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match read_all(&*self.store, &key, MAX_OBLIGATIONS).await {
            Ok(bytes) => Ok(Some(StoredObligations { bytes, modified, etag })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a document of obligations in place of the one that was read, or as a new one if none
    /// was. Returns `false` if somebody else has written or deleted it meanwhile.
    ///
    /// # Errors
    /// If it is too large, or the store fails.
    pub async fn write_obligations(
        &self,
        id: &str,
        before: Option<&StoredObligations>,
        bytes: Bytes,
    ) -> Result<bool, BucketError> {
        let key = key_of(id)?;
        if bytes.len() as u64 > MAX_OBLIGATIONS {
            let source = format!("it would be larger than {MAX_OBLIGATIONS} bytes").into();
            return Err(BucketError::Unwritable { key: key.to_string(), source });
        }
        let mode = match before.map(|before| &before.etag) {
            None => PutMode::Create,
            Some(Some(etag)) => PutMode::Replace(etag.clone()),
            Some(None) => PutMode::Overwrite,
        };
        unless_changed(self.store.put(&key, bytes, mode).await)
    }

    /// Deletes a document of obligations. Returns `false` if somebody else has written it since it
    /// was read.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn delete_obligations(
        &self,
        id: &str,
        before: &StoredObligations,
    ) -> Result<bool, BucketError> {
        let key = key_of(id)?;
        match &before.etag {
            Some(etag) => unless_changed(self.store.delete_unchanged(&key, etag).await),
            None => unless_changed(self.store.delete(std::slice::from_ref(&key)).await),
        }
    }
}

fn unless_changed(done: Result<(), StoreError>) -> Result<bool, BucketError> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.is_changed() || error.is_already_exists() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn key_of(id: &str) -> Result<ObjectKey, BucketError> {
    let key = format!("{OBLIGATIONS}{id}.json");
    if id_of(&key).is_none() {
        let source = "its name would not be made of letters, digits and `-`".into();
        return Err(BucketError::Unwritable { key, source });
    }
    Ok(ObjectKey::new(key)?)
}

/// Returns the id of the document that a listed key names, or `None` if the key is of something
/// else.
fn id_of(key: &str) -> Option<&str> {
    let id = key.strip_prefix(OBLIGATIONS)?.strip_suffix(".json")?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    ((1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(fits)).then_some(id)
}

fn listed_as(object: &ObjectInfo) -> Option<ListedObligations> {
    let ObjectInfo { key, size, modified, etag: _ } = object;
    let id = id_of(key.as_str())?.to_owned();
    Some(ListedObligations { id, stamp: ObligationStamp { size: *size, modified: *modified } })
}
