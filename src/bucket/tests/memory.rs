//! A store in memory that can die at a chosen call, before the call is done or before its answer
//! arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt as _};

use crate::store::{
    Action, ByteStream, ETag, Listing, ObjectInfo, ObjectKey, ObjectStore, Operation, PutMode, StoreError,
    Upload,
};

/// Small, so that every listing has several pages.
const PAGE: usize = 3;

/// When the store dies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Death {
    /// The call has no effect, and nothing works from then on.
    Before,
    /// The call has its effect, and nothing works from then on, its answer included.
    After,
    /// The call has its effect and its answer is lost; later calls work.
    LostAnswer,
}

#[derive(Clone, Debug)]
struct Object {
    body: Bytes,
    modified: DateTime<Utc>,
    write: u64,
}

impl Object {
    fn etag(&self) -> ETag {
        ETag(self.write.to_string())
    }

    fn info(&self, key: &ObjectKey) -> ObjectInfo {
        let (size, modified, etag) = (self.body.len() as u64, self.modified, Some(self.etag()));
        ObjectInfo { key: key.clone(), size, modified, etag }
    }
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Object>,
    /// Writes so far, for tags.
    writes: u64,
    /// Whether the store does not know conditions on replacing (`If-Match`).
    simple: bool,
    /// Keys of uploads that nobody finished.
    unfinished: BTreeSet<String>,
    fuse: Option<(usize, Death)>,
    dead: bool,
}

#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

impl State {
    fn write(&mut self, key: &str, body: Bytes) {
        self.writes += 1;
        let object = Object { body, modified: Utc::now(), write: self.writes };
        self.objects.insert(key.to_owned(), object);
    }

    fn has(&self, key: &str, etag: &ETag) -> bool {
        self.objects.get(key).is_some_and(|object| object.etag() == *etag)
    }
}

fn action(operation: Operation, target: &str) -> Action {
    Action { operation, target: target.to_owned() }
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Lets the call after `acts` others die; reads do not count.
    pub fn die_at(&self, acts: usize, death: Death) {
        self.state().fuse = Some((acts, death));
    }

    /// From now on the store does not know conditions on replacing.
    pub fn be_simple(&self) {
        self.state().simple = true;
    }

    /// Brings the store back, for another process.
    pub fn revive(&self) {
        let mut state = self.state();
        state.fuse = None;
        state.dead = false;
    }

    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    pub fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    /// Returns the one key that ends so.
    pub fn key(&self, end: &str) -> String {
        let keys: Vec<String> = self.keys().into_iter().filter(|key| key.ends_with(end)).collect();
        assert_eq!(keys.len(), 1, "{end}: {keys:?}");
        keys[0].clone()
    }

    /// Returns the keys of uploads that nobody finished.
    pub fn unfinished(&self) -> Vec<String> {
        self.state().unfinished.iter().cloned().collect()
    }

    pub fn insert(&self, key: &str, body: impl Into<Bytes>) {
        self.state().write(key, body.into());
    }

    pub fn remove(&self, key: &str) {
        self.state().objects.remove(key);
    }

    pub fn body(&self, key: &str) -> Bytes {
        self.state().objects[key].body.clone()
    }

    fn alive(&self, operation: Operation, target: &str) -> Result<(), StoreError> {
        if self.state().dead {
            return Err(StoreError::Other { action: action(operation, target), source: "dead".into() });
        }
        Ok(())
    }

    fn act<T>(
        &self,
        operation: Operation,
        target: &str,
        act: impl FnOnce(&mut State) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.alive(operation, target)?;
        let mut state = self.state();
        let death = match &mut state.fuse {
            Some((0, death)) => Some(*death),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        let died = || StoreError::Other { action: action(operation, target), source: "died".into() };
        match death {
            None => act(&mut state),
            Some(Death::Before) => {
                state.dead = true;
                Err(died())
            }
            Some(Death::After) => {
                act(&mut state)?;
                state.dead = true;
                Err(died())
            }
            Some(Death::LostAnswer) => {
                state.fuse = None;
                act(&mut state)?;
                Err(StoreError::Timeout { action: action(operation, target), limit: Duration::from_secs(1) })
            }
        }
    }
}

#[async_trait]
impl ObjectStore for MemoryStore {
    fn describe(&self) -> String {
        "memory".into()
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<(), StoreError> {
        // Lets the tasks of a race meet between any two calls.
        tokio::task::yield_now().await;
        self.act(Operation::Put, key.as_str(), |state| {
            let action = action(Operation::Put, key.as_str());
            match mode {
                PutMode::Create if state.objects.contains_key(key.as_str()) => {
                    return Err(StoreError::AlreadyExists { action });
                }
                PutMode::Replace(etag) if !state.has(key.as_str(), &etag) => {
                    return Err(StoreError::Changed { action });
                }
                _ => state.write(key.as_str(), body),
            }
            Ok(())
        })
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn Upload>, StoreError> {
        self.alive(Operation::UploadStart, key.as_str())?;
        self.state().unfinished.insert(key.to_string());
        Ok(Box::new(MemoryUpload { store: self.clone(), key: key.to_string(), bytes: BytesMut::new() }))
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ByteStream, StoreError> {
        tokio::task::yield_now().await;
        self.alive(Operation::Get, key.as_str())?;
        let action = action(Operation::Get, key.as_str());
        let Some(Object { body, .. }) = self.state().objects.get(key.as_str()).cloned() else {
            return Err(StoreError::NotFound { action });
        };
        let body = match range {
            Some(range) if range.end > body.len() as u64 => {
                let (received, expected) = (body.len() as u64, range.end);
                return Err(StoreError::Truncated { action, received, expected, source: None });
            }
            Some(range) => body.slice(range.start as usize..range.end as usize),
            None => body,
        };
        let chunks: Vec<Result<Bytes, StoreError>> =
            body.chunks(1000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        Ok(stream::iter(chunks).boxed())
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectInfo, StoreError> {
        self.alive(Operation::Head, key.as_str())?;
        match self.state().objects.get(key.as_str()) {
            Some(object) => Ok(object.info(key)),
            None => Err(StoreError::NotFound { action: action(Operation::Head, key.as_str()) }),
        }
    }

    async fn list(&self, prefix: &str, delimiter: bool, page: Option<String>) -> Result<Listing, StoreError> {
        tokio::task::yield_now().await;
        self.alive(Operation::List, prefix)?;
        let mut listing = Listing::default();
        let state = self.state();
        let after = page.unwrap_or_default();
        for (key, object) in &state.objects {
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            if *key <= after || (!after.is_empty() && after.ends_with('/') && key.starts_with(&after)) {
                continue;
            }
            let folded = rest.find('/').filter(|_| delimiter).map(|at| &key[..prefix.len() + at + 1]);
            if folded.is_some() && listing.prefixes.last().map(String::as_str) == folded {
                continue;
            }
            if listing.objects.len() + listing.prefixes.len() == PAGE {
                return Ok(listing);
            }
            match folded {
                Some(folder) => {
                    listing.prefixes.push(folder.to_owned());
                    listing.next = Some(folder.to_owned());
                }
                None => {
                    listing.objects.push(object.info(&ObjectKey::new(key.clone())?));
                    listing.next = Some(key.clone());
                }
            }
        }
        listing.next = None;
        Ok(listing)
    }

    async fn delete(&self, keys: &[ObjectKey]) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        // One call for each key: a crash may come between two of them.
        for key in keys {
            self.act(Operation::Delete, key.as_str(), |state| {
                state.objects.remove(key.as_str());
                Ok(())
            })?;
        }
        Ok(())
    }

    async fn delete_unchanged(&self, key: &ObjectKey, etag: &ETag) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        self.act(Operation::Delete, key.as_str(), |state| {
            if state.objects.contains_key(key.as_str()) && !state.has(key.as_str(), etag) {
                return Err(StoreError::Changed { action: action(Operation::Delete, key.as_str()) });
            }
            state.objects.remove(key.as_str());
            Ok(())
        })
    }

    async fn discard_unfinished(&self, key: &ObjectKey) -> Result<u64, StoreError> {
        self.alive(Operation::UploadAbort, key.as_str())?;
        Ok(u64::from(self.state().unfinished.remove(key.as_str())))
    }

    async fn presign(&self, _: &ObjectKey, _: Duration) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn conditional_writes(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn compare_and_swap(&self) -> Result<bool, StoreError> {
        Ok(!self.state().simple)
    }
}

struct MemoryUpload {
    store: MemoryStore,
    key: String,
    bytes: BytesMut,
}

#[async_trait]
impl Upload for MemoryUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.store.alive(Operation::UploadWrite, &self.key)?;
        self.bytes.extend_from_slice(&chunk);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        let bytes = self.bytes.clone().freeze();
        self.store.act(Operation::UploadFinish, &self.key, |state| {
            state.write(&self.key, bytes);
            state.unfinished.remove(&self.key);
            Ok(())
        })
    }

    async fn abort(self: Box<Self>) {}
}

impl Drop for MemoryUpload {
    /// As with a real store, an upload that is dropped is removed, unless the process has died.
    fn drop(&mut self) {
        let mut state = self.store.state();
        if !state.dead {
            state.unfinished.remove(&self.key);
        }
    }
}
