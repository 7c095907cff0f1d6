//! What lies in the folder of one run, and the sweeping of it: the ground that claim, commit, discard and remove
//! share. It never touches what is not ours by name.

use crate::model::causes;
use crate::store::ObjectKey;

use super::documents::{Claim, MAX_CLAIM};
use super::layout::{self, FileMeaning, Part, RunKeys, RunKind, Writer};
use super::{Bucket, BucketError};
use crate::store::read_all;

/// What lies in the folder of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// The document is there: the run is complete.
    pub committed: bool,
    /// A claim is there.
    pub claimed: bool,
    /// Other objects of ours.
    pub parts: u64,
    /// Who else wrote here.
    pub foreign: Option<Writer>,
}

impl Survey {
    /// Counts one file in.
    pub fn add(&mut self, meaning: FileMeaning) {
        match meaning {
            FileMeaning::Ours(Part::Document) => self.committed = true,
            FileMeaning::Ours(Part::Claim) => self.claimed = true,
            FileMeaning::Ours(Part::Takeover) | FileMeaning::Unknown => {}
            FileMeaning::Ours(_) => self.parts += 1,
            FileMeaning::VeleroDocument => self.foreign = Some(Writer::Velero),
            FileMeaning::GzipTarball => self.foreign = self.foreign.or(Some(Writer::Ark010)),
        }
    }

    /// Whether nothing of ours or others is there.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the key of a claim holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClaimState {
    /// Nobody claims the name.
    Absent,
    /// Somebody does.
    Held(Claim),
    /// Something is there that is not a claim, since when.
    Unreadable(chrono::DateTime<chrono::Utc>),
}

impl Bucket {
    /// Looks at the folder of a run.
    pub(super) async fn survey(&self, keys: &RunKeys) -> Result<Survey, BucketError> {
        let mut survey = Survey::default();
        let mut page = None;
        loop {
            let listing = self.store.list(keys.folder(), false, page).await?;
            for object in &listing.objects {
                survey.add(meaning(keys, &object.key));
            }
            page = listing.next;
            if page.is_none() {
                return Ok(survey);
            }
        }
    }

    /// Deletes the parts of a run that are ours, claims and the document excepted. Interrupted, it can be run again.
    /// It returns how many there were.
    pub(super) async fn delete_parts(&self, keys: &RunKeys) -> Result<u64, BucketError> {
        let mut deleted = 0;
        let mut page = None;
        loop {
            let listing = self.store.list(keys.folder(), false, page).await?;
            let parts: Vec<ObjectKey> = listing
                .objects
                .into_iter()
                .map(|object| object.key)
                .filter(|key| match meaning(keys, key) {
                    FileMeaning::Ours(part) => !matches!(part, Part::Claim | Part::Takeover | Part::Document),
                    _ => false,
                })
                .collect();
            if !parts.is_empty() {
                self.store.delete(&parts).await?;
                deleted += parts.len() as u64;
            }
            page = listing.next;
            if page.is_none() {
                break;
            }
        }
        self.discard_unfinished(keys).await;
        Ok(deleted)
    }

    /// Removes what a killed process had sent of the parts that are streamed, which only backups have: invisible, and paid
    /// for. Nothing depends on it, so that a store that refuses is only told of.
    async fn discard_unfinished(&self, keys: &RunKeys) {
        if keys.kind() != RunKind::Backup {
            return;
        }
        for key in [keys.tarball(), keys.index()] {
            match self.store.discard_unfinished(key).await {
                Ok(0) => {}
                Ok(uploads) => {
                    tracing::info!(run = %keys, %key, uploads, "removed what an interrupted upload had left");
                }
                Err(error) => tracing::warn!(
                    run = %keys,
                    "what an interrupted upload may have left stays, until a lifecycle rule of the bucket removes it: {}",
                    causes(&error)
                ),
            }
        }
    }

    /// Reads a claim, whatever became of it.
    pub(super) async fn read_claim(&self, key: &ObjectKey) -> Result<ClaimState, BucketError> {
        let bytes = match read_all(&*self.store, key, MAX_CLAIM).await {
            Ok(bytes) => Some(bytes),
            Err(error) if error.is_not_found() => return Ok(ClaimState::Absent),
            Err(crate::store::StoreError::TooLarge { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(claim) = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            return Ok(ClaimState::Held(claim));
        }
        match self.store.head(key).await {
            Ok(info) => Ok(ClaimState::Unreadable(info.modified)),
            Err(error) if error.is_not_found() => Ok(ClaimState::Absent),
            Err(error) => Err(error.into()),
        }
    }
}

fn meaning(keys: &RunKeys, key: &ObjectKey) -> FileMeaning {
    match key.as_str().strip_prefix(keys.folder()) {
        Some(file) => layout::parse_file(keys.kind(), keys.name(), file),
        None => FileMeaning::Unknown,
    }
}
