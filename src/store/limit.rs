//! A wrapper that bounds how many acts a store carries out at the same time.
//!
//! Reading a body counts until its stream ends or is dropped. An upload counts only while it writes, so that one can
//! stay open while other objects are written.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Action, ByteStream, Listing, ObjectInfo, ObjectKey, Operation, PutMode, Store, StoreError, Upload,
};

/// How long an act waits for its turn: longer than any single act takes, so that only a standstill runs into it.
const TURN: Duration = Duration::from_secs(300);

/// A store of which at most so many acts run at the same time. Clones share the bound.
#[derive(Clone, Debug)]
pub struct Limit {
    store: Arc<dyn Store>,
    turns: Arc<Semaphore>,
}

impl Limit {
    /// Bounds the acts at the same time; at least one.
    pub fn new(store: Arc<dyn Store>, acts: usize) -> Self {
        Self { store, turns: Arc::new(Semaphore::new(acts.clamp(1, Semaphore::MAX_PERMITS))) }
    }

    async fn turn(&self, operation: Operation, target: &str) -> Result<OwnedSemaphorePermit, StoreError> {
        let action = || Action { operation, target: format!("{target} in {}", self.store.describe()) };
        match tokio::time::timeout(TURN, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(closed)) => Err(StoreError::Other { action: action(), source: closed.into() }),
            Err(_) => Err(StoreError::Timeout { action: action(), limit: TURN }),
        }
    }
}

#[async_trait]
impl Store for Limit {
    fn describe(&self) -> String {
        self.store.describe()
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<(), StoreError> {
        let _turn = self.turn(Operation::Put, key.as_str()).await?;
        self.store.put(key, body, mode).await
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn Upload>, StoreError> {
        let _turn = self.turn(Operation::UploadStart, key.as_str()).await?;
        let upload = self.store.upload(key).await?;
        Ok(Box::new(LimitedUpload { upload, limit: self.clone(), key: key.clone() }))
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ByteStream, StoreError> {
        let turn = self.turn(Operation::Get, key.as_str()).await?;
        let body = self.store.get(key, range).await?;
        let held = stream::try_unfold((body, turn), |(mut body, turn)| async move {
            Ok(body.try_next().await?.map(|chunk| (chunk, (body, turn))))
        });
        Ok(held.boxed())
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectInfo, StoreError> {
        let _turn = self.turn(Operation::Head, key.as_str()).await?;
        self.store.head(key).await
    }

    async fn list(&self, prefix: &str, delimiter: bool, page: Option<String>) -> Result<Listing, StoreError> {
        let _turn = self.turn(Operation::List, prefix).await?;
        self.store.list(prefix, delimiter, page).await
    }

    async fn delete(&self, keys: &[ObjectKey]) -> Result<(), StoreError> {
        let _turn = self.turn(Operation::Delete, keys.first().map_or("", ObjectKey::as_str)).await?;
        self.store.delete(keys).await
    }

    async fn discard_unfinished(&self, key: &ObjectKey) -> Result<u64, StoreError> {
        let _turn = self.turn(Operation::UploadAbort, key.as_str()).await?;
        self.store.discard_unfinished(key).await
    }

    async fn presign(&self, key: &ObjectKey, valid: Duration) -> Result<Option<String>, StoreError> {
        self.store.presign(key, valid).await
    }

    async fn conditional_writes(&self) -> Result<bool, StoreError> {
        let _turn = self.turn(Operation::Put, "a probe").await?;
        self.store.conditional_writes().await
    }
}

struct LimitedUpload {
    upload: Box<dyn Upload>,
    limit: Limit,
    key: ObjectKey,
}

#[async_trait]
impl Upload for LimitedUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        let _turn = self.limit.turn(Operation::UploadWrite, self.key.as_str()).await?;
        self.upload.write(chunk).await
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        let _turn = self.limit.turn(Operation::UploadFinish, self.key.as_str()).await?;
        self.upload.finish().await
    }

    async fn abort(self: Box<Self>) {
        // Giving up must not wait behind what keeps the store busy.
        self.upload.abort().await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::super::conformance::tests::folder_store;
    use super::*;

    #[tokio::test]
    async fn an_act_waits_until_a_body_being_read_is_dropped() {
        let (_folder, store) = folder_store().await;
        let limit = Limit::new(store, 1);
        let key = ObjectKey::new("a").unwrap();
        limit.put(&key, Bytes::from_static(b"1"), PutMode::Create).await.unwrap();
        let body = limit.get(&key, None).await.unwrap();
        let mut second = Box::pin(limit.head(&key));
        assert!((&mut second).now_or_never().is_none());
        assert_eq!(limit.turns.available_permits(), 0);
        drop(body);
        assert_eq!(second.await.unwrap().size, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_standstill_ends_with_an_error() {
        let (_folder, store) = folder_store().await;
        let limit = Limit::new(store, 1);
        let _held = limit.turn(Operation::Get, "x").await.unwrap();
        let error = limit.head(&ObjectKey::new("a").unwrap()).await.unwrap_err();
        assert!(matches!(error, StoreError::Timeout { limit: TURN, .. }), "{error}");
    }
}
