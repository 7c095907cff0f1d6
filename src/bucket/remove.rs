//! Removing a run: the document first, so that nobody reads half of it, then the rest.
//!
//! While it is being removed its name is claimed, so that nobody writes keys that are about to go; whoever lost the claim
//! meanwhile, as a process that was asleep, removes nothing more. What a restore reads is not removed. Interrupted anywhere,
//! a removal can be run again, by anyone. What lies outside the bucket (volume snapshots) goes before, by the caller.

use chrono::Utc;

use crate::model::{BackupName, RestoreName};

use super::documents::Claim;
use super::error::Taker;
use super::layout::{RunKeys, RunKind};
use super::survey::ClaimState;
use super::{Bucket, BucketError};

/// Who removes, as far as claims go: one name for all, so that anyone can finish what another began.
const REMOVER: &str = "removal";

impl Bucket {
    /// Removes a backup, complete or left behind; `holder` says who does it. It returns the number of objects.
    ///
    /// # Errors
    /// [`BucketError::NotFound`], [`BucketError::NameTaken`] while it is being made, [`BucketError::InUse`] while it is being
    /// restored, [`BucketError::Foreign`] when another program wrote it, or when the store fails; then run it again.
    pub async fn remove_backup(&self, name: &BackupName, holder: &str) -> Result<u64, BucketError> {
        self.remove(&RunKeys::backup(name)?, holder).await
    }

    /// Removes a restore's record, as [`Bucket::remove_backup`] does a backup.
    ///
    /// # Errors
    /// As [`Bucket::remove_backup`].
    pub async fn remove_restore(&self, name: &RestoreName, holder: &str) -> Result<u64, BucketError> {
        self.remove(&RunKeys::restore(name)?, holder).await
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

    async fn remove(&self, keys: &RunKeys, holder: &str) -> Result<u64, BucketError> {
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
        let removed = self.remove_document(keys, &claim).await?;
        let parts = self.delete_parts(keys, &claim, &[]).await?;
        self.discard_all_unfinished(keys, &claim).await;
        self.release(keys, &claim).await?;
        Ok(parts + u64::from(removed))
    }

    /// Removes the document, unless somebody reads the run; whether there was one.
    async fn remove_document(&self, keys: &RunKeys, claim: &Claim) -> Result<bool, BucketError> {
        let etag = match self.store.head(keys.document()).await {
            Ok(info) => info.etag,
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if keys.kind() == RunKind::Backup
            && let Ok(name) = keys.name().parse()
            && let Err(error) = self.refuse_while_read(&name).await
        {
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

    /// Claims a name so that it can be removed; it returns the claim. That of a removal that was refused a moment ago goes on: a
    /// bucket that refuses deletions is not written to at each try.
    async fn claim_for_removal(&self, keys: &RunKeys, holder: &str) -> Result<Claim, BucketError> {
        let wanted = Claim { removing: true, ..Claim::new(REMOVER, "", holder) };
        // Twice: a claim that goes, or changes hands, while it is looked at leaves the name free.
        for _ in 0..2 {
            let (held, etag) = self.look_at_claim(keys.claim()).await?;
            if let ClaimState::Held(held) = &held
                && held.is_same_run(&wanted)
                && held.holder == wanted.holder
                && held.is_fresh(Utc::now())
            {
                return Ok(held.clone());
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
