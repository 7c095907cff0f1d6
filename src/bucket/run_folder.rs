//! What lies in the folder of one run, and the sweeping of it: the ground that claim, commit, discard and remove
//! share. It never touches what is not ours by name.

use crate::api::StoredObject;
use crate::model::causes;
use crate::store::{ETag, ObjectKey, read_all};

use super::attempt_id::AttemptId;
use super::documents::{Claim, MAX_CLAIM};
use super::layout::{self, FileMeaning, Part, RunKeys, Writer};
use super::parts::PartKeys;
use super::{Bucket, BucketError};

/// What lies in the folder of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RunFolder {
    /// The document is there: the run is complete.
    pub committed: bool,
    /// A claim is there.
    pub claimed: bool,
    /// Other objects of ours.
    pub parts: u64,
    /// Who else wrote here.
    pub foreign: Option<Writer>,
}

impl RunFolder {
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
    pub(super) async fn survey(&self, keys: &RunKeys) -> Result<RunFolder, BucketError> {
        let mut survey = RunFolder::default();
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

    /// Deletes the parts of a run, claims and the document excepted, and those that are to be kept. Before each page of them
    /// it looks whether the claim is still ours: what lies there else may be another's. Interrupted, it can be run again. It
    /// returns how many there were.
    pub(super) async fn delete_parts(
        &self,
        keys: &RunKeys,
        claim: &Claim,
        kept: &[StoredObject],
    ) -> Result<u64, BucketError> {
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
                .filter(|key| kept.iter().all(|kept| kept.key != key.as_str()))
                .collect();
            if !parts.is_empty() {
                // After the listing: what is ours now was ours when it was listed.
                self.confirm(keys, claim).await?;
                self.store.delete(&parts).await?;
                deleted += parts.len() as u64;
            }
            page = listing.next;
            if page.is_none() {
                return Ok(deleted);
            }
        }
    }

    /// Removes what killed processes had sent of the parts that are streamed: invisible, and paid for. Nothing depends on it,
    /// so that a store that refuses is only told of.
    pub(super) async fn discard_unfinished(&self, keys: &RunKeys, attempts: &[AttemptId]) {
        for attempt in attempts {
            let Ok(parts) = PartKeys::of(keys, Some(attempt)) else { continue };
            self.discard_uploads(keys, &parts).await;
        }
    }

    /// The same of everything that a claim knows of.
    pub(super) async fn discard_all_unfinished(&self, keys: &RunKeys, claim: &Claim) {
        if let Ok(parts) = PartKeys::of(keys, claim.parts.as_ref()) {
            self.discard_uploads(keys, &parts).await;
        }
        self.discard_unfinished(keys, &claim.earlier).await;
    }

    async fn discard_uploads(&self, keys: &RunKeys, parts: &PartKeys) {
        for key in parts.streamed(keys.kind()) {
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

    /// Makes sure that a claim is still ours.
    pub(super) async fn confirm(&self, keys: &RunKeys, claim: &Claim) -> Result<(), BucketError> {
        let now = match self.read_claim(keys.claim()).await? {
            ClaimState::Held(held) if held.is_same_attempt(claim) => return Ok(()),
            ClaimState::Held(held) => format!(
                "attempt {} of cluster {} (holder {}) has it",
                held.attempt, held.cluster_uid, held.holder
            ),
            ClaimState::Absent => "it is gone".to_owned(),
            ClaimState::Unreadable(_) => "it cannot be read".to_owned(),
        };
        Err(BucketError::ClaimLost {
            kind: keys.kind(),
            name: keys.name().to_owned(),
            location: self.store.describe(),
            now,
        })
    }

    /// Reads a claim, and the tag that it had just before: by that tag nobody replaces a later one.
    pub(super) async fn look_at_claim(
        &self,
        key: &ObjectKey,
    ) -> Result<(ClaimState, Option<ETag>), BucketError> {
        let etag = match self.store.head(key).await {
            Ok(info) => info.etag,
            Err(error) if error.is_not_found() => return Ok((ClaimState::Absent, None)),
            Err(error) => return Err(error.into()),
        };
        Ok((self.read_claim(key).await?, etag))
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
