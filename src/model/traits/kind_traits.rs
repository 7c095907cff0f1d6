//! What is known of a kind: one row of the table. Pure data.

use std::borrow::Cow;

use super::order::PriorityClass;
use crate::model::outcome::SkipReason;

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
