//! The blocking work on a folder of objects: paths, durable writes, deleting.
//!
//! Assumes that nobody changes symbolic links while it runs; links that exist are refused.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use tempfile::NamedTempFile;
use xxhash_rust::xxh3::xxh3_64;

use super::trouble::{LONGEST_NAME, explain, kind, missing, obstructed, too_long};
use crate::store::key::TEMPORARY;
use crate::store::{Action, ETag, ObjectInfo, ObjectKey, PutMode, StoreError};

/// Tries to begin a file while others remove the folder that it goes into, because the folder
/// looks empty.
const BEGIN_ATTEMPTS: usize = 10;
/// The age at which an unfinished file belongs to a process that no longer runs.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// The root folder; its own path is free of symbolic links.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
    /// The number of folders that were read for listings.
    #[cfg(test)]
    pub(super) reads: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Folder {
    pub(super) fn open(action: &Action, path: &Path, create: bool) -> Result<Self, StoreError> {
        if create {
            fs::create_dir_all(path).map_err(|error| explain(action, path, error))?;
        }
        let root = path.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing(action, path),
            _ => explain(action, path, error),
        })?;
        if root.is_dir() {
            Ok(Self {
                root,
                #[cfg(test)]
                reads: std::sync::Arc::default(),
            })
        } else {
            Err(obstructed(action, &root, "which is not a folder,"))
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Creates a temporary file beside the object's path, and missing folders. Returns the file
    /// and that path.
    pub(super) fn begin(
        &self,
        action: &Action,
        key: &ObjectKey,
    ) -> Result<(NamedTempFile, PathBuf), StoreError> {
        if key.as_str().split('/').any(|segment| segment.len() > LONGEST_NAME) {
            return Err(too_long(action));
        }
        let path = self.root.join(key.as_str());
        let mut attempt = 1;
        loop {
            let parent = self.make_folders(action, key);
            let begun = parent.and_then(|parent| {
                let file = tempfile::Builder::new().prefix(&unfinished(key)).tempfile_in(&parent);
                file.map_err(|error| self.explain(action, &parent, error))
            });
            match begun {
                Err(StoreError::NotFound { .. }) if attempt < BEGIN_ATTEMPTS => attempt += 1,
                begun => return Ok((begun?, path)),
            }
        }
    }

    fn make_folders(&self, action: &Action, key: &ObjectKey) -> Result<PathBuf, StoreError> {
        let (mut folder, mut rest) = (self.root.clone(), key.as_str());
        while let Some((segment, deeper)) = rest.split_once('/') {
            let parent = folder.clone();
            folder.push(segment);
            rest = deeper;
            match fs::create_dir(&folder) {
                Ok(()) => sync_folder(action, &parent)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.check_folder(action, &folder)?;
                }
                Err(error) => return Err(self.explain(action, &folder, error)),
            }
        }
        Ok(folder)
    }

    /// Checks that a path is a folder: a symbolic link or a file is refused.
    fn check_folder(&self, action: &Action, folder: &Path) -> Result<(), StoreError> {
        let found = fs::symlink_metadata(folder).map_err(|error| self.explain(action, folder, error))?;
        if found.is_dir() { Ok(()) } else { Err(obstructed(action, folder, kind(&found))) }
    }

    /// Makes a written file the object, durably.
    pub(super) fn publish(
        &self,
        action: &Action,
        file: NamedTempFile,
        key: &ObjectKey,
        mode: &PutMode,
    ) -> Result<(), StoreError> {
        let path = &self.root.join(key.as_str());
        file.as_file().sync_all().map_err(|error| self.explain(action, path, error))?;
        let _lock = match mode {
            PutMode::Replace(etag) => {
                let lock = self.lock();
                self.expect_unchanged(action, key, etag)?;
                lock
            }
            PutMode::Create => self.lock(),
            PutMode::Overwrite => None,
        };
        let renamed = match mode {
            PutMode::Create => file.persist_noclobber(path),
            PutMode::Overwrite | PutMode::Replace(_) => file.persist(path),
        };
        renamed.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists if path.is_file() => {
                StoreError::AlreadyExists { action: action.clone() }
            }
            io::ErrorKind::AlreadyExists => obstructed(action, path, "which is no object,"),
            _ => self.explain(action, path, error.error),
        })?;
        path.parent().map_or(Ok(()), |folder| sync_folder(action, folder))
    }

    /// Returns the path and the metadata of an existing object.
    fn find(&self, action: &Action, key: &ObjectKey) -> Result<(PathBuf, Metadata), StoreError> {
        let mut path = self.root.clone();
        let mut segments = key.as_str().split('/').peekable();
        while let Some(segment) = segments.next() {
            path.push(segment);
            let found = fs::symlink_metadata(&path).map_err(|error| match error.kind() {
                // A file of that name cannot exist.
                io::ErrorKind::InvalidFilename => StoreError::NotFound { action: action.clone() },
                _ => self.explain(action, &path, error),
            })?;
            if segments.peek().is_none() && found.is_file() {
                return Ok((path, found));
            }
            if found.is_symlink() {
                return Err(obstructed(action, &path, kind(&found)));
            }
            if !found.is_dir() {
                break;
            }
        }
        Err(StoreError::NotFound { action: action.clone() })
    }

    pub(super) fn head(&self, action: &Action, key: &ObjectKey) -> Result<ObjectInfo, StoreError> {
        let (_, found) = self.find(action, key)?;
        // Every write makes a new file, so that these three are never the same again.
        let etag = format!("{:x}-{:x}-{:x}", found.ino(), found.mtime(), found.mtime_nsec());
        let (size, modified) = (found.len(), modified(&found));
        Ok(ObjectInfo { key: key.clone(), size, modified, etag: Some(ETag(etag)) })
    }

    fn expect_unchanged(&self, action: &Action, key: &ObjectKey, etag: &ETag) -> Result<(), StoreError> {
        match self.head(action, key) {
            Ok(info) if info.etag.as_ref() == Some(etag) => Ok(()),
            Err(error) if !error.is_not_found() => Err(error),
            _ => Err(StoreError::Changed { action: action.clone() }),
        }
    }

    /// Locks the folder against conditional writes and deletes of other processes, until the lock
    /// is dropped. Returns `None` on a file system without locks: there a moment is left between
    /// the look and the write.
    fn lock(&self) -> Option<File> {
        let root = File::open(&self.root).ok()?;
        match root.lock() {
            Ok(()) => Some(root),
            Err(error) => {
                tracing::debug!(%error, "the folder cannot be locked");
                None
            }
        }
    }

    pub(super) fn read(&self, action: &Action, key: &ObjectKey) -> Result<(File, u64), StoreError> {
        let (path, _) = self.find(action, key)?;
        let open = || {
            let file = File::open(&path)?;
            let size = file.metadata()?.len();
            Ok((file, size))
        };
        open().map_err(|error| self.explain(action, &path, error))
    }

    pub(super) fn delete(&self, action: &Action, keys: &[ObjectKey]) -> Result<(), StoreError> {
        let _lock = self.lock();
        self.unlink(action, keys)
    }

    pub(super) fn delete_unchanged(
        &self,
        action: &Action,
        key: &ObjectKey,
        etag: &ETag,
    ) -> Result<(), StoreError> {
        let _lock = self.lock();
        match self.find(action, key) {
            Err(error) if error.is_not_found() => return Ok(()),
            found => found?,
        };
        self.expect_unchanged(action, key, etag)?;
        self.unlink(action, std::slice::from_ref(key))
    }

    fn unlink(&self, action: &Action, keys: &[ObjectKey]) -> Result<(), StoreError> {
        let mut touched = BTreeSet::new();
        for key in keys {
            let path = match self.find(action, key) {
                Ok((path, _)) => path,
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error),
            };
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.explain(action, &path, error));
                }
                _ => touched.extend(path.parent().map(Path::to_owned)),
            }
        }
        // Deepest first, since an emptied folder may leave its parent empty.
        touched.iter().rev().try_for_each(|folder| self.tidy(action, folder))
    }

    /// Removes the files of this object that were begun and never published, and returns their
    /// number.
    pub(super) fn discard_unfinished(&self, action: &Action, key: &ObjectKey) -> Result<u64, StoreError> {
        let path = self.root.join(key.as_str());
        let (Some(folder), begin) = (path.parent(), unfinished(key)) else { return Ok(0) };
        let mut discarded = 0;
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries.map_err(|error| self.explain(action, folder, error))?,
        };
        for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&begin))
        {
            match fs::remove_file(entry.path()) {
                Ok(()) => discarded += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.explain(action, &entry.path(), error)),
            }
        }
        Ok(discarded)
    }

    /// Syncs a folder after deletions, and removes the folder and those above if they are empty.
    fn tidy(&self, action: &Action, folder: &Path) -> Result<(), StoreError> {
        for folder in folder.ancestors().take_while(|folder| *folder != self.root) {
            remove_abandoned(folder);
            match fs::remove_dir(folder) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => return sync_folder(action, folder),
            }
        }
        sync_folder(action, &self.root)
    }

    /// Yields the names that may be objects, or with a slash at the end folders of some: text, not
    /// unfinished, no links. A folder that does not exist has no names.
    pub(super) fn names(
        &self,
        folder: &Path,
    ) -> io::Result<impl Iterator<Item = io::Result<String>> + use<>> {
        #[cfg(test)]
        self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let entries = match fs::symlink_metadata(folder).and_then(|found| match found.is_dir() {
            true => fs::read_dir(folder).map(Some),
            false => Ok(None),
        }) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            entries => entries?,
        };
        let name = |entry: io::Result<fs::DirEntry>| {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            let (name, kind) = (entry.file_name().into_string().ok()?, entry.file_type().ok()?);
            let end = if kind.is_dir() { "/" } else { "" };
            let is_seen = !name.starts_with(TEMPORARY) && (kind.is_dir() || kind.is_file());
            is_seen.then(|| Ok(name + end))
        };
        Ok(entries.into_iter().flatten().filter_map(name))
    }

    /// Checks that the root folder exists.
    pub(super) fn check_root(&self, action: &Action) -> Result<(), StoreError> {
        if self.root.is_dir() { Ok(()) } else { Err(missing(action, &self.root)) }
    }

    /// Returns the error for a failure with an object. A root folder that vanished is told from an
    /// object that does not exist.
    pub(super) fn explain(&self, action: &Action, path: &Path, error: io::Error) -> StoreError {
        match self.check_root(action) {
            Ok(()) => explain(action, path, error),
            Err(missing) if error.kind() == io::ErrorKind::NotFound => missing,
            Err(_) => explain(action, path, error),
        }
    }

    pub(super) fn explain_key(&self, action: &Action, key: &ObjectKey, error: io::Error) -> StoreError {
        self.explain(action, &self.root.join(key.as_str()), error)
    }
}

/// Returns the beginning of the temporary names of an object's files: a hash, since the object's
/// own name may be as long as a name can be.
fn unfinished(key: &ObjectKey) -> String {
    format!("{TEMPORARY}{:016x}-", xxh3_64(key.as_str().as_bytes()))
}

fn remove_abandoned(folder: &Path) {
    let abandoned = |entry: &fs::DirEntry| {
        let age =
            entry.metadata().and_then(|found| found.modified()).ok().and_then(|time| time.elapsed().ok());
        entry.file_name().to_string_lossy().starts_with(TEMPORARY) && age.is_some_and(|age| age > ABANDONED)
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten().filter(abandoned) {
        let _ = fs::remove_file(entry.path());
    }
}

fn sync_folder(action: &Action, folder: &Path) -> Result<(), StoreError> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(explain(action, folder, error)),
        _ => Ok(()),
    }
}

pub(super) fn modified(found: &Metadata) -> DateTime<Utc> {
    found.modified().unwrap_or(SystemTime::UNIX_EPOCH).into()
}
