//! Restores one backup: opens it, which makes a plan, and then previews or runs the plan.
//!
//! Who follows a restore from here to the create comes through the files roughly in this order:
//!
//! 1. `spec` (what is asked for), `open` (makes the plan), `source` (the index of the backup; later
//!    the bodies), `inventory` and `select` (the items that are wanted), `survey` (the items that
//!    those need), `steps` (what is left out, and in which order the rest comes), `volumes`,
//!    `empty` (`requireEmpty`); nothing in the cluster is changed so far.
//! 2. `plan` (the value that all this makes, and that nothing changes), `view` (the plan beside the
//!    cluster), and either `preview` (`--dry-run`) or
//! 3. `restorer` and `run` (executes the plan), `ready` (CRDs are served, namespaces are Active),
//!    `batch` (class after class, side by side), `apply` (one item), `prepare` and `rewrite` (from
//!    the stored object to the wanted one), `lacking` (what must be beside an item), `meet`,
//!    `inspect`, `compare` and `existing` (the item is there already), `create`, `links` and
//!    `owners` (owner references), `binding` (PVCs are Bound), `ended` (what may run again), and
//!    afterwards `hooked` (hooks of pods) and `rerun` (Jobs that are run again).
//! 4. `account` and `report` (what became of each item, and the commit).
//!
//! Shared values: `kinds` (what the cluster serves), `itself` (items of the running server),
//! `prepared` (an item ready to be created), `live` (an item of the cluster), `references` and
//! `circles` (owner references), `noted` (sets that items share), `halt` (ends a run early).

mod account;
mod apply;
mod batch;
mod binding;
mod circles;
mod compare;
mod create;
mod empty;
mod ended;
mod error;
mod existing;
mod halt;
mod hooked;
mod inspect;
mod inventory;
mod itself;
mod kinds;
mod lacking;
mod links;
mod live;
mod meet;
mod noted;
mod open;
mod outcome;
mod owners;
mod plan;
mod prepare;
mod prepared;
mod preview;
mod ready;
mod references;
mod report;
mod request;
mod rerun;
mod restorer;
pub mod rewrite;
mod run;
mod select;
mod source;
mod spec;
mod steps;
mod survey;
mod view;
mod volumes;

pub use error::RestoreError;
pub use outcome::{Act, ItemAction, Preview, RestoreOutcome};
pub use request::{MOST_PARALLEL, RestoreRequest};

use std::future::Future;

use account::RestoreAccount;
use halt::RestoreHalt;
use hooked::refused;
use open::open;
use preview::foresee;
use restorer::Restorer;
use spec::CompiledSpec;

use crate::api::{InvalidSpec, RestoreSpec, Timestamp};
use crate::bucket::{Attempt, Bucket, BucketError, Claim};
use crate::cluster::Cluster;
use crate::model::Progress;

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
/// 6. Waits for pods that have hooks and runs these, then Jobs again that the specification names.
/// 7. Writes index, results and log, and last the document: only now does the record exist.
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
/// - The run ends when the objects are there, not when their pods run, those aside that have
///   hooks; data in volumes are not restored. `docs/guarantees.md` lists what else is not promised.
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
    let spec = compile(request)?;
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
            // `tell_waits` never returns, so that there is no value to match.
            never = cluster.tell_waits(progress) => match never {},
            () = stop => RestoreError::Stopped { name: request.name.clone() },
        }
    };
    let restored = async {
        let plan = open(cluster, bucket, request, spec, attempt.as_ref(), &mut account).await?;
        Restorer::new(cluster, &plan, &halt, &account).run(&mut account).await
    };
    let end = halt.run_until(ended, restored).await;
    report::close(attempt.as_ref(), request, account, began, end).await
}

/// Returns everything that is wrong with a specification, as far as that shows without cluster and
/// bucket; empty if nothing is wrong.
pub fn check(spec: &RestoreSpec) -> Vec<InvalidSpec> {
    CompiledSpec::compile(spec).err().unwrap_or_default()
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
    let spec = compile(request)?;
    let mut account = RestoreAccount::open(&request.name, progress)?;
    let plan = open(cluster, bucket, request, spec, None, &mut account).await?;
    let acts = foresee(cluster, &plan, &mut account).await?;
    Ok(Preview { backup: plan.source.name.to_string(), acts, results: account.results })
}

fn compile(request: &RestoreRequest) -> Result<CompiledSpec, RestoreError> {
    let spec = CompiledSpec::compile(&request.spec).map_err(RestoreError::Specification)?;
    refused(request).map_or(Ok(spec), |wrong| Err(RestoreError::Specification(vec![wrong])))
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
