//! From a body of the backup to the object to create: left out, put off, or ready. Touches nothing.

use std::cell::Cell;

use serde_json::Value;

use super::inventory::EntryId;
use super::kinds::Served;
use super::rewrite::{ItemShape, Owner, OwnerView, never_restored};
use super::work::Work;
use crate::cluster::KindInfo;
use crate::model::{Category, Finding, ItemKey, SkipReason, VOLUMES, causes};

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
    pub info: &'a KindInfo,
    /// The object.
    pub body: Value,
    /// The status it had, where that comes back.
    pub status: Option<Value>,
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
    /// One of its owners is still to come.
    Later,
    /// It can be created.
    Ready(Box<Ready<'a>>),
}

/// How owner references are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owning {
    /// An item waits until its owners are there.
    Wait,
    /// References to owners that are not there are dropped.
    Drop,
    /// References are kept as they are: nothing is made.
    Keep,
}

impl Work<'_> {
    /// Makes an item ready.
    ///
    /// # Errors
    /// A finding when it cannot be restored.
    pub fn prepare(&self, id: EntryId, body: &[u8], owning: Owning) -> Result<Prepared<'_>, Finding> {
        let inventory = &self.source.inventory;
        let entry = inventory.entry(id);
        let item = inventory.key(entry);
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| self.source.damaged(id, &format!("it is no JSON: {error}")))?;
        if !value.is_object() {
            return Err(self.source.damaged(id, "it is no JSON object"));
        }
        if let Some(reason) = never_restored(&item.kind, &value) {
            return Ok(Prepared::Skip(reason, None));
        }
        if let (VOLUMES, Some(why)) = (item.kind.as_str(), self.volumes.left_out.get(&item.name)) {
            let there = self.volumes.is_anothers(&item.name);
            let reason = if there { SkipReason::Exists } else { SkipReason::ControllerMakesIt };
            return Ok(Prepared::Skip(reason, Some(why.clone())));
        }
        let awaited = Cell::new(false);
        let owners = |owner: &OwnerView<'_>| match owning {
            Owning::Keep => Owner::New(owner.uid.to_owned()),
            Owning::Wait | Owning::Drop => self.owners.find(owner.uid, &awaited),
        };
        let shape = ItemShape { owners: &owners, status_is_data: false };
        let rewritten = (self.rewriter.rewrite(&item.kind, &item, value, shape))
            .map_err(|error| Finding::error(error.category(), causes(&error)).on_item(item.clone()))?;
        if awaited.get() && owning == Owning::Wait {
            return Ok(Prepared::Later);
        }
        let (info, converted) = match self.kinds.of(entry) {
            Served::Yes { info, converted } => (&**info, *converted),
            Served::No { category, why } => {
                return Err(Finding::error(*category, why.clone()).on_item(item));
            }
        };
        let mut ready = Ready {
            entry: id,
            target: ItemKey { kind: item.kind.clone(), namespace: rewritten.namespace, name: rewritten.name },
            item,
            info,
            body: rewritten.body,
            status: rewritten.status.filter(|_| self.restores_status(entry.kind)),
            warnings: rewritten.warnings,
            bytes: entry.size,
        };
        if converted && let Some(version) = ready.body.get_mut("apiVersion") {
            *version = info.api_version().into();
        }
        if awaited.get() && owning == Owning::Drop {
            ready
                .warnings
                .push("its owner is not there, or owns and is owned in a circle; it was made without".into());
        }
        Ok(Prepared::Ready(Box::new(ready)))
    }
}

impl Ready<'_> {
    /// The object as the API server takes it.
    pub fn bytes(&self) -> Vec<u8> {
        // A tree that was parsed from JSON can always be written as JSON.
        serde_json::to_vec(&self.body).unwrap_or_default()
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
