//! The order in which kinds come back, and so the order of the tarball. Pure.

use std::cmp::Ordering;

use super::{ROWS, Traits};
use crate::model::GroupResource;

/// The class of a kind in restore order. Kinds of one class may be restored side by side; a class
/// begins when the one before it is done.
///
/// The order follows Velero's default restore priorities, with two changes: workloads that own
/// others come before what they own, because owner references are pointed at the new owner, and
/// kinds that may refuse a create or hide an API come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PriorityClass {
    /// Kinds that define other kinds: CRDs.
    Definitions,
    /// Namespaces, which other items live in.
    Namespaces,
    /// Kinds that others name: classes of every sort, ClusterRoles, ranges.
    Classes,
    /// Volumes, and the contents of snapshots.
    Volumes,
    /// PVCs and snapshots.
    Claims,
    /// Service accounts, before the tokens that the control plane deletes if the account is
    /// missing.
    ServiceAccounts,
    /// Kinds that workloads mount, and those that give them rights.
    Configuration,
    /// Every kind that no row names: after what it may mount, before what may run it.
    Others,
    /// Kinds by which workloads are reached and limited.
    Services,
    /// Workloads that own others.
    Workloads,
    /// Kinds that workloads own.
    Owned,
    /// Pods.
    Pods,
    /// Kinds that change the size of workloads.
    Autoscalers,
    /// Kinds that limit others or hide an API: quotas, APIServices.
    Limits,
    /// Kinds that may refuse others, those of [`Limits`](PriorityClass::Limits) among them:
    /// webhooks and policies.
    Last,
}

impl PriorityClass {
    /// Returns the class of a kind.
    pub fn of(kind: &GroupResource) -> Self {
        Traits::of(kind).class
    }
}

/// Compares in restore order: by class, within a class by the table, and kinds without a row by
/// name.
pub fn restore_order(a: &GroupResource, b: &GroupResource) -> Ordering {
    let rank = |kind: &GroupResource| {
        let place = ROWS.get(kind.as_str()).map_or(usize::MAX, |(place, _)| *place);
        (PriorityClass::of(kind), place)
    };
    rank(a).cmp(&rank(b)).then_with(|| a.cmp(b))
}
