//! A wrapper that makes a store fail by script, for tests of whatever uses one.
//!
//! ```
//! # use ark::store::{Fault, Faults, ObjectStore, Operation};
//! # fn fail(store: std::sync::Arc<dyn ObjectStore>) {
//! let faults = Faults::new(store);
//! faults.script(Operation::UploadWrite, 3, Fault::Unavailable); // the third write of any upload
//! # }
//! ```

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Action, ByteStream, ETag, Listing, ObjectInfo, ObjectKey, ObjectStore, Operation, PutMode, StoreError,
    Upload, exactly,
};
use crate::model::Cause;

/// A fault of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The service answers 503; nothing is done.
    Unavailable,
    /// The service cannot be reached; nothing is done.
    Unreachable,
    /// The service refuses; nothing is done.
    Forbidden,
    /// There is no room; nothing is done.
    Full,
    /// The store cannot be written; nothing is done.
    ReadOnly,
    /// The bucket is gone; nothing is done.
    BucketMissing,
    /// The operation is carried out, and its answer is lost.
    AnswerLost,
    /// The body being read ends with an error after so many bytes. For [`Operation::Get`] only.
    Cut(u64),
    /// The body being read ends with an error if nobody reads from it for so long. For
    /// [`Operation::Get`] only.
    Idle(Duration),
    /// The operation is carried out after a pause.
    Delay(Duration),
    /// The operation never ends.
    Hang,
}

/// The script: the operations to fail, and the counts so far.
#[derive(Debug, Default)]
struct Script {
    counts: BTreeMap<Operation, usize>,
    faults: BTreeMap<(Operation, usize), Fault>,
    always: BTreeMap<Operation, Fault>,
}

/// A store that fails by script. Clones share script and counts.
#[derive(Clone, Debug)]
pub struct Faults {
    store: Arc<dyn ObjectStore>,
    script: Arc<Mutex<Script>>,
}

impl Faults {
    /// Wraps a store, which works until a fault is scripted.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, script: Arc::default() }
    }

    /// Makes the `nth` operation of this kind from now on fail; 1 is the next.
    pub fn script(&self, operation: Operation, nth: usize, fault: Fault) {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let at = script.counts.get(&operation).copied().unwrap_or_default() + nth.max(1);
        script.faults.insert((operation, at), fault);
    }

    /// Makes every operation of this kind fail until [`Faults::heal`].
    pub fn script_always(&self, operation: Operation, fault: Fault) {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.always.insert(operation, fault);
    }

    /// Forgets all faults that have not come yet.
    pub fn heal(&self) {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.faults.clear();
        script.always.clear();
    }

    /// Returns how often an operation was requested, faults included.
    pub fn count(&self, operation: Operation) -> usize {
        let script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.counts.get(&operation).copied().unwrap_or_default()
    }

    fn next(&self, operation: Operation) -> Option<Fault> {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let count = script.counts.entry(operation).or_default();
        *count += 1;
        let at = (operation, *count);
        script.faults.remove(&at).or_else(|| script.always.get(&operation).cloned())
    }

    /// Counts the operation, waits or fails if the script says so, and returns what to do after
    /// the operation.
    async fn before(&self, operation: Operation, target: &str) -> Result<After, StoreError> {
        let action = Action { operation, target: format!("{target} in {}", self.store.describe()) };
        let source = "a scripted fault".into();
        let failed = match self.next(operation) {
            None => return Ok(After::Nothing),
            Some(Fault::Delay(pause)) => {
                tokio::time::sleep(pause).await;
                return Ok(After::Nothing);
            }
            Some(Fault::Hang) => return std::future::pending().await,
            Some(Fault::AnswerLost) => return Ok(After::Lose(action)),
            Some(Fault::Cut(bytes)) => return Ok(After::Cut(action, bytes)),
            Some(Fault::Idle(limit)) => return Ok(After::Idle(action, limit)),
            Some(Fault::Unavailable) => StoreError::Unavailable { action, source },
            Some(Fault::Unreachable) => {
                StoreError::Unreachable { action, endpoint: "the store".into(), source }
            }
            Some(Fault::Forbidden) => {
                let hint = "the credentials are not allowed to do this".into();
                StoreError::Forbidden { action, hint, source: Some(source) }
            }
            Some(Fault::Full) => StoreError::Full { action, source },
            Some(Fault::ReadOnly) => StoreError::ReadOnly { action, source },
            Some(Fault::BucketMissing) => StoreError::BucketMissing { action, missing: "the bucket".into() },
        };
        Err(failed)
    }
}

/// The fault of an operation that is carried out.
enum After {
    Nothing,
    Lose(Action),
    Cut(Action, u64),
    Idle(Action, Duration),
}

impl After {
    fn answer<T>(self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match self {
            Self::Lose(action) => result.and(Err(StoreError::Timeout { action, limit: Duration::ZERO })),
            Self::Nothing | Self::Cut(..) | Self::Idle(..) => result,
        }
    }
}

/// Returns the first bytes of a body, and then a broken connection.
fn cut(action: Action, bytes: u64, body: ByteStream) -> ByteStream {
    let broken = stream::once(async { Err("a scripted cut of the connection".into()) });
    let kept = body.map_err(Into::into).scan(bytes, |left, chunk| {
        let chunk = chunk.map(|mut chunk: Bytes| {
            let chunk = chunk.split_to(chunk.len().min(usize::try_from(*left).unwrap_or(usize::MAX)));
            *left -= chunk.len() as u64;
            chunk
        });
        let over = matches!(&chunk, Ok(chunk) if chunk.is_empty());
        std::future::ready((!over).then_some(chunk))
    });
    exactly(action, None, kept.chain(broken))
}

/// Returns a body whose connection is closed if nobody reads from it for `limit`.
fn idle(action: Action, limit: Duration, body: ByteStream) -> ByteStream {
    let begun = (body, tokio::time::Instant::now());
    let chunks = stream::try_unfold(begun, move |(mut body, last)| async move {
        if last.elapsed() > limit {
            return Err("a connection that nobody read from was closed".into());
        }
        let chunk = body.try_next().await?;
        Ok::<_, Cause>(chunk.map(|chunk| (chunk, (body, tokio::time::Instant::now()))))
    });
    exactly(action, None, chunks)
}

#[async_trait]
impl ObjectStore for Faults {
    fn describe(&self) -> String {
        self.store.describe()
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<(), StoreError> {
        let after = self.before(Operation::Put, key.as_str()).await?;
        after.answer(self.store.put(key, body, mode).await)
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn Upload>, StoreError> {
        let after = self.before(Operation::UploadStart, key.as_str()).await?;
        let upload = after.answer(self.store.upload(key).await)?;
        Ok(Box::new(FaultyUpload { upload, faults: self.clone(), key: key.clone() }))
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ByteStream, StoreError> {
        let body = match self.before(Operation::Get, key.as_str()).await? {
            After::Cut(action, bytes) => cut(action, bytes, self.store.get(key, range).await?),
            After::Idle(action, limit) => idle(action, limit, self.store.get(key, range).await?),
            after => after.answer(self.store.get(key, range).await)?,
        };
        Ok(body.boxed())
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectInfo, StoreError> {
        let after = self.before(Operation::Head, key.as_str()).await?;
        after.answer(self.store.head(key).await)
    }

    async fn list(&self, prefix: &str, delimiter: bool, page: Option<String>) -> Result<Listing, StoreError> {
        let after = self.before(Operation::List, prefix).await?;
        after.answer(self.store.list(prefix, delimiter, page).await)
    }

    async fn delete(&self, keys: &[ObjectKey]) -> Result<(), StoreError> {
        let after = self.before(Operation::Delete, keys.first().map_or("", ObjectKey::as_str)).await?;
        after.answer(self.store.delete(keys).await)
    }

    async fn delete_unchanged(&self, key: &ObjectKey, etag: &ETag) -> Result<(), StoreError> {
        let after = self.before(Operation::Delete, key.as_str()).await?;
        after.answer(self.store.delete_unchanged(key, etag).await)
    }

    async fn discard_unfinished(&self, key: &ObjectKey) -> Result<u64, StoreError> {
        let after = self.before(Operation::UploadAbort, key.as_str()).await?;
        after.answer(self.store.discard_unfinished(key).await)
    }

    async fn presign(&self, key: &ObjectKey, valid: Duration) -> Result<Option<String>, StoreError> {
        let after = self.before(Operation::Presign, key.as_str()).await?;
        after.answer(self.store.presign(key, valid).await)
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

struct FaultyUpload {
    upload: Box<dyn Upload>,
    faults: Faults,
    key: ObjectKey,
}

#[async_trait]
impl Upload for FaultyUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        let after = self.faults.before(Operation::UploadWrite, self.key.as_str()).await?;
        after.answer(self.upload.write(chunk).await)
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        match self.faults.before(Operation::UploadFinish, self.key.as_str()).await {
            Ok(after) => after.answer(self.upload.finish().await),
            Err(error) => {
                self.upload.abort().await;
                Err(error)
            }
        }
    }

    async fn abort(self: Box<Self>) {
        let _ = self.faults.before(Operation::UploadAbort, self.key.as_str()).await;
        self.upload.abort().await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::tests::folder_store;
    use super::*;
    use crate::store::read_all;

    #[tokio::test]
    async fn the_nth_act_fails_and_the_others_do_not() {
        let (_folder, store) = folder_store().await;
        let faults = Faults::new(store);
        let key = ObjectKey::new("a").unwrap();
        let put = || faults.put(&key, Bytes::from_static(b"12345"), PutMode::Overwrite);
        faults.script(Operation::Put, 2, Fault::Full);
        put().await.unwrap();
        assert!(matches!(put().await, Err(StoreError::Full { .. })));
        put().await.unwrap();
        assert_eq!(faults.count(Operation::Put), 3);
        faults.script_always(Operation::Get, Fault::Unavailable);
        assert!(matches!(read_all(&faults, &key, 9).await, Err(StoreError::Unavailable { .. })));
        faults.heal();
        assert_eq!(read_all(&faults, &key, 9).await.unwrap(), "12345");
    }

    #[tokio::test]
    async fn a_cut_body_gives_its_first_bytes_and_then_an_error() {
        let (_folder, store) = folder_store().await;
        let faults = Faults::new(store);
        let key = ObjectKey::new("a").unwrap();
        faults.put(&key, Bytes::from_static(b"12345"), PutMode::Create).await.unwrap();
        faults.script(Operation::Get, 1, Fault::Cut(3));
        let mut body = faults.get(&key, None).await.unwrap();
        assert_eq!(body.try_next().await.unwrap().unwrap(), "123");
        assert!(matches!(body.try_next().await, Err(StoreError::Truncated { received: 3, .. })));
    }

    #[tokio::test]
    async fn a_lost_answer_leaves_the_object_there() {
        let (_folder, store) = folder_store().await;
        let faults = Faults::new(store);
        let key = ObjectKey::new("a").unwrap();
        faults.script(Operation::Put, 1, Fault::AnswerLost);
        faults.put(&key, Bytes::from_static(b"1"), PutMode::Create).await.unwrap_err();
        assert_eq!(faults.head(&key).await.unwrap().size, 1);
    }

    #[tokio::test]
    async fn an_upload_that_cannot_finish_leaves_nothing() {
        let (_folder, store) = folder_store().await;
        let faults = Faults::new(store);
        let key = ObjectKey::new("a").unwrap();
        faults.script(Operation::UploadFinish, 1, Fault::Unavailable);
        let mut upload = faults.upload(&key).await.unwrap();
        upload.write(Bytes::from_static(b"1")).await.unwrap();
        upload.finish().await.unwrap_err();
        assert!(faults.head(&key).await.unwrap_err().is_not_found());
    }
}
