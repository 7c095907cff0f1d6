//! Restores one backup. This file is the flow and reads top to bottom as the restore happens.
//!
//! In order of a run: `source` (the index of the backup; later the bodies), `select` and
//! `inventory` (the items that are wanted), `survey` (the items that those need), `plan` (what is
//! left out, and in which order the rest comes), `work` (all of that, opened; nothing is changed
//! so far), `empty` (`requireEmpty`), `ready` (CRDs are served, namespaces are Active), `batch`
//! (class after class, side by side), `prepare` and `rewrite` (from the stored object to the
//! wanted one), `lacking` (what must be beside an item), `apply` (create), `meet`, `compare` and
//! `existing` (the item is there already), `links` and `owners` (owner references), `binding` and
//! `volumes` (PVCs are Bound), `ended` (what may run again), `account` and `report` (what became
//! of each item, and the commit). `preview` goes by the same rules and changes nothing.

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

pub use error::RestoreError;
pub use outcome::{Act, ItemAction, Preview, RestoreOutcome};
pub use request::{MOST_PARALLEL, RestoreRequest};

use std::future::Future;

use crate::api::{InvalidSpec, RestoreSpec, Timestamp};
use crate::bucket::{Attempt, Bucket, BucketError, Claim};
use crate::cluster::Cluster;
use crate::model::Progress;
use account::RestoreAccount;
use halt::RestoreHalt;
use work::RestoreContext;

/// Restores a backup and records in the bucket what became of each item, unless the request says
/// not to record.
///
/// `stop` ends the run early: items at hand have 8 s to finish, nothing new is begun, and what
/// was restored by then stays.
///
/// # Flow
/// 1. Checks the specification, and claims the restore's name in the bucket.
/// 2. Opens the backup, makes the plan, asks the cluster what it serves, and checks
///    `requireEmpty`. Nothing in the cluster is changed up to here.
/// 3. Restores CRDs and waits until they are served; then namespaces, and waits until they are
///    Active.
/// 4. Restores the other items class by class; what may refuse others (webhooks, policies, quotas)
///    comes last. Items that failed for a reason that passes are tried again before and after
///    those.
/// 5. Gives items the references to their owners, and waits until PVCs whose volumes are there are
///    Bound.
/// 6. Writes index, results and log, and last the document: only now does the record exist.
///
/// # Guarantees
/// - An item that is in the cluster already is changed only where the policy says so, or where the
///   cluster would otherwise undo the restore: the default ServiceAccount of a namespace that the
///   restore made, the number of a ControllerRevision, the `claimRef` of a volume that is kept for
///   its PVC, references to an owner that was made anew.
/// - An item that cannot be restored is a finding in the outcome, and the others come.
/// - The record of a run exists whole or not at all, whenever the run is killed. The next attempt
///   at it counts what carries the labels of this restore as restored, and goes on
///   (`docs/crash.md`).
/// - A run that loses its claim ends, and never commits.
///
/// # Assumptions
/// - All attempts at one restore have the same [`RestoreRequest::uid`], by which they take the
///   claim over, and count up [`RestoreRequest::attempt`].
/// - Nobody else puts the labels of this restore on objects.
///
/// # Caveats
/// - A request that is not recorded has no claim, so that nothing keeps two such runs apart.
/// - The run ends when the objects are there, not when their pods run; data in volumes are not
///   restored. `docs/guarantees.md` lists what else is not promised.
///
/// # Errors
/// When the specification is wrong, the name is taken, the backup cannot be read, `requireEmpty`
/// finds items, the run is stopped, or the cluster or the bucket fail as a whole. A run that had
/// changed the cluster by then is recorded all the same, as Failed.
pub async fn run(
    cluster: &Cluster,
    bucket: &Bucket,
    request: &RestoreRequest,
    progress: &Progress,
    stop: impl Future<Output = ()>,
) -> Result<RestoreOutcome, RestoreError> {
    work::check(&request.spec)?;
    let began = request.began.unwrap_or_else(Timestamp::now);
    // The claim names the backup, if it is chosen by now, so that nobody removes it meanwhile.
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

/// Returns everything that is wrong with a specification, as far as that shows without cluster and
/// bucket; empty if nothing is wrong.
pub fn check(spec: &RestoreSpec) -> Vec<InvalidSpec> {
    match work::check(spec) {
        Err(RestoreError::Specification(wrong)) => wrong,
        _ => Vec::new(),
    }
}

/// Returns what [`run`] would do to each item, and changes neither the cluster nor the bucket.
///
/// # Errors
/// Like [`run`].
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
    // A namespace that hangs in its deletion must not hold up the others, so its items come in a
    // second round.
    let late = work.restore_namespaces(account).await?;
    let steps = std::mem::take(&mut work.plan.steps);
    let (last, steps): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| step.last);
    let [now, later] = work.part_steps(steps, &late);
    let mut failed = work.restore_steps(&now, account).await?;
    if !late.is_empty() {
        work.restore_late_namespaces(late, account).await?;
        failed.extend(work.restore_steps(&later, account).await?);
    }
    // Webhooks and policies come after the second chance of what they may refuse; whatever still
    // failed then has its last chance once everything else is there.
    let mut failed = work.second_chance(failed, false, account).await?.again;
    failed.extend(work.restore_steps(&last, account).await?);
    work.second_chance(failed, true, account).await?;
    work.link(true, account).await?;
    work.tell_without_effect(account);
    work.tell_of_ended(account);
    work.await_claims(account).await
}

/// Renews the claim, and returns only when the claim is lost; never without an attempt, since a
/// run that is not recorded has no claim.
async fn keep(attempt: Option<&Attempt>) -> BucketError {
    match attempt {
        Some(attempt) => attempt.keep().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
