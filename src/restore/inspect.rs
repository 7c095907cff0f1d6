//! Looks at an item that is in the cluster already, compares it with the one that a restore would
//! make, and judges it. Changes nothing.

use std::time::Duration;

use serde_json::Value;

use super::compare::{Difference, Intended, compare};
use super::existing::{
    ExistingVerdict, ObservedItem, as_update, decide, go_on, is_default_account, merge_account, unless_fixed,
};
use super::live::{LiveItem, labels};
use super::prepared::Ready;
use super::rewrite::{Owner, OwnerView, annotations_by_hand, unmark_default};
use super::select::Inclusion;
use super::view::RestoreView;
use crate::cluster::{Bound, ClusterError};
use crate::model::traits::adopts;
use crate::model::{PVCS, VOLUMES, causes};

/// The longest time that an item may take to be deleted: a pod's grace period (30 s by default)
/// and some.
const GONE_WITHIN: Duration = Duration::from_secs(120);

impl RestoreView<'_> {
    /// Reads the item from the cluster and compares it; `None` if it is not there.
    pub async fn look(&self, ready: &Ready<'_>) -> Result<Option<LiveItem>, ClusterError> {
        let target = &ready.target;
        let found = self.cluster.get(ready.info, target.namespace.as_deref(), &target.name).await?;
        Ok(found.map(|body| {
            let object: Value = serde_json::from_slice(&body).unwrap_or_default();
            let text =
                |key: &str| object.get("metadata").and_then(|data| data.get(key)).and_then(Value::as_str);
            let begun = self.plan.attempt > 1 || self.tried.has(&ready.entry);
            let restored = begun && self.plan.earlier.made(&labels(&object));
            let (uid, version) =
                (text("uid").unwrap_or_default(), text("resourceVersion").unwrap_or_default());
            let wanted = is_default_account(target).then(|| merge_account(&ready.body, &object));
            let difference = self.compare(ready, wanted.as_ref().unwrap_or(&ready.body), object.clone());
            LiveItem {
                uid: uid.to_owned(),
                version: version.to_owned(),
                deleting: text("deletionTimestamp").is_some(),
                restored,
                difference,
                wanted,
                object,
            }
        }))
    }

    fn compare(&self, ready: &Ready<'_>, wanted: &Value, live: Value) -> Difference {
        let target = &ready.target;
        let keep = |owner: &OwnerView<'_>| Owner::New(owner.uid.to_owned());
        let by_hand = annotations_by_hand(&live);
        match self.plain.rewrite(&target.resource, target, live, ready.shape(&keep)) {
            Ok(mut live) => {
                // A default class that comes along is not made the default, and is not different
                // if it is the default already.
                if self.plan.entry(ready.entry).inclusion != Inclusion::Selected {
                    unmark_default(&target.resource, &mut live.body);
                }
                let intended =
                    Intended { body: wanted, awaited: &ready.awaited, status: ready.status.as_ref() };
                compare(&target.resource, intended, &live, &by_hand)
            }
            Err(error) => Difference { changed: vec![causes(&error)], extra: Vec::new() },
        }
    }

    /// Returns the verdict about an item that is in the cluster.
    pub fn judge(&self, ready: &Ready<'_>, live: &LiveItem) -> ExistingVerdict {
        let entry = self.plan.entry(ready.entry);
        let observed = ObservedItem {
            mapped: ready.mapped,
            made_namespace: ready
                .target
                .namespace
                .as_deref()
                .is_some_and(|name| self.made_namespaces.has(name)),
            // A workload that is made anew leaves its children in place; see `recreate`.
            owns_claims: !adopts(&ready.target.resource)
                && entry.uid.is_some_and(|uid| self.plan.items.claim_owners.contains(&uid)),
            gets_its_other_half: self.gets_its_other_half(ready, live),
            ..ObservedItem::read(&ready.target.resource, &ready.body, &live.object)
        };
        let verdict = decide(&ready.target, entry.inclusion, &live.difference, self.plan.policy, observed);
        let changes = || !self.compare(ready, &updated(ready, live), live.object.clone()).is_none();
        let verdict = unless_fixed(verdict, changes);
        if live.restored { go_on(verdict) } else { verdict }
    }

    /// Returns whether a PVC that is there only lacks its volume and gets the one that it names
    /// now, or a volume that is there only lacks its PVC, which comes back and names it.
    fn gets_its_other_half(&self, ready: &Ready<'_>, live: &LiveItem) -> bool {
        let lacks = |path: &str| live.difference.extra.is_empty() && live.difference.changed == [path];
        match ready.target.resource.as_str() {
            PVCS => {
                let named = ready.body["spec"]["volumeName"].as_str().unwrap_or_default();
                let waits = live.object["status"]["phase"] == "Pending"
                    && live.object["spec"]["volumeName"].is_null();
                waits && lacks("spec.volumeName") && self.plan.volumes.held.contains_key(named)
            }
            VOLUMES => {
                let text = |field: &str| ready.body["spec"]["claimRef"][field].as_str().map(str::to_owned);
                let claim = text("namespace").zip(text("name"));
                lacks("spec.claimRef") && claim.is_some_and(|claim| self.plan.volumes.bound.contains(&claim))
            }
            _ => false,
        }
    }

    /// Waits until the item that is being deleted is gone.
    pub async fn wait_gone(&self, ready: &Ready<'_>, live: &LiveItem) -> Result<(), ClusterError> {
        let target = &ready.target;
        let bound = Bound::new(GONE_WITHIN, GONE_WITHIN);
        self.cluster
            .gone(ready.info, target.namespace.as_deref(), &target.name, Some(&live.uid), &bound)
            .await
    }
}

/// Returns the body of an update.
pub fn updated(ready: &Ready<'_>, live: &LiveItem) -> Value {
    let wanted = live.wanted.as_ref().unwrap_or(&ready.body);
    as_update(wanted, &live.object, &ready.target.resource)
}
