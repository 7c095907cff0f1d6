//! The parts of one run behind addresses, as a read-only object store.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;

use super::fetch::Fetcher;
use crate::store::{
    Action, ByteStream, ETag, Listing, ObjectInfo, ObjectKey, ObjectStore, Operation, PutMode, StoreError,
    Upload,
};

/// A read-only object store of one run.
#[derive(Debug)]
pub struct DownloadStore {
    /// The source of the parts, for messages.
    pub described: String,
    /// The document of the run, which the cluster has.
    pub document: LiveDocument,
    /// The addresses of the wanted parts, by key.
    pub addresses: BTreeMap<String, String>,
    /// Reads the bodies behind the addresses.
    pub fetcher: Fetcher,
}

/// The document as the cluster has it now; `None` if the object is not there any more or is being
/// deleted.
pub type Looked = BoxFuture<'static, Result<Option<Bytes>, Box<dyn std::error::Error + Send + Sync>>>;

/// The document of a run, which is the object in the cluster. The first read returns what was read
/// already; each later one asks the cluster again, because its caller wants to know whether the run
/// was replaced.
pub struct LiveDocument {
    key: ObjectKey,
    first: Mutex<Option<Bytes>>,
    look: Box<dyn Fn() -> Looked + Send + Sync>,
}

impl LiveDocument {
    /// Creates the document at a key from its first reading; `look` asks the cluster again.
    pub fn new(key: ObjectKey, first: Bytes, look: impl Fn() -> Looked + Send + Sync + 'static) -> Self {
        Self { key, first: Mutex::new(Some(first)), look: Box::new(look) }
    }

    async fn read(&self, action: Action) -> Result<Bytes, StoreError> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        match first {
            Some(first) => Ok(first),
            None => match (self.look)().await {
                Ok(Some(now)) => Ok(now),
                Ok(None) => Err(StoreError::NotFound { action }),
                Err(source) => Err(StoreError::Other { action, source }),
            },
        }
    }
}

impl fmt::Debug for LiveDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("key", &self.key).finish_non_exhaustive()
    }
}

impl DownloadStore {
    fn action(&self, operation: Operation, what: &str) -> Action {
        Action { operation, target: format!("{what} through {}", self.described) }
    }

    fn only_read<T>(&self, operation: Operation, what: &str) -> Result<T, StoreError> {
        let source = "what the server hands out can only be read".into();
        Err(StoreError::Other { action: self.action(operation, what), source })
    }
}

#[async_trait]
impl ObjectStore for DownloadStore {
    fn describe(&self) -> String {
        self.described.clone()
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ByteStream, StoreError> {
        let action = self.action(Operation::Get, key.as_str());
        if range.is_some() {
            return Err(StoreError::Other { action, source: "the server hands out whole objects".into() });
        }
        if *key == self.document.key {
            let document = self.document.read(action).await?;
            return Ok(futures::stream::once(async { Ok(document) }).boxed());
        }
        match self.addresses.get(key.as_str()) {
            Some(address) => self.fetcher.fetch(address, action).await,
            None => Err(StoreError::NotFound { action }),
        }
    }

    async fn list(&self, _: &str, _: bool, _: Option<String>) -> Result<Listing, StoreError> {
        // Reading a run lists its folder only to find files of other programs; here are none.
        Ok(Listing::default())
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectInfo, StoreError> {
        self.only_read(Operation::Head, key.as_str())
    }

    async fn put(&self, key: &ObjectKey, _: Bytes, _: PutMode) -> Result<(), StoreError> {
        self.only_read(Operation::Put, key.as_str())
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn Upload>, StoreError> {
        self.only_read(Operation::UploadStart, key.as_str())
    }

    async fn delete(&self, _: &[ObjectKey]) -> Result<(), StoreError> {
        self.only_read(Operation::Delete, "objects")
    }

    async fn delete_unchanged(&self, key: &ObjectKey, _: &ETag) -> Result<(), StoreError> {
        self.only_read(Operation::Delete, key.as_str())
    }

    async fn discard_unfinished(&self, key: &ObjectKey) -> Result<u64, StoreError> {
        self.only_read(Operation::UploadAbort, key.as_str())
    }

    async fn presign(&self, _: &ObjectKey, _: Duration) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn conditional_writes(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn compare_and_swap(&self) -> Result<bool, StoreError> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::bucket::{Bucket, BucketError, RunKeys};
    use crate::cluster::script::serve;

    /// Returns the error when a part of a backup is not there, and `now` is what the cluster has of
    /// the backup by then.
    async fn blamed(now: Option<Value>) -> BucketError {
        let (name, uid) = ("nightly".parse().unwrap(), "one");
        let keys = RunKeys::backup(&name).unwrap();
        let object = |uid: &str| {
            json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup", "metadata": {"name": "nightly", "uid": uid}, "spec": {},
                "status": {"phase": "Completed", "formatVersion": "2", "cluster": {"uid": "a", "version": "v1"}, "objects": [
                    {"key": "backups/nightly/1-0123456789ab/index.ndjson.zst", "size": 7, "sha256": "00"}]}})
        };
        let now = now.map(|uid| object(uid.as_str().unwrap()));
        let look = move || -> Looked {
            let now = now.as_ref().map(|now| Bytes::from(now.to_string()));
            Box::pin(async { Ok(now) })
        };
        let (cluster, _) = serve(|_, asked| panic!("nobody expected {asked:?}"));
        let store = DownloadStore {
            described: "the server".to_owned(),
            document: LiveDocument::new(keys.document().clone(), object(uid).to_string().into(), look),
            addresses: BTreeMap::new(),
            fetcher: Fetcher::new(cluster.client(), "ark", None),
        };
        let stored = Bucket::new(Arc::new(store)).open_backup(&name).await.unwrap();
        stored.index().await.map(drop).expect_err("its parts are not there")
    }

    #[tokio::test]
    async fn what_is_gone_or_another_run_s_by_now_is_not_called_damaged() {
        for (now, said) in [(None, "it is not there any more"), (Some(json!("two")), "the one there now was")]
        {
            let error = blamed(now).await;
            assert!(matches!(&error, BucketError::Replaced { now, .. } if now.contains(said)), "{error:?}");
        }
        let error = blamed(Some(json!("one"))).await;
        assert!(!matches!(error, BucketError::Replaced { .. }), "{error:?}");
    }
}
