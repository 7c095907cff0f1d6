//! Removing a run: the document first, so that nobody reads half of a run, then the rest.
//!
//! While a run is being removed its name is claimed, so that nobody writes keys that are about to
//! be deleted; a process that lost the claim meanwhile, for example because it was suspended,
//! removes nothing more. A backup that a restore reads is not removed, nor is another run than the
//! one that is meant: both are checked under the claim. A removal that was interrupted at any point
//! can be run again, by anyone. The caller deletes what lies outside the bucket (volume snapshots)
//! beforehand.

use chrono::Utc;

use crate::api::{Backup, Restore};
use crate::model::{BackupName, RestoreName, causes};

use super::documents::Claim;
use super::error::Taker;
use super::layout::{RunKeys, RunKind};
use super::record::RunDocument;
use super::run_folder::ClaimState;
use super::run_identity::RunIdentity;
use super::{Bucket, BucketError};

/// The `backupUid` of every removal's claim: one value for all, so that anyone can finish what
/// another process began.
const REMOVER: &str = "removal";

impl Bucket {
    /// Removes a backup, complete or left behind, and returns the number of objects that were
    /// removed. `meant` is the run that the backup must be, if any; `holder` names the process that
    /// removes, for the claim.
    ///
    /// # Errors
    /// [`BucketError::NotFound`], [`BucketError::NameTaken`] while the backup is being made,
    /// [`BucketError::InUse`] while it is being restored, [`BucketError::AnotherRun`] if another
    /// run is complete under the name, [`BucketError::Foreign`] if another program wrote it, or if
    /// the store fails; then run it again.
    pub async fn remove_backup(
        &self,
        name: &BackupName,
        meant: Option<&RunIdentity>,
        holder: &str,
    ) -> Result<u64, BucketError> {
        self.remove::<Backup>(&RunKeys::backup(name)?, meant, holder).await
    }

    /// Removes the record of a restore, as [`Bucket::remove_backup`] removes a backup.
    ///
    /// # Errors
    /// As [`Bucket::remove_backup`].
    pub async fn remove_restore(
        &self,
        name: &RestoreName,
        meant: Option<&RunIdentity>,
        holder: &str,
    ) -> Result<u64, BucketError> {
        self.remove::<Restore>(&RunKeys::restore(name)?, meant, holder).await
    }

    /// Removes what a dead run, or a removal that was interrupted, left under a name, and returns
    /// the number of parts. A complete run stays, and so does a run whose claim is alive.
    ///
    /// # Errors
    /// If the store fails; then run it again.
    pub async fn sweep(&self, keys: &RunKeys, holder: &str) -> Result<u64, BucketError> {
        let survey = self.survey(keys).await?;
        if survey.committed || survey.foreign.is_some() || survey.is_empty() {
            return Ok(0);
        }
        let claim = match self.claim_for_removal(keys, holder).await {
            Ok(claim) => claim,
            Err(error) if error.is_name_taken() => return Ok(0),
            Err(error) => return Err(error),
        };
        // The holder may have come back and committed before the claim was ours.
        let committed = self.survey(keys).await?.committed;
        if !committed {
            self.delete_parts(keys, &claim, &[]).await?;
            self.discard_all_unfinished(keys, &claim).await;
        }
        self.release(keys, &claim).await?;
        Ok(if committed { 0 } else { survey.parts })
    }

    async fn remove<D: RunDocument>(
        &self,
        keys: &RunKeys,
        meant: Option<&RunIdentity>,
        holder: &str,
    ) -> Result<u64, BucketError> {
        let survey = self.survey(keys).await?;
        if let Some(writer) = survey.foreign {
            return Err(BucketError::Foreign {
                name: keys.name().to_owned(),
                location: self.store.describe(),
                writer,
            });
        }
        if survey.is_empty() {
            return Err(self.not_found(keys));
        }
        let claim = self.claim_for_removal(keys, holder).await?;
        let removed = match self.remove_document::<D>(keys, meant, &claim).await {
            Ok(removed) => removed,
            Err(error) => {
                // A deletion without an answer may still take effect: the claim stays, so that
                // nobody reads a run that may vanish in this moment.
                if !matches!(&error, BucketError::Store(error) if error.is_retryable()) {
                    self.give_back(keys, &claim).await;
                }
                return Err(error);
            }
        };
        let parts = self.delete_parts(keys, &claim, &[]).await?;
        self.discard_all_unfinished(keys, &claim).await;
        self.release(keys, &claim).await?;
        Ok(parts + u64::from(removed))
    }

    /// Removes the document, unless it is another run's or somebody reads the run; returns whether
    /// there was a document.
    async fn remove_document<D: RunDocument>(
        &self,
        keys: &RunKeys,
        meant: Option<&RunIdentity>,
        claim: &Claim,
    ) -> Result<bool, BucketError> {
        let etag = match self.store.head(keys.document()).await {
            Ok(info) => info.etag,
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if let Err(error) = self.refuse_removal::<D>(keys, meant).await {
            self.release(keys, claim).await?;
            return Err(error);
        }
        self.confirm(keys, claim).await?;
        let removed = match etag {
            Some(etag) => self.store.delete_unchanged(keys.document(), &etag).await,
            None => self.store.delete(std::slice::from_ref(keys.document())).await,
        };
        match removed {
            // Only a process that took the claim from us can have written another document.
            Err(error) if error.is_changed() => {
                self.confirm(keys, claim).await?;
                Err(error.into())
            }
            removed => Ok(removed.map(|()| true)?),
        }
    }

    /// Deletes the claim of a removal that came to nothing, so that the claim keeps nobody from
    /// reading: a removal that is tried again and again would do so for ever. Where the bucket
    /// allows no deletions, the claim stays and is marked as ended.
    async fn give_back(&self, keys: &RunKeys, claim: &Claim) {
        if self.release(keys, claim).await.is_ok() {
            return;
        }
        let over = claim.clone().given_back();
        if let Ok((ClaimState::Held(held), etag)) = self.read_claim_with_tag(keys.claim()).await
            && held.is_same_attempt(claim)
            && let Err(error) = self.replace_claim(keys.claim(), &over, etag).await
        {
            tracing::warn!(
                "the removal of the {keys} keeps others from reading it for a quarter of an hour: {}",
                causes(&error)
            );
        }
    }

    /// Fails if the complete run under the name is not the one that is meant, or if somebody reads
    /// it. While the claim is held, nobody commits another run.
    async fn refuse_removal<D: RunDocument>(
        &self,
        keys: &RunKeys,
        meant: Option<&RunIdentity>,
    ) -> Result<(), BucketError> {
        if let Some(meant) = meant {
            match self.open_run::<D>(keys.clone()).await {
                Ok(stored) => stored.must_be(meant)?,
                Err(error) if error.is_of_no_run() => {}
                Err(error) => return Err(error),
            }
        }
        match (keys.kind(), keys.name().parse()) {
            (RunKind::Backup, Ok(name)) => self.refuse_while_read(&name).await,
            _ => Ok(()),
        }
    }

    /// Claims a name for a removal and returns the claim. Where an earlier removal was refused and
    /// could not even delete its claim, that deletion is tried first: a bucket that still refuses
    /// is not written to again.
    async fn claim_for_removal(&self, keys: &RunKeys, holder: &str) -> Result<Claim, BucketError> {
        let wanted = Claim { removing: true, ..Claim::new(REMOVER, "", holder) };
        // Three times: a claim that disappears, or changes hands, while it is looked at leaves the
        // name free.
        for _ in 0..3 {
            let (held, etag) = self.read_claim_with_tag(keys.claim()).await?;
            if let ClaimState::Held(held) = &held
                && held.is_given_back()
            {
                self.release(keys, held).await?;
                continue;
            }
            // A claim beside a document has outlived its commit: its holder writes nothing any
            // more. The document is looked for after the claim is read, so that the claim of a
            // later run, which has no document yet, is not replaced.
            if let ClaimState::Held(held) = held
                && !held.is_same_run(&wanted)
                && self.has(keys.document()).await?
            {
                let claim = wanted.succeeding(&held);
                if self.replace_claim(keys.claim(), &claim, etag).await? {
                    return Ok(claim);
                }
            } else if let Some(claim) = self.take_claim(keys, &wanted).await? {
                return Ok(claim);
            }
        }
        let now = Utc::now();
        Err(match self.read_claim(keys.claim()).await? {
            ClaimState::Held(held) if !held.is_dead(now) => {
                self.name_taken(keys, Taker::Claim(Box::new(held)))
            }
            _ => self.name_taken(keys, Taker::UnreadableClaim),
        })
    }
}
