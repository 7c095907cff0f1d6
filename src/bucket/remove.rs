//! Removing a run: the document first, so that nobody reads half of it, then the rest.
//!
//! While it is being removed its name is claimed, so that nobody writes keys that are about to go. Interrupted
//! anywhere, it can be run again, by anyone. What lies outside the bucket (volume snapshots) goes before, by the caller.

use chrono::Utc;

use crate::model::{BackupName, RestoreName};

use super::documents::Claim;
use super::error::Taker;
use super::layout::RunKeys;
use super::survey::ClaimState;
use super::{Bucket, BucketError};

/// Who removes, as far as claims go: one name for all, so that anyone can finish what another began.
const REMOVER: &str = "removal";

impl Bucket {
    /// Removes a backup, complete or left behind; `holder` says who does it. It returns the number of objects.
    ///
    /// # Errors
    /// [`BucketError::NotFound`], [`BucketError::NameTaken`] while it is being made, [`BucketError::Foreign`] when
    /// another program wrote it, or when the store fails; then run it again.
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
        match self.claim_for_removal(keys, false, holder).await {
            Ok(()) => {}
            Err(error) if error.is_name_taken() => return Ok(0),
            Err(error) => return Err(error),
        }
        // Its holder may have come back and committed before the claim was ours.
        let committed = self.survey(keys).await?.committed;
        if !committed {
            self.delete_parts(keys).await?;
        }
        self.store.delete(std::slice::from_ref(keys.claim())).await?;
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
        self.claim_for_removal(keys, survey.committed, holder).await?;
        self.store.delete(std::slice::from_ref(keys.document())).await?;
        let parts = self.delete_parts(keys).await?;
        self.store.delete(std::slice::from_ref(keys.claim())).await?;
        Ok(parts + u64::from(survey.committed))
    }

    async fn claim_for_removal(
        &self,
        keys: &RunKeys,
        committed: bool,
        holder: &str,
    ) -> Result<(), BucketError> {
        let wanted = Claim { removing: true, ..Claim::new(REMOVER, "", holder) };
        // A claim beside a document has outlived its commit: its holder writes nothing any more.
        if committed
            && let ClaimState::Held(held) = self.read_claim(keys.claim()).await?
            && !held.is_same_run(&wanted)
        {
            self.write_claim(keys.claim(), &wanted).await?;
            return Ok(());
        }
        // Twice: a claim that goes while it is looked at leaves the name free.
        for _ in 0..2 {
            if self.take_claim(keys, &wanted).await?.is_some() {
                return Ok(());
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
