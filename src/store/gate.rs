//! A wrapper that refuses writes once its gate is closed: a server whose lease has ended must
//! leave the bucket as it is.
//!
//! [`Gated`] asks the gate before each operation that writes. Requests that the SDK repeats by
//! itself ask it, too (`s3/client.rs`).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Action, ByteStream, ETag, Listing, ObjectInfo, ObjectKey, ObjectStore, Operation, PutMode, StoreError,
    Upload,
};

/// A condition for writing; always true by default. Clones share it.
#[derive(Clone)]
pub struct Gate(Arc<dyn Fn() -> bool + Send + Sync>);

impl Gate {
    /// Creates a gate that is open while `is_open` returns true.
    pub fn new(is_open: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_open))
    }

    /// Returns true if writes are allowed now.
    pub fn is_open(&self) -> bool {
        (self.0)()
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(|| true)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&self.is_open()).finish()
    }
}

/// A store behind a gate.
#[derive(Clone, Debug)]
pub struct Gated {
    store: Arc<dyn ObjectStore>,
    gate: Gate,
}

impl Gated {
    /// Wraps a store so that nothing in it is changed while the gate is closed.
    pub fn new(store: Arc<dyn ObjectStore>, gate: Gate) -> Self {
        Self { store, gate }
    }

    fn pass(&self, operation: Operation, target: &str) -> Result<(), StoreError> {
        if self.gate.is_open() {
            return Ok(());
        }
        let target = format!("{target} in {}", self.store.describe());
        Err(StoreError::NotSent { action: Action { operation, target } })
    }
}

#[async_trait]
impl ObjectStore for Gated {
    fn describe(&self) -> String {
        self.store.describe()
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<(), StoreError> {
        self.pass(Operation::Put, key.as_str())?;
        self.store.put(key, body, mode).await
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn Upload>, StoreError> {
        self.pass(Operation::UploadStart, key.as_str())?;
        let upload = self.store.upload(key).await?;
        Ok(Box::new(GatedUpload { upload, gated: self.clone(), key: key.clone() }))
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ByteStream, StoreError> {
        self.store.get(key, range).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectInfo, StoreError> {
        self.store.head(key).await
    }

    async fn list(&self, prefix: &str, delimiter: bool, page: Option<String>) -> Result<Listing, StoreError> {
        self.store.list(prefix, delimiter, page).await
    }

    async fn delete(&self, keys: &[ObjectKey]) -> Result<(), StoreError> {
        self.pass(Operation::Delete, keys.first().map_or("", ObjectKey::as_str))?;
        self.store.delete(keys).await
    }

    async fn delete_unchanged(&self, key: &ObjectKey, etag: &ETag) -> Result<(), StoreError> {
        self.pass(Operation::Delete, key.as_str())?;
        self.store.delete_unchanged(key, etag).await
    }

    async fn discard_unfinished(&self, key: &ObjectKey) -> Result<u64, StoreError> {
        self.pass(Operation::UploadAbort, key.as_str())?;
        self.store.discard_unfinished(key).await
    }

    async fn presign(&self, key: &ObjectKey, valid: Duration) -> Result<Option<String>, StoreError> {
        self.store.presign(key, valid).await
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

struct GatedUpload {
    upload: Box<dyn Upload>,
    gated: Gated,
    key: ObjectKey,
}

#[async_trait]
impl Upload for GatedUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.gated.pass(Operation::UploadWrite, self.key.as_str())?;
        self.upload.write(chunk).await
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        self.gated.pass(Operation::UploadFinish, self.key.as_str())?;
        self.upload.finish().await
    }

    /// Not gated: what was sent belongs to this upload alone, and removing it harms nobody.
    async fn abort(self: Box<Self>) {
        self.upload.abort().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::conformance::tests::folder_store;
    use super::*;

    #[tokio::test]
    async fn nothing_is_changed_while_the_gate_is_closed_and_everything_can_be_read() {
        let (_folder, store) = folder_store().await;
        let open = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&open);
        let gated = Gated::new(Arc::clone(&store), Gate::new(move || asked.load(Ordering::Relaxed)));
        let key = ObjectKey::new("a").unwrap();
        let body = || Bytes::from_static(b"1");
        gated.put(&key, body(), PutMode::Create).await.unwrap();
        let mut upload = gated.upload(&ObjectKey::new("b").unwrap()).await.unwrap();
        let begun = gated.upload(&ObjectKey::new("c").unwrap()).await.unwrap();
        upload.write(body()).await.unwrap();
        let etag = gated.head(&key).await.unwrap().etag.unwrap();
        open.store(false, Ordering::Relaxed);
        let refused = [
            gated.put(&key, body(), PutMode::Overwrite).await,
            gated.put(&key, body(), PutMode::Replace(etag.clone())).await,
            gated.upload(&key).await.map(drop),
            upload.write(body()).await,
            begun.finish().await,
            gated.delete(std::slice::from_ref(&key)).await,
            gated.delete_unchanged(&key, &etag).await,
            gated.discard_unfinished(&key).await.map(drop),
        ];
        for refused in refused {
            let error = refused.unwrap_err();
            assert!(matches!(error, StoreError::NotSent { .. }) && !error.is_retryable(), "{error}");
        }
        assert_eq!(store.head(&key).await.unwrap().etag, Some(etag), "it is as it was");
        let listed = gated.list("", false, None).await.unwrap();
        assert_eq!(listed.objects.len(), 1, "{listed:?}");
        open.store(true, Ordering::Relaxed);
        gated.delete(&[key]).await.unwrap();
    }
}
