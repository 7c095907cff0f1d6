//! Scales workloads to zero, and back from what the ledger says.

use std::sync::OnceLock;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;

use super::context::ActionContext;
use super::end::ActionFailure;
use super::scale_targets::{ScaleTarget, targets};
use super::stuck::told_pods;
use crate::api::{BackupAction, ScaleAction};
use crate::cluster::{Bound, ClusterError};
use crate::hooks::obligations::{ObligationError, ScaleBack, Undo, read_workload, scale_back};
use crate::hooks::workload::{FoundWorkload, MOST_WRITES, is_pod_of};
use crate::model::Category;

/// The most workloads that are scaled, and waited for, at once.
const AT_ONCE: usize = 8;

/// A workload at zero.
struct ZeroWorkload {
    target: ScaleTarget,
    uid: String,
    /// The selector of its pods; empty if its kind does not say.
    selector: String,
    /// What was done, for the log.
    line: String,
}

/// Scales workloads to zero and waits until their pods are gone; each is in the ledger before.
///
/// # Errors
/// If a workload cannot be scaled, comes back, or pods stay.
pub async fn down(
    context: &ActionContext<'_>,
    action: &BackupAction,
    scale: &ScaleAction,
    deadline: Instant,
    lines: &mut Vec<String>,
) -> Result<(), ActionFailure> {
    let targets = targets(context.cluster, &action.namespace, scale).await?;
    let scaled = stream::iter(targets).map(|target| to_zero(context, (action, scale), target));
    let scaled: Vec<ZeroWorkload> = scaled.buffer_unordered(AT_ONCE).try_collect().await?;
    lines.extend(scaled.iter().map(|each| each.line.clone()));
    let emptied = stream::iter(scaled).map(|each| emptied(context, each, deadline));
    emptied.buffer_unordered(AT_ONCE).try_collect().await
}

/// Scales the action's workloads back, as the ledger says.
///
/// # Errors
/// If a workload cannot be scaled; the ledger keeps it then. Also if one was not at zero any more,
/// or does not become ready in time.
pub async fn up(
    context: &ActionContext<'_>,
    action: &BackupAction,
    scale: &ScaleAction,
    deadline: Instant,
    lines: &mut Vec<String>,
) -> Result<(), ActionFailure> {
    let open = context.ledger.open().into_iter().rev().filter(|undo| undo.scales_for(&action.name));
    let back = stream::iter(open).map(|undo| to_number(context, undo)).buffer_unordered(AT_ONCE);
    let mut failures = Vec::new();
    let mut back_again = Vec::new();
    for end in back.collect::<Vec<_>>().await {
        match end {
            Ok((line, undo)) => {
                lines.push(line);
                back_again.extend(undo);
            }
            Err(failure) => failures.push(failure),
        }
    }
    if scale.wait_ready == Some(true) {
        let waits = stream::iter(back_again).map(|undo| ready(context, undo, deadline));
        let waited = waits.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        failures.extend(waited.into_iter().filter_map(Result::err));
    }
    let mut failures = failures.into_iter();
    let first = failures.next();
    lines.extend(failures.map(|failure| format!("failed, too: {failure}")));
    first.map_or(Ok(()), Err)
}

/// Scales one workload to zero, and stores before what undoes that.
async fn to_zero(
    context: &ActionContext<'_>,
    (action, scale): (&BackupAction, &ScaleAction),
    target: ScaleTarget,
) -> Result<ZeroWorkload, ActionFailure> {
    let selector = selector(context, &target).await?;
    let mut announced = None;
    for _ in 0..MOST_WRITES {
        let found = read(context, &target).await?;
        if let Some(why) = found.refusal() {
            let why = format!("{target} is not scaled to zero: {why}");
            return Err(ActionFailure::new(Category::Refused, why));
        }
        let uid = found.uid().to_owned();
        let Some(number) = found.number() else {
            if let Some(former) = announced {
                context.ledger.settle(&former).await?;
            }
            let line = format!("{target} was at zero before, and stays there");
            return Ok(ZeroWorkload { target, uid, selector, line });
        };
        let undo = undo_of(action, &target, &found, number);
        announce(context, scale, &mut announced, &undo).await?;
        if found.replicas() == Some(0) {
            context.zeros.add(&uid);
            let line =
                format!("{target} was at zero since an earlier backup, and will get its {number} back");
            return Ok(ZeroWorkload { target, uid, selector, line });
        }
        let ScaleTarget { kind, namespace, name } = &target;
        let patch = found.to_zero(number);
        match context.cluster.patch(kind, Some(namespace), name, &patch).await {
            Ok(_) => {
                context.zeros.add(&uid);
                let line = format!("{target} was scaled from {number} to zero");
                return Ok(ZeroWorkload { target, uid, selector, line });
            }
            Err(error) if error.is_conflict() => {}
            Err(error) => {
                if is_certainly_undone(&error) {
                    context.ledger.settle(&undo).await?;
                }
                return Err(error.into());
            }
        }
    }
    let why =
        format!("{target} was changed by others {MOST_WRITES} times in a row; it was not scaled to zero");
    Err(ActionFailure::new(Category::Conflict, why))
}

/// Returns what scales a workload back to this number.
fn undo_of(action: &BackupAction, target: &ScaleTarget, found: &FoundWorkload, number: i32) -> Undo {
    Undo::Scale {
        action: action.name.clone(),
        resource: target.kind.resource.to_string(),
        namespace: target.namespace.clone(),
        name: target.name.clone(),
        uid: found.uid().to_owned(),
        replicas: number,
    }
}

/// Stores what scales a workload back in place of what was stored for it before.
async fn announce(
    context: &ActionContext<'_>,
    scale: &ScaleAction,
    announced: &mut Option<Undo>,
    undo: &Undo,
) -> Result<(), ActionFailure> {
    if announced.as_ref() == Some(undo) {
        return Ok(());
    }
    context.ledger.announce_for(undo.clone(), scale.longest()).await?;
    if let Some(former) = announced.replace(undo.clone()) {
        context.ledger.settle(&former).await?;
    }
    Ok(())
}

/// Returns whether a write was refused, also each time that it was sent before.
fn is_certainly_undone(error: &ClusterError) -> bool {
    error.api().is_some_and(|failure| !failure.retried && (400..500).contains(&failure.code))
}

async fn read(context: &ActionContext<'_>, target: &ScaleTarget) -> Result<FoundWorkload, ActionFailure> {
    let ScaleTarget { kind, namespace, name } = target;
    let found = read_workload(context.cluster, kind, namespace, name).await?;
    found.ok_or_else(|| ActionFailure::new(Category::NotFound, format!("there is no {target}")))
}

/// Returns the selector of a workload's pods, or an empty one if its kind does not say.
async fn selector(context: &ActionContext<'_>, target: &ScaleTarget) -> Result<String, ActionFailure> {
    let ScaleTarget { kind, namespace, name } = target;
    let Some(scale) = context.cluster.scale(kind, namespace, name).await? else {
        let why = format!("there is no {target}, or its kind has no subresource `scale`");
        return Err(ActionFailure::new(Category::NotFound, why));
    };
    Ok(scale.status.and_then(|status| status.selector).unwrap_or_default())
}

/// Waits until no pod of a workload at zero is left.
async fn emptied(
    context: &ActionContext<'_>,
    zero: ZeroWorkload,
    deadline: Instant,
) -> Result<(), ActionFailure> {
    let ZeroWorkload { target, uid, .. } = &zero;
    let ScaleTarget { kind, namespace, name } = target;
    let came_back = OnceLock::new();
    let look = || async {
        let found = read_workload(context.cluster, kind, namespace, name).await?;
        match found.filter(|found| found.uid() == uid).and_then(|found| found.replicas()) {
            Some(replicas) if replicas != 0 => {
                came_back.get_or_init(|| replicas);
                Ok(None)
            }
            _ => left(context, &zero).await,
        }
    };
    let what = format!("the pods of {target}");
    context.cluster.awaited(what, "gone", &bound(deadline), look).await?;
    match came_back.get() {
        None => Ok(()),
        Some(replicas) => {
            let why = format!(
                "{target} was scaled to {replicas} while it was to be at zero: an autoscaler, an operator or a GitOps controller does so; suspend that for the backup"
            );
            Err(ActionFailure::new(Category::Conflict, why))
        }
    }
}

/// Returns what is left of a workload at zero, or `None` if nothing is.
async fn left(context: &ActionContext<'_>, zero: &ZeroWorkload) -> Result<Option<String>, ClusterError> {
    let ZeroWorkload { target: ScaleTarget { kind, namespace, name }, uid, selector, .. } = zero;
    if selector.is_empty() {
        let scale = context.cluster.scale(kind, namespace, name).await?;
        let count = scale.and_then(|scale| scale.status).map_or(0, |status| status.replicas);
        return Ok((count > 0).then(|| format!("{count} replicas are left")));
    }
    let mut pods: Vec<Pod> = context.cluster.pods_labelled(namespace, selector).await?;
    pods.retain(|pod| is_pod_of(pod, &kind.resource, uid));
    Ok(told_pods(&pods))
}

/// Scales one workload back and removes it from the ledger. Returns what is told of that, and the
/// record if the workload has its number again.
async fn to_number(context: &ActionContext<'_>, undo: Undo) -> Result<(String, Option<Undo>), ActionFailure> {
    let Some(workload) = undo.workload() else { return Ok((String::new(), None)) };
    let back = scale_back(context.cluster, &workload).await?;
    context.ledger.settle(&undo).await?;
    let replicas = workload.replicas;
    let line = match back {
        ScaleBack::Done => return Ok((format!("{workload} was scaled back to {replicas}"), Some(undo))),
        ScaleBack::Untouched if !context.zeros.contains(workload.uid) => format!("{workload} is not at zero"),
        ScaleBack::Gone => format!("{workload} was deleted meanwhile"),
        ScaleBack::Untouched | ScaleBack::Taken => {
            let why = format!(
                "{workload} was no longer at zero as Ark had left it when the instant of the backup was over: somebody else has scaled it, so that it may have run then. Their number stays"
            );
            return Err(ActionFailure::new(Category::Conflict, why));
        }
    };
    Ok((line, None))
}

/// Waits until a workload that was scaled back is ready.
async fn ready(context: &ActionContext<'_>, undo: Undo, deadline: Instant) -> Result<(), ActionFailure> {
    let Some(workload) = undo.workload() else { return Ok(()) };
    let catalog = context.cluster.catalog().await?;
    let Some(kind) = catalog.kinds.iter().find(|kind| kind.resource.as_str() == workload.resource) else {
        return Ok(());
    };
    let look = || async {
        let found = read_workload(context.cluster, kind, workload.namespace, workload.name).await?;
        let Some(found) = found.filter(|found| found.uid() == workload.uid) else { return Ok(None) };
        let (ready, wanted) = (found.ready(), found.replicas().unwrap_or_default());
        Ok((ready < wanted).then(|| format!("{ready} of {wanted} replicas are")))
    };
    Ok(context.cluster.awaited(workload.to_string(), "ready", &bound(deadline), look).await?)
}

fn bound(deadline: Instant) -> Bound {
    let left = deadline.saturating_duration_since(Instant::now());
    Bound::new(left, left)
}

impl From<ObligationError> for ActionFailure {
    fn from(error: ObligationError) -> Self {
        Self::new(Category::Unavailable, error)
    }
}

#[cfg(test)]
mod tests;
