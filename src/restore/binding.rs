//! Binds PVCs to their volumes: a volume that was kept for a PVC which no longer exists is freed
//! for the PVC that comes back, and the restore ends when its PVCs are Bound.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::account::RestoreAccount;
use super::error::{RestoreError, unless_connection};
use super::inventory::EntryId;
use super::live::LiveItem;
use super::prepared::Ready;
use super::rewrite::{CONTENTS, SNAPSHOTS, other_storage};
use super::view::RestoreView;
use super::volumes::{Holder, PvcName};
use crate::cluster::{Bound, ClusterError, Patch};
use crate::model::{Category, Finding, GroupResource, PVCS, VOLUMES, causes};

/// Waits for PVCs end when none becomes Bound within this: the controller looks at each PVC every
/// 15 s at least.
const QUIET: Duration = Duration::from_secs(60);

/// The longest wait for PVCs, whatever progress there is.
const MOST: Duration = Duration::from_secs(600);

/// A PVC that was created for a volume that is there.
#[derive(Debug)]
struct Claimed {
    entry: EntryId,
    namespace: String,
    name: String,
}

/// The PVCs that were created for volumes that are there.
#[derive(Debug, Default)]
pub struct PvcBindings(Mutex<Vec<Claimed>>);

impl PvcBindings {
    /// Gives a PVC that is there without a volume the volume that it names, if that comes back.
    /// Returns a finding if the PVC cannot get it, or gets one with other storage than in the
    /// backup; else `None`.
    pub async fn bind_again(
        &self,
        view: &RestoreView<'_>,
        ready: &Ready<'_>,
        live: &LiveItem,
    ) -> Result<Option<Finding>, ClusterError> {
        let (PVCS, Some(namespace)) = (ready.target.resource.as_str(), &ready.target.namespace) else {
            return Ok(None);
        };
        let volume = live.object["spec"]["volumeName"].as_str().unwrap_or_default();
        if view.plan.volumes.elsewhere.contains(volume) {
            return Ok(Some(ready.warning(Category::Conflict, other_storage(volume))));
        }
        match live.object["status"]["phase"].as_str() {
            Some("Pending") => self.free_volume(view, ready, &live.uid).await,
            Some("Lost") => {
                if !reserve(view, volume, (namespace, &ready.target.name), &live.uid).await? {
                    let message = format!(
                        "it has lost its volume `{volume}`, which is neither in the cluster nor restored; delete the claim and restore it again: it gets a new, empty one"
                    );
                    return Ok(Some(ready.warning(Category::Conflict, message)));
                }
                self.awaits(view, ready, namespace);
            }
            _ => {}
        }
        Ok(None)
    }

    /// Frees the volume of a PVC that was created under a new uid, if the volume is still kept for
    /// the old one. A failure shows when the PVC does not become Bound.
    pub async fn free_volume(&self, view: &RestoreView<'_>, ready: &Ready<'_>, uid: &str) {
        let (PVCS, Some(namespace)) = (ready.target.resource.as_str(), &ready.target.namespace) else {
            return;
        };
        let Some(volume) = ready.body["spec"]["volumeName"].as_str().filter(|name| !name.is_empty()) else {
            return;
        };
        if let Some(old) = view.plan.volumes.held.get(volume).filter(|old| *old != uid)
            && let Err(error) = free(view, volume, old).await
        {
            tracing::debug!(error = causes(&error), volume, "the volume was not freed");
        }
        self.awaits(view, ready, namespace);
    }

    /// Notes a PVC that was Bound when the backup was made, to be waited for at the end.
    fn awaits(&self, view: &RestoreView<'_>, ready: &Ready<'_>, namespace: &str) {
        let (entry, namespace, name) = (ready.entry, namespace.to_owned(), ready.target.name.clone());
        if !view.plan.volumes.bound.contains(&(namespace.clone(), name.clone())) {
            return;
        }
        let claimed = Claimed { entry, namespace, name };
        self.lock().push(claimed);
    }

    /// Waits until the PVCs that were created for volumes that are there are Bound; one that does
    /// not become Bound is an error.
    pub async fn await_bound(
        &self,
        view: &RestoreView<'_>,
        account: &mut RestoreAccount<'_>,
    ) -> Result<(), RestoreError> {
        let claimed = std::mem::take(&mut *self.lock());
        if claimed.is_empty() {
            return Ok(());
        }
        account.stage(format!("waiting until {} claims are bound to their volumes", claimed.len()));
        let bound = Bound::new(QUIET, MOST);
        let waits = claimed.into_iter().map(async |claim: Claimed| {
            let outcome = view.cluster.bound(&claim.namespace, &claim.name, &bound).await;
            (claim.entry, outcome)
        });
        let mut waits = std::pin::pin!(stream::iter(waits).buffer_unordered(view.plan.parallel));
        while let Some((entry, outcome)) = waits.next().await {
            if let Err(error) = outcome {
                let error = unless_connection("waiting for claims to be bound", error)?;
                let message = format!(
                    "it was restored for its volume, and is not bound to it, so that no pod can use its data: {}; look at the events of the claim and at claimRef of the volume",
                    causes(&error)
                );
                let item = view.plan.key(entry);
                account.find(Finding::error(error.category(), message).on_item(item));
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Claimed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Frees the volumes whose PVCs are gone and come back, before the PVCs are created: they bind
/// at once then. A PVC of the name that is there may have another volume; what it lacks is
/// seen when it is met.
pub async fn free_released_volumes(
    view: &RestoreView<'_>,
    account: &mut RestoreAccount<'_>,
) -> Result<(), RestoreError> {
    for (volume, Holder { uid, claim }) in &view.plan.volumes.released {
        let freed = match is_there(view, claim).await {
            Ok(true) => Ok(()),
            Ok(false) => free(view, volume, uid).await,
            Err(error) => Err(error),
        };
        if let Err(error) = freed {
            let error = unless_connection("freeing volumes for their claims", error)?;
            account.log.info(&format!("the volume {volume} was not freed beforehand: {}", causes(&error)));
        }
    }
    Ok(())
}

/// Returns a warning if a VolumeSnapshotContent is kept for a snapshot that no longer exists,
/// else `None`: the snapshot controller goes by the uid, and no snapshot can be restored from
/// what a content says of its source.
pub async fn tell_of_content(
    view: &RestoreView<'_>,
    ready: &Ready<'_>,
    live: &LiveItem,
) -> Result<Option<Finding>, ClusterError> {
    let reference = &live.object["spec"]["volumeSnapshotRef"];
    let text = |key: &str| reference[key].as_str().filter(|text| !text.is_empty());
    let (CONTENTS, Some(uid), Some(namespace), Some(name)) =
        (ready.target.resource.as_str(), text("uid"), text("namespace"), text("name"))
    else {
        return Ok(None);
    };
    let Some(info) = view.served.catalog.find(&GroupResource::parse(SNAPSHOTS)) else { return Ok(None) };
    let body = view.cluster.get(info, Some(namespace), name).await?;
    let snapshot: Value = body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
    Ok((snapshot["metadata"]["uid"] != uid).then(|| {
        let keep = match live.object["spec"]["deletionPolicy"].as_str() {
            Some("Retain") => "delete this content, whose deletion policy Retain keeps the snapshot itself",
            _ => "set its deletionPolicy to Retain, which keeps the snapshot itself, delete this content",
        };
        let message = format!(
            "it is in the cluster and belongs to the snapshot {namespace}/{name} of before, which is gone, so that the restored one is never ready; {keep}, and restore both again"
        );
        ready.warning(Category::Conflict, message)
    }))
}

async fn is_there(view: &RestoreView<'_>, (namespace, name): &PvcName) -> Result<bool, ClusterError> {
    let Some(info) = view.served.catalog.find(&GroupResource::parse(PVCS)) else { return Ok(false) };
    Ok(view.cluster.get(info, Some(namespace), name).await?.is_some())
}

/// Reserves a volume that came back for the PVC that has lost it, by its uid: a reservation by
/// name alone does not count for a Lost PVC. Returns whether the volume is there and that
/// PVC's.
async fn reserve(
    view: &RestoreView<'_>,
    volume: &str,
    claim: (&str, &str),
    uid: &str,
) -> Result<bool, ClusterError> {
    let Some(info) = view.served.catalog.find(&GroupResource::parse(VOLUMES)) else { return Ok(false) };
    let Some(body) = view.cluster.get(info, None, volume).await? else { return Ok(false) };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let reference = &body["spec"]["claimRef"];
    // The controller gives a volume without a claimRef to the PVC.
    if reference.is_null() {
        return Ok(true);
    }
    if (reference["namespace"].as_str(), reference["name"].as_str()) != (Some(claim.0), Some(claim.1)) {
        return Ok(false);
    }
    let patch = json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": body["metadata"]["resourceVersion"]},
        {"op": "add", "path": "/spec/claimRef/uid", "value": uid},
    ]);
    match view.cluster.patch(info, None, volume, &Patch::Json(patch.to_string())).await {
        Ok(_) => Ok(true),
        // Somebody was faster; whether the PVC is Bound is seen at the end.
        Err(error)
            if error.is_conflict() || matches!(error.category(), Category::NotFound | Category::Invalid) =>
        {
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// Takes the old PVC's uid off a volume, so that the volume is kept for the PVC's name alone;
/// does nothing if the volume has another uid by now.
async fn free(view: &RestoreView<'_>, volume: &str, old: &str) -> Result<(), ClusterError> {
    let Some(info) = view.served.catalog.find(&GroupResource::parse(VOLUMES)) else { return Ok(()) };
    let patch = json!([
        {"op": "test", "path": "/spec/claimRef/uid", "value": old},
        {"op": "remove", "path": "/spec/claimRef/uid"},
        {"op": "add", "path": "/spec/claimRef/resourceVersion", "value": ""},
    ]);
    match view.cluster.patch(info, None, volume, &Patch::Json(patch.to_string())).await {
        Ok(_) => Ok(()),
        // Somebody was faster, or the volume is gone, so that there is nothing to free.
        Err(error) if matches!(error.category(), Category::NotFound | Category::Invalid) => Ok(()),
        Err(error) => Err(error),
    }
}
