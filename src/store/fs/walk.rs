//! Lists a folder of objects page by page in one walk: each folder is read once for each listing,
//! whatever it holds.
//!
//! A walk that has filled its page waits in [`Walks`] for the next one. A walk holds the remaining
//! names of the folders that it is in, and nothing of those before or behind. A page whose walk
//! waited too long begins a new walk behind its last key.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::folder::{Folder, modified};
use crate::store::{Action, Listing, ObjectInfo, ObjectKey, StoreError};

/// The most walks that wait; listings that were given up are among them.
const MOST_WAITING: usize = 8;
/// The longest pause between two pages of a listing. A listing that was given up holds its names
/// for as long.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// A key with size and time of its object; a folded prefix has neither.
pub(super) type WalkedKey = (String, Option<(u64, DateTime<Utc>)>);

/// The parameters of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListRequest {
    /// The prefix of the keys.
    pub(super) prefix: String,
    /// Whether deeper keys are folded into prefixes.
    pub(super) delimiter: bool,
}

/// A walk in the order of keys.
#[derive(Debug)]
pub(super) struct FolderWalk {
    wanted: ListRequest,
    /// The key behind which the walk begins.
    after: String,
    /// The open folders, the innermost last.
    inside: Vec<OpenFolder>,
    /// The entry behind the page, found to know that another page follows.
    ahead: Option<WalkedKey>,
}

/// A folder with the names that are still to be visited.
#[derive(Debug)]
struct OpenFolder {
    path: PathBuf,
    /// The prefix of the keys in the folder: empty, or up to and including its slash.
    key: String,
    /// In the order of keys, since folders carry their slash.
    names: std::vec::IntoIter<String>,
}

impl FolderWalk {
    /// Begins a walk over the entries behind the key `after`.
    fn begin(folder: &Folder, action: &Action, wanted: ListRequest, after: &str) -> Result<Self, StoreError> {
        let base = wanted.prefix.rsplit_once('/').map_or("", |(base, _)| base).to_owned();
        let key = if base.is_empty() { String::new() } else { format!("{base}/") };
        let mut walk = Self { wanted, after: after.to_owned(), inside: Vec::new(), ahead: None };
        walk.enter(folder, action, folder.root().join(base), key)?;
        Ok(walk)
    }

    /// Returns the next entries, and whether more follow.
    fn page(
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

/// Returns true if everything in a folder comes before a page that begins behind `after`; `inside`
/// is the folder's key with its slash.
fn lies_before(inside: &str, after: &str) -> bool {
    inside < after && !after.starts_with(inside)
}

/// Returns true if a folder holds an object; looks no further than to the first one.
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
    /// Returns one page: the first `limit` entries behind `after` in the order of keys, by the
    /// walk that waits there if one does.
    pub(super) fn list(
        &self,
        folder: &Folder,
        action: &Action,
        (wanted, after): (ListRequest, &str),
        limit: usize,
    ) -> Result<Listing, StoreError> {
        if !wanted.prefix.contains('/') {
            folder.check_root(action)?;
        }
        let mut walk = match self.resume(&wanted, after) {
            Some(walk) => walk,
            None => FolderWalk::begin(folder, action, wanted, after)?,
        };
        let (found, goes_on) = walk.page(folder, action, limit)?;
        let mut listing = Listing::default();
        if goes_on && let Some((last, _)) = found.last() {
            listing.next = Some(last.clone());
            self.keep(walk, last.clone());
        }
        for (name, entry) in found {
            match (entry, ObjectKey::new(name.as_str())) {
                (None, _) => listing.prefixes.push(name),
                (Some((size, modified)), Ok(key)) => {
                    listing.objects.push(ObjectInfo { key, size, modified, etag: None });
                }
                (_, Err(error)) => tracing::debug!(%error, "left out of a listing"),
            }
        }
        Ok(listing)
    }

    /// Returns the walk that continues behind the key `last`, or `None` if it no longer waits.
    fn resume(&self, wanted: &ListRequest, last: &str) -> Option<FolderWalk> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_meant = |known: &ParkedWalk| known.last == last && known.walk.wanted == *wanted;
        let found = waiting.iter().position(is_meant)?;
        Some(waiting.remove(found).walk)
    }

    /// Keeps a walk until its next page is requested.
    fn keep(&self, walk: FolderWalk, last: String) {
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
