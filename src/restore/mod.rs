//! One restore of one backup. This file is the flow; it reads top to bottom as the restore happens.
//!
//! `source` (which backup; its index; later the bodies) → `select`, `inventory` (what is wanted) → `model::Needs` (what that names of the
//! cluster) → `plan` (what is left out, in which order) → `work` (all of that, opened) → `empty` (may it begin) → `ready` (step
//! by step, waiting where order demands it) → `prepare`, `rewrite` (from stored to wanted) → `apply`, `compare`, `existing`
//! (create, or do as the policy says) → `account`, `report` (what became of it). `preview` looks and touches nothing.

mod account;
mod apply;
mod compare;
mod empty;
mod error;
mod existing;
mod inventory;
mod kinds;
mod outcome;
mod owners;
mod plan;
mod prepare;
mod preview;
mod ready;
mod report;
pub mod rewrite;
mod select;
mod source;
mod volumes;
mod work;

use std::collections::BTreeMap;
use std::future::Future;

pub use error::RestoreError;
pub use outcome::{Act, Action, Preview, RestoreOutcome};

use account::Account;
use prepare::Owning;
use work::Work;

use crate::api::{InvalidSpec, RestoreSpec, Timestamp};
use crate::bucket::{Attempt, Bucket, BucketError, Claim};
use crate::cluster::{Cluster, ClusterIdentity};
use crate::model::{BackupName, Progress, RestoreName};

/// Creates that are under way at once, unless asked otherwise.
pub const DEFAULT_PARALLEL: usize = 32;

/// What to restore, under which name, on whose behalf.
#[derive(Clone, Debug)]
pub struct RestoreRequest {
    /// The name, unique in the bucket.
    pub name: RestoreName,
    /// From which backup, which items, how changed.
    pub spec: RestoreSpec,
    /// The backup, where it has been chosen already; else the specification says which, and a Schedule's newest is looked for.
    pub backup: Option<BackupName>,
    /// The labels of the Restore, which its document keeps.
    pub labels: BTreeMap<String, String>,
    /// The uid of the Restore; the same for every attempt at it.
    pub uid: String,
    /// Who runs it, for whoever finds the claim: host and process.
    pub holder: String,
    /// Which cluster it goes into.
    pub cluster: ClusterIdentity,
    /// Which attempt this is, from 1. From the second on, what carries this restore's labels was made by an earlier one and
    /// counts as restored.
    pub attempt: u32,
    /// Whether the bucket keeps a record of it; false for a location that must not be written to.
    pub record: bool,
    /// Creates that are under way at once; [`DEFAULT_PARALLEL`].
    pub parallel: usize,
}

/// Restores a backup and records what was done, unless the request says not to.
///
/// `stop` ends the run early; what was restored by then stays.
///
/// # Errors
/// When the specification is wrong, the name is taken, the backup cannot be read, or cluster or bucket fail as a whole. An
/// item that cannot be restored is a finding in the outcome. A run that had touched the cluster is recorded all the same.
pub async fn run(
    cluster: &Cluster,
    bucket: &Bucket,
    request: &RestoreRequest,
    progress: &Progress,
    stop: impl Future<Output = ()>,
) -> Result<RestoreOutcome, RestoreError> {
    work::check(&request.spec)?;
    let began = Timestamp::now();
    let attempt = if request.record {
        let claim = Claim::new(&request.uid, &request.cluster.uid, &request.holder);
        Some(bucket.claim_restore(&request.name, &claim).await?)
    } else {
        None
    };
    let mut account = Account::open(&request.name, progress)?;
    let end = tokio::select! {
        end = restore(cluster, bucket, request, &mut account) => end,
        lost = keep(attempt.as_ref()) => Err(lost.into()),
        () = stop => Err(RestoreError::Stopped { name: request.name.clone() }),
    };
    report::close(attempt.as_ref(), request, account, began, end).await
}

/// Everything that is wrong with a specification, as far as it shows without cluster and bucket.
pub fn check(spec: &RestoreSpec) -> Vec<InvalidSpec> {
    match work::check(spec) {
        Err(RestoreError::Specification(wrong)) => wrong,
        _ => Vec::new(),
    }
}

/// Says what [`run`] would do, and touches nothing: not the cluster, not the bucket.
///
/// # Errors
/// As [`run`].
pub async fn preview(
    cluster: &Cluster,
    bucket: &Bucket,
    request: &RestoreRequest,
    progress: &Progress,
) -> Result<Preview, RestoreError> {
    let mut account = Account::open(&request.name, progress)?;
    let work = open(cluster, bucket, request, &mut account).await?;
    let acts = work.preview(&mut account).await?;
    Ok(Preview { backup: work.source.name.to_string(), acts, results: account.results })
}

async fn open<'a>(
    cluster: &'a Cluster,
    bucket: &Bucket,
    request: &RestoreRequest,
    account: &mut Account<'_>,
) -> Result<Work<'a>, RestoreError> {
    let work = Work::open(cluster, bucket, request, account).await?;
    if request.spec.require_empty == Some(true) {
        account.stage("looking whether the target namespaces are empty");
        work.require_empty().await?;
    }
    work.open_account(account);
    Ok(work)
}

async fn restore(
    cluster: &Cluster,
    bucket: &Bucket,
    request: &RestoreRequest,
    account: &mut Account<'_>,
) -> Result<(), RestoreError> {
    let mut work = open(cluster, bucket, request, account).await?;
    work.restore_definitions(account).await?;
    for conversion in work.conversions() {
        account.find(conversion);
    }
    work.restore_namespaces(account).await?;
    let mut later = Vec::new();
    for step in &work.plan.steps {
        account.stage(work.stage_of(&step.entries));
        later.extend(work.restore_all(&step.entries, Owning::Wait, account).await?.later);
        later = restore_owned(&work, later, account).await?;
    }
    work.restore_all(&later, Owning::Drop, account).await?;
    Ok(())
}

/// Restores items whose owners have come by now, and what those own in turn; it returns the ones that still wait.
async fn restore_owned(
    work: &Work<'_>,
    mut waiting: Vec<inventory::EntryId>,
    account: &mut Account<'_>,
) -> Result<Vec<inventory::EntryId>, RestoreError> {
    loop {
        waiting.sort_unstable();
        let before = waiting.len();
        waiting = work.restore_all(&waiting, Owning::Wait, account).await?.later;
        if waiting.is_empty() || waiting.len() == before {
            return Ok(waiting);
        }
    }
}

/// A run that is not recorded has no claim that it could lose.
async fn keep(attempt: Option<&Attempt>) -> BucketError {
    match attempt {
        Some(attempt) => attempt.keep().await,
        None => std::future::pending().await,
    }
}
