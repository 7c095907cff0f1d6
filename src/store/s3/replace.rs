//! Writes or deletes an object only if nobody has written it meanwhile, by `If-Match`, and without
//! the condition where that does not work.
//!
//! Some services ignore the condition silently, some only if the object does not exist, so that it
//! is tried on an object of its own before anything rests on it. Nothing rests on conditional
//! deletes: few services have them.

use bytes::Bytes;

use super::Service;
use super::create_object::{ConditionalOutcome, Precondition};
use super::error::status;
use crate::store::{ETag, ObjectKey, Operation, StoreError};

/// A tag that no object has, since nothing has this hash.
const NO_TAG: &str = "\"00000000000000000000000000000000\"";

impl Service {
    /// Replaces an object that still has the tag.
    pub(super) async fn replace(&self, key: &ObjectKey, whole: Bytes, etag: &ETag) -> Result<(), StoreError> {
        if self.compare_and_swap().await? {
            match self.put_if(Precondition::Unchanged(etag), key, &whole).await? {
                ConditionalOutcome::Done => return Ok(()),
                ConditionalOutcome::NotSupported => {}
            }
        }
        self.expect_unchanged(Operation::Put, key, etag).await?;
        self.put(Operation::Put, key, whole).await
    }

    /// Returns whether replacing is atomic; tries it once.
    pub(super) async fn compare_and_swap(&self) -> Result<bool, StoreError> {
        if let Some(known) = self.replaces.get() {
            return Ok(*known);
        }
        let key = ObjectKey::new(format!("ark-probe-{}", uuid::Uuid::new_v4()))?;
        let tried = self.try_replacing(&key).await;
        let removed = self.delete(&key).await;
        let honoured = match tried {
            // A policy that allows no writes beside the runs leaves the answer unknown, and takes
            // nothing else away.
            Err(StoreError::Forbidden { .. }) => return Ok(false),
            tried => tried?,
        };
        removed?;
        if !honoured {
            tracing::warn!(store = %self.name, "the service ignores conditions on replacing objects: claims change hands under a second key");
        }
        Ok(*self.replaces.get_or_init(|| async move { honoured }).await)
    }

    /// Returns true if the service refuses a wrong tag, takes the right one, and refuses the tag
    /// of an object that was deleted.
    async fn try_replacing(&self, key: &ObjectKey) -> Result<bool, StoreError> {
        let probe = Bytes::from_static(b"probe\n");
        self.put(Operation::Put, key, probe.clone()).await?;
        let Some(etag) = self.head(key).await?.etag else { return Ok(false) };
        let expected = [(ETag(NO_TAG.to_owned()), false), (etag.clone(), true)];
        for (tag, taken) in expected {
            if self.is_taken(&tag, key, &probe).await? != Some(taken) {
                return Ok(false);
            }
        }
        self.delete(key).await?;
        Ok(self.is_taken(&etag, key, &probe).await? == Some(false))
    }

    /// Returns whether a write on that condition is carried out, or `None` if the service says
    /// that it knows no conditions.
    async fn is_taken(
        &self,
        etag: &ETag,
        key: &ObjectKey,
        whole: &Bytes,
    ) -> Result<Option<bool>, StoreError> {
        match self.put_if(Precondition::Unchanged(etag), key, whole).await {
            Ok(ConditionalOutcome::Done) => Ok(Some(true)),
            Ok(ConditionalOutcome::NotSupported) => Ok(None),
            Err(error) if error.is_changed() => Ok(Some(false)),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object that still has the tag.
    pub(super) async fn delete_unchanged(&self, key: &ObjectKey, etag: &ETag) -> Result<(), StoreError> {
        match self.expect_unchanged(Operation::Delete, key, etag).await {
            Err(error) if error.is_not_found() => return Ok(()),
            unchanged => unchanged?,
        }
        let request = self.client.delete_object().bucket(&self.place.bucket).key(self.full_key(key));
        match request.if_match(&etag.0).send().await {
            Ok(_) => Ok(()),
            Err(error) if matches!(status(&error), Some(400 | 501)) => self.delete(key).await,
            Err(error) => match self.explain(Operation::Delete, key, &error) {
                StoreError::NotFound { .. } => Ok(()),
                StoreError::AlreadyExists { action } => Err(StoreError::Changed { action }),
                error => Err(error),
            },
        }
    }

    /// Checks that the object has the tag now. An object that does not exist is not found for a
    /// delete, and changed for a put.
    async fn expect_unchanged(
        &self,
        operation: Operation,
        key: &ObjectKey,
        etag: &ETag,
    ) -> Result<(), StoreError> {
        let changed = || StoreError::Changed { action: self.action(operation, key) };
        match self.head(key).await {
            Ok(info) if info.etag.as_ref() == Some(etag) => Ok(()),
            Ok(_) => Err(changed()),
            Err(error) if error.is_not_found() && operation == Operation::Put => Err(changed()),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object, whatever it holds. An object that does not exist counts as deleted.
    pub(super) async fn delete(&self, key: &ObjectKey) -> Result<(), StoreError> {
        let request = self.client.delete_object().bucket(&self.place.bucket).key(self.full_key(key));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match self.explain(Operation::Delete, key, &error) {
                StoreError::NotFound { .. } => Ok(()),
                error => Err(error),
            },
        }
    }
}
