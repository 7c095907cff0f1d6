//! The plan of a restore: everything that is known before the first write. Pure.
//!
//! The plan does not change: a run and a dry run read the same one. What changes while items are
//! restored is in `view` and `restorer`.

use std::fmt;
use std::sync::Arc;

use super::existing::Earlier;
use super::inventory::{EntryId, InventoryEntry};
use super::kinds::ServedKinds;
use super::rewrite::Rewriter;
use super::source::Source;
use super::steps::PlannedItems;
use super::volumes::Volumes;
use crate::api::{ExistingResourcePolicy, RerunJob};
use crate::hooks::RestoreHookSelection;
use crate::model::{GroupResource, ItemKey};

/// One restore, opened and decided.
#[derive(Debug)]
pub struct RestorePlan {
    /// The backup that is restored.
    pub source: Source,
    /// The items to restore, in which order, and those left out.
    pub items: PlannedItems,
    /// The kinds that the cluster served when the plan was made.
    pub served: ServedKinds,
    /// The volumes that come back.
    pub volumes: Volumes,
    /// Turns an item of the backup into the object to create, and notes which rules fitted.
    pub rewriter: Rewriter,
    /// The policy for items that are in the cluster already.
    pub policy: ExistingResourcePolicy,
    /// Whether the status of items is restored, by the place of their kind in the inventory; empty
    /// if no status is restored.
    pub status_kinds: Vec<bool>,
    /// Whether the backup was made in another cluster.
    pub from_another_cluster: bool,
    /// Tells by labels what this restore, or another of this backup, made.
    pub earlier: Earlier,
    /// What is done once the items are there.
    pub afterwards: Afterwards,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// Most items that are under way at once.
    pub parallel: usize,
}

/// What is done once the items are there.
#[derive(Debug)]
pub struct Afterwards {
    /// The hooks of the specification, which also reads those of annotations.
    pub hooks: Arc<RestoreHookSelection>,
    /// Whether hooks may be run.
    pub runs_hooks: bool,
    /// The Jobs to run again.
    pub jobs: Vec<RerunJob>,
    /// The uid of the restore, the same for every attempt at it.
    pub run: String,
}

impl RestorePlan {
    /// Returns an item of the backup.
    pub fn entry(&self, id: EntryId) -> &InventoryEntry {
        self.source.inventory.entry(id)
    }

    /// Returns an item's kind.
    pub fn kind(&self, id: EntryId) -> &GroupResource {
        self.source.inventory.kind(self.entry(id))
    }

    /// Returns an item's name in the backup.
    pub fn key(&self, id: EntryId) -> ItemKey {
        self.source.inventory.key(self.entry(id))
    }

    /// Returns whether the status of items of this kind is restored; `kind` is a place in the
    /// inventory's kinds.
    pub fn restores_status(&self, kind: u16) -> bool {
        self.status_kinds.get(usize::from(kind)).copied().unwrap_or_default()
    }
}

impl fmt::Display for RestorePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (items, left_out) = (self.items.number(), self.items.skipped.len());
        write!(f, "restoring {items} items of the backup {}, leaving {left_out} out", self.source.name)
    }
}
