//! The runs of a location as a listing alone shows them: one pass over the keys, without reading
//! any object.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use futures::stream::{self, BoxStream, Stream, StreamExt as _, TryStreamExt as _};

use crate::api::Backup;
use crate::store::{Listing, ObjectInfo, ObjectKey};

use super::layout::{self, FileMeaning, Part, RunKeys, RunKind};
use super::run_entry::{RunEntry, RunState};
use super::run_folder::RunFolder;
use super::{Bucket, BucketError};

/// A run as its keys show it.
#[derive(Clone, Debug)]
pub struct ListedRun {
    kind: RunKind,
    name: String,
    pub(super) survey: RunFolder,
    document: Option<Stamp>,
    tarball: Option<u64>,
    objects: u64,
    size: u64,
    modified: DateTime<Utc>,
    finished: Finished,
}

/// Finds out whether an attempt has written all its parts (tarball, index, results). The parts of
/// one attempt are neighbours in a listing.
#[derive(Clone, Debug, Default)]
struct Finished {
    folder: String,
    seen: [bool; 3],
    beside: [bool; 3],
    one: bool,
}

impl Finished {
    /// Adds a part. `file` is the key behind the folder of the run.
    fn add(&mut self, file: &str, part: Part) {
        let at = match part {
            Part::Tarball => 0,
            Part::Index => 1,
            Part::Results => 2,
            _ => return,
        };
        let seen = match file.split_once('/') {
            // Runs made before attempts had folders have their parts beside the document.
            None => &mut self.beside,
            Some((folder, _)) => {
                if folder != self.folder {
                    (self.folder, self.seen) = (folder.to_owned(), Default::default());
                }
                &mut self.seen
            }
        };
        seen[at] = true;
        self.one |= seen.iter().all(|seen| *seen);
    }
}

/// The properties of a listed document that change when it is written anew. Stores tell the time in
/// whole seconds, and two runs may have documents of one length; the lengths of their tarballs
/// differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Size of the document in bytes.
    pub size: u64,
    /// When the document was written.
    pub modified: DateTime<Utc>,
    /// Bytes of the tarballs of all attempts together; `None` if there is no tarball.
    pub tarball: Option<u64>,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modified = self.modified.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        write!(f, "{modified}/{}/{}", self.size, self.tarball.unwrap_or_default())
    }
}

impl ListedRun {
    /// Creates a run without objects.
    pub(super) fn new(kind: RunKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            survey: RunFolder::default(),
            document: None,
            tarball: None,
            objects: 0,
            size: 0,
            modified: DateTime::UNIX_EPOCH,
            finished: Finished::default(),
        }
    }

    /// Adds one object of the run's folder.
    pub(super) fn add(&mut self, object: &ObjectInfo, meaning: FileMeaning) {
        match meaning {
            FileMeaning::Ours(Part::Document) => {
                self.document = Some(Stamp { size: object.size, modified: object.modified, tarball: None });
            }
            FileMeaning::Ours(Part::Tarball) => {
                self.tarball = Some(self.tarball.unwrap_or_default().saturating_add(object.size));
            }
            _ => {}
        }
        if let FileMeaning::Ours(part) = meaning {
            let run = object.key.as_str().strip_prefix(self.kind.folder()).unwrap_or_default();
            self.finished.add(run.split_once('/').map_or("", |(_, file)| file), part);
        }
        self.survey.add(meaning);
        self.objects += 1;
        self.size += object.size;
        self.modified = self.modified.max(object.modified);
    }

    /// Returns the entry of a listing; control characters of the name are escaped.
    pub(super) fn into_entry(self, state: RunState) -> RunEntry {
        let Self { kind: _, name, survey: _, document: _, tarball: _, objects, size, modified, finished } =
            self;
        RunEntry {
            name: name.escape_debug().to_string(),
            state,
            objects,
            size,
            modified,
            finished: finished.one,
        }
    }

    /// Returns the name as it stands in the keys, which need not be valid.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the keys of the run, or `None` if its name is not valid.
    pub fn keys(&self) -> Option<RunKeys> {
        RunKeys::parse(self.kind, &self.name)
    }

    /// Returns the stamp of the document, or `None` if the run is not complete or another
    /// program's.
    pub fn document(&self) -> Option<Stamp> {
        // A stray file beside parts of ours does not make the run another program's.
        let is_foreign = self.survey.foreign.is_some() && self.survey.parts == 0;
        let stamp = self.document.filter(|_| !is_foreign && RunKeys::is_name(self.kind, &self.name));
        stamp.map(|stamp| Stamp { tarball: self.tarball, ..stamp })
    }

    /// Returns whether a tarball is there; a restore has none.
    pub fn has_tarball(&self) -> bool {
        self.tarball.is_some()
    }

    /// Returns whether Ark began the run and the run is not complete.
    pub fn is_partial(&self) -> bool {
        self.document.is_none() && (self.survey.claimed || self.survey.parts > 0)
    }
}

impl Bucket {
    /// Lists all runs of a kind by their keys alone, page by page; memory does not grow with their
    /// number.
    ///
    /// # Errors
    /// The stream ends with an error if the store fails.
    pub fn list_runs(&self, kind: RunKind) -> BoxStream<'static, Result<ListedRun, BucketError>> {
        let mut open = None;
        let end = stream::once(async { Ok(None) });
        let pages = self.pages(kind.folder(), false).map_ok(Some).chain(end);
        let runs = pages.map_ok(move |page| stream::iter(gather(kind, &mut open, page).into_iter().map(Ok)));
        runs.try_flatten().boxed()
    }

    /// Returns the pages of a listing, one after the other.
    pub(super) fn pages(
        &self,
        prefix: &'static str,
        delimiter: bool,
    ) -> impl Stream<Item = Result<Listing, BucketError>> + Send + 'static {
        let store = std::sync::Arc::clone(&self.store);
        // `Some(None)` stands for the first page, `None` for the end.
        stream::try_unfold(Some(None), move |page| {
            let store = std::sync::Arc::clone(&store);
            async move {
                let Some(page) = page else { return Ok(None) };
                let mut listing = store.list(prefix, delimiter, page).await?;
                let next = listing.next.take().map(Some);
                Ok(Some((listing, next)))
            }
        })
    }

    /// Returns whether the tarball of a complete backup is where its document says. A document that
    /// cannot be parsed says nothing, and the tarball then counts as there.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn has_items(&self, keys: &RunKeys) -> Result<bool, BucketError> {
        match self.open_run::<Backup>(keys.clone()).await {
            Ok(stored) => self.has(stored.parts().tarball()).await,
            Err(error @ BucketError::Store(_)) => Err(error),
            Err(error) => Ok(!error.is_not_found()),
        }
    }

    /// Returns whether an object is there, by a request for its key and not by a listing.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn has(&self, key: &ObjectKey) -> Result<bool, BucketError> {
        match self.store.head(key).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the runs that a page completes. The last run stays open, because the objects of one run
/// may continue on the next page; `None` as the page ends the listing.
fn gather(kind: RunKind, open: &mut Option<ListedRun>, page: Option<Listing>) -> Vec<ListedRun> {
    let Some(page) = page else { return open.take().into_iter().collect() };
    let mut whole = Vec::new();
    for object in &page.objects {
        let Some((name, meaning)) = layout::parse_key(kind, object.key.as_str()) else { continue };
        if open.as_ref().is_none_or(|run| run.name != name) {
            whole.extend(open.replace(ListedRun::new(kind, name)));
        }
        if let Some(run) = open {
            run.add(object, meaning);
        }
    }
    whole
}
