//! What Ark knows of each kind of Kubernetes, a row a kind: when it comes back, who makes its items again, what hangs on them. Pure.
//!
//! `table` is the one place where kinds are told apart; a kind without a row is an ordinary one ([`ORDINARY`]), unless its group
//! is known for policies.

mod order;
mod table;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

pub use order::{PriorityClass, restore_order};

use super::item::GroupResource;
use super::outcome::SkipReason;

/// What is known of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// When its items come back.
    pub class: PriorityClass,
    /// Whether its items are in namespaces; None where nobody knows before discovery.
    pub namespaced: Option<bool>,
    /// Whether its items go where a backup and a restore go.
    pub stay: Stay,
    /// Kinds of controllers that make its items, and which of the items they make again.
    pub made_by: &'static [(&'static str, Regenerated)],
    /// Who makes one item again without being asked, by what the item says; at a backup and at a restore.
    pub regenerated_by: fn(&dyn ItemOrigin) -> Option<SkipReason>,
    /// Whether every control plane makes this very item by itself; a backup has it, a restore leaves it out.
    pub given: fn(&dyn ItemOrigin) -> bool,
    /// With an item go data that no restore of the item brings back.
    pub is_data: bool,
    /// Not Kubernetes' own: a custom resource, or the resource of another API server.
    pub is_custom: bool,
    /// Takes children for its own by a selector, so that new ones find the old children.
    pub adopts: bool,
    /// Names cluster-scoped items or claims, or is named by cluster-scoped items: what it says decides which are needed.
    pub has_references: bool,
    /// Cluster-scoped, and named by others: comes along with them, whatever kinds are selected.
    pub comes_along: bool,
}

/// Where the items of a kind go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Into backups and out of them.
    Goes,
    /// Into a backup when somebody names the kind, never out of it: it tells of one cluster at one time.
    InItsCluster,
    /// Into a backup, never out of it: the records of a backup program.
    InItsBackup,
    /// Nothing is stored: a request that is answered.
    Nowhere,
}

/// Which items of a kind a controller makes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regenerated {
    /// None: each is what is left of something that happened, or was begun.
    No,
    /// All.
    Yes,
    /// The newest rollout, by a controller that is not paused; the older ones are history.
    Newest,
}

/// What an item says of who makes it, however it was read.
pub trait ItemOrigin {
    /// `metadata.name`.
    fn name(&self) -> &str;
    /// `metadata.namespace`.
    fn namespace(&self) -> Option<&str>;
    /// The value of a label.
    fn label(&self, key: &str) -> Option<Cow<'_, str>>;
    /// The value of an annotation.
    fn annotation(&self, key: &str) -> Option<Cow<'_, str>>;
    /// `type` of a Secret.
    fn secret_type(&self) -> Option<&str>;
    /// The managers of a top-level field, by `metadata.managedFields`; empty when it does not say.
    fn managers(&self, field: &str) -> Vec<String>;
}

/// A kind that no row names: a custom resource. It comes after what it may mount and before what may run it.
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

/// Every row by its kind, with its place in the table.
static ROWS: LazyLock<HashMap<&'static str, (usize, &'static Traits)>> = LazyLock::new(|| {
    table::ROWS.iter().enumerate().map(|(place, (kind, traits))| (*kind, (place, traits))).collect()
});

/// The groups of Kubernetes' own kinds.
static OWN_GROUPS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let own = table::ROWS.iter().filter(|(_, traits)| !traits.is_custom);
    own.map(|(kind, _)| kind.split_once('.').map_or("", |(_, group)| group)).collect()
});

impl Traits {
    /// What is known of a kind.
    pub fn of(kind: &GroupResource) -> &'static Self {
        let of_group = || if table::POLICIES.contains(&kind.group()) { &table::POLICY } else { &ORDINARY };
        ROWS.get(kind.as_str()).map_or_else(of_group, |(_, traits)| *traits)
    }

    /// What is known of a kind that has a row.
    pub fn known(kind: &GroupResource) -> Option<&'static Self> {
        ROWS.get(kind.as_str()).map(|(_, traits)| *traits)
    }
}

/// Which items of `kind` a controller of the kind `controller` makes again.
pub fn regenerates(kind: &GroupResource, controller: &GroupResource) -> Regenerated {
    let made_by = Traits::of(kind).made_by.iter().find(|(maker, _)| *maker == controller.as_str());
    made_by.map_or(Regenerated::No, |(_, remade)| *remade)
}

/// Whether with an item of the kind go data that no restore brings back.
pub fn is_data(kind: &GroupResource) -> bool {
    Traits::of(kind).is_data
}

/// Whether the kind is not Kubernetes' own. A kind without a row is Kubernetes' own where others of its group are, or where its
/// group has no dot, which that of a custom resource must have: it is of another version of Kubernetes than the table.
pub fn is_custom(kind: &GroupResource) -> bool {
    Traits::known(kind).map_or_else(
        || kind.group().contains('.') && !OWN_GROUPS.contains(kind.group()),
        |traits| traits.is_custom,
    )
}

/// Whether an item of the kind takes children for its own by a selector. One that is deleted to be made again must leave
/// its children behind (`propagationPolicy: Orphan`): the new one finds them.
pub fn adopts(kind: &GroupResource) -> bool {
    Traits::of(kind).adopts
}

/// Whether items of the kind may refuse others or hide an API, so that they come back after everything else.
pub fn is_last(kind: &GroupResource) -> bool {
    PriorityClass::of(kind) >= PriorityClass::Limits
}

/// Whether items of the kind never come out of a backup.
pub fn stays_behind(kind: &GroupResource) -> bool {
    matches!(Traits::of(kind).stay, Stay::InItsCluster | Stay::InItsBackup | Stay::Nowhere)
}

/// Whether a backup leaves the kind out unless somebody names it.
pub fn must_be_named(kind: &GroupResource) -> bool {
    Traits::of(kind).stay == Stay::InItsCluster
}

/// Whether what items of the kind say decides which others are needed; see [`ClusterReferences`](super::Needs).
pub fn has_references(kind: &GroupResource) -> bool {
    Traits::of(kind).has_references
}

/// Who makes the item again without being asked; None when nobody does.
pub fn regenerated_by(kind: &GroupResource, item: &dyn ItemOrigin) -> Option<SkipReason> {
    (Traits::of(kind).regenerated_by)(item)
}

/// Whether every control plane makes this very item by itself.
pub fn is_given(kind: &GroupResource, item: &dyn ItemOrigin) -> bool {
    (Traits::of(kind).given)(item)
}

#[cfg(test)]
mod tests;
