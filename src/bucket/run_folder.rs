//! The folder of one run: its listing, its claim and the deletion of its parts, which claim,
//! commit, discard and remove share. Files whose names are not Ark's are never deleted.

use crate::api::StoredObject;
use crate::model::causes;
use crate::store::{ETag, ObjectKey, read_all};

use super::attempt_id::AttemptId;
use super::documents::{Claim, MAX_CLAIM};
use super::layout::{self, FileMeaning, Part, RunKeys, Writer};
use super::parts::PartKeys;
use super::{Bucket, BucketError};

/// The contents of the folder of a run, by its keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RunFolder {
    /// Whether the document is there: the run is complete.
    pub committed: bool,
    /// Whether a claim is there.
    pub claimed: bool,
    /// Number of parts of ours.
    pub parts: u64,
    /// The other program that wrote here, if any.
    pub foreign: Option<Writer>,
}

impl RunFolder {
    /// Adds one file.
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

    /// Returns whether there is neither a document, a claim, a part nor a file of another program.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The contents of a claim's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClaimState {
    /// There is no claim.
    Absent,
    /// A claim that can be read.
    Held(Claim),
    /// An object that is not a claim, with the time of its last write.
    Unreadable(chrono::DateTime<chrono::Utc>),
}

impl Bucket {
    /// Lists the folder of a run.
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

    /// Deletes the parts of a run, except `kept`, and returns their number; claim and document
    /// stay. Before each page of them the claim is confirmed, since parts may be another's after
    /// its loss. An interrupted deletion can be run again.
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

    /// Aborts the unfinished uploads that killed processes left of streamed parts: they are
    /// invisible, and paid for. Nothing depends on this, so that a failure is only logged.
    pub(super) async fn discard_unfinished(&self, keys: &RunKeys, attempts: &[AttemptId]) {
        for attempt in attempts {
            let Ok(parts) = PartKeys::of(keys, Some(attempt)) else { continue };
            self.discard_uploads(keys, &parts).await;
        }
    }

    /// Aborts the unfinished uploads of this attempt and of all earlier ones that its claim names.
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

    /// Fails with [`BucketError::ClaimLost`] if the claim is not ours any more.
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

    /// Reads a claim, and the tag that it had just before: replacing by that tag overwrites no
    /// later claim.
    pub(super) async fn read_claim_with_tag(
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

    /// Reads a claim, which may be absent or unreadable.
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
