//! One attempt at a run, from the claim to commit or clean-up: the only way to write the parts
//! and the document of a run.
//!
//! ```text
//! claim -> upload and put the parts, renewing the claim
//!           -> commit (the document, put if absent) -> the claim is deleted
//!           \-> discard (the parts, then the claim)
//! ```
//! A process that is killed at any point leaves either a complete run or a claim with parts, which
//! the next attempt takes over. The parts of an attempt have keys of their own and stay until the
//! next attempt ends. So a process that was only suspended, and commits on waking, makes a whole
//! run and not half of one.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;

use crate::api::{Backup, Restore, StoredObject};
use crate::model::{BackupName, Cause, causes};
use crate::store::{ObjectKey, PutMode, read_all};

use super::documents::{Claim, HEARTBEAT_EVERY, MAX_DOCUMENT};
use super::error::Taker;
use super::layout::{Part, RunKeys, RunKind};
use super::parts::PartKeys;
use super::proof::{self, IndexProof};
use super::record::RunDocument;
use super::run_folder::ClaimState;
use super::upload::{HashingUpload, describe_bytes};
use super::{Bucket, BucketError};

/// Most times that the commit is sent when no answer comes: whether it arrived decides whether the
/// run exists.
const COMMIT_TRIES: u32 = 4;

/// Pause before the commit is sent again; the store's own retries have been spent by then.
const COMMIT_PAUSE: Duration = Duration::from_secs(2);

/// A claimed name, and the permission to write the run.
///
/// # Flow
/// 1. A task runs [`Attempt::keep`], which renews the claim, beside the work.
/// 2. [`Attempt::upload`] and [`Attempt::put`] write the parts into a folder that no other attempt
///    uses.
/// 3. [`Attempt::commit`] writes the document, the last write, and deletes the claim; or
///    [`Attempt::discard`] deletes the parts, then the claim.
///
/// # Guarantees
/// - The run exists if and only if its document does. The document is created conditionally, and
///   never overwritten.
/// - The claim is confirmed to be still ours before the commit and before each page of deletions of
///   earlier attempts' parts.
/// - An index, results or a log that readers would refuse is never committed: the index is decoded
///   while it is uploaded, the others before they are written.
/// - Killed anywhere, an attempt leaves a complete run, or a claim and parts that the next attempt
///   or a sweep removes. See `docs/crash.md`.
///
/// # Assumptions
/// - The store creates an object conditionally (`PutMode::Create`).
/// - The caller names all parts in the document's `status.objects`; a part that is not named there
///   counts as left over.
///
/// # Caveats
/// - Dropping an attempt releases nothing: the claim stays until the next attempt of the run, or
///   until it is dead.
/// - A write may arrive after another process took the claim over. The write changes a key of this
///   attempt only; its commit, if it arrives first, is a whole run.
#[derive(Clone, Debug)]
pub struct Attempt {
    bucket: Bucket,
    keys: RunKeys,
    parts: PartKeys,
    claim: Claim,
    /// Whether another attempt left parts under the name.
    leftovers: bool,
    /// The backup that this restore reads, if that was not yet in its claim.
    reads: Arc<OnceLock<String>>,
}

impl Attempt {
    pub(super) fn new(
        bucket: Bucket,
        keys: RunKeys,
        claim: Claim,
        leftovers: bool,
    ) -> Result<Self, BucketError> {
        let parts = PartKeys::of(&keys, claim.parts.as_ref())?;
        Ok(Self { bucket, keys, parts, claim, leftovers, reads: Arc::default() })
    }

    /// Returns the number of this attempt, from 1.
    pub fn number(&self) -> u32 {
        self.claim.attempt
    }

    /// Returns the keys of the run.
    pub fn keys(&self) -> &RunKeys {
        &self.keys
    }

    /// Returns the keys of this attempt's parts, which no other attempt writes.
    pub fn parts(&self) -> &PartKeys {
        &self.parts
    }

    /// Renews the heartbeat of the claim.
    ///
    /// # Errors
    /// [`BucketError::ClaimLost`] if another process has the claim by now: stop writing at once.
    /// Else if the store fails.
    pub async fn renew(&self) -> Result<(), BucketError> {
        let (held, etag) = self.bucket.read_claim_with_tag(self.keys.claim()).await?;
        let is_ours = matches!(&held, ClaimState::Held(held) if held.is_same_attempt(&self.claim));
        let reads = self.reads.get().or(self.claim.reads.as_ref()).cloned();
        let claim = Claim { heartbeat: Utc::now(), reads, ..self.claim.clone() };
        if is_ours && self.bucket.replace_claim(self.keys.claim(), &claim, etag).await? {
            return Ok(());
        }
        // Another process has the claim, and the error names it; or another renewal of ours was
        // faster.
        self.confirm().await
    }

    /// Records in the claim that this restore reads a backup, which nobody removes from then on
    /// until the restore ends.
    ///
    /// # Errors
    /// [`BucketError::Incomplete`] if somebody is removing the backup; [`BucketError::ClaimLost`]
    /// as in [`Attempt::renew`]; or if the store fails.
    pub async fn begin_reading(&self, backup: &BackupName) -> Result<(), BucketError> {
        let said = |claim: &Claim| claim.reads.as_deref() == Some(backup.as_str());
        if !said(&self.claim) {
            let _ = self.reads.set(backup.to_string());
            self.renew().await?;
            let held = self.bucket.read_claim(self.keys.claim()).await?;
            if !matches!(&held, ClaimState::Held(held) if said(held)) {
                // A heartbeat that began before `reads` was set has overwritten the claim without
                // it.
                self.renew().await?;
            }
        }
        self.bucket.refuse_while_removed(backup).await
    }

    /// Renews the claim every [`HEARTBEAT_EVERY`]; returns only when the claim is lost.
    ///
    /// A store that does not answer does not end the run: other processes respect a claim for a day
    /// after its last heartbeat, and the commit confirms the claim again.
    pub async fn keep(&self) -> BucketError {
        loop {
            tokio::time::sleep(HEARTBEAT_EVERY).await;
            match self.renew().await {
                Ok(()) => {}
                Err(error) if error.is_retryable() => {
                    tracing::warn!(run = %self.keys, error = causes(&error), "the claim could not be renewed; it is tried again");
                }
                Err(error) => return error,
            }
        }
    }

    /// Begins to write a part of unknown size, which is hashed while it is written. The index of a
    /// backup is also decoded on the way.
    ///
    /// # Errors
    /// If the store fails, or if `part` is none of tarball, index, results and log.
    pub async fn upload(&self, part: Part) -> Result<HashingUpload, BucketError> {
        let key = self.key(part)?.clone();
        let upload = self.bucket.store.upload(&key).await?;
        let index = (self.keys.kind(), part) == (RunKind::Backup, Part::Index);
        let proof = index.then(|| IndexProof::begin(key.as_str()));
        Ok(HashingUpload::new(key, upload, proof))
    }

    /// Writes a small part in one piece, after reading it as readers will.
    ///
    /// # Errors
    /// If readers would refuse the part, or the store fails.
    pub async fn put(&self, part: Part, body: Bytes) -> Result<StoredObject, BucketError> {
        let key = self.key(part)?;
        proof::check(self.keys.kind(), part, key.as_str(), body.clone()).await?;
        let stored = describe_bytes(key, &body);
        self.bucket.store.put(key, body, PutMode::Overwrite).await?;
        Ok(stored)
    }

    /// Writes the document, which makes the run exist, and deletes the claim.
    ///
    /// # Errors
    /// If the document could not be read back, if the claim was lost, or if the store fails. After
    /// an error, call [`Attempt::discard`], which removes nothing of the run if the document
    /// arrived in spite of the error.
    pub async fn commit<D: RunDocument>(&self, document: &D) -> Result<(), BucketError> {
        let body = self.encode_document(document)?;
        self.confirm().await?;
        self.put_document(body).await?;
        // From here on the run is complete, so that a failure is only logged: a claim that stays
        // behind means nothing and is deleted by the next claimant of the name, and parts that the
        // document does not name are removed with the run.
        if let Err(error) = self.tidy(document.objects()).await {
            let error = causes(&error);
            tracing::warn!(run = %self.keys, "parts of earlier attempts, or the claim, could not be removed after the commit, which does no harm: {error}");
        }
        Ok(())
    }

    /// Removes the parts that earlier attempts left, and deletes the claim.
    async fn tidy(&self, objects: &[StoredObject]) -> Result<(), BucketError> {
        if self.leftovers {
            self.bucket.delete_parts(&self.keys, &self.claim, objects).await?;
        }
        self.bucket.release(&self.keys, &self.claim).await
    }

    /// Removes the parts of this attempt and of those before it, and the claim last; returns the
    /// number of parts.
    ///
    /// # Errors
    /// [`BucketError::ClaimLost`] if another process has the name by now: nothing is removed, and
    /// the other process cleans up. [`BucketError::CommittedAfterAll`] if the run is complete: what
    /// its document names stays. Else if the store fails; the next attempt then cleans up.
    pub async fn discard(&self) -> Result<u64, BucketError> {
        // The document may be our own, whose answer was lost, or that of another attempt.
        if self.bucket.survey(&self.keys).await?.committed {
            if let Err(error) = self.discard_unnamed().await {
                tracing::debug!(run = %self.keys, "the parts that the document does not name stay: {}", causes(&error));
            }
            return Err(BucketError::CommittedAfterAll {
                kind: self.keys.kind(),
                name: self.keys.name().to_owned(),
                location: self.bucket.store.describe(),
            });
        }
        self.confirm().await?;
        let parts = self.bucket.delete_parts(&self.keys, &self.claim, &[]).await?;
        self.bucket.discard_all_unfinished(&self.keys, &self.claim).await;
        self.bucket.release(&self.keys, &self.claim).await?;
        Ok(parts)
    }

    /// Removes the parts of this attempt beside a complete run, unless its document names one of
    /// them, and deletes the claim.
    async fn discard_unnamed(&self) -> Result<(), BucketError> {
        let named = match self.keys.kind() {
            RunKind::Backup => self.bucket.open_run::<Backup>(self.keys.clone()).await?.objects().to_vec(),
            RunKind::Restore => self.bucket.open_run::<Restore>(self.keys.clone()).await?.objects().to_vec(),
        };
        let ours = [self.parts.tarball(), self.parts.index(), self.parts.results(), self.parts.log()];
        let is_named = |key: &ObjectKey| named.iter().any(|object| object.key == key.as_str());
        // Parts of claims of earlier versions lie beside the document and may be those of any
        // attempt.
        if self.claim.parts.is_some() && !ours.into_iter().any(is_named) {
            self.bucket.store.delete(&ours.map(ObjectKey::clone)).await?;
        }
        self.bucket.release(&self.keys, &self.claim).await
    }

    async fn confirm(&self) -> Result<(), BucketError> {
        self.bucket.confirm(&self.keys, &self.claim).await
    }

    /// Creates the document. A lost answer leaves open whether the document is there, so that it is
    /// sent again: then "exists already" with our own bytes is success. With other bytes, another
    /// run has the name.
    async fn put_document(&self, body: Bytes) -> Result<(), BucketError> {
        let (store, key) = (&self.bucket.store, self.keys.document());
        let mut tries = 1;
        loop {
            match store.put(key, body.clone(), PutMode::Create).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_already_exists() => {
                    match read_all(&**store, key, MAX_DOCUMENT).await {
                        Ok(found) if found == body => return Ok(()),
                        Ok(_) => {
                            let cluster = self.bucket.committed_cluster(&self.keys).await;
                            return Err(self.bucket.name_taken(&self.keys, Taker::Committed { cluster }));
                        }
                        // A write was under way, our own perhaps, and did not arrive.
                        Err(error) if error.is_not_found() && tries < COMMIT_TRIES => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) if error.is_retryable() && tries < COMMIT_TRIES => {}
                Err(error) => return Err(error.into()),
            }
            tries += 1;
            tokio::time::sleep(COMMIT_PAUSE).await;
        }
    }

    /// Encodes the document and reads it back as readers will.
    fn encode_document<D: RunDocument>(&self, document: &D) -> Result<Bytes, BucketError> {
        let unwritable =
            |source: Cause| BucketError::Unwritable { key: self.keys.document().to_string(), source };
        if let Some(problem) = document.objection(&self.keys) {
            return Err(unwritable(problem.into()));
        }
        let body = serde_json::to_vec_pretty(document).map_err(|error| unwritable(error.into()))?;
        if body.len() as u64 > MAX_DOCUMENT {
            return Err(unwritable(format!("the document is larger than {MAX_DOCUMENT} bytes").into()));
        }
        let read: Result<D, String> = serde_json::from_slice(&body).map_err(|error| error.to_string());
        match read.map(|read| read.objection(&self.keys)) {
            Ok(None) => Ok(body.into()),
            Ok(Some(problem)) | Err(problem) => {
                Err(proof::unreadable(self.keys.document().as_str(), problem))
            }
        }
    }

    /// Returns the key of a part that an attempt may write.
    fn key(&self, part: Part) -> Result<&ObjectKey, BucketError> {
        Ok(match part {
            Part::Tarball => self.parts.tarball(),
            Part::Index => self.parts.index(),
            Part::Results => self.parts.results(),
            Part::Log => self.parts.log(),
            Part::Claim | Part::Takeover | Part::Document | Part::Volumes | Part::Dump => {
                return Err(BucketError::Unwritable {
                    key: self.keys.to_string(),
                    source: format!("{part:?} is not a part that a run writes by itself").into(),
                });
            }
        })
    }
}
