//! Listing a folder of objects page by page in one walk: each folder is read once a listing, whatever it holds.
//!
//! A walk that has filled its page waits in [`Walks`] for the next one. It holds the names that are still to come of the
//! folders that it is in, and nothing of those before or behind; a page whose walk waited too long begins a new one behind
//! its last key.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::folder::{Folder, modified};
use crate::store::{Action, StoreError};

/// Walks that wait at a time: listings that somebody gave up are among them.
const MOST_WAITING: usize = 8;
/// No listing pauses longer between two pages; one that was given up holds its names for as long.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// A key, with size and time of an object; a folded prefix has neither.
pub(super) type WalkedKey = (String, Option<(u64, DateTime<Utc>)>);

/// What a listing asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListRequest {
    /// What the keys begin with.
    pub(super) prefix: String,
    /// Whether what lies deeper is folded.
    pub(super) delimiter: bool,
}

/// A walk in order of keys.
#[derive(Debug)]
pub(super) struct FolderWalk {
    wanted: ListRequest,
    /// The last key before it began.
    after: String,
    /// The folders that it is in, the innermost last.
    inside: Vec<OpenFolder>,
    /// What was found beyond the page, to know that another follows.
    ahead: Option<WalkedKey>,
}

/// A folder, as far as it is still to be walked through.
#[derive(Debug)]
struct OpenFolder {
    path: PathBuf,
    /// The beginning of the keys in it: empty, or up to and with its slash.
    key: String,
    /// In order of keys, since folders bear their slash.
    names: std::vec::IntoIter<String>,
}

impl FolderWalk {
    /// A walk that finds what comes behind the key `after`.
    pub(super) fn begin(
        folder: &Folder,
        action: &Action,
        wanted: ListRequest,
        after: &str,
    ) -> Result<Self, StoreError> {
        let base = wanted.prefix.rsplit_once('/').map_or("", |(base, _)| base).to_owned();
        let key = if base.is_empty() { String::new() } else { format!("{base}/") };
        let mut walk = Self { wanted, after: after.to_owned(), inside: Vec::new(), ahead: None };
        walk.enter(folder, action, folder.root().join(base), key)?;
        Ok(walk)
    }

    /// The next entries, and whether more follow.
    pub(super) fn page(
        &mut self,
        folder: &Folder,
        action: &Action,
        limit: usize,
    ) -> Result<(Vec<WalkedKey>, bool), StoreError> {
        let mut page = Vec::new();
        while page.len() < limit {
            match self.next(folder, action)? {
                Some(found) => page.push(found),
                None => return Ok((page, false)),
            }
        }
        self.ahead = self.next(folder, action)?;
        Ok((page, self.ahead.is_some()))
    }

    fn next(&mut self, folder: &Folder, action: &Action) -> Result<Option<WalkedKey>, StoreError> {
        if let Some(found) = self.ahead.take() {
            return Ok(Some(found));
        }
        while let Some(level) = self.inside.last_mut() {
            let Some(name) = level.names.next() else {
                self.inside.pop();
                continue;
            };
            let (path, key) = (level.path.join(name.trim_end_matches('/')), format!("{}{name}", level.key));
            if name.ends_with('/') {
                if !self.wanted.delimiter || !key.starts_with(&self.wanted.prefix) {
                    if !lies_before(&key, &self.after) {
                        self.enter(folder, action, path, key)?;
                    }
                } else if key > self.after && holds_object(folder, &path) {
                    return Ok(Some((key, None)));
                }
            } else if key > self.after
                && let Ok(found) = std::fs::symlink_metadata(&path)
                && found.is_file()
            {
                return Ok(Some((key, Some((found.len(), modified(&found))))));
            }
        }
        Ok(None)
    }

    fn enter(
        &mut self,
        folder: &Folder,
        action: &Action,
        path: PathBuf,
        key: String,
    ) -> Result<(), StoreError> {
        let rest = self.wanted.prefix.strip_prefix(key.as_str()).unwrap_or_default();
        let mut names = Vec::new();
        for name in folder.names(&path).map_err(|error| folder.explain(action, &path, error))? {
            let name = name.map_err(|error| folder.explain(action, &path, error))?;
            if name.starts_with(rest) || (name.ends_with('/') && rest.starts_with(name.as_str())) {
                names.push(name);
            }
        }
        names.sort_unstable();
        self.inside.push(OpenFolder { path, key, names: names.into_iter() });
        Ok(())
    }
}

/// Whether everything in a folder comes before the page that begins behind `after`; `inside` is its key with its slash.
fn lies_before(inside: &str, after: &str) -> bool {
    inside < after && !after.starts_with(inside)
}

/// Looks no further than to the first object.
fn holds_object(folder: &Folder, path: &Path) -> bool {
    let names = folder.names(path).into_iter().flatten().flatten();
    names.into_iter().any(|name| match name.strip_suffix('/') {
        Some(inner) => holds_object(folder, &path.join(inner)),
        None => true,
    })
}

/// Walks that wait for their next page, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Walks {
    waiting: Mutex<Vec<ParkedWalk>>,
}

#[derive(Debug)]
struct ParkedWalk {
    since: Instant,
    last: String,
    walk: FolderWalk,
}

impl Walks {
    /// The walk that goes on behind the key `last`; none when it waits no longer.
    pub(super) fn resume(&self, wanted: &ListRequest, last: &str) -> Option<FolderWalk> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_meant = |known: &ParkedWalk| known.last == last && known.walk.wanted == *wanted;
        let found = waiting.iter().position(is_meant)?;
        Some(waiting.remove(found).walk)
    }

    /// Keeps a walk until its next page is asked for.
    pub(super) fn keep(&self, walk: FolderWalk, last: String) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|known| known.since.elapsed() < FORGOTTEN);
        if waiting.len() >= MOST_WAITING {
            waiting.remove(0);
        }
        waiting.push(ParkedWalk { since: Instant::now(), last, walk });
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.waiting.lock().unwrap().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_before_the_page_are_passed_over() {
        for (inside, after, before) in [
            ("a/", "", false),
            ("a/", "a/x", false),
            ("a/", "b", true),
            ("a/", "a-b/c", false),
            ("a-b/", "a/x", true),
            ("backups/n-1/", "backups/n-2/claim.json", true),
            ("backups/", "backups/n-2/claim.json", false),
            ("backups/n-3/", "backups/n-2/claim.json", false),
        ] {
            assert_eq!(lies_before(inside, after), before, "{inside} {after}");
        }
    }
}
