//! Claims: a run claims its name before its work starts, so that two runs never have the same name.
//!
//! The claim is a conditional PUT: of several claimants at once exactly one succeeds. The next
//! attempt of the same run (same uid, same cluster) takes its own claim over; anyone takes over a
//! claim that has had no heartbeat for a day. Only the holder of the claim may make the run exist;
//! [`super::attempt::Attempt`] is that permission.

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

/// Most times that claiming starts anew when the claim that was in the way disappears while it is
/// looked at. Each time, another process has finished or given up; more than a few in a row do not
/// happen.
const MAX_ROUNDS: usize = 5;

impl Bucket {
    /// Claims the name of a backup. `wanted` comes from [`Claim::new`]; its attempt number, folder
    /// of parts and times are set here.
    ///
    /// # Flow
    /// 1. Lists the folder of the run. A claim that outlived its commit is deleted; a complete run
    ///    and a backup of another program refuse the name.
    /// 2. Writes `claim.json`, only if it is absent, or takes over the claim that is there: one of
    ///    the same run at once (the attempt number grows by one), another one only if it is dead.
    /// 3. Lists the folder again: a run that was committed in between refuses the name, and the new
    ///    claim is deleted.
    /// 4. Aborts unfinished uploads of earlier attempts and returns the [`Attempt`].
    ///
    /// # Guarantees
    /// - Of several runs that claim a name at once, one gets it, and the others get
    ///   [`BucketError::NameTaken`].
    /// - A complete run yields no attempt, and nothing of it is changed.
    /// - Parts of an earlier attempt stay until this one ends: until then, that attempt may still
    ///   commit a whole backup of its own.
    ///
    /// # Assumptions
    /// - The store creates an object conditionally (`PutMode::Create`), and a listing shows what
    ///   was written before it. Where the service has no conditional writes, the store looks before
    ///   it writes: of two claims in the same moment the later one stands, and the other run finds
    ///   at its next renewal, or at its commit, that its claim is lost.
    /// - Clocks of machines that share a location differ by far less than the 24 hours after which
    ///   a claim without a heartbeat is dead.
    ///
    /// # Caveats
    /// - Where the store has no compare-and-swap, a dead claim changes hands under a second key
    ///   (`takeover.json`).
    /// - That the holder of a claim has ended is known at once only to a process on the same
    ///   machine (Linux, same PID namespace); others wait for the 24 hours.
    ///
    /// # Errors
    /// [`BucketError::NameTaken`] if another run has the name, complete or not, or if another
    /// program wrote a backup there; or if the store fails.
    pub async fn claim_backup(&self, name: &BackupName, wanted: &Claim) -> Result<Attempt, BucketError> {
        self.claim(RunKeys::backup(name)?, wanted).await
    }

    /// Claims the name of a restore, as [`Bucket::claim_backup`] claims that of a backup.
    ///
    /// # Errors
    /// [`BucketError::NameTaken`] if another run has the name, complete or not; or if the store
    /// fails.
    pub async fn claim_restore(&self, name: &RestoreName, wanted: &Claim) -> Result<Attempt, BucketError> {
        self.claim(RunKeys::restore(name)?, wanted).await
    }

    /// Claims the name of a run of either kind, as [`Bucket::claim_backup`] claims that of a
    /// backup.
    ///
    /// # Errors
    /// As [`Bucket::claim_backup`].
    pub async fn claim(&self, keys: RunKeys, wanted: &Claim) -> Result<Attempt, BucketError> {
        // The random part of the id tells this attempt from any other one of the name.
        let (now, parts) = (Utc::now(), Some(AttemptId::draw(wanted.attempt)));
        let wanted = &Claim { claimed_at: now, heartbeat: now, parts, ..wanted.clone() };
        for _ in 0..MAX_ROUNDS {
            let before = self.survey(&keys).await?;
            if before.committed && before.claimed {
                self.sweep_outlived_claim(&keys, wanted).await?;
            }
            self.refuse_taken(&keys, before).await?;
            let Some(claim) = self.take_claim(&keys, wanted).await? else { continue };
            // The previous holder may have committed and released the claim after the first
            // listing: only what is seen under our own claim counts.
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

    /// Writes the claim, or takes over the one that is there. Returns `None` if the claim
    /// disappeared or changed hands meanwhile.
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
        let (current, etag) = self.read_claim_with_tag(keys.claim()).await?;
        match &current {
            ClaimState::Absent => Ok(None),
            // The first PUT arrived, its answer was lost, and the store's client sent the PUT
            // again.
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

    /// Replaces a dead claim, unless somebody has written it since it was looked at; returns `None`
    /// then. Where the store has no compare-and-swap, a second key, which exactly one of several
    /// takers creates, decides who may replace the claim.
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
                // The other taker has finished: claiming starts anew.
                ClaimState::Absent => return Ok(None),
                ClaimState::Held(other) if other.is_same_run(wanted) => {}
                ClaimState::Held(other) if !other.is_dead(Utc::now()) => {
                    return Err(self.name_taken(keys, Taker::Claim(Box::new(other))));
                }
                // The other taker died, or its claim cannot be read: the key is cleared for the
                // next round.
                _ => {
                    self.store.delete(std::slice::from_ref(keys.takeover())).await?;
                    return Ok(None);
                }
            },
            Err(error) => return Err(error.into()),
        }
        // Another taker may have replaced the dead claim before the second key was ours.
        let unchanged = self.read_claim(keys.claim()).await? == *dead;
        if unchanged {
            self.replace_claim(keys.claim(), &claim, None).await?;
        }
        self.store.delete(std::slice::from_ref(keys.takeover())).await?;
        Ok(unchanged.then_some(claim))
    }

    /// Writes a claim over the one that had this tag; returns `false` if somebody else was faster.
    /// Where the store has no compare-and-swap, or gave no tag, the write overwrites whatever is
    /// there.
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

    /// Deletes a claim, if it is still ours.
    pub(super) async fn release(&self, keys: &RunKeys, claim: &Claim) -> Result<(), BucketError> {
        let (held, etag) = self.read_claim_with_tag(keys.claim()).await?;
        if !matches!(&held, ClaimState::Held(held) if held.is_same_attempt(claim)) {
            return Ok(());
        }
        let deleted = match etag {
            Some(etag) => self.store.delete_unchanged(keys.claim(), &etag).await,
            None => self.store.delete(std::slice::from_ref(keys.claim())).await,
        };
        match deleted {
            // A claim that changed since it was read is another's by now, and stays.
            Err(error) if !error.is_changed() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Deletes the claim beside a complete run, which a crash after the commit left behind, if it
    /// is a claim of the same run or dead. The claim of a removal stays.
    async fn sweep_outlived_claim(&self, keys: &RunKeys, wanted: &Claim) -> Result<(), BucketError> {
        if let ClaimState::Held(held) = self.read_claim(keys.claim()).await?
            && (held.is_same_run(wanted) || held.is_dead(Utc::now()))
            && !held.removing
        {
            self.release(keys, &held).await?;
        }
        Ok(())
    }

    /// Fails with [`BucketError::NameTaken`] if the folder holds a complete run or a backup of
    /// another program.
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
        .map_err(|error| BucketError::Unwritable { key: key.to_string(), source: error.into() })
}
