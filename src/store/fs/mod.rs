//! Objects as files below a folder: `folder` does the blocking work, this file makes an
//! [`ObjectStore`] of it.
//!
//! A file is written under a temporary name beside its place, synced, renamed, and its folder
//! synced, so that after a crash an object exists whole or not at all. Files are readable by their
//! owner alone, as backups hold secrets. Keys stay below the root: symbolic links below it are not
//! followed. Keys `a` and `a/b` exclude each other here.

mod folder;
mod trouble;
mod walk;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use tempfile::NamedTempFile;

use self::folder::Folder;
use self::walk::{ListRequest, Walks};
use super::key::check_prefix;
use super::location::DirectoryLocation;
use super::{
    Action, ByteStream, ETag, Listing, ObjectInfo, ObjectKey, ObjectStore, Operation, PutMode, StoreError,
    Upload, exactly,
};
use crate::model::Cause;

/// Objects on one page of a listing, as with S3.
const PAGE: usize = 1000;
/// The size of a read, in bytes.
const CHUNK: u64 = 256 << 10;

/// A store in a folder of this machine.
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: Folder,
    walks: Arc<Walks>,
    page_size: usize,
}

impl FileStore {
    /// Opens the folder, and creates it if the location says so.
    ///
    /// # Errors
    /// If the folder does not exist and is not to be created, or cannot be read.
    pub async fn open(location: &DirectoryLocation) -> Result<Self, StoreError> {
        let DirectoryLocation { path, create_bucket } = location.clone();
        let action = Action { operation: Operation::Open, target: format!("file://{}", path.display()) };
        let folder = blocking(action, move |action| Folder::open(action, &path, create_bucket)).await?;
        Ok(Self { folder, walks: Arc::default(), page_size: PAGE })
    }

    /// Sets shorter pages, so that paging is tested with few objects.
    #[must_use]
    pub fn with_page_size(mut self, objects: u16) -> Self {
        self.page_size = usize::from(objects.max(1)).min(PAGE);
        self
    }

    fn action(&self, operation: Operation, key: &str) -> Action {
        Action { operation, target: self.folder.root().join(key).display().to_string() }
    }

    async fn run<T, F>(&self, operation: Operation, key: &str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Folder, &Action) -> Result<T, StoreError> + Send + 'static,
    {
        let folder = self.folder.clone();
        blocking(self.action(operation, key), move |action| work(&folder, action)).await
    }
}

/// Runs blocking file work on a thread for such work.
async fn blocking<T, F>(action: Action, work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce(&Action) -> Result<T, StoreError> + Send + 'static,
{
    let task = action.clone();
    tokio::task::spawn_blocking(move || work(&task))
        .await
        .unwrap_or_else(|error| Err(StoreError::Other { action, source: error.into() }))
}

#[async_trait]
impl ObjectStore for FileStore {
    fn describe(&self) -> String {
        format!("file://{}", self.folder.root().display())
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<(), StoreError> {
        let name = key.clone();
        self.run(Operation::Put, key.as_str(), move |folder, action| {
            let (mut file, path) = folder.begin(action, &name)?;
            file.write_all(&body).map_err(|error| folder.explain(action, &path, error))?;
            folder.publish(action, file, &name, &mode)
        })
        .await
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn Upload>, StoreError> {
        let name = key.clone();
        let begin = move |folder: &Folder, action: &Action| folder.begin(action, &name);
        let (file, path) = self.run(Operation::UploadStart, key.as_str(), begin).await?;
        Ok(Box::new(FileUpload { store: self.clone(), key: key.clone(), path, file: Some(file) }))
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ByteStream, StoreError> {
        let name = key.clone();
        let open = move |folder: &Folder, action: &Action| {
            let (mut file, size) = folder.read(action, &name)?;
            let Range { start, end } = range.unwrap_or(0..size);
            let expected = end.saturating_sub(start);
            if expected > 0 && end > size {
                let received = size.saturating_sub(start);
                return Err(StoreError::Truncated {
                    action: action.clone(),
                    received,
                    expected,
                    source: None,
                });
            }
            file.seek(SeekFrom::Start(start)).map_err(|error| folder.explain_key(action, &name, error))?;
            Ok((file, expected))
        };
        let (file, expected) = self.run(Operation::Get, key.as_str(), open).await?;
        let chunks = stream::try_unfold((file, expected), |(file, left)| async move {
            let (file, chunk) = read_chunk(file, left).await?;
            let left = left - chunk.len() as u64;
            Ok::<_, Cause>((!chunk.is_empty()).then_some((chunk, (file, left))))
        });
        Ok(exactly(self.action(Operation::Get, key.as_str()), Some(expected), chunks))
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectInfo, StoreError> {
        let name = key.clone();
        let head = move |folder: &Folder, action: &Action| folder.head(action, &name);
        self.run(Operation::Head, key.as_str(), head).await
    }

    async fn list(&self, prefix: &str, delimiter: bool, page: Option<String>) -> Result<Listing, StoreError> {
        check_prefix(prefix)?;
        let wanted = ListRequest { prefix: prefix.to_owned(), delimiter };
        let (walks, limit) = (Arc::clone(&self.walks), self.page_size);
        let list = move |folder: &Folder, action: &Action| {
            walks.list(folder, action, (wanted, page.as_deref().unwrap_or_default()), limit)
        };
        self.run(Operation::List, prefix, list).await
    }

    async fn delete(&self, keys: &[ObjectKey]) -> Result<(), StoreError> {
        let Some(first) = keys.first() else { return Ok(()) };
        let names = keys.to_vec();
        let delete = move |folder: &Folder, action: &Action| folder.delete(action, &names);
        self.run(Operation::Delete, first.as_str(), delete).await
    }

    async fn delete_unchanged(&self, key: &ObjectKey, etag: &ETag) -> Result<(), StoreError> {
        let (name, etag) = (key.clone(), etag.clone());
        let delete = move |folder: &Folder, action: &Action| folder.delete_unchanged(action, &name, &etag);
        self.run(Operation::Delete, key.as_str(), delete).await
    }

    async fn discard_unfinished(&self, key: &ObjectKey) -> Result<u64, StoreError> {
        let name = key.clone();
        let discard = move |folder: &Folder, action: &Action| folder.discard_unfinished(action, &name);
        self.run(Operation::UploadAbort, key.as_str(), discard).await
    }

    async fn presign(&self, _key: &ObjectKey, _valid: Duration) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn conditional_writes(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn compare_and_swap(&self) -> Result<bool, StoreError> {
        Ok(true)
    }
}

async fn read_chunk(mut file: File, left: u64) -> Result<(File, Bytes), Cause> {
    let read = move || {
        let mut chunk = Vec::with_capacity(usize::try_from(left.min(CHUNK)).unwrap_or_default());
        (&mut file).take(left.min(CHUNK)).read_to_end(&mut chunk)?;
        Ok::<_, io::Error>((file, Bytes::from(chunk)))
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}

/// A file under its temporary name; removed when dropped.
struct FileUpload {
    store: FileStore,
    key: ObjectKey,
    path: PathBuf,
    /// `None` after a failed write.
    file: Option<NamedTempFile>,
}

impl FileUpload {
    fn take(&mut self, operation: Operation) -> Result<NamedTempFile, StoreError> {
        let action = self.store.action(operation, self.key.as_str());
        let source = || "an earlier write to it failed".into();
        self.file.take().ok_or_else(|| StoreError::Other { action, source: source() })
    }
}

#[async_trait]
impl Upload for FileUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        let mut file = self.take(Operation::UploadWrite)?;
        let path = self.path.clone();
        let write = move |folder: &Folder, action: &Action| match file.write_all(&chunk) {
            Ok(()) => Ok(file),
            Err(error) => Err(folder.explain(action, &path, error)),
        };
        self.file = Some(self.store.run(Operation::UploadWrite, self.key.as_str(), write).await?);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        let file = self.take(Operation::UploadFinish)?;
        let key = self.key.clone();
        let publish =
            move |folder: &Folder, action: &Action| folder.publish(action, file, &key, &PutMode::Overwrite);
        self.store.run(Operation::UploadFinish, self.key.as_str(), publish).await
    }

    async fn abort(self: Box<Self>) {}
}

#[cfg(test)]
mod tests;
