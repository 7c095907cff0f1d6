//! Turns a body of the backup into the object to create, or into the reason to leave it out.
//! Changes nothing.

use serde_json::Value;

use super::ended::made_by_an_operator;
use super::inventory::EntryId;
use super::kinds::ServedAs;
use super::owners::Fate;
use super::prepared::{Prepared, Ready, may_run_again, shape};
use super::rewrite::{Owner, OwnerView, never_restored, unmark_default};
use super::select::Inclusion;
use super::view::RestoreView;
use crate::model::traits::regenerates;
use crate::model::{Finding, GroupResource, ItemKey, Regenerated, SkipReason, VOLUMES, causes};

/// The resource type of pods.
const PODS: &str = "pods";

impl RestoreView<'_> {
    /// Makes an item ready to be created.
    ///
    /// # Errors
    /// With the finding, if the item cannot be restored.
    pub fn prepare(&self, id: EntryId, body: &[u8]) -> Result<Prepared<'_>, Finding> {
        let (entry, item) = (self.plan.entry(id), self.plan.key(id));
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| self.plan.source.damaged(id, &format!("it is no JSON: {error}")))?;
        if !value.is_object() {
            return Err(self.plan.source.damaged(id, "it is no JSON object"));
        }
        if let Some(reason) = never_restored(&item.resource, &value) {
            return Ok(Prepared::Skip(reason, made_by_an_operator(&item.resource, &value)));
        }
        if self.belongs_to_a_pod_that_stays_away(&item.resource, &value) {
            return Ok(Prepared::Skip(SkipReason::ControllerMakesIt, None));
        }
        if let (VOLUMES, Some((reason, why))) =
            (item.resource.as_str(), self.plan.volumes.left_out.get(&item.name))
        {
            return Ok(Prepared::Skip(*reason, Some(why.clone())));
        }
        let (info, converted) = match self.served.of(entry) {
            ServedAs::Yes { info, converted } => (&**info, *converted),
            ServedAs::No { category, why } => {
                return Err(Finding::error(*category, why.clone()).on_item(item));
            }
        };
        let owners = |owner: &OwnerView<'_>| match self.owners.fate(owner.uid) {
            Fate::There(uid) => Owner::New(uid),
            // An owner that the restore does not bring may be in the cluster: `links` looks for it.
            Fate::Awaited | Fate::Unknown => Owner::Awaited,
        };
        let rewritten = (self.plan.rewriter.rewrite(&item.resource, &item, value, shape(info, &owners)))
            .map_err(|error| Finding::error(error.category(), causes(&error)).on_item(item.clone()))?;
        if let Some(why) = rewritten.left_out {
            return Ok(Prepared::Skip(SkipReason::NotRestorable, Some(why)));
        }
        let status = |comes: bool| {
            rewritten.status.as_ref().filter(|_| comes == self.plan.restores_status(entry.kind))
        };
        let mut ready = Ready {
            entry: id,
            may_run_again: may_run_again(&item.resource, status(false)),
            target: ItemKey {
                resource: item.resource.clone(),
                namespace: rewritten.namespace,
                name: rewritten.name,
            },
            info,
            takes_any_address: item.resource.as_str() == "services" && !rewritten.wants_fixed_address,
            item,
            body: rewritten.body,
            status: status(true).cloned(),
            awaited: rewritten.awaited,
            field_owners: rewritten.field_owners,
            mapped: rewritten.mapped,
            warnings: rewritten.warnings,
            lost_hook: rewritten.lost_hook,
            bytes: entry.size,
        };
        if converted && let Some(version) = ready.body.get_mut("apiVersion") {
            *version = info.api_version().into();
        }
        ready.warnings.extend(self.volume_warning(&ready));
        if entry.inclusion != Inclusion::Selected && unmark_default(&ready.item.resource, &mut ready.body) {
            let warning = "it is the default of its kind where it was backed up; here it only comes along with what needs it, and is not made the default";
            ready.warnings.push(warning.to_owned());
        }
        Ok(Prepared::Ready(Box::new(ready)))
    }

    /// Returns whether the item is a PVC or ResourceClaim that was made for one pod which does not
    /// come back: the pod's successor gets one of its own, and refuses this one.
    fn belongs_to_a_pod_that_stays_away(&self, kind: &GroupResource, item: &Value) -> bool {
        let owners = item["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        let mut owners = owners.filter_map(OwnerView::read);
        regenerates(kind, &GroupResource::parse(PODS)) == Regenerated::Yes
            && owners.any(|owner| {
                (owner.kind, owner.api_version) == ("Pod", "v1")
                    && self.owners.fate(owner.uid) == Fate::Unknown
            })
    }

    /// Returns the warning about a volume that comes from another cluster, or `None`: both
    /// clusters would use its storage.
    pub fn volume_warning(&self, ready: &Ready<'_>) -> Option<String> {
        let foreign = self.plan.from_another_cluster && ready.item.resource.as_str() == VOLUMES;
        foreign.then(|| {
            "its storage belongs to a volume of the cluster that was backed up: where that cluster still runs, both would write to the same storage; stop the application there first, or restore with restorePVs false".to_owned()
        })
    }
}
