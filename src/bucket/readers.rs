//! Who reads a backup: while a restore runs, its claim names the backup, and nobody removes that meanwhile.
//!
//! Whoever reads says so first and looks then whether the backup is being removed; whoever removes says so first and looks then
//! who reads. So at least one of two that meet sees the other, in whichever clusters they are. A restore that must not write
//! into the bucket cannot say that it reads.

use chrono::Utc;
use futures::TryStreamExt as _;

use crate::model::BackupName;

use super::documents::REMOVAL_LASTS;
use super::layout::{RunKeys, RunKind};
use super::reader::Reader;
use super::run_folder::ClaimState;
use super::{Bucket, BucketError};

impl Bucket {
    /// Makes sure that nobody reads a backup.
    ///
    /// # Errors
    /// [`BucketError::InUse`] when a restore does, as far as it says so; else when the store fails.
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

    /// The first living restore that reads a backup.
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

    /// Makes sure that nobody is removing a backup, after it was said that it is read.
    ///
    /// # Errors
    /// [`BucketError::Incomplete`] when somebody is; else when the store fails.
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

    /// Who is removing what is left under the name of a run, where somebody is who may still come to its end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remover_of(&self, keys: &RunKeys) -> Result<Option<String>, BucketError> {
        Ok(match self.read_claim(keys.claim()).await? {
            ClaimState::Held(claim) if claim.removing && !claim.is_dead(Utc::now()) => Some(claim.holder),
            _ => None,
        })
    }
}
