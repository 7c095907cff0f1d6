//! The traits of each kind of Kubernetes, a row a kind: when it comes back, who makes its items
//! again, what depends on them. Pure.
//!
//! `table` is the one place for policy about kinds; a kind without a row is an ordinary one
//! ([`ORDINARY`]), unless its group is known for policies. Which fields of a kind a function reads
//! or changes is its own match.

mod kind_traits;
mod order;
mod rows;
mod table;

pub use kind_traits::{ItemOrigin, ORDINARY, Regenerated, Stay, Traits};
pub use order::{PriorityClass, restore_order};

use super::item::GroupResource;
use super::outcome::SkipReason;
use rows::{OWN_GROUPS, ROWS};

impl Traits {
    /// Returns the traits of a kind.
    pub fn of(kind: &GroupResource) -> &'static Self {
        let of_group = || if table::POLICIES.contains(&kind.group()) { &table::POLICY } else { &ORDINARY };
        ROWS.get(kind.as_str()).map_or_else(of_group, |(_, traits)| *traits)
    }

    /// Returns the traits of a kind that has a row, else `None`.
    pub fn known(kind: &GroupResource) -> Option<&'static Self> {
        ROWS.get(kind.as_str()).map(|(_, traits)| *traits)
    }
}

/// Returns which items of `kind` a controller of the kind `controller` makes again.
pub fn regenerates(kind: &GroupResource, controller: &GroupResource) -> Regenerated {
    let made_by = Traits::of(kind).made_by.iter().find(|(maker, _)| *maker == controller.as_str());
    made_by.map_or(Regenerated::No, |(_, remade)| *remade)
}

/// Returns whether deleting an item of the kind deletes data that no restore brings back.
pub fn is_data(kind: &GroupResource) -> bool {
    Traits::of(kind).is_data
}

/// Returns whether the kind is not Kubernetes' own. A kind without a row is Kubernetes' own if
/// others of its group are, or if its group has no dot, which that of a custom resource must have:
/// it is of another version of Kubernetes than the table.
pub fn is_custom(kind: &GroupResource) -> bool {
    Traits::known(kind).map_or_else(
        || kind.group().contains('.') && !OWN_GROUPS.contains(kind.group()),
        |traits| traits.is_custom,
    )
}

/// Returns whether an item of the kind adopts children by a selector. An item that is deleted to
/// be made again must leave its children behind (`propagationPolicy: Orphan`): the new one finds
/// them.
pub fn adopts(kind: &GroupResource) -> bool {
    Traits::of(kind).adopts
}

/// Returns whether items of the kind may refuse others or hide an API, so that they come back
/// after everything else.
pub fn is_last(kind: &GroupResource) -> bool {
    PriorityClass::of(kind) >= PriorityClass::Limits
}

/// Returns whether items of the kind are never restored from a backup.
pub fn stays_behind(kind: &GroupResource) -> bool {
    matches!(Traits::of(kind).stay, Stay::InItsCluster | Stay::InItsBackup | Stay::Nowhere)
}

/// Returns whether a backup leaves the kind out unless somebody names it.
pub fn must_be_named(kind: &GroupResource) -> bool {
    Traits::of(kind).stay == Stay::InItsCluster
}

/// Returns whether the bodies of the kind's items decide which other items are needed; see
/// [`ClusterReferences`](super::ClusterReferences).
pub fn has_references(kind: &GroupResource) -> bool {
    Traits::of(kind).has_references
}

/// Returns why an item is left out that somebody makes again without being asked; `None` if nobody
/// does.
pub fn regenerated_by(kind: &GroupResource, item: &dyn ItemOrigin) -> Option<SkipReason> {
    (Traits::of(kind).regenerated_by)(item)
}

/// Returns whether every control plane makes this very item by itself.
pub fn is_given(kind: &GroupResource, item: &dyn ItemOrigin) -> bool {
    (Traits::of(kind).given)(item)
}

#[cfg(test)]
mod tests;
