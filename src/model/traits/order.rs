//! The order in which kinds come back, and so the order of the tarball. Pure.

use std::cmp::Ordering;

use super::{ROWS, Traits};
use crate::model::GroupResource;

/// Kinds of one class may be restored side by side; a class begins when the one before it is done.
///
/// The order follows Velero's default restore priorities, with two changes: workloads that own others come before what they
/// own, because owner references are pointed at the new owner, and what may refuse a create or hide an API comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PriorityClass {
    /// What defines other kinds.
    Definitions,
    /// What others live in.
    Namespaces,
    /// What others name: classes of every sort, roles, ranges.
    Classes,
    /// Volumes and the contents of snapshots.
    Volumes,
    /// Claims and snapshots.
    Claims,
    /// Service accounts, before the tokens that the control plane removes where the account is missing.
    ServiceAccounts,
    /// What workloads mount and are allowed.
    Configuration,
    /// Every kind that no row names: after what it may mount, before what may run it.
    Others,
    /// What workloads are reached by and limited by.
    Services,
    /// Workloads that own others.
    Workloads,
    /// What workloads own.
    Owned,
    /// Pods.
    Pods,
    /// What changes the size of workloads.
    Autoscalers,
    /// What limits others or hides an API: quotas, APIServices.
    Limits,
    /// What may refuse others, limits among them: webhooks and policies.
    Last,
}

impl PriorityClass {
    /// The class of a kind.
    pub fn of(kind: &GroupResource) -> Self {
        Traits::of(kind).class
    }
}

/// Restore order: by class, within it by the table, and kinds without a row by name.
pub fn restore_order(a: &GroupResource, b: &GroupResource) -> Ordering {
    let rank = |kind: &GroupResource| {
        let place = ROWS.get(kind.as_str()).map_or(usize::MAX, |(place, _)| *place);
        (PriorityClass::of(kind), place)
    };
    rank(a).cmp(&rank(b)).then_with(|| a.cmp(b))
}
