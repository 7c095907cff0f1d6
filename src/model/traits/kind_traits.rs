//! The traits of a kind: one row of the table. Pure data.

use std::borrow::Cow;

use super::order::PriorityClass;
use crate::model::outcome::SkipReason;

/// The traits of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// The class in restore order of the kind's items.
    pub class: PriorityClass,
    /// Whether the items are in namespaces; `None` if only discovery tells.
    pub namespaced: Option<bool>,
    /// Whether the items go into backups, and out of them.
    pub stay: Stay,
    /// Kinds of controllers that make the items, and which of the items they make again.
    pub made_by: &'static [(&'static str, Regenerated)],
    /// Returns why somebody makes an item again without being asked, by what the item says, or
    /// `None`; asked at a backup and at a restore.
    pub regenerated_by: fn(&dyn ItemOrigin) -> Option<SkipReason>,
    /// Returns whether every control plane makes this very item by itself; a backup has it, and a
    /// restore leaves it out.
    pub given: fn(&dyn ItemOrigin) -> bool,
    /// Whether deleting an item deletes data that no restore of the item brings back.
    pub is_data: bool,
    /// Whether the kind is not Kubernetes' own: a custom resource, or the resource of another API
    /// server.
    pub is_custom: bool,
    /// Whether an item adopts children by a selector, so that a new item finds the old children.
    pub adopts: bool,
    /// Whether the items name cluster-scoped items or PVCs, or are named by cluster-scoped items:
    /// their bodies decide which are needed.
    pub has_references: bool,
    /// Whether the items are cluster-scoped and named by others: they come along with them,
    /// whatever kinds are selected.
    pub comes_along: bool,
}

/// The places that the items of a kind go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// The items go into backups and out of them.
    Goes,
    /// The items go into a backup if somebody names the kind, and never out of it: they tell of
    /// one cluster at one time.
    InItsCluster,
    /// The items go into a backup, and never out of it: the records of another backup program.
    InItsBackup,
    /// No items are stored: a request is answered, and that is all.
    Nowhere,
}

/// The items of a kind that a controller makes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regenerated {
    /// No item: each is left from something that happened, or was begun.
    No,
    /// All items.
    Yes,
    /// The newest rollout, by a controller that is not paused; the older ones are history.
    Newest,
}

/// The fields of an item that tell who makes it, however the item was read.
pub trait ItemOrigin {
    /// Returns `metadata.name`.
    fn name(&self) -> &str;
    /// Returns `metadata.namespace`; `None` for a cluster-scoped item.
    fn namespace(&self) -> Option<&str>;
    /// Returns the value of a label, or `None`.
    fn label(&self, key: &str) -> Option<Cow<'_, str>>;
    /// Returns the value of an annotation, or `None`.
    fn annotation(&self, key: &str) -> Option<Cow<'_, str>>;
    /// Returns `type` of a Secret; `None` for other items.
    fn secret_type(&self) -> Option<&str>;
    /// Returns the managers of a top-level field, by `metadata.managedFields`; empty if that does
    /// not say.
    fn managers(&self, field: &str) -> Vec<String>;
}

/// The traits of a kind that no row names: a custom resource. It comes after what it may mount and
/// before what may run it.
pub const ORDINARY: Traits = Traits {
    class: PriorityClass::Others,
    namespaced: None,
    stay: Stay::Goes,
    made_by: &[],
    regenerated_by: |_| None,
    given: |_| false,
    is_data: false,
    is_custom: true,
    adopts: false,
    has_references: false,
    comes_along: false,
};
