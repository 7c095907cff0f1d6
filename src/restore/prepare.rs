//! From a body of the backup to the object to create: left out, or ready. Touches nothing.

use serde_json::Value;

use super::ended::{made_by_an_operator, may_run_again};
use super::inventory::EntryId;
use super::kinds::ServedAs;
use super::owners::Fate;
use super::rewrite::{ItemShape, Owner, OwnerView, never_restored, unmark_default};
use super::select::Inclusion;
use super::work::RestoreContext;
use crate::cluster::ResourceInfo;
use crate::model::traits::regenerates;
use crate::model::{Category, Finding, GroupResource, ItemKey, Regenerated, SkipReason, VOLUMES, causes};

/// The kind of pods.
const PODS: &str = "pods";

/// An object that can be created as it is.
#[derive(Debug)]
pub struct Ready<'a> {
    /// Its place in the inventory.
    pub entry: EntryId,
    /// Its name in the backup.
    pub item: ItemKey,
    /// Its name in the cluster.
    pub target: ItemKey,
    /// How the cluster serves it.
    pub info: &'a ResourceInfo,
    /// The object.
    pub body: Value,
    /// The status it had, where that comes back.
    pub status: Option<Value>,
    /// References to owners that are not there yet, as the backup has them.
    pub awaited: Vec<Value>,
    /// Who owned which fields, where server-side applies rest on that.
    pub field_owners: Option<Value>,
    /// Whether the namespace mapping changed an item without namespace, which so may be another one than the cluster has.
    pub mapped: bool,
    /// Whether the cluster gives it a port or an address that another one may have asked for.
    pub takes: bool,
    /// Whether it asks for something that was done, which only the status says that does not come back.
    pub may_run_again: bool,
    /// What a person should know if it is made.
    pub warnings: Vec<String>,
    /// Bytes of its body in the backup.
    pub bytes: u64,
}

/// What an item comes to.
#[derive(Debug)]
pub enum Prepared<'a> {
    /// It is left out, and why; sometimes more in words.
    Skip(SkipReason, Option<String>),
    /// It can be created.
    Ready(Box<Ready<'a>>),
}

impl RestoreContext<'_> {
    /// Makes an item ready.
    ///
    /// # Errors
    /// A finding when it cannot be restored.
    pub fn prepare(&self, id: EntryId, body: &[u8]) -> Result<Prepared<'_>, Finding> {
        let inventory = &self.source.inventory;
        let entry = inventory.entry(id);
        let item = inventory.key(entry);
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| self.source.damaged(id, &format!("it is no JSON: {error}")))?;
        if !value.is_object() {
            return Err(self.source.damaged(id, "it is no JSON object"));
        }
        if let Some(reason) = never_restored(&item.kind, &value) {
            return Ok(Prepared::Skip(reason, made_by_an_operator(&item.kind, &value)));
        }
        if self.belongs_to_a_pod_that_stays_away(&item.kind, &value) {
            return Ok(Prepared::Skip(SkipReason::ControllerMakesIt, None));
        }
        if let (VOLUMES, Some((reason, why))) = (item.kind.as_str(), self.volumes.left_out.get(&item.name)) {
            return Ok(Prepared::Skip(*reason, Some(why.clone())));
        }
        let (info, converted) = match self.kinds.of(entry) {
            ServedAs::Yes { info, converted } => (&**info, *converted),
            ServedAs::No { category, why } => {
                return Err(Finding::error(*category, why.clone()).on_item(item));
            }
        };
        let owners = |owner: &OwnerView<'_>| match self.owners.fate(owner.uid) {
            Fate::There(uid) => Owner::New(uid),
            Fate::Awaited | Fate::Unknown => Owner::Awaited,
        };
        let rewritten = (self.rewriter.rewrite(&item.kind, &item, value, shape(info, &owners)))
            .map_err(|error| Finding::error(error.category(), causes(&error)).on_item(item.clone()))?;
        if let Some(why) = rewritten.left_out {
            return Ok(Prepared::Skip(SkipReason::NotRestorable, Some(why)));
        }
        let status =
            |comes: bool| rewritten.status.as_ref().filter(|_| comes == self.restores_status(entry.kind));
        let mut ready = Ready {
            entry: id,
            may_run_again: may_run_again(&item.kind, status(false)),
            target: ItemKey { kind: item.kind.clone(), namespace: rewritten.namespace, name: rewritten.name },
            info,
            takes: item.kind.as_str() == "services" && !rewritten.asks,
            item,
            body: rewritten.body,
            status: status(true).cloned(),
            awaited: rewritten.awaited,
            field_owners: rewritten.field_owners,
            mapped: rewritten.mapped,
            warnings: rewritten.warnings,
            bytes: entry.size,
        };
        if converted && let Some(version) = ready.body.get_mut("apiVersion") {
            *version = info.api_version().into();
        }
        ready.warnings.extend(self.volume_warning(&ready));
        if entry.inclusion != Inclusion::Selected && unmark_default(&ready.item.kind, &mut ready.body) {
            let warning = "it is the default of its kind where it was backed up; here it only comes along with what needs it, and is not made the default";
            ready.warnings.push(warning.to_owned());
        }
        Ok(Prepared::Ready(Box::new(ready)))
    }
}

impl RestoreContext<'_> {
    /// A claim that was made for one pod serves no other: where the pod does not come back as it was, its successor gets a
    /// claim of its own, and refuses this one.
    fn belongs_to_a_pod_that_stays_away(&self, kind: &GroupResource, item: &Value) -> bool {
        let owners = item["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        let mut owners = owners.filter_map(OwnerView::read);
        regenerates(kind, &GroupResource::parse(PODS)) == Regenerated::Yes
            && owners.any(|owner| {
                (owner.kind, owner.api_version) == ("Pod", "v1")
                    && self.owners.fate(owner.uid) == Fate::Unknown
            })
    }
}

/// How an item of the kind is rewritten.
fn shape<'a>(info: &ResourceInfo, owners: &'a dyn Fn(&OwnerView<'_>) -> Owner) -> ItemShape<'a> {
    ItemShape { owners, status_is_data: !info.status }
}

impl Ready<'_> {
    /// The object as the API server takes it.
    pub fn bytes(&self) -> Vec<u8> {
        // A tree that was parsed from JSON can always be written as JSON.
        serde_json::to_vec(&self.body).unwrap_or_default()
    }

    /// How an item of its kind is rewritten.
    pub fn shape<'a>(&self, owners: &'a dyn Fn(&OwnerView<'_>) -> Owner) -> ItemShape<'a> {
        shape(self.info, owners)
    }

    /// An error about it.
    pub fn error(&self, category: Category, message: impl Into<String>) -> Finding {
        Finding::error(category, message).on_item(self.item.clone())
    }

    /// A warning about it.
    pub fn warning(&self, category: Category, message: impl Into<String>) -> Finding {
        Finding::warning(category, message).on_item(self.item.clone())
    }
}
