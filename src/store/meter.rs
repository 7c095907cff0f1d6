//! A wrapper that counts the operations of a store by outcome, and bytes in and out.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;

use super::{
    ByteStream, ETag, Listing, ObjectInfo, ObjectKey, ObjectStore, Operation, PutMode, StoreError, Upload,
};
use crate::model::Category;

/// The outcome of an operation; a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoreOutcome {
    /// The operation succeeded.
    Success,
    /// The operation failed, with the category of its error.
    Failure(Category),
}

impl fmt::Display for StoreOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::Failure(category) => category.fmt(f),
        }
    }
}

/// A function that is called at the end of each operation.
pub type Observer = Arc<dyn Fn(Operation, StoreOutcome) + Send + Sync>;

/// The counts since the meter was created.
#[derive(Default)]
struct Counts {
    observer: Option<Observer>,
    acts: Mutex<BTreeMap<(Operation, StoreOutcome), u64>>,
    read: AtomicU64,
    written: AtomicU64,
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { observer: _, acts, read, written } = self;
        let (read, written) = (read.load(Ordering::Relaxed), written.load(Ordering::Relaxed));
        f.debug_struct("Counts")
            .field("acts", acts)
            .field("read", &read)
            .field("written", &written)
            .finish_non_exhaustive()
    }
}

impl Counts {
    fn count<T>(&self, operation: Operation, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let outcome = match &result {
            Ok(_) => StoreOutcome::Success,
            Err(error) => StoreOutcome::Failure(error.category()),
        };
        if let Some(observer) = &self.observer {
            observer(operation, outcome);
        }
        let mut acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
        *acts.entry((operation, outcome)).or_default() += 1;
        result
    }

    fn add_written(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A store whose operations are counted. Clones share the counts.
#[derive(Clone, Debug)]
pub struct Meter {
    store: Arc<dyn ObjectStore>,
    counts: Arc<Counts>,
}

impl Meter {
    /// Wraps a store and counts its operations from now on.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, counts: Arc::default() }
    }

    /// Wraps a store, counts its operations and calls `observer` at the end of each.
    pub fn observed(store: Arc<dyn ObjectStore>, observer: Observer) -> Self {
        Self { store, counts: Arc::new(Counts { observer: Some(observer), ..Counts::default() }) }
    }

    /// Returns how often each operation ended with each outcome.
    pub fn acts(&self) -> BTreeMap<(Operation, StoreOutcome), u64> {
        self.counts.acts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the bytes of bodies that were read.
    pub fn bytes_read(&self) -> u64 {
        self.counts.read.load(Ordering::Relaxed)
    }

    /// Returns the bytes of bodies that were written.
    pub fn bytes_written(&self) -> u64 {
        self.counts.written.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl ObjectStore for Meter {
    fn describe(&self) -> String {
        self.store.describe()
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<(), StoreError> {
        let size = body.len() as u64;
        self.counts.count(Operation::Put, self.store.put(key, body, mode).await)?;
        self.counts.add_written(size);
        Ok(())
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn Upload>, StoreError> {
        let upload = self.counts.count(Operation::UploadStart, self.store.upload(key).await)?;
        Ok(Box::new(MeteredUpload { upload, counts: Arc::clone(&self.counts) }))
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ByteStream, StoreError> {
        let body = self.counts.count(Operation::Get, self.store.get(key, range).await)?;
        let counts = Arc::clone(&self.counts);
        let counted = body.map(move |chunk| match chunk {
            Ok(chunk) => {
                counts.read.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                Ok(chunk)
            }
            failed => counts.count(Operation::Get, failed),
        });
        Ok(counted.boxed())
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectInfo, StoreError> {
        self.counts.count(Operation::Head, self.store.head(key).await)
    }

    async fn list(&self, prefix: &str, delimiter: bool, page: Option<String>) -> Result<Listing, StoreError> {
        self.counts.count(Operation::List, self.store.list(prefix, delimiter, page).await)
    }

    async fn delete(&self, keys: &[ObjectKey]) -> Result<(), StoreError> {
        self.counts.count(Operation::Delete, self.store.delete(keys).await)
    }

    async fn delete_unchanged(&self, key: &ObjectKey, etag: &ETag) -> Result<(), StoreError> {
        self.counts.count(Operation::Delete, self.store.delete_unchanged(key, etag).await)
    }

    async fn discard_unfinished(&self, key: &ObjectKey) -> Result<u64, StoreError> {
        self.counts.count(Operation::UploadAbort, self.store.discard_unfinished(key).await)
    }

    async fn presign(&self, key: &ObjectKey, valid: Duration) -> Result<Option<String>, StoreError> {
        self.counts.count(Operation::Presign, self.store.presign(key, valid).await)
    }

    async fn conditional_writes(&self) -> Result<bool, StoreError> {
        self.store.conditional_writes().await
    }

    fn checksums(&self) -> Option<bool> {
        self.store.checksums()
    }

    async fn compare_and_swap(&self) -> Result<bool, StoreError> {
        self.store.compare_and_swap().await
    }
}

struct MeteredUpload {
    upload: Box<dyn Upload>,
    counts: Arc<Counts>,
}

#[async_trait]
impl Upload for MeteredUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        let size = chunk.len() as u64;
        self.counts.count(Operation::UploadWrite, self.upload.write(chunk).await)?;
        self.counts.add_written(size);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        self.counts.count(Operation::UploadFinish, self.upload.finish().await)
    }

    async fn abort(self: Box<Self>) {
        self.upload.abort().await;
        let _ = self.counts.count(Operation::UploadAbort, Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::tests::folder_store;
    use super::*;
    use crate::store::read_all;

    #[tokio::test]
    async fn acts_are_counted_by_outcome_and_bodies_by_size() {
        let (_folder, store) = folder_store().await;
        let seen = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&seen);
        let observer: Observer = Arc::new(move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let meter = Meter::observed(store, observer);
        let key = ObjectKey::new("a").unwrap();
        meter.put(&key, Bytes::from_static(b"12345"), PutMode::Create).await.unwrap();
        meter.put(&key, Bytes::from_static(b"12345"), PutMode::Create).await.unwrap_err();
        let mut upload = meter.upload(&key).await.unwrap();
        upload.write(Bytes::from_static(b"1234567")).await.unwrap();
        upload.finish().await.unwrap();
        read_all(&meter, &key, 7).await.unwrap();
        meter.head(&ObjectKey::new("b").unwrap()).await.unwrap_err();
        let acts = meter.acts();
        let of = |operation, outcome| acts.get(&(operation, outcome)).copied();
        assert_eq!(of(Operation::Put, StoreOutcome::Success), Some(1));
        assert_eq!(of(Operation::Put, StoreOutcome::Failure(Category::Conflict)), Some(1));
        assert_eq!(of(Operation::UploadWrite, StoreOutcome::Success), Some(1));
        assert_eq!(of(Operation::UploadFinish, StoreOutcome::Success), Some(1));
        assert_eq!(of(Operation::Head, StoreOutcome::Failure(Category::NotFound)), Some(1));
        assert_eq!((meter.bytes_read(), meter.bytes_written()), (7, 12));
        assert_eq!(seen.load(Ordering::Relaxed), acts.values().sum::<u64>());
    }
}
