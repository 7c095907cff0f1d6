//! Decides which items are restored in which steps, and which are left out. Pure.
//!
//! Left out is what a controller makes again, and nothing else that belongs to an item that is left
//! out. The decision knows the index, and of bodies only the few facts in [`BodyFacts`]; what else
//! a body says (finished, made by the control plane) is found when the item is prepared.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::inventory::{EntryId, Inventory, InventoryEntry};
use super::owners::OldUid;
use super::rewrite::never_restored;
use super::select::Inclusion;
use crate::model::traits::{adopts, regenerates};
use crate::model::{CRDS, GroupResource, ItemKey, NAMESPACES, PVCS, PriorityClass, Regenerated, SkipReason};

/// Items that may be restored side by side once all steps before are done.
#[derive(Clone, Debug, Default)]
pub struct PlanStep {
    /// Places in the inventory, in the tarball's order.
    pub entries: Vec<EntryId>,
    /// Whether the step may begin while the last few items of the step before are still under way.
    pub soft: bool,
    /// Whether the step holds kinds that may refuse others or hide their API, and so comes when
    /// everything else is there.
    pub last: bool,
    /// Whether the step holds PVCs, whose volumes must be freed before.
    pub claims: bool,
}

/// Facts that only bodies tell, of the few items whose facts must be known before the plan.
#[derive(Debug, Default)]
pub struct BodyFacts {
    /// The uids of paused Deployments: a paused Deployment makes no ReplicaSet, so that its newest
    /// one is restored too.
    pub paused: HashSet<OldUid>,
    /// The uids of pods with a generated name that a custom resource controls: its operator makes
    /// others in their place.
    pub generated: HashSet<OldUid>,
}

/// The items of a plan: those to restore, and those left out.
#[derive(Debug, Default)]
pub struct PlannedItems {
    /// The CRDs.
    pub definitions: Vec<EntryId>,
    /// The namespaces by their names in the cluster; `None` if the backup does not hold the
    /// namespace, and its items only need it.
    pub namespaces: BTreeMap<String, Option<EntryId>>,
    /// All other items, a step for each priority class.
    pub steps: Vec<PlanStep>,
    /// The items that would come and are left out, each with the reason.
    pub skipped: Vec<(EntryId, SkipReason)>,
    /// The uids of the controllers of planned PVCs: deleting such a controller may delete data.
    pub claim_owners: HashSet<OldUid>,
    /// The uids of the controllers of items of the inventory that do not come, since nothing needs
    /// them.
    pub parted_owners: HashSet<OldUid>,
}

impl PlannedItems {
    /// Returns the uids of items that are left out because their controller makes them under the
    /// same name, and that adopt what belongs to them: their children wait for them.
    pub fn made_by_others(&self, inventory: &Inventory) -> impl Iterator<Item = OldUid> {
        let skipped = self.skipped.iter().filter(|(_, reason)| *reason == SkipReason::ControllerMakesIt);
        let entries = skipped.map(|(id, _)| inventory.entry(*id));
        entries.filter(|entry| adopts(inventory.kind(entry))).filter_map(|entry| entry.uid)
    }

    /// Returns the pods that are left to the operators of custom resources.
    pub fn left_to_operators<'a>(
        &'a self,
        inventory: &'a Inventory,
        facts: &'a BodyFacts,
    ) -> impl Iterator<Item = &'a InventoryEntry> {
        let skipped = self.skipped.iter().map(|(id, _)| inventory.entry(*id));
        skipped.filter(|entry| entry.uid.is_some_and(|uid| facts.generated.contains(&uid)))
    }

    /// Returns every item that is to be restored: CRDs, namespaces, then the steps in order.
    pub fn entries(&self) -> impl Iterator<Item = EntryId> {
        let namespaces = self.namespaces.values().flatten();
        let others = self.steps.iter().flat_map(|step| &step.entries);
        self.definitions.iter().chain(namespaces).chain(others).copied()
    }

    /// Returns the number of objects to restore, among them the namespaces that the backup does not
    /// hold.
    pub fn number(&self) -> usize {
        self.entries().count() + self.namespaces.values().filter(|entry| entry.is_none()).count()
    }

    /// Returns the steps in order, parted into those that come first and those that come when
    /// everything else is there.
    pub fn split_last_steps(&self) -> (&[PlanStep], &[PlanStep]) {
        self.steps.split_at(self.steps.partition_point(|step| !step.last))
    }
}

/// Decides about each item. `needed` are the items that the selected ones name; `map` turns a
/// namespace of the backup into the one in the cluster.
pub fn plan_items<'a>(
    inventory: &'a Inventory,
    needed: &HashSet<ItemKey>,
    facts: &BodyFacts,
    map: impl Fn(&'a str) -> &'a str,
) -> PlannedItems {
    let controllers = Controllers::of(inventory, facts);
    let mut plan = PlannedItems::default();
    let mut steps: BTreeMap<PriorityClass, PlanStep> = BTreeMap::new();
    let mut homes: HashMap<&str, EntryId> = HashMap::new();
    let comes = coming(inventory, needed, &controllers);
    for (entry, id) in inventory.entries.iter().zip(0..) {
        let kind = inventory.kind(entry);
        match comes[id as usize] {
            Coming::No => plan.parted_owners.extend(entry.owner),
            Coming::Skipped(reason) => plan.skipped.push((id, reason)),
            Coming::Yes if kind.as_str() == CRDS => plan.definitions.push(id),
            Coming::Yes if kind.as_str() == NAMESPACES => {
                plan.namespaces.entry(map(&entry.name).to_owned()).or_insert(Some(id));
            }
            Coming::Yes => {
                let class = PriorityClass::of(kind);
                let soft = matches!(class, PriorityClass::Services | PriorityClass::Workloads);
                let new = || PlanStep { soft, last: class >= PriorityClass::Limits, ..PlanStep::default() };
                let step = steps.entry(class).or_insert_with(new);
                step.entries.push(id);
                if kind.as_str() == PVCS {
                    step.claims = true;
                    plan.claim_owners.extend(entry.owner);
                }
            }
        }
        if kind.as_str() == NAMESPACES {
            homes.insert(&entry.name, id);
        }
    }
    for id in steps.values().flat_map(|step| &step.entries) {
        if let Some(namespace) = inventory.namespace(inventory.entry(*id)) {
            let target = map(namespace);
            if !plan.namespaces.contains_key(target) {
                plan.namespaces.insert(target.to_owned(), homes.get(namespace).copied());
            }
        }
    }
    plan.steps = steps.into_values().collect();
    plan
}

/// Returns the items whose inclusion `stands` accepts and whose bodies may name others: all except
/// those left out. A pod that is left to an operator is among them: its body says what its
/// successor needs, which the custom resource says in fields that Ark does not know.
pub fn not_left_out<'a>(
    inventory: &'a Inventory,
    facts: &'a BodyFacts,
    stands: impl Fn(Inclusion) -> bool + 'a,
) -> impl Iterator<Item = (EntryId, &'a InventoryEntry)> {
    let controllers = Controllers::of(inventory, facts);
    inventory.entries.iter().zip(0..).filter_map(move |(entry, id)| {
        let speaks = || entry.uid.is_some_and(|uid| facts.generated.contains(&uid));
        let stands = stands(entry.inclusion);
        (stands && (skip(inventory, entry, &controllers).is_none() || speaks())).then_some((id, entry))
    })
}

#[derive(Clone, Copy)]
enum Coming {
    Yes,
    No,
    Skipped(SkipReason),
}

/// Decides about each entry. A CRD comes if an item of its kind comes.
fn coming(inventory: &Inventory, needed: &HashSet<ItemKey>, controllers: &Controllers<'_>) -> Vec<Coming> {
    let decide = |entry: &InventoryEntry| match skip(inventory, entry, controllers) {
        None if entry.inclusion.comes() || needed.contains(&inventory.key(entry)) => Coming::Yes,
        Some(reason) if entry.inclusion.comes() => Coming::Skipped(reason),
        _ => Coming::No,
    };
    let mut comes: Vec<Coming> = inventory.entries.iter().map(decide).collect();
    let kinds: HashSet<&str> = (inventory.entries.iter().zip(&comes))
        .filter(|(_, coming)| matches!(coming, Coming::Yes))
        .map(|(entry, _)| inventory.kind(entry).as_str())
        .collect();
    for (entry, coming) in inventory.entries.iter().zip(&mut comes) {
        if matches!(coming, Coming::No) && inventory.kind(entry).as_str() == CRDS {
            *coming = if kinds.contains(&*entry.name) { Coming::Yes } else { Coming::No };
        }
    }
    comes
}

fn skip(inventory: &Inventory, entry: &InventoryEntry, controllers: &Controllers<'_>) -> Option<SkipReason> {
    let kind = inventory.kind(entry);
    never_restored(kind, &serde_json::Value::Null)
        .or_else(|| inventory.is_itself(entry).then_some(SkipReason::RunningServer))
        .or_else(|| controllers.make(kind, entry).then_some(SkipReason::ControllerMakesIt))
}

/// The controllers among the items that come.
struct Controllers<'a> {
    facts: &'a BodyFacts,
    kinds: HashMap<OldUid, &'a GroupResource>,
    /// The number of the newest rollout, by owner and by the kind that is rolled out.
    newest: HashMap<(OldUid, u16), u64>,
}

impl<'a> Controllers<'a> {
    fn of(inventory: &'a Inventory, facts: &'a BodyFacts) -> Self {
        let selected = || inventory.entries.iter().filter(|entry| entry.inclusion.comes());
        let kinds = selected().filter_map(|entry| Some((entry.uid?, inventory.kind(entry)))).collect();
        let mut newest: HashMap<(OldUid, u16), u64> = HashMap::new();
        for entry in selected() {
            if let Some(owner) = entry.owner {
                let newest = newest.entry((owner, entry.kind)).or_default();
                *newest = (*newest).max(entry.rollout.unwrap_or_default());
            }
        }
        Self { facts, kinds, newest }
    }

    /// Returns whether the item's controller comes back and makes the item again.
    fn make(&self, kind: &GroupResource, entry: &InventoryEntry) -> bool {
        let Some(owner) = entry.owner else { return false };
        let Some(controller) = self.kinds.get(&owner) else { return false };
        match regenerates(kind, controller) {
            Regenerated::No => entry.uid.is_some_and(|uid| self.facts.generated.contains(&uid)),
            Regenerated::Yes => true,
            // The newest revision is met as its controller makes it; the older ones are the
            // history that `rollout undo` needs.
            Regenerated::Newest => {
                let newest = self.newest.get(&(owner, entry.kind)).copied();
                newest == Some(entry.rollout.unwrap_or_default()) && !self.facts.paused.contains(&owner)
            }
        }
    }
}

#[cfg(test)]
mod tests;
