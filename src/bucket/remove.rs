//! Removing a run: the document first, so that nobody reads half of it, then the rest.
//!
//! While it is being removed its name is claimed, so that nobody writes keys that are about to go; whoever lost the claim
//! meanwhile, as a process that was asleep, removes nothing more. What a restore reads is not removed, nor another run than the
//! one that is meant: both are looked at under the claim. Interrupted anywhere,
//! a removal can be run again, by anyone. What lies outside the bucket (volume snapshots) goes before, by the caller.

use chrono::Utc;

use crate::api::{Backup, Restore};
use crate::model::{BackupName, RestoreName};

use super::documents::Claim;
use super::error::Taker;
use super::layout::{RunKeys, RunKind};
use super::record::RunDocument;
use super::run_folder::ClaimState;
use super::run_identity::RunIdentity;
use super::{Bucket, BucketError};

/// Who removes, as far as claims go: one name for all, so that anyone can finish what another began.
const REMOVER: &str = "removal";

impl Bucket {
    /// Removes a backup, complete or left behind; `meant` is the run that it must be, if any, and `holder` says who does it. It
    /// returns the number of objects.
    ///
    /// # Errors
    /// [`BucketError::NotFound`], [`BucketError::NameTaken`] while it is being made, [`BucketError::InUse`] while it is being
    /// restored, [`BucketError::AnotherRun`] when another one is complete under the name, [`BucketError::Foreign`] when another
    /// program wrote it, or when the store fails; then run it again.
    pub async fn remove_backup(
        &self,
        name: &BackupName,
        meant: Option<&RunIdentity>,
        holder: &str,
    ) -> Result<u64, BucketError> {
        self.remove::<Backup>(&RunKeys::backup(name)?, meant, holder).await
    }

    /// Removes a restore's record, as [`Bucket::remove_backup`] does a backup.
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

    /// Removes what a dead run, or a removal that was interrupted, left under a name. A complete run stays, and so does what
    /// somebody is at work on; it returns the number of objects that it removed.
    ///
    /// # Errors
    /// When the store fails; then run it again.
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
        // Its holder may have come back and committed before the claim was ours.
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
                // What went unanswered may still have an effect: nobody reads what may vanish in this moment.
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

    /// Removes the document, unless it is another's or somebody reads the run; whether there was one.
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
            // Only whoever took the claim from us can have written another one.
            Err(error) if error.is_changed() => {
                self.confirm(keys, claim).await?;
                Err(error.into())
            }
            removed => Ok(removed.map(|()| true)?),
        }
    }

    /// Lets go of the claim of a removal that came to nothing, so that it keeps nobody from reading: who tries again and again would
    /// for ever. Where no object may be deleted, the claim stays and says that it has ended.
    async fn give_back(&self, keys: &RunKeys, claim: &Claim) {
        if self.release(keys, claim).await.is_ok() {
            return;
        }
        let over = claim.clone().given_back();
        if let Ok((ClaimState::Held(held), etag)) = self.look_at_claim(keys.claim()).await
            && held.is_same_attempt(claim)
            && let Err(error) = self.replace_claim(keys.claim(), &over, etag).await
        {
            tracing::warn!(
                "the removal of the {keys} keeps others from reading it for a quarter of an hour: {error}"
            );
        }
    }

    /// Makes sure that what is complete under the name is the run that is meant, and that nobody reads it. Under the claim nobody
    /// commits another one.
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

    /// Claims a name so that it can be removed; it returns the claim. Where an earlier removal was refused and could not even take its
    /// claim away, that is tried first: a bucket that still refuses is not written to again.
    async fn claim_for_removal(&self, keys: &RunKeys, holder: &str) -> Result<Claim, BucketError> {
        let wanted = Claim { removing: true, ..Claim::new(REMOVER, "", holder) };
        // More than once: a claim that goes, or changes hands, while it is looked at leaves the name free.
        for _ in 0..3 {
            let (held, etag) = self.look_at_claim(keys.claim()).await?;
            if let ClaimState::Held(held) = &held
                && held.is_given_back()
            {
                self.release(keys, held).await?;
                continue;
            }
            // A claim beside a document has outlived its commit: its holder writes nothing any more. The document is looked at
            // after the claim, so that the claim of a later run is not replaced, which has none yet.
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
