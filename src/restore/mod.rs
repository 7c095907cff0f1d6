//! One restore of one backup. This file is the flow; it reads top to bottom as the restore happens.
//!
//! `source` (the backup's index; later the bodies) → `select`, `inventory` (what is wanted) → `survey` (what that needs) → `plan`
//! (what is left out, in which order) → `work` (all of that, opened) → `empty` (may it begin) → `ready` (definitions and
//! namespaces) → `batch` (class after class, side by side) → `prepare`, `rewrite` (from stored to wanted) → `lacking` (what must
//! be beside it) → `apply` (create) → `meet`, `compare`, `existing` (it is there already) → `links`, `owners` (owners follow) →
//! `binding`, `volumes` (claims are bound) → `ended` (what may run again) → `account`, `report` (what became of it). `preview`
//! looks and touches nothing.

mod account;
mod apply;
mod batch;
mod binding;
mod circles;
mod compare;
mod empty;
mod ended;
mod error;
mod existing;
mod halt;
mod inventory;
mod itself;
mod kinds;
mod lacking;
mod links;
mod live;
mod meet;
mod outcome;
mod owners;
mod plan;
mod prepare;
mod prepared;
mod preview;
mod ready;
mod report;
mod request;
pub mod rewrite;
mod select;
mod source;
mod survey;
mod volumes;
mod work;

pub use request::{MOST_PARALLEL, RestoreRequest};
use std::future::Future;

pub use error::RestoreError;
pub use outcome::{Act, ItemAction, Preview, RestoreOutcome};

use account::RestoreAccount;
use halt::RestoreHalt;
use work::RestoreContext;

use crate::api::{InvalidSpec, RestoreSpec, Timestamp};
use crate::bucket::{Attempt, Bucket, BucketError, Claim};
use crate::cluster::Cluster;

use crate::model::Progress;

/// Restores a backup and records what was done, unless the request says not to.
///
/// `stop` ends the run early, once what is at hand has ended; what was restored by then stays.
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
    let began = request.began.unwrap_or_else(Timestamp::now);
    let attempt = if request.record {
        let reads =
            request.backup.as_ref().map(ToString::to_string).or_else(|| request.spec.backup_name.clone());
        let namespace = request.namespace.clone();
        let claim =
            Claim { reads, namespace, ..Claim::new(&request.uid, &request.cluster.uid, &request.holder) };
        Some(bucket.claim_restore(&request.name, &claim).await?)
    } else {
        None
    };
    let mut account = RestoreAccount::open(&request.name, progress)?;
    let halt = RestoreHalt::default();
    let ended = async {
        tokio::select! {
            lost = keep(attempt.as_ref()) => lost.into(),
            never = cluster.tell_waits(progress) => match never {},
            () = stop => RestoreError::Stopped { name: request.name.clone() },
        }
    };
    let end =
        halt.unless(ended, restore(cluster, bucket, request, attempt.as_ref(), &halt, &mut account)).await;
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
    let mut account = RestoreAccount::open(&request.name, progress)?;
    let work = open(cluster, bucket, request, None, &RestoreHalt::default(), &mut account).await?;
    let acts = work.preview(&mut account).await?;
    Ok(Preview { backup: work.source.name.to_string(), acts, results: account.results })
}

async fn open<'a>(
    cluster: &'a Cluster,
    bucket: &Bucket,
    request: &RestoreRequest,
    attempt: Option<&Attempt>,
    halt: &RestoreHalt,
    account: &mut RestoreAccount<'_>,
) -> Result<RestoreContext<'a>, RestoreError> {
    let work = RestoreContext::open(cluster, bucket, request, attempt, halt, account).await?;
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
    attempt: Option<&Attempt>,
    halt: &RestoreHalt,
    account: &mut RestoreAccount<'_>,
) -> Result<(), RestoreError> {
    let mut work = open(cluster, bucket, request, attempt, halt, account).await?;
    work.restore_definitions(account).await?;
    for conversion in work.conversions() {
        account.find(conversion);
    }
    let late = work.restore_namespaces(account).await?;
    let steps = std::mem::take(&mut work.plan.steps);
    let (last, steps): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| step.last);
    let [now, later] = work.part_steps(steps, &late);
    let mut failed = work.restore_steps(&now, account).await?;
    if !late.is_empty() {
        work.restore_late_namespaces(late, account).await?;
        failed.extend(work.restore_steps(&later, account).await?);
    }
    // What may refuse others comes when these have had their second chance, and then all that is left has its last.
    let mut failed = work.second_chance(failed, false, account).await?.again;
    failed.extend(work.restore_steps(&last, account).await?);
    work.second_chance(failed, true, account).await?;
    work.link(true, account).await?;
    work.tell_without_effect(account);
    work.tell_of_ended(account);
    work.await_claims(account).await
}

/// A run that is not recorded has no claim that it could lose.
async fn keep(attempt: Option<&Attempt>) -> BucketError {
    match attempt {
        Some(attempt) => attempt.keep().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
