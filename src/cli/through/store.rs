//! The parts of one run, behind addresses, as a store that can only be read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;

use super::fetch::Fetcher;
use crate::store::{
    Action, ByteStream, ETag, Listing, ObjectInfo, ObjectKey, Operation, PutMode, Store, StoreError, Upload,
};

/// The objects of one run, readable.
#[derive(Debug)]
pub struct Through {
    /// Whose it is, for people.
    pub described: String,
    /// The commit of the run, which the cluster has.
    pub document: (ObjectKey, Bytes),
    /// By key, where to fetch the parts that are wanted.
    pub addresses: BTreeMap<String, String>,
    /// Fetches them.
    pub fetcher: Fetcher,
}

impl Through {
    fn action(&self, operation: Operation, what: &str) -> Action {
        Action { operation, target: format!("{what} through {}", self.described) }
    }

    fn only_read<T>(&self, operation: Operation, what: &str) -> Result<T, StoreError> {
        let source = "what the server hands out can only be read".into();
        Err(StoreError::Other { action: self.action(operation, what), source })
    }
}

#[async_trait]
impl Store for Through {
    fn describe(&self) -> String {
        self.described.clone()
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ByteStream, StoreError> {
        let action = self.action(Operation::Get, key.as_str());
        if range.is_some() {
            return Err(StoreError::Other { action, source: "the server hands out whole objects".into() });
        }
        if *key == self.document.0 {
            let document = self.document.1.clone();
            return Ok(futures::stream::once(async { Ok(document) }).boxed());
        }
        match self.addresses.get(key.as_str()) {
            Some(address) => self.fetcher.fetch(address, action).await,
            None => Err(StoreError::NotFound { action }),
        }
    }

    async fn list(&self, _: &str, _: bool, _: Option<String>) -> Result<Listing, StoreError> {
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
