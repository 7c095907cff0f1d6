//! A name is claimed before work starts, so that two runs never write the same keys.
//!
//! The claim is a conditional PUT: of several at once exactly one succeeds. The next attempt of the same run (same
//! uid, same cluster) takes its own claim over; anyone takes over one that has been silent for a day. Whoever holds
//! the claim may make the run exist, and nobody else; [`super::attempt::Attempt`] is that permission.

use bytes::Bytes;
use chrono::Utc;

use crate::model::{BackupName, RestoreName};
use crate::store::{ETag, ObjectKey, PutMode};

use super::attempt::Attempt;
use super::attempt_id::AttemptId;
use super::documents::{Claim, is_dead};
use super::error::Taker;
use super::layout::RunKeys;
use super::run_folder::{ClaimState, RunFolder};
use super::{Bucket, BucketError};

/// How often claiming starts anew when the claim that was in the way goes while it is looked at. Each time, another
/// process has finished or given up; more than a few in a row do not happen.
const MAX_ROUNDS: usize = 5;

impl Bucket {
    /// Claims the name of a backup. `wanted` comes from [`Claim::new`]; the attempt number is set here, one more than
    /// that of an earlier attempt of the same run. What that one left goes when this one ends: until then it may still come to
    /// a whole backup of its own.
    ///
    /// # Errors
    /// [`BucketError::NameTaken`] when another run has the name, complete or not, or another program wrote there.
    pub async fn claim_backup(&self, name: &BackupName, wanted: &Claim) -> Result<Attempt, BucketError> {
        self.claim(RunKeys::backup(name)?, wanted).await
    }

    /// Claims the name of a restore, as [`Bucket::claim_backup`] does that of a backup.
    ///
    /// # Errors
    /// [`BucketError::NameTaken`] when another run has the name, complete or not.
    pub async fn claim_restore(&self, name: &RestoreName, wanted: &Claim) -> Result<Attempt, BucketError> {
        self.claim(RunKeys::restore(name)?, wanted).await
    }

    /// Claims the name of a run of either kind, as [`Bucket::claim_backup`] does that of a backup.
    ///
    /// # Errors
    /// As [`Bucket::claim_backup`].
    pub async fn claim(&self, keys: RunKeys, wanted: &Claim) -> Result<Attempt, BucketError> {
        // What is drawn tells this attempt from any other of the name.
        let (now, parts) = (Utc::now(), Some(AttemptId::draw(wanted.attempt)));
        let wanted = &Claim { claimed_at: now, heartbeat: now, parts, ..wanted.clone() };
        for _ in 0..MAX_ROUNDS {
            let before = self.survey(&keys).await?;
            if before.committed && before.claimed {
                self.sweep_outlived_claim(&keys, wanted).await?;
            }
            self.refuse_taken(&keys, before).await?;
            let Some(claim) = self.take_claim(&keys, wanted).await? else { continue };
            // The holder before us may have committed and let go between the two: only what is seen under our own
            // claim counts.
            let after = self.survey(&keys).await?;
            if let Err(error) = self.refuse_taken(&keys, after).await {
                self.release(&keys, &claim).await?;
                return Err(error);
            }
            self.discard_unfinished(&keys, &claim.earlier).await;
            return Attempt::new(self.clone(), keys, claim, after.parts > 0);
        }
        Err(self.name_taken(&keys, Taker::UnreadableClaim))
    }

    /// Puts the claim there, or takes over the one that is there; none when it went, or changed hands, meanwhile.
    pub(super) async fn take_claim(
        &self,
        keys: &RunKeys,
        wanted: &Claim,
    ) -> Result<Option<Claim>, BucketError> {
        match self.store.put(keys.claim(), encode(keys.claim(), wanted)?, PutMode::Create).await {
            Ok(()) => return Ok(Some(wanted.clone())),
            Err(error) if error.is_already_exists() => {}
            Err(error) => return Err(error.into()),
        }
        let now = Utc::now();
        let (current, etag) = self.look_at_claim(keys.claim()).await?;
        match &current {
            ClaimState::Absent => Ok(None),
            // A put whose answer was lost, sent again by the store's client.
            ClaimState::Held(held) if held == wanted => Ok(Some(wanted.clone())),
            ClaimState::Held(held) if held.is_same_run(wanted) => {
                let claim = wanted.next_attempt(held, now);
                let taken = self.replace_claim(keys.claim(), &claim, etag).await?;
                Ok(taken.then_some(claim))
            }
            ClaimState::Held(held) if held.is_dead(now) => self.take_over(keys, &current, etag, wanted).await,
            ClaimState::Held(held) => Err(self.name_taken(keys, Taker::Claim(Box::new(held.clone())))),
            ClaimState::Unreadable(since) if is_dead(*since, now) => {
                self.take_over(keys, &current, etag, wanted).await
            }
            ClaimState::Unreadable(_) => Err(self.name_taken(keys, Taker::UnreadableClaim)),
        }
    }

    /// Replaces a dead claim, if nobody has written it since it was looked at. Where the store cannot tell, a second key,
    /// created by exactly one of several takers, decides who may.
    async fn take_over(
        &self,
        keys: &RunKeys,
        dead: &ClaimState,
        etag: Option<ETag>,
        wanted: &Claim,
    ) -> Result<Option<Claim>, BucketError> {
        let claim = match dead {
            ClaimState::Held(held) => wanted.succeeding(held),
            ClaimState::Absent | ClaimState::Unreadable(_) => wanted.clone(),
        };
        if etag.is_some() && self.store.compare_and_swap().await? {
            return Ok(self.replace_claim(keys.claim(), &claim, etag).await?.then_some(claim));
        }
        let body = encode(keys.takeover(), wanted)?;
        match self.store.put(keys.takeover(), body, PutMode::Create).await {
            Ok(()) => {}
            Err(error) if error.is_already_exists() => match self.read_claim(keys.takeover()).await? {
                ClaimState::Absent => return Ok(None),
                ClaimState::Held(other) if other.is_same_run(wanted) => {}
                ClaimState::Held(other) if !other.is_dead(Utc::now()) => {
                    return Err(self.name_taken(keys, Taker::Claim(Box::new(other))));
                }
                _ => {
                    self.store.delete(std::slice::from_ref(keys.takeover())).await?;
                    return Ok(None);
                }
            },
            Err(error) => return Err(error.into()),
        }
        let unchanged = self.read_claim(keys.claim()).await? == *dead;
        if unchanged {
            self.replace_claim(keys.claim(), &claim, None).await?;
        }
        self.store.delete(std::slice::from_ref(keys.takeover())).await?;
        Ok(unchanged.then_some(claim))
    }

    /// Writes a claim over the one that had this tag; false when somebody else was faster. Where the store cannot tell, or
    /// gave no tag, it is written over whatever is there.
    pub(super) async fn replace_claim(
        &self,
        key: &ObjectKey,
        claim: &Claim,
        etag: Option<ETag>,
    ) -> Result<bool, BucketError> {
        let mode = match etag {
            Some(etag) if self.store.compare_and_swap().await? => PutMode::Replace(etag),
            _ => PutMode::Overwrite,
        };
        match self.store.put(key, encode(key, claim)?, mode).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_changed() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets go of a claim, if it is still ours.
    pub(super) async fn release(&self, keys: &RunKeys, claim: &Claim) -> Result<(), BucketError> {
        let (held, etag) = self.look_at_claim(keys.claim()).await?;
        if !matches!(&held, ClaimState::Held(held) if held.is_same_attempt(claim)) {
            return Ok(());
        }
        let deleted = match etag {
            Some(etag) => self.store.delete_unchanged(keys.claim(), &etag).await,
            None => self.store.delete(std::slice::from_ref(keys.claim())).await,
        };
        match deleted {
            Err(error) if !error.is_changed() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// A crash between commit and the end of the claim leaves a claim that means nothing any more.
    async fn sweep_outlived_claim(&self, keys: &RunKeys, wanted: &Claim) -> Result<(), BucketError> {
        if let ClaimState::Held(held) = self.read_claim(keys.claim()).await?
            && (held.is_same_run(wanted) || held.is_dead(Utc::now()))
            && !held.removing
        {
            self.release(keys, &held).await?;
        }
        Ok(())
    }

    async fn refuse_taken(&self, keys: &RunKeys, survey: RunFolder) -> Result<(), BucketError> {
        match survey {
            RunFolder { foreign: Some(writer), .. } => Err(self.name_taken(keys, Taker::Foreign(writer))),
            RunFolder { committed: true, .. } => {
                let cluster = self.committed_cluster(keys).await;
                Err(self.name_taken(keys, Taker::Committed { cluster }))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn name_taken(&self, keys: &RunKeys, by: Taker) -> BucketError {
        BucketError::NameTaken {
            kind: keys.kind(),
            name: keys.name().to_owned(),
            location: self.store.describe(),
            by,
        }
    }
}

fn encode(key: &ObjectKey, claim: &Claim) -> Result<Bytes, BucketError> {
    serde_json::to_vec(claim)
        .map(Bytes::from)
        .map_err(|error| BucketError::Unwritable { key: key.to_string(), problem: error.to_string() })
}
