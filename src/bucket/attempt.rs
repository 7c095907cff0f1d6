//! One attempt at a run, from claim to commit or clean-up: the only way to write the keys of a run.
//!
//! ```text
//! claim -> upload and put the parts, renewing the claim -> commit (the document, put if absent) -> the claim goes
//!                                                       \-> discard (the parts, then the claim)
//! ```
//! Killed anywhere, it leaves either a complete run or a claim with parts, which the next attempt takes over. Its parts have keys
//! of its own, and stay until the next attempt ends: so that a process which was only asleep, and commits on waking what it was
//! sure of before, makes a whole run and no half of one.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;

use crate::api::{Backup, Restore, StoredObject};
use crate::model::{BackupName, causes};
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

/// How often the commit is sent when no answer comes: whether it arrived decides whether the run exists.
const COMMIT_TRIES: u32 = 4;

/// Pause before the commit is sent again; the store's own retries have been spent by then.
const COMMIT_PAUSE: Duration = Duration::from_secs(2);

/// A claimed name. Keep it with [`Attempt::keep`]; end it with [`Attempt::commit`] or
/// [`Attempt::discard`].
#[derive(Clone, Debug)]
pub struct Attempt {
    bucket: Bucket,
    keys: RunKeys,
    parts: PartKeys,
    claim: Claim,
    /// Whether another attempt left parts under the name.
    leftovers: bool,
    /// The backup that it reads, if it said so later than in its claim.
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

    /// Which attempt this is, from 1.
    pub fn number(&self) -> u32 {
        self.claim.attempt
    }

    /// The keys of the run.
    pub fn keys(&self) -> &RunKeys {
        &self.keys
    }

    /// The keys of its parts, which no other attempt writes.
    pub fn parts(&self) -> &PartKeys {
        &self.parts
    }

    /// Says that the holder is alive.
    ///
    /// # Errors
    /// [`BucketError::ClaimLost`] when another has the claim by now: stop writing at once.
    pub async fn renew(&self) -> Result<(), BucketError> {
        let (held, etag) = self.bucket.look_at_claim(self.keys.claim()).await?;
        let is_ours = matches!(&held, ClaimState::Held(held) if held.is_same_attempt(&self.claim));
        let reads = self.reads.get().or(self.claim.reads.as_ref()).cloned();
        let claim = Claim { heartbeat: Utc::now(), reads, ..self.claim.clone() };
        if is_ours && self.bucket.replace_claim(self.keys.claim(), &claim, etag).await? {
            return Ok(());
        }
        // Somebody has it, who is named; or another renewal of ours was faster.
        self.confirm().await
    }

    /// Says that it reads a backup, which nobody removes from then on until it ends.
    ///
    /// # Errors
    /// [`BucketError::Incomplete`] when somebody is removing it; as [`Attempt::renew`]; or when the store fails.
    pub async fn begin_reading(&self, backup: &BackupName) -> Result<(), BucketError> {
        let said = |claim: &Claim| claim.reads.as_deref() == Some(backup.as_str());
        if !said(&self.claim) {
            let _ = self.reads.set(backup.to_string());
            self.renew().await?;
            let held = self.bucket.read_claim(self.keys.claim()).await?;
            if !matches!(&held, ClaimState::Held(held) if said(held)) {
                // The heartbeat of this run came between, without it.
                self.renew().await?;
            }
        }
        self.bucket.refuse_while_removed(backup).await
    }

    /// Renews the claim every [`HEARTBEAT_EVERY`]; it comes back only when the claim is lost.
    ///
    /// A store that does not answer does not end the run: others respect a claim for a day after its last heartbeat, and
    /// no commit is made without another look at it.
    pub async fn keep(&self) -> BucketError {
        loop {
            tokio::time::sleep(HEARTBEAT_EVERY).await;
            match self.renew().await {
                Ok(()) => {}
                Err(error) if error.is_retryable() => {
                    tracing::warn!(run = %self.keys, %error, "the claim could not be renewed; it is tried again");
                }
                Err(error) => return error,
            }
        }
    }

    /// Begins to write a part of unknown size, hashing it on the way. The index of a backup is read on the way, too.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn upload(&self, part: Part) -> Result<HashingUpload, BucketError> {
        let key = self.key(part)?.clone();
        let upload = self.bucket.store.upload(&key).await?;
        let index = (self.keys.kind(), part) == (RunKind::Backup, Part::Index);
        let proof = index.then(|| IndexProof::begin(key.as_str()));
        Ok(HashingUpload::new(key, upload, proof))
    }

    /// Writes a small part in one piece, once it has been read as readers will.
    ///
    /// # Errors
    /// When nobody could read it, or the store fails.
    pub async fn put(&self, part: Part, body: Bytes) -> Result<StoredObject, BucketError> {
        let key = self.key(part)?;
        proof::check(self.keys.kind(), part, key.as_str(), body.clone()).await?;
        let stored = describe_bytes(key, &body);
        self.bucket.store.put(key, body, PutMode::Overwrite).await?;
        Ok(stored)
    }

    /// Writes the document, which makes the run exist, and lets go of the claim.
    ///
    /// # Errors
    /// When the document is not one that can be read back, when the claim was lost, or when the store fails. After an
    /// error call [`Attempt::discard`], which removes nothing if the document arrived in spite of it.
    pub async fn commit<D: RunDocument>(&self, document: &D) -> Result<(), BucketError> {
        let body = self.encode_document(document)?;
        self.confirm().await?;
        self.put_document(body).await?;
        // The run is complete, come what may: a claim that stays behind means nothing and is swept by the next one
        // that wants the name, and parts that the document does not name go with the run.
        if let Err(error) = self.tidy(document.objects()).await {
            let error = causes(&error);
            tracing::warn!(run = %self.keys, "what was left over could not be removed after the commit; it does no harm: {error}");
        }
        Ok(())
    }

    /// Removes what earlier attempts left, and lets go of the claim.
    async fn tidy(&self, objects: &[StoredObject]) -> Result<(), BucketError> {
        if self.leftovers {
            self.bucket.delete_parts(&self.keys, &self.claim, objects).await?;
        }
        self.bucket.release(&self.keys, &self.claim).await
    }

    /// Removes what was written, by this attempt and those before it, the claim last; it returns the number of parts.
    ///
    /// # Errors
    /// [`BucketError::ClaimLost`] when another has the name by now: then nothing is removed, and the other cleans up.
    /// [`BucketError::CommittedAfterAll`] when the run is there: what its document names stays. Else when the store fails; the
    /// next attempt then cleans up.
    pub async fn discard(&self) -> Result<u64, BucketError> {
        if self.bucket.survey(&self.keys).await?.committed {
            if let Err(error) = self.discard_unnamed().await {
                tracing::debug!(run = %self.keys, "what was written stays: {}", causes(&error));
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

    /// Another attempt has committed: what this one wrote is in no document then, and goes.
    async fn discard_unnamed(&self) -> Result<(), BucketError> {
        let named = match self.keys.kind() {
            RunKind::Backup => self.bucket.open_run::<Backup>(self.keys.clone()).await?.objects().to_vec(),
            RunKind::Restore => self.bucket.open_run::<Restore>(self.keys.clone()).await?.objects().to_vec(),
        };
        let ours = [self.parts.tarball(), self.parts.index(), self.parts.results(), self.parts.log()];
        let is_named = |key: &ObjectKey| named.iter().any(|object| object.key == key.as_str());
        if self.claim.parts.is_some() && !ours.into_iter().any(is_named) {
            self.bucket.store.delete(&ours.map(ObjectKey::clone)).await?;
        }
        self.bucket.release(&self.keys, &self.claim).await
    }

    async fn confirm(&self) -> Result<(), BucketError> {
        self.bucket.confirm(&self.keys, &self.claim).await
    }

    /// A lost answer leaves open whether the document is there, so that it is sent again: then "exists already" with
    /// our own bytes is success. With other bytes, another run has the name, and with it every key that we wrote.
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
                        // A write was on its way, our own perhaps, and did not arrive.
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

    fn encode_document<D: RunDocument>(&self, document: &D) -> Result<Bytes, BucketError> {
        let unwritable =
            |problem: String| BucketError::Unwritable { key: self.keys.document().to_string(), problem };
        if let Some(problem) = document.objection(&self.keys) {
            return Err(unwritable(problem));
        }
        let body = serde_json::to_vec_pretty(document).map_err(|error| unwritable(error.to_string()))?;
        if body.len() as u64 > MAX_DOCUMENT {
            return Err(unwritable(format!("it is larger than {MAX_DOCUMENT} bytes")));
        }
        let read: Result<D, String> = serde_json::from_slice(&body).map_err(|error| error.to_string());
        match read.map(|read| read.objection(&self.keys)) {
            Ok(None) => Ok(body.into()),
            Ok(Some(problem)) | Err(problem) => {
                Err(proof::unreadable(self.keys.document().as_str(), problem))
            }
        }
    }

    fn key(&self, part: Part) -> Result<&ObjectKey, BucketError> {
        Ok(match part {
            Part::Tarball => self.parts.tarball(),
            Part::Index => self.parts.index(),
            Part::Results => self.parts.results(),
            Part::Log => self.parts.log(),
            Part::Claim | Part::Takeover | Part::Document | Part::Volumes | Part::Dump => {
                return Err(BucketError::Unwritable {
                    key: self.keys.to_string(),
                    problem: format!("{part:?} is not a part that a run writes by itself"),
                });
            }
        })
    }
}
