//! Readers of a backup: while a restore runs, its claim names the backup, and nobody removes that
//! backup meanwhile.
//!
//! A reader first records that it reads and then looks whether the backup is being removed; a
//! remover first claims the name and then looks for readers. So of two that meet at least one sees
//! the other, in whichever clusters they are. A restore that must not write into the bucket cannot
//! record that it reads.

use chrono::Utc;
use futures::TryStreamExt as _;

use crate::model::BackupName;

use super::documents::REMOVAL_LASTS;
use super::layout::{RunKeys, RunKind};
use super::reader::Reader;
use super::run_folder::ClaimState;
use super::{Bucket, BucketError};

impl Bucket {
    /// Fails if a restore reads the backup.
    ///
    /// # Errors
    /// [`BucketError::InUse`] if a living claim of a restore names the backup; else if the store
    /// fails.
    pub async fn refuse_while_read(&self, backup: &BackupName) -> Result<(), BucketError> {
        match self.reader_of(backup).await? {
            None => Ok(()),
            Some(reader) => Err(BucketError::InUse {
                name: backup.to_string(),
                location: self.store.describe(),
                reader: Box::new(reader),
            }),
        }
    }

    /// Returns the first restore with a living claim that reads the backup, or `None`.
    async fn reader_of(&self, backup: &BackupName) -> Result<Option<Reader>, BucketError> {
        let mut restores = self.list_runs(RunKind::Restore);
        while let Some(restore) = restores.try_next().await? {
            let Some(keys) = restore.keys().filter(|_| restore.is_partial() && restore.survey.claimed) else {
                continue;
            };
            if let ClaimState::Held(claim) = self.read_claim(keys.claim()).await?
                && claim.reads.as_deref() == Some(backup.as_str())
                && !claim.removing
                && !claim.is_dead(Utc::now())
            {
                return Ok(Some(Reader { restore: keys.name().to_owned(), claim }));
            }
        }
        Ok(None)
    }

    /// Fails if somebody is removing the backup. Call this after it is recorded that the backup is
    /// read.
    ///
    /// # Errors
    /// [`BucketError::Incomplete`] if somebody is removing it; else if the store fails.
    pub async fn refuse_while_removed(&self, backup: &BackupName) -> Result<(), BucketError> {
        let keys = RunKeys::backup(backup)?;
        match self.read_claim(keys.claim()).await? {
            ClaimState::Held(claim) if claim.is_removed_now(Utc::now()) => {
                let at = |time: chrono::DateTime<Utc>| time.format("%Y-%m-%d %H:%M:%S UTC");
                Err(BucketError::Incomplete {
                    kind: RunKind::Backup,
                    name: backup.to_string(),
                    location: self.store.describe(),
                    state: format!(
                        "{} has been removing it since {}; if that comes to nothing, it can be restored from {} on, and from a location \
                         that is ReadOnly at any time",
                        claim.holder,
                        at(claim.claimed_at),
                        at(claim.heartbeat + REMOVAL_LASTS)
                    ),
                })
            }
            _ => Ok(()),
        }
    }

    /// Returns the holder that is removing what is left under the name of a run, or `None` if
    /// nobody is who may still finish.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn remover_of(&self, keys: &RunKeys) -> Result<Option<String>, BucketError> {
        Ok(match self.read_claim(keys.claim()).await? {
            ClaimState::Held(claim) if claim.removing && !claim.is_dead(Utc::now()) => Some(claim.holder),
            _ => None,
        })
    }
}
