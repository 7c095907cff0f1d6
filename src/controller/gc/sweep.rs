//! Removes from buckets what nobody works on any more: parts of runs that died, interrupted
//! removals, and what runs of this server left whose objects were deleted while no server ran.
//!
//! Claims are dated by the clocks of many clusters, and the clock here may be wrong. A claim that
//! looks dead is removed only after a later pass, by a monotonic clock, finds that nobody has
//! renewed it meanwhile.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::ResourceExt as _;
use tokio::time::Instant;

use crate::api::{Backup, BackupStorageLocation, LocationPhase, Restore, synced_from};
use crate::bucket::{Claim, HEARTBEAT_EVERY, REMOVAL_LASTS, RunEntry, RunKeys, RunKind, RunState};
use crate::controller::buckets::{OpenLocation, is_read_only};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::runs::{RunResource, Stage};
use crate::model::causes;

/// Number of runs that are removed at the same time in a location.
const CONCURRENT: usize = 4;
/// Time for which a claim that looks dead is watched: a living holder renews it twice in this time.
const WATCHED: Duration = HEARTBEAT_EVERY.saturating_mul(2);
/// Least age of parts without a claim before they are removed: whatever is being written has one.
const UNCLAIMED: TimeDelta = TimeDelta::hours(1);

/// Time for which a backup is kept of which only the document is missing: it can be adopted, and
/// somebody has to notice.
const FINISHED: TimeDelta = TimeDelta::days(7);

/// A run in a location: name of the location, kind, name of the run.
type Of = (String, RunKind, String);

/// Reason why what a bucket has of a run goes.
#[derive(Debug)]
enum SweepReason {
    /// Nobody works on the run.
    Forsaken,
    /// The run is over; its claim is taken over in its name.
    Over(Claim),
    /// The run's object in this cluster is deleted; its claim is taken over in its name.
    Deserted(Claim),
}

/// Observations of earlier passes.
#[derive(Debug, Default)]
pub struct Suspects {
    /// Claims that looked dead: their heartbeat, and since when it has been the same by a monotonic
    /// clock.
    claims: HashMap<Of, (DateTime<Utc>, Instant)>,
    /// Finished backups without a document that have been reported.
    told: HashSet<Of>,
}

impl Suspects {
    /// Returns true if a claim has not changed for [`WATCHED`].
    fn are_sure(&mut self, of: Of, claim: &Claim, now: Instant) -> bool {
        let (heartbeat, since) = self.claims.entry(of).or_insert((claim.heartbeat, now));
        if *heartbeat != claim.heartbeat {
            (*heartbeat, *since) = (claim.heartbeat, now);
        }
        now.duration_since(*since) >= WATCHED
    }
}

/// Looks through every location that can be written. A server with `--restore-only` removes only
/// what its own restores left.
pub async fn sweep(context: &Context, suspects: &mut Suspects) {
    let locations = context.caches.locations.state();
    let names: Vec<String> = locations.iter().map(|location| location.name_any()).collect();
    suspects.claims.retain(|(location, ..), _| names.contains(location));
    suspects.told.retain(|(location, ..)| names.contains(location));
    for location in locations.iter().filter(|location| is_writable(location)) {
        if !context.settings.restore_only {
            note(location, sweep_location::<Backup>(context, location, suspects).await);
        }
        note(location, sweep_location::<Restore>(context, location, suspects).await);
    }
}

fn note(location: &BackupStorageLocation, swept: Result<(), ControllerError>) {
    if let Err(error) = swept {
        let name = location.name_any();
        let why = causes(&error);
        tracing::warn!(kind = "BackupStorageLocation", name, "looking for what a crash left failed: {why}");
    }
}

fn is_writable(location: &Arc<BackupStorageLocation>) -> bool {
    let phase = location.status.as_ref().and_then(|status| status.phase);
    phase == Some(LocationPhase::Available) && !is_read_only(location)
}

/// Lists the runs of a kind in one location, and removes what nobody works on any more.
async fn sweep_location<K: RunResource>(
    context: &Context,
    of: &BackupStorageLocation,
    suspects: &mut Suspects,
) -> Result<(), ControllerError> {
    let (name, kind) = (&of.name_any(), K::KIND);
    let location = context.locations.open(Some(name)).await?;
    let mut runs = match kind {
        RunKind::Backup => location.bucket.list_backups(),
        RunKind::Restore => location.bucket.list_restores(),
    };
    let mut doomed = Vec::new();
    let doing = || ControllerError::bucket(format!("list the {kind}s of location `{name}`"));
    while let Some(run) = runs.try_next().await.map_err(doing())? {
        let (key, now) = ((name.to_owned(), kind, run.name.clone()), Utc::now());
        let sure = |claim: &Claim| suspects.are_sure(key.clone(), claim, Instant::now());
        let Some(fate) = fate::<K>(context, &run, now, sure) else { continue };
        match kept_until(kind, &run) {
            Some(until) if now < until => {
                if suspects.told.insert(key) {
                    let why = orphaned(&run.name, name, until);
                    tracing::warn!(kind = "BackupStorageLocation", name, "{why}");
                    context.events.warned(of, "DocumentMissing", &why).await;
                }
            }
            _ => doomed.push((run.name, fate)),
        }
    }
    let ended = futures::stream::iter(doomed).map(|(run, fate)| end::<K>(context, &location, run, fate));
    ended.buffer_unordered(CONCURRENT).collect::<()>().await;
    Ok(())
}

/// Returns why what a bucket has of a run goes; `None` if it stays. `sure` says whether a claim
/// that looks dead has been watched for long enough.
fn fate<K: RunResource>(
    context: &Context,
    run: &RunEntry,
    now: DateTime<Utc>,
    mut sure: impl FnMut(&Claim) -> bool,
) -> Option<SweepReason> {
    let object = K::store(&context.caches).find(|object| object.name_any() == run.name);
    if let Some(claim) = left_by_ours(context, object.as_deref(), run) {
        return Some(SweepReason::Over(claim));
    }
    if let Some(claim) = deserted_by_ours(context, object.as_deref(), run, &mut sure) {
        return Some(SweepReason::Deserted(claim));
    }
    let forsaken = !context.settings.restore_only && is_forsaken(run, now, sure);
    (forsaken && !object.is_some_and(|object| is_open(&*object))).then_some(SweepReason::Forsaken)
}

/// Removes what a bucket has of a run.
async fn end<K: RunResource>(context: &Context, location: &OpenLocation, run: String, fate: SweepReason) {
    match fate {
        SweepReason::Forsaken => remove(context, location, K::KIND, run).await,
        SweepReason::Over(claim) => let_go(location, K::KIND, &run, &claim).await,
        SweepReason::Deserted(claim) => match is_there::<K>(context, &run, &claim.backup_uid).await {
            Ok(true) => {}
            Ok(false) => let_go(location, K::KIND, &run, &claim).await,
            Err(error) => tracing::warn!(location = location.name, run, "{}", causes(&error)),
        },
    }
}

/// Returns true if nobody works on a run; `sure` says whether a claim that looks dead has been
/// watched for long enough.
fn is_forsaken(run: &RunEntry, now: DateTime<Utc>, sure: impl FnOnce(&Claim) -> bool) -> bool {
    match &run.state {
        RunState::Partial(None) => now - run.modified > UNCLAIMED,
        RunState::Partial(Some(claim)) if claim.has_ended() => true,
        RunState::Partial(Some(claim)) if claim.removing => {
            now - claim.heartbeat > REMOVAL_LASTS && sure(claim)
        }
        RunState::Partial(Some(claim)) => claim.is_dead(now) && sure(claim),
        RunState::Complete | RunState::Foreign(_) | RunState::Unrecognised => false,
    }
}

/// Returns until when a run on which nobody works is kept all the same, or `None`. A finished
/// backup that was neither removed nor given up has lost its document, or the server that was about
/// to write it; its tarball can be adopted.
fn kept_until(kind: RunKind, run: &RunEntry) -> Option<DateTime<Utc>> {
    let removed = matches!(&run.state, RunState::Partial(Some(claim)) if claim.removing);
    (kind == RunKind::Backup && run.finished && !removed).then_some(run.modified + FINISHED)
}

fn orphaned(run: &str, location: &str, until: DateTime<Utc>) -> String {
    format!(
        "backup `{run}` in location `{location}` has all its parts and no document, so that it is no backup; what is there is kept \
         until {}: to have it back, save its {run}.tar.zst from the bucket (below backups/{run}/) and run `ark bucket adopt`",
        until.format("%Y-%m-%d %H:%M UTC")
    )
}

/// Returns true if the object is a run of this cluster that has not ended: the reconciler of runs
/// continues it with what the bucket has.
fn is_open<K: RunResource>(object: &K) -> bool {
    synced_from(object.meta()).is_none() && object.state().stage != Stage::Over
}

/// Returns a claim in the name of a run of this cluster that is over, or `None`. A server that
/// could not write to the location any more, or was cut off, left the old claim, which would keep
/// the name, or the backup that a restore reads.
fn left_by_ours<K: RunResource>(context: &Context, object: Option<&K>, run: &RunEntry) -> Option<Claim> {
    let RunState::Partial(Some(claim)) = &run.state else { return None };
    let object = object.filter(|object| object.meta().uid.as_ref() == Some(&claim.backup_uid))?;
    let over = object.state().stage == Stage::Over;
    let ours = over && !claim.removing && claim.cluster_uid == context.identity.uid;
    ours.then(|| successor(context, claim))
}

/// Returns a claim in the name of a run of this server whose object is deleted, or `None`. Somebody
/// deleted the object while no server ran, so nobody comes back to the run. `sure` says whether the
/// claim has been watched for long enough: its holder may live in a copy of this cluster.
fn deserted_by_ours<K: RunResource>(
    context: &Context,
    object: Option<&K>,
    run: &RunEntry,
    sure: impl FnOnce(&Claim) -> bool,
) -> Option<Claim> {
    let RunState::Partial(Some(claim)) = &run.state else { return None };
    let known = object.and_then(|object| object.meta().uid.as_ref());
    let (cluster, namespace) = (&context.identity.uid, &context.settings.namespace);
    let deserted =
        is_of_an_object_here(claim, cluster, namespace) && known != Some(&claim.backup_uid) && sure(claim);
    deserted.then(|| successor(context, claim))
}

/// Returns true if a claim is of a run that has, or had, an object in this namespace of this
/// cluster.
fn is_of_an_object_here(claim: &Claim, cluster: &str, namespace: &str) -> bool {
    !claim.removing && claim.cluster_uid == cluster && claim.namespace.as_deref() == Some(namespace)
}

/// Returns the claim of a next attempt at the run, which may remove what earlier ones left.
fn successor(context: &Context, claim: &Claim) -> Claim {
    Claim::new(&claim.backup_uid, &claim.cluster_uid, &context.settings.holder)
}

/// Returns true if the API server has the object of a run: the cache lags behind.
async fn is_there<K: RunResource>(context: &Context, name: &str, uid: &str) -> Result<bool, ControllerError> {
    let doing = format!("look whether the {} `{name}` is there, whose claim is", K::KIND);
    let found = ControllerError::within(doing, context.api::<K>().get_opt(name)).await?;
    Ok(found.is_some_and(|found| found.meta().uid.as_deref() == Some(uid)))
}

/// Takes over the claim of a run of this cluster, and removes what the bucket has of the run.
async fn let_go(location: &OpenLocation, kind: RunKind, run: &str, claim: &Claim) {
    let Some(keys) = RunKeys::parse(kind, run) else { return }; // no name of ours
    let discarded = async { location.bucket.claim(keys, claim).await?.discard().await };
    let location = &location.name;
    match discarded.await {
        Ok(objects) => {
            tracing::info!(location, run, objects, "let go of what a {kind} of this cluster had left");
        }
        Err(error) => {
            tracing::warn!(location, run, "cannot let go of what a {kind} had left: {}", causes(&error));
        }
    }
}

async fn remove(context: &Context, location: &OpenLocation, kind: RunKind, run: String) {
    let (bucket, holder) = (&location.bucket, &context.settings.holder);
    let Some(keys) = RunKeys::parse(kind, &run) else { return }; // no name of ours
    let removed = bucket.sweep(&keys, holder).await;
    let location = &location.name;
    match removed {
        Ok(objects) => tracing::info!(location, run, objects, "removed what was left of a {kind}"),
        Err(error) => {
            tracing::warn!(location, run, "cannot remove what is left of a {kind}: {}", causes(&error));
        }
    }
}

#[cfg(test)]
mod tests;
