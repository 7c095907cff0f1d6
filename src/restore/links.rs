//! Gives items the references to their owners: an item is created without references to owners
//! that are not there yet, and gets them by a patch once they are. So no item waits for its owner,
//! and no owner's controller makes first what the backup holds.
//! An owner may be of any kind, may come later, or may be in the cluster without being restored;
//! in that case it is found by its kind and name. Next on the way: `binding`, `report`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::stream::{self, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::RestoreAccount;
use super::circles::{Edge, circles};
use super::error::RestoreError;
use super::inventory::EntryId;
use super::owners::{Fate, OldUid};
use super::rewrite::OwnerView;
use super::work::RestoreContext;
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

/// The fields of an owner reference.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OwnerReference {
    api_version: String,
    kind: String,
    name: String,
    uid: String,
}

impl OwnerReference {
    fn read(reference: &Value) -> Self {
        Self::deserialize(reference).unwrap_or_default()
    }
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
}

/// Returns whether a reference is to the same object as another, made anew.
fn is_successor(one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (OwnerView::read(one), OwnerView::read(other)) else { return false };
    one.is_same_object(&other) && one.uid != other.uid
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

impl RestoreContext<'_> {
    /// Gives references to the items whose owners have all come by now; with `last`, to all items,
    /// as far as their owners are there.
    pub async fn link(&self, last: bool, account: &mut RestoreAccount<'_>) -> Result<(), RestoreError> {
        let links = std::mem::take(&mut *lock(&self.links.waiting));
        let open = |reference: &Value| {
            self.owners.fate(&OwnerReference::read(reference).uid) == Fate::Awaited && !last
        };
        let (waiting, ready): (Vec<Link>, Vec<Link>) =
            links.into_iter().partition(|link| link.awaited.iter().any(open));
        lock(&self.links.waiting).extend(waiting);
        if ready.len() > 1 {
            account.stage("giving owner references to what was restored");
        }
        let tied = stream::iter(ready).map(|link| self.tie(link)).buffer_unordered(self.parallel);
        let mut tied = std::pin::pin!(tied);
        while let Some(tied) = tied.next().await {
            let Tied { findings, changed } = tied?;
            account.updated += u64::from(changed);
            for finding in findings {
                account.find(finding);
            }
        }
        if last {
            self.tell_circles(account);
        }
        Ok(())
    }

    /// Gives one item the references that it lacks.
    async fn tie(&self, link: Link) -> Result<Tied, RestoreError> {
        let item = self.source.inventory.key(self.source.inventory.entry(link.entry));
        match self.references(&link, &item).await {
            Ok((wanted, mut findings)) => {
                let written = match wanted.is_empty() {
                    true => LinkOutcome::Nothing,
                    false => self.write_references(&link, &wanted, &item).await?,
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
        link: &Link,
        item: &ItemKey,
    ) -> Result<(Vec<Value>, Vec<Finding>), ClusterError> {
        let (mut wanted, mut findings) = (Vec::new(), Vec::new());
        for reference in &link.awaited {
            let owner = OwnerReference::read(reference);
            let uid = match self.owners.fate(&owner.uid) {
                Fate::There(uid) => Some(uid),
                Fate::Awaited | Fate::Unknown => {
                    self.find_owner(&owner, link.target.namespace.as_deref()).await?
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
        owner: &OwnerReference,
        namespace: Option<&str>,
    ) -> Result<Option<String>, ClusterError> {
        let Some(info) = self.catalog.find_named(&owner.api_version, &owner.kind) else { return Ok(None) };
        let namespace = namespace.filter(|_| info.namespaced);
        if (info.namespaced && namespace.is_none()) || owner.name.is_empty() {
            return Ok(None);
        }
        let path = info.path(namespace, Some(&owner.name));
        if let Some(known) = lock(&self.links.found).get(&path) {
            return Ok(known.clone());
        }
        let found = self.cluster.get(info, namespace, &owner.name).await?;
        let uid = found.and_then(|body| {
            let object: Value = serde_json::from_slice(&body).ok()?;
            let metadata = object.get("metadata")?;
            metadata
                .get("deletionTimestamp")
                .is_none()
                .then(|| metadata.get("uid")?.as_str().map(str::to_owned))?
        });
        lock(&self.links.found).insert(path, uid.clone());
        Ok(uid)
    }

    /// Writes the references, based on the item as it was last seen; if somebody has changed it
    /// since, on a new look.
    async fn write_references(
        &self,
        link: &Link,
        wanted: &[Value],
        item: &ItemKey,
    ) -> Result<LinkOutcome, RestoreError> {
        let Link { target, uid, met, ours, .. } = link;
        let Some(info) = self.kinds.info(self.source.inventory.entry(link.entry)) else {
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
            if *met && !ours && !doomed && self.policy == ExistingResourcePolicy::None {
                let message = "it is in the cluster already without the owner that it has in the backup, and was left as it is; existingResourcePolicy Update changes it";
                let finding = Finding::warning(Category::Conflict, message);
                return Ok(LinkOutcome::Told(finding.on_item(item.clone())));
            }
            let metadata = json!({"uid": uid, "resourceVersion": version, "ownerReferences": merged});
            let patch = Patch::Merge(json!({ "metadata": metadata }).to_string());
            let namespace = target.namespace.as_deref();
            let error = match self.cluster.patch(info, namespace, &target.name, &patch).await {
                Ok(_) => return Ok(LinkOutcome::Done),
                Err(error) => error,
            };
            if error.is_about_the_connection() {
                return Err(RestoreError::Cluster { doing: "giving owner references", source: error });
            }
            let seen = if error.is_conflict() && tried < TRIES {
                self.cluster.get(info, namespace, &target.name).await
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

    /// Reports items that own each other, which are restored as they were: the garbage collector
    /// never removes them.
    fn tell_circles(&self, account: &mut RestoreAccount<'_>) {
        let edges = std::mem::take(&mut *lock(&self.links.edges));
        for entry in circles(edges) {
            let item = self.source.inventory.key(self.source.inventory.entry(entry));
            let message =
                "it owns and is owned in a circle, as in the backup: deleting one of them removes no other";
            account.find(Finding::warning(Category::Other, message).on_item(item));
        }
    }
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

/// Returns the references that are there with those that are wanted; a reference to an earlier
/// life of the same owner is replaced. A second controller is not added: the API server accepts
/// one.
fn merge(there: &[Value], wanted: &[Value]) -> Vec<Value> {
    let mut merged = there.to_vec();
    for reference in wanted {
        let same = |other: &Value| {
            ["kind", "name"].iter().all(|field| other.get(*field) == reference.get(*field))
                && group(other) == group(reference)
        };
        let second = controls(reference) && merged.iter().any(controls);
        match merged.iter_mut().find(|other| same(other)) {
            Some(other) if other.get("uid") == reference.get("uid") => {}
            Some(other) => *other = reference.clone(),
            None if second => {}
            None => merged.push(reference.clone()),
        }
    }
    merged
}

/// Returns whether an item with these references lacks one of those that are `wanted`, whatever
/// uid its owner has.
pub fn lacks_owner(there: &[Value], wanted: &[Value]) -> bool {
    merge(there, wanted).len() > there.len()
}

fn group(reference: &Value) -> &str {
    let version = reference.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    version.split_once('/').map_or("", |(group, _)| group)
}

fn controls(reference: &Value) -> bool {
    reference.get("controller").and_then(Value::as_bool) == Some(true)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(name: &str, uid: &str, controller: bool) -> Value {
        json!({"apiVersion": "example.com/v1", "kind": "Zone", "name": name, "uid": uid, "controller": controller})
    }

    #[test]
    fn references_are_added_and_an_earlier_life_of_an_owner_is_replaced() {
        let (one, other) = ([reference("a", "1", true)], [reference("b", "2", false)]);
        let (both, renewed) = ([one.clone(), other.clone()].concat(), [reference("a", "9", true)]);
        assert_eq!(merge(&[], &one), one);
        assert_eq!(merge(&one, &both), both);
        assert_eq!(merge(&both, &renewed), [renewed.clone(), other].concat());
    }

    #[test]
    fn an_item_that_somebody_controls_gets_no_second_controller() {
        let (one, other) = (reference("a", "1", true), reference("b", "2", true));
        assert_eq!(merge(std::slice::from_ref(&one), &[other]), [one]);
    }
}
