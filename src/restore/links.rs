//! Gives items the references to their owners: an item is created without references to owners
//! that are not there yet, and gets them by a patch once they are. So no item waits for its owner,
//! and no owner's controller makes first what the backup holds.
//! An owner may be of any kind, may come later, or may be in the cluster without being restored;
//! in that case it is found by its kind and name.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::account::RestoreAccount;
use super::circles::{Edge, circles};
use super::error::RestoreError;
use super::inventory::EntryId;
use super::owners::{Fate, OldUid};
use super::references::{OwnerReference, is_successor, merge};
use super::view::RestoreView;
use crate::api::ExistingResourcePolicy;
use crate::cluster::{ClusterError, Patch};
use crate::model::{Category, Finding, ItemKey, causes};

/// Tries at the references of one item while others change the item.
const TRIES: usize = 5;

/// An item that lacks references to owners.
#[derive(Debug)]
pub struct Link {
    /// The item's place in the inventory.
    pub entry: EntryId,
    /// The item's name in the cluster.
    pub target: ItemKey,
    /// The item's uid in the cluster.
    pub uid: String,
    /// The item's resourceVersion when it was last seen.
    pub version: String,
    /// The references that the item has.
    pub references: Vec<Value>,
    /// The references that the item lacks, as the backup has them.
    pub awaited: Vec<Value>,
    /// Whether the item was in the cluster before this restore.
    pub met: bool,
    /// Whether a restore of this backup made the item, and may have ended before it gave the
    /// references.
    pub ours: bool,
}

/// Items that lack references, and the ownership among those that were created without.
#[derive(Debug, Default)]
pub struct Links {
    waiting: Mutex<Vec<Link>>,
    edges: Mutex<Vec<Edge>>,
    found: Mutex<HashMap<String, Option<String>>>,
}

/// The outcome of one link.
struct Tied {
    findings: Vec<Finding>,
    /// Whether an item that was in the cluster before was changed.
    changed: bool,
}

/// The outcome of writing references.
#[derive(PartialEq)]
enum LinkOutcome {
    /// The references are written.
    Done,
    /// There was nothing to write, or no such item.
    Nothing,
    /// The references are not written, and the finding says why.
    Told(Finding),
}

impl Links {
    /// Adds an item whose owners are to come; `old` is its uid in the backup.
    pub fn add(&self, link: Link, old: Option<OldUid>) {
        if link.awaited.is_empty() {
            return;
        }
        let owners = link.awaited.iter().filter_map(|one| OldUid::read(&OwnerReference::read(one).uid));
        if let Some(item) = old.filter(|_| !link.met) {
            let edges = owners.map(|owner| Edge { entry: link.entry, item, owner });
            lock(&self.edges).extend(edges);
        }
        lock(&self.waiting).push(link);
    }

    /// Gives references to the items whose owners have all come by now; with `last`, to all items,
    /// as far as their owners are there.
    pub async fn link(
        &self,
        view: &RestoreView<'_>,
        last: bool,
        account: &mut RestoreAccount<'_>,
    ) -> Result<(), RestoreError> {
        let links = std::mem::take(&mut *lock(&self.waiting));
        let open = |reference: &Value| {
            view.owners.fate(&OwnerReference::read(reference).uid) == Fate::Awaited && !last
        };
        let (waiting, ready): (Vec<Link>, Vec<Link>) =
            links.into_iter().partition(|link| link.awaited.iter().any(open));
        lock(&self.waiting).extend(waiting);
        if ready.len() > 1 {
            account.stage("giving owner references to what was restored");
        }
        let tied = stream::iter(ready).map(|link| self.tie(view, link)).buffer_unordered(view.plan.parallel);
        let mut tied = std::pin::pin!(tied);
        while let Some(tied) = tied.next().await {
            let Tied { findings, changed } = tied?;
            account.updated += u64::from(changed);
            for finding in findings {
                account.find(finding);
            }
        }
        if last {
            self.tell_circles(view, account);
        }
        Ok(())
    }

    /// Gives one item the references that it lacks.
    async fn tie(&self, view: &RestoreView<'_>, link: Link) -> Result<Tied, RestoreError> {
        let item = view.plan.key(link.entry);
        match self.references(view, &link, &item).await {
            Ok((wanted, mut findings)) => {
                let written = match wanted.is_empty() {
                    true => LinkOutcome::Nothing,
                    false => write_references(view, &link, &wanted, &item).await?,
                };
                // Only an item that was there before counts as updated: one that this restore made
                // counts as created.
                let changed = link.met && written == LinkOutcome::Done;
                if let LinkOutcome::Told(finding) = written {
                    findings.push(finding);
                }
                Ok(Tied { findings, changed })
            }
            Err(source) if source.is_about_the_connection() => {
                Err(RestoreError::Cluster { doing: "looking for owners", source })
            }
            Err(error) => {
                let message =
                    format!("it was restored, but its owner could not be looked for: {}", causes(&error));
                let findings = vec![Finding::error(error.category(), message).on_item(item)];
                Ok(Tied { findings, changed: false })
            }
        }
    }

    /// Returns the references that the item lacks, with the uids of this cluster, and a warning
    /// for each owner that is not there.
    async fn references(
        &self,
        view: &RestoreView<'_>,
        link: &Link,
        item: &ItemKey,
    ) -> Result<(Vec<Value>, Vec<Finding>), ClusterError> {
        let (mut wanted, mut findings) = (Vec::new(), Vec::new());
        for reference in &link.awaited {
            let owner = OwnerReference::read(reference);
            let uid = match view.owners.fate(&owner.uid) {
                Fate::There(uid) => Some(uid),
                Fate::Awaited | Fate::Unknown => {
                    self.find_owner(view, &owner, link.target.namespace.as_deref()).await?
                }
            };
            if let Some(uid) = uid {
                let mut reference = reference.clone();
                reference["uid"] = uid.into();
                wanted.push(reference);
            } else if !link.met {
                let message = format!(
                    "its owner, {} {}, is neither restored nor in the cluster, so that it was made without an owner",
                    owner.kind, owner.name
                );
                findings.push(Finding::warning(Category::NotFound, message).on_item(item.clone()));
            }
        }
        Ok((wanted, findings))
    }

    /// Returns the uid of an owner that this restore does not bring; `None` if the owner is not in
    /// the cluster, or is being deleted.
    async fn find_owner(
        &self,
        view: &RestoreView<'_>,
        owner: &OwnerReference,
        namespace: Option<&str>,
    ) -> Result<Option<String>, ClusterError> {
        let Some(info) = view.served.catalog.find_named(&owner.api_version, &owner.kind) else {
            return Ok(None);
        };
        let namespace = namespace.filter(|_| info.namespaced);
        if (info.namespaced && namespace.is_none()) || owner.name.is_empty() {
            return Ok(None);
        }
        let path = info.path(namespace, Some(&owner.name));
        if let Some(known) = lock(&self.found).get(&path) {
            return Ok(known.clone());
        }
        let found = view.cluster.get(info, namespace, &owner.name).await?;
        let uid = found.and_then(|body| {
            let object: Value = serde_json::from_slice(&body).ok()?;
            let metadata = object.get("metadata")?;
            metadata
                .get("deletionTimestamp")
                .is_none()
                .then(|| metadata.get("uid")?.as_str().map(str::to_owned))?
        });
        lock(&self.found).insert(path, uid.clone());
        Ok(uid)
    }

    /// Reports items that own each other, which are restored as they were: the garbage collector
    /// never removes them.
    fn tell_circles(&self, view: &RestoreView<'_>, account: &mut RestoreAccount<'_>) {
        let edges = std::mem::take(&mut *lock(&self.edges));
        for entry in circles(edges) {
            let item = view.plan.key(entry);
            let message =
                "it owns and is owned in a circle, as in the backup: deleting one of them removes no other";
            account.find(Finding::warning(Category::Other, message).on_item(item));
        }
    }
}

/// Writes the references, based on the item as it was last seen; if somebody has changed it
/// since, on a new look.
async fn write_references(
    view: &RestoreView<'_>,
    link: &Link,
    wanted: &[Value],
    item: &ItemKey,
) -> Result<LinkOutcome, RestoreError> {
    let Link { target, uid, met, ours, .. } = link;
    let Some(info) = view.served.info(view.plan.entry(link.entry)) else {
        return Ok(LinkOutcome::Nothing);
    };
    let (mut references, mut version) = (link.references.clone(), link.version.clone());
    for tried in 1..=TRIES {
        let merged = merge(&references, wanted);
        if merged == references {
            return Ok(LinkOutcome::Nothing);
        }
        // An item whose owner no longer exists is about to be collected, unless it gets the
        // new owner: it is linked even under the policy None.
        let doomed = references.iter().any(|one| wanted.iter().any(|other| is_successor(other, one)));
        if *met && !ours && !doomed && view.plan.policy == ExistingResourcePolicy::None {
            let message = "it is in the cluster already without the owner that it has in the backup, and was left as it is; existingResourcePolicy Update changes it";
            let finding = Finding::warning(Category::Conflict, message);
            return Ok(LinkOutcome::Told(finding.on_item(item.clone())));
        }
        let metadata = json!({"uid": uid, "resourceVersion": version, "ownerReferences": merged});
        let patch = Patch::Merge(json!({ "metadata": metadata }).to_string());
        let namespace = target.namespace.as_deref();
        let error = match view.cluster.patch(info, namespace, &target.name, &patch).await {
            Ok(_) => return Ok(LinkOutcome::Done),
            Err(error) => error,
        };
        if error.is_about_the_connection() {
            return Err(RestoreError::Cluster { doing: "giving owner references", source: error });
        }
        let seen = if error.is_conflict() && tried < TRIES {
            view.cluster.get(info, namespace, &target.name).await
        } else {
            Err(error)
        };
        match seen {
            Ok(Some(body)) => match now(&body, uid) {
                Some(seen) => (references, version) = seen,
                None => return Ok(LinkOutcome::Nothing), // another item of that name, which is not ours
            },
            Ok(None) => return Ok(vanished(*met, item)),
            Err(error) if error.is_not_found() => return Ok(vanished(*met, item)),
            Err(error) => {
                let message = format!("it was restored, but without its owner: {}", causes(&error));
                let finding = Finding::error(error.category(), message);
                return Ok(LinkOutcome::Told(finding.on_item(item.clone())));
            }
        }
    }
    Ok(LinkOutcome::Nothing)
}

/// Returns the outcome for an item that is gone: one that this restore met, rather than made, has
/// gone with its former owner.
fn vanished(met: bool, item: &ItemKey) -> LinkOutcome {
    if !met {
        return LinkOutcome::Nothing;
    }
    let message = "it was in the cluster when this restore came to it, and has gone since, probably with an owner that was deleted before; run the restore again";
    LinkOutcome::Told(Finding::error(Category::NotFound, message).on_item(item.clone()))
}

/// Returns the references and resourceVersion of an item as it is now, or `None` if it is another
/// item under that name.
fn now(body: &[u8], uid: &str) -> Option<(Vec<Value>, String)> {
    let object: Value = serde_json::from_slice(body).ok()?;
    let metadata = object.get("metadata")?;
    let text = |key: &str| metadata.get(key).and_then(Value::as_str);
    let references = metadata.get("ownerReferences").and_then(Value::as_array).cloned().unwrap_or_default();
    (text("uid")? == uid).then_some((references, text("resourceVersion")?.to_owned()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
