//! The view of a restore: its plan, and what is known of the cluster by now. Nothing here writes to
//! the cluster, so that a dry run goes by the same rules as a run.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::inventory::EntryId;
use super::kinds::{ServedKinds, conversion};
use super::noted::Noted;
use super::owners::Owners;
use super::plan::RestorePlan;
use super::rewrite::Rewriter;
use crate::cluster::Cluster;
use crate::model::{CRDS, Finding};

/// The plan of a restore beside the cluster, and what items note for each other while they are
/// restored side by side.
#[derive(Debug)]
pub struct RestoreView<'a> {
    /// The cluster that is restored into.
    pub cluster: &'a Cluster,
    /// The plan.
    pub plan: &'a RestorePlan,
    /// The kinds that the cluster serves; looked up again once CRDs have been restored.
    pub served: Cow<'a, ServedKinds>,
    /// The old and the new uids of items that own others.
    pub owners: Owners,
    /// Namespaces that this restore made: what controllers put there is brought into line with the
    /// backup.
    pub made_namespaces: Noted<String>,
    /// Items that were tried before in this attempt, and may have been made although no answer
    /// came.
    pub tried: Noted<EntryId>,
    /// Items that were there, made by an earlier try or attempt of this restore.
    pub own: Noted<EntryId>,
    /// Items that were made without the status that said that they were done.
    pub ended: Noted<EntryId>,
    /// Takes off an item of the cluster what a server sets, so that the item compares with the
    /// rewritten one.
    pub plain: Rewriter,
}

impl<'a> RestoreView<'a> {
    /// Makes the view of a restore that has not begun.
    pub fn new(cluster: &'a Cluster, plan: &'a RestorePlan) -> Self {
        let planned = plan.items.entries().filter_map(|id| plan.entry(id).uid);
        let planned = planned.chain(plan.items.made_by_others(&plan.source.inventory));
        Self {
            cluster,
            plan,
            served: Cow::Borrowed(&plan.served),
            owners: Owners::awaiting(planned),
            made_namespaces: Noted::default(),
            tried: Noted::default(),
            own: Noted::default(),
            ended: Noted::default(),
            plain: Rewriter::plain(),
        }
    }

    /// Returns a warning for each planned kind, CRDs aside, that the cluster serves otherwise than
    /// the backup has it: only at another version, or with a status that a create does not take.
    pub fn conversions(&self) -> Vec<Finding> {
        let kinds = &self.plan.source.inventory.kinds;
        let planned: BTreeSet<u16> = self.plan.items.entries().map(|id| self.plan.entry(id).kind).collect();
        let warn = |id: u16| {
            let stored = &kinds[usize::from(id)];
            let converted = conversion(stored, self.served.at(id), self.plan.restores_status(id));
            converted.filter(|_| stored.resource.as_str() != CRDS)
        };
        planned.into_iter().filter_map(warn).collect()
    }
}
