//! What is in a location: its backups and restores, complete, partial, foreign or unrecognised, page by page.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt as _};

use crate::model::{BackupName, RestoreName};
use crate::store::{ObjectInfo, ObjectKey};

use super::documents::Claim;
use super::layout::{self, FileMeaning, RunKind, Writer};
use super::survey::{ClaimState, Survey};
use super::{Bucket, BucketError};

/// One run of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEntry {
    /// Its name; control characters are escaped. Only complete and partial ones are sure to have a valid name.
    pub name: String,
    /// What it is.
    pub state: RunState,
    /// Number of its objects.
    pub objects: u64,
    /// Their bytes.
    pub size: u64,
    /// When the newest of them was written.
    pub modified: DateTime<Utc>,
}

/// What a listed run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Committed; its document can be read.
    Complete,
    /// Being made, being removed, or left behind by a crash; the claim, where there is one.
    Partial(Option<Claim>),
    /// Written by another program.
    Foreign(Writer),
    /// Nothing that Ark or Velero would write.
    Unrecognised,
}

impl RunState {
    /// Whether nobody is at work on it any more, so that it may be removed or its name taken.
    pub fn is_abandoned(&self, now: DateTime<Utc>) -> bool {
        match self {
            Self::Partial(None) => true,
            Self::Partial(Some(claim)) => claim.removing || claim.is_dead(now),
            _ => false,
        }
    }
}

impl Bucket {
    /// All backups, page by page; memory does not grow with their number. Those of Ark 0.3 to 0.9, which lie at the
    /// top of the location, come last.
    pub fn list_backups(&self) -> BoxStream<'static, Result<RunEntry, BucketError>> {
        let ours = Lister::new(self.clone(), RunKind::Backup).into_stream();
        ours.chain(TopLister::new(self.clone()).into_stream()).boxed()
    }

    /// All restores, page by page; memory does not grow with their number.
    pub fn list_restores(&self) -> BoxStream<'static, Result<RunEntry, BucketError>> {
        Lister::new(self.clone(), RunKind::Restore).into_stream()
    }
}

/// The folder that is being read: the objects of one run are neighbours in a listing.
struct Folder {
    name: String,
    survey: Survey,
    objects: u64,
    size: u64,
    modified: DateTime<Utc>,
}

impl Folder {
    fn new(name: &str) -> Self {
        let survey = Survey::default();
        Self { name: name.to_owned(), survey, objects: 0, size: 0, modified: DateTime::UNIX_EPOCH }
    }

    fn add(&mut self, object: &ObjectInfo, meaning: FileMeaning) {
        self.survey.add(meaning);
        self.objects += 1;
        self.size += object.size;
        self.modified = self.modified.max(object.modified);
    }

    fn into_entry(self, state: RunState) -> RunEntry {
        let Self { name, survey: _, objects, size, modified } = self;
        RunEntry { name: name.escape_debug().to_string(), state, objects, size, modified }
    }
}

struct Lister {
    bucket: Bucket,
    kind: RunKind,
    page: Option<String>,
    exhausted: bool,
    folder: Option<Folder>,
    ready: VecDeque<Folder>,
}

impl Lister {
    fn new(bucket: Bucket, kind: RunKind) -> Self {
        Self { bucket, kind, page: None, exhausted: false, folder: None, ready: VecDeque::new() }
    }

    fn into_stream(self) -> BoxStream<'static, Result<RunEntry, BucketError>> {
        stream::try_unfold(
            self,
            |mut lister| async move { Ok(lister.next().await?.map(|entry| (entry, lister))) },
        )
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<RunEntry>, BucketError> {
        loop {
            if let Some(folder) = self.ready.pop_front() {
                let state = self.state(&folder).await?;
                return Ok(Some(folder.into_entry(state)));
            }
            if self.exhausted {
                return Ok(None);
            }
            self.read_page().await?;
        }
    }

    async fn read_page(&mut self) -> Result<(), BucketError> {
        let listing = self.bucket.store.list(self.kind.folder(), false, self.page.take()).await?;
        for object in &listing.objects {
            let Some((name, meaning)) = layout::parse_key(self.kind, object.key.as_str()) else { continue };
            if self.folder.as_ref().is_none_or(|folder| folder.name != name) {
                self.ready.extend(self.folder.replace(Folder::new(name)));
            }
            if let Some(folder) = &mut self.folder {
                folder.add(object, meaning);
            }
        }
        self.page = listing.next;
        if self.page.is_none() {
            self.exhausted = true;
            self.ready.extend(self.folder.take());
        }
        Ok(())
    }

    async fn state(&self, folder: &Folder) -> Result<RunState, BucketError> {
        let valid = match self.kind {
            RunKind::Backup => folder.name.parse::<BackupName>().is_ok(),
            RunKind::Restore => folder.name.parse::<RestoreName>().is_ok(),
        };
        Ok(match folder.survey {
            // A stray file beside parts of ours does not make a run another's.
            Survey { foreign: Some(writer), parts: 0, .. } => RunState::Foreign(writer),
            _ if !valid => RunState::Unrecognised,
            Survey { committed: true, .. } => RunState::Complete,
            Survey { claimed: true, .. } => {
                let key = ObjectKey::new(format!("{}{}/claim.json", self.kind.folder(), folder.name))?;
                match self.bucket.read_claim(&key).await? {
                    ClaimState::Held(claim) => RunState::Partial(Some(claim)),
                    ClaimState::Absent | ClaimState::Unreadable(_) => RunState::Partial(None),
                }
            }
            Survey { parts: 1.., .. } => RunState::Partial(None),
            _ => RunState::Unrecognised,
        })
    }
}

/// Folders at the top of the location, where Ark 0.3 to 0.9 kept its backups.
struct TopLister {
    bucket: Bucket,
    page: Option<String>,
    exhausted: bool,
    folders: VecDeque<String>,
}

impl TopLister {
    fn new(bucket: Bucket) -> Self {
        Self { bucket, page: None, exhausted: false, folders: VecDeque::new() }
    }

    fn into_stream(self) -> BoxStream<'static, Result<RunEntry, BucketError>> {
        stream::try_unfold(
            self,
            |mut lister| async move { Ok(lister.next().await?.map(|entry| (entry, lister))) },
        )
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<RunEntry>, BucketError> {
        loop {
            if let Some(folder) = self.folders.pop_front() {
                if let Some(entry) = self.look_into(&folder).await? {
                    return Ok(Some(entry));
                }
                continue;
            }
            if self.exhausted {
                return Ok(None);
            }
            let listing = self.bucket.store.list("", true, self.page.take()).await?;
            self.folders
                .extend(listing.prefixes.into_iter().filter(|folder| !layout::is_reserved_folder(folder)));
            self.page = listing.next;
            self.exhausted = self.page.is_none();
        }
    }

    /// The first page tells: such a backup has three objects.
    async fn look_into(&self, prefix: &str) -> Result<Option<RunEntry>, BucketError> {
        let name = prefix.trim_end_matches('/');
        let listing = self.bucket.store.list(prefix, true, None).await?;
        let mut folder = Folder::new(name);
        for object in &listing.objects {
            let file = object.key.as_str().strip_prefix(prefix).unwrap_or_default();
            folder.add(object, layout::parse_file(RunKind::Backup, name, file));
        }
        let is_backup = folder.survey.committed && folder.survey.foreign.is_some();
        Ok(is_backup.then(|| folder.into_entry(RunState::Foreign(Writer::Ark03))))
    }
}
