//! One pass over a location: opens and identifies the bucket, lists it, identifies it again, and
//! only then acts.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::compare::compare;
use super::create::bring;
use super::decide::ThisLocation;
use super::memory::Memory;
use super::mirrored::Mirrored;
use super::remove::remove;
use super::survey::{SyncPlan, plan_pass};
use super::tally::MOST_LINES;
use super::tally::SyncTally;
use crate::api::{Backup, BackupStorageLocation, GROUP, HIDDEN, LocationCounts, Restore, Timestamp, VERSION};
use crate::bucket::RunKind;
use crate::controller::buckets::OpenLocation;
use crate::controller::buckets::identity::is_same;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::runs::RunResource;

/// Number of documents that are brought in at the same time: enough to keep an API server busy;
/// each is at most a MiB.
const AT_ONCE: usize = 16;
/// Deadline of a listing. One of a million runs takes a quarter of this; a slower one does not end.
const LISTING_DEADLINE: Duration = Duration::from_secs(30 * 60);
/// Number of failures of single objects after which the rest is left to the next pass: the API
/// server or the bucket is failing.
const MOST_FAILURES: u64 = 20;
/// Number of names that an Event lists.
const MOST_NAMES: usize = 10;

/// Brings cluster and location in step. Returns true if another pass should follow at once.
///
/// # Flow
/// 1. Open the location, which checks the bucket's identity.
/// 2. List both kinds and decide about each name (`survey`, `decide`), against the caches as they
///    were before the listing.
/// 3. Read the identity again: a bucket that was swapped meanwhile stops the pass.
/// 4. Report names that other objects have.
/// 5. For Backups, then Restores: create objects, compare suspects, then remove objects whose
///    documents are gone (`remove` looks at each key again and reads the identity once more).
/// 6. Publish Events, then write counts and time into the location's status.
///
/// # Guarantees
/// - Never writes to the bucket.
/// - An object whose keys a listing lacks is deleted only after a second look at the keys, and any
///   object only while the bucket is still the same.
/// - A synced object is never run; one that lacks its status gets it in the next pass.
///
/// # Assumptions
/// - The caches are filled.
/// - Documents are hostile: they are bounded, stripped and checked before they become objects.
///
/// # Caveats
/// - A pass brings in 20,000 documents of a kind at most; the next one follows at once.
/// - A document that was rejected is read again after an hour, or when the CRDs change.
///
/// # Errors
/// If the location or the API server fails, or the bucket is not the one that it was.
pub async fn pass(
    context: &Arc<Context>,
    location: &Arc<BackupStorageLocation>,
    memory: &mut Memory,
) -> Result<bool, ControllerError> {
    let name = location.metadata.name.as_deref().unwrap_or_default();
    let open = context.locations.open(Some(name)).await?;
    reconsider(context, memory).await;
    let (backups, restores) = list(context, &open, memory).await?;
    is_same(&open).await?;
    let hidden = (backups.taken.len() + restores.taken.len()) as u64;
    let counts = LocationCounts { backups: backups.complete, partial: backups.partial, hidden };
    let goes_on = backups.goes_on || restores.goes_on;
    let rejected: Vec<_> = backups.rejected.iter().chain(&restores.rejected).copied().collect();
    let known: Vec<_> = backups.known.iter().chain(&restores.known).copied().collect();
    report(context, location, memory, [(RunKind::Backup, &backups), (RunKind::Restore, &restores)]).await;
    let mut tally = SyncTally::default();
    let mut acted = act::<Backup>(context, &open, backups, &mut tally).await;
    if acted.is_ok() {
        acted = act::<Restore>(context, &open, restores, &mut tally).await;
    }
    memory.set_rejected(rejected.into_iter().chain(tally.rejected.iter().copied()));
    if !tally.rejected.is_empty() {
        reconsider(context, memory).await;
    }
    memory.set_known(known.into_iter().chain(tally.known.iter().copied()));
    tell_replaced(context, location, &tally.replaced).await;
    tell_lost(context, location, &tally.lost).await;
    context.metrics.sync_created(name, tally.created);
    context.metrics.sync_deleted(name, tally.deleted);
    let SyncTally { created, deleted, ref rejected, failures, .. } = tally;
    if created > 0 || deleted > 0 || !rejected.is_empty() || failures > 0 {
        let rejected = rejected.len();
        tracing::info!(kind = "BackupStorageLocation", name, created, deleted, rejected, failures, "synced");
    }
    acted?;
    if let Some(error) = tally.first_failure {
        return Err(error);
    }
    tell(context, name, counts, memory).await?;
    Ok(goes_on)
}

/// Forgets rejections that may be outdated by now.
async fn reconsider(context: &Context, memory: &mut Memory) {
    if memory.has_rejected() {
        memory.reconsider(definitions(context).await);
    }
}

/// Returns a text that changes with the API server's definitions of Ark's kinds (everybody may read
/// it), or `None` if the API server does not say.
async fn definitions(context: &Context) -> Option<String> {
    let request = http::Request::get("/openapi/v3").body(Vec::new()).ok()?;
    let doing = "ask the API server by which definitions it goes";
    let index: Value = ControllerError::within(doing, context.client().request(request)).await.ok()?;
    index["paths"][format!("apis/{GROUP}/{VERSION}")]["serverRelativeURL"].as_str().map(str::to_owned)
}

/// Lists both kinds side by side.
async fn list(
    context: &Context,
    open: &OpenLocation,
    memory: &Memory,
) -> Result<(SyncPlan, SyncPlan), ControllerError> {
    let (cluster, namespace) = (&context.identity.uid, &context.settings.namespace);
    let here = ThisLocation { name: &open.name, id: &open.id, cluster, namespace };
    let both = futures::future::try_join(
        plan_pass::<Backup>(&open.bucket, here, &context.caches, memory),
        plan_pass::<Restore>(&open.bucket, here, &context.caches, memory),
    );
    match tokio::time::timeout(LISTING_DEADLINE, both).await {
        Ok(plans) => plans.map_err(ControllerError::bucket(format!("list location `{}`", open.name))),
        Err(_) => Err(ControllerError::Location {
            name: open.name.clone(),
            why: format!("its listing did not end within {} min", LISTING_DEADLINE.as_secs() / 60),
        }),
    }
}

/// Executes the plan for one kind: brings in, compares, removes. After [`MOST_FAILURES`] failures
/// nothing more is begun, and nothing is removed.
async fn act<K: Mirrored + RunResource>(
    context: &Arc<Context>,
    open: &OpenLocation,
    plan: SyncPlan,
    tally: &mut SyncTally,
) -> Result<(), ControllerError> {
    let acts = stream::iter(plan.wanted).map(|wanted| {
        let (context, open) = (Arc::clone(context), open.clone());
        async move {
            let brought = bring::<K>(&context, &open, &wanted).await;
            (wanted, brought)
        }
    });
    let mut acts = std::pin::pin!(acts.buffer_unordered(AT_ONCE));
    while let Some((wanted, brought)) = acts.next().await {
        tally.add::<K>(context, open, &wanted, brought);
        if tally.failures >= MOST_FAILURES {
            return Ok(());
        }
    }
    let mut doomed = plan.doomed;
    doomed.extend(compare::<K>(context, open, plan.suspects, tally).await);
    remove::<K>(context, open, doomed, tally).await
}

/// Reports names that cannot be shown because other objects have them: each once, in the log and in
/// an Event.
async fn report(
    context: &Context,
    location: &BackupStorageLocation,
    memory: &mut Memory,
    plans: [(RunKind, &SyncPlan); 2],
) {
    let name = location.metadata.name.as_deref().unwrap_or_default();
    let mut news = Vec::new();
    for (kind, plan) in plans {
        for (run, why) in &plan.taken {
            if memory.is_news(kind, run, why) {
                news.push(format!("{kind} `{run}`"));
                if news.len() as u64 <= MOST_LINES {
                    let kind = kind.resource();
                    tracing::warn!(kind, name = run, location = name, "not shown: {why}");
                }
                context.metrics.sync_failed(name);
            }
        }
    }
    if news.is_empty() {
        return;
    }
    let (number, named) = (news.len(), first(&news));
    let note = format!(
        "{number} of its backups and restores are not shown, because other objects of the cluster have the names: \
         {named}; {HIDDEN}"
    );
    context.events.warned(location, "NamesTaken", &note).await;
}

/// Publishes an Event that names the objects which gave way to another run of their name.
async fn tell_replaced(context: &Context, location: &BackupStorageLocation, replaced: &[String]) {
    if replaced.is_empty() {
        return;
    }
    let (number, named) = (replaced.len(), first(replaced));
    let note = format!(
        "{number} objects stood for runs that the bucket has no longer, and show now the other runs that it has under their \
         names: {named}"
    );
    context.events.warned(location, "RunsReplaced", &note).await;
}

/// Reports Backups that this server made, that are gone from the bucket, and that it did not
/// delete.
async fn tell_lost(context: &Context, location: &BackupStorageLocation, lost: &[String]) {
    if lost.is_empty() {
        return;
    }
    let (number, named) = (lost.len(), first(lost));
    let note = format!(
        "{number} backups that this server made are in the bucket no longer, and this server did not delete them: {named}; another cluster \
         or server did, or somebody or a rule of the bucket itself: its versions or its log say who"
    );
    tracing::warn!(kind = "BackupStorageLocation", name = location.metadata.name, "{note}");
    context.events.warned(location, "BackupsLost", &note).await;
}

/// Returns as many names as an Event lists.
fn first(names: &[String]) -> String {
    let more = if names.len() > MOST_NAMES { ", …" } else { "" };
    names.iter().take(MOST_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ") + more
}

/// Writes into the location's status when it was compared and what is in it. A merge patch, since
/// the other fields belong to the `location` controller.
async fn tell(
    context: &Context,
    name: &str,
    counts: LocationCounts,
    memory: &mut Memory,
) -> Result<(), ControllerError> {
    if !memory.is_worth_telling(&counts) {
        return Ok(());
    }
    let patch = json!({"status": {"lastSyncedTime": Timestamp::now(), "counts": counts}});
    let api = context.api::<BackupStorageLocation>();
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let write = api.patch_status(name, &parameters, &patch);
    ControllerError::within(format!("write into the status of location `{name}` that it was synced"), write)
        .await?;
    memory.told(counts);
    Ok(())
}
