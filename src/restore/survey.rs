//! Looks into the few bodies that the plan needs: which items the selected ones need, which facts
//! the index does not hold, and which volumes come back. Reads the bucket and the cluster, and
//! changes neither.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures::TryStreamExt as _;
use serde_json::Value;

use super::error::RestoreError;
use super::inventory::{EntryId, InventoryEntry};
use super::owners::OldUid;
use super::rewrite::{DataSource, Rewriter, data_source};
use super::select::{Inclusion, Selection};
use super::source::Source;
use super::steps::{BodyFacts, PlannedItems, not_left_out};
use super::volumes::{LiveVolume, PvcName, Volumes, decide};
use crate::cluster::{Catalog, Cluster, ListQuery, ResourceInfo};
use crate::model::traits::is_custom;
use crate::model::{
    ClusterReferences, ClusterScope, GroupResource, ItemKey, LEADING, Offer, PVCS, VOLUMES, has_references,
};

/// Deployments that own others are read beforehand: a paused one makes no ReplicaSet.
const DEPLOYMENTS: &str = "deployments.apps";

/// Pods that custom resources control are read beforehand: the operator makes others in the place
/// of those with generated names.
const PODS: &str = "pods";

/// Reads the Deployments that own others and the pods that custom resources control, and returns
/// the facts that the plan needs of them.
pub async fn look_into_owners(source: &Source) -> Result<BodyFacts, RestoreError> {
    let inventory = &source.inventory;
    let owners: HashSet<OldUid> = inventory.entries.iter().filter_map(|entry| entry.owner).collect();
    let come = inventory.entries.iter().filter(|entry| entry.inclusion.comes());
    let custom = come.filter(|entry| is_custom(inventory.kind(entry)));
    let operated: HashSet<OldUid> = custom.filter_map(|entry| entry.uid).collect();
    let telling = |(entry, _): &(&InventoryEntry, EntryId)| match inventory.kind(entry).as_str() {
        DEPLOYMENTS => entry.uid.is_some_and(|uid| owners.contains(&uid)),
        PODS => entry.owner.is_some_and(|owner| operated.contains(&owner)),
        _ => false,
    };
    let telling: Vec<EntryId> = inventory.entries.iter().zip(0..).filter(telling).map(|(_, id)| id).collect();
    let mut facts = BodyFacts::default();
    let mut bodies = source.bodies(&telling)?;
    while let Some((id, body)) = bodies.try_next().await? {
        // A body that cannot be read is reported when it is to be restored.
        let body: Value = body.ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        let entry = inventory.entry(id);
        match inventory.kind(entry).as_str() {
            PODS if has_generated_name(&body) => facts.generated.extend(entry.uid),
            DEPLOYMENTS if body["spec"]["paused"] == true => facts.paused.extend(entry.uid),
            _ => {}
        }
    }
    Ok(facts)
}

/// Returns whether the API server made up the name, so that whoever makes the item again makes it
/// under another.
fn has_generated_name(item: &Value) -> bool {
    let text = |field: &str| item["metadata"][field].as_str().unwrap_or_default();
    let prefix = text("generateName");
    !prefix.is_empty() && text("name").starts_with(prefix)
}

/// Returns the items that the selected ones need, and those that these need in turn.
pub async fn look_for_needs(
    source: &Source,
    selection: &Selection<'_>,
    facts: &BodyFacts,
) -> Result<HashSet<ItemKey>, RestoreError> {
    let inventory = &source.inventory;
    let optional = || inventory.entries.iter().filter(|entry| entry.inclusion == Inclusion::IfNeeded);
    let claims = optional().any(|entry| inventory.kind(entry).as_str() == PVCS);
    if !claims && (selection.cluster == ClusterScope::None || optional().next().is_none()) {
        return Ok(HashSet::new());
    }
    let mut needs = if claims { ClusterReferences::with_claims() } else { ClusterReferences::default() };
    let refers = |(_, entry): &(EntryId, &InventoryEntry)| has_references(inventory.kind(entry));
    let referring = not_left_out(inventory, facts, Inclusion::comes).filter(refers);
    let mut bodies = source.bodies(&referring.map(|(id, _)| id).collect::<Vec<_>>())?;
    while let Some((id, body)) = bodies.try_next().await? {
        needs.note_references(inventory.kind(inventory.entry(id)), &body.unwrap_or_default());
    }
    drop(bodies);
    if needs.names_claims() {
        look_for_claims(source, facts, &mut needs).await?;
    }
    for kind in LEADING {
        let asked = needs.asks(kind);
        let offered = |(id, entry): &(EntryId, &InventoryEntry)| match asked {
            Offer::All => true,
            Offer::Nothing => false,
            Offer::Found => needs.needs(inventory.kind(inventory.entry(*id)), &entry.name),
        };
        let offered: Vec<EntryId> = of_kind(source, kind).filter(offered).map(|(id, _)| id).collect();
        let mut bodies = source.bodies(&offered)?;
        while let Some((id, body)) = bodies.try_next().await? {
            let entry = inventory.entry(id);
            needs.offer(inventory.kind(entry), &entry.name, &body.unwrap_or_default());
        }
    }
    let kinds = inventory.kinds.iter().filter(|info| !info.namespaced);
    needs.close(kinds.map(|info| (&info.resource, &*info.kind)));
    Ok(needs.found)
}

/// Adds the PVCs that selected items name although no label selects them, and the items that these
/// need.
async fn look_for_claims(
    source: &Source,
    facts: &BodyFacts,
    needs: &mut ClusterReferences,
) -> Result<(), RestoreError> {
    let inventory = &source.inventory;
    let named = |(_, entry): &(EntryId, &InventoryEntry)| {
        inventory.kind(entry).as_str() == PVCS
            && inventory.namespace(entry).is_some_and(|home| needs.names_claim(home, &entry.name))
    };
    let named = not_left_out(inventory, facts, |inclusion| !inclusion.comes()).filter(named);
    let mut bodies = source.bodies(&named.map(|(id, _)| id).collect::<Vec<_>>())?;
    while let Some((id, body)) = bodies.try_next().await? {
        let entry = inventory.entry(id);
        let home = inventory.namespace(entry).unwrap_or_default();
        needs.offer_claim(home, &entry.name, &body.unwrap_or_default());
    }
    Ok(())
}

fn of_kind<'s>(
    source: &'s Source,
    kind: &'static str,
) -> impl Iterator<Item = (EntryId, &'s InventoryEntry)> + 's {
    let inventory = &source.inventory;
    (inventory.entries.iter().zip(0..))
        .filter(move |(entry, _)| inventory.kind(entry).as_str() == kind)
        .map(|(entry, id)| (id, entry))
}

/// Facts about the planned PVCs.
#[derive(Debug, Default)]
pub struct Claims {
    /// The PVCs that name a volume, by their names in the cluster, each with that volume.
    volumes: BTreeMap<PvcName, String>,
    /// Those of them that were not Pending when the backup was made.
    bound: BTreeSet<PvcName>,
    /// The sources from which the PVCs were filled.
    sources: HashSet<DataSource>,
}

/// Reads the planned PVCs.
pub async fn look_at_claims(
    source: &Source,
    plan: &PlannedItems,
    rewriter: &Rewriter,
) -> Result<Claims, RestoreError> {
    let inventory = &source.inventory;
    let planned: Vec<EntryId> = planned(source, plan, PVCS).collect();
    let mut claims = Claims::default();
    let mut bodies = source.bodies(&planned)?;
    while let Some((id, body)) = bodies.try_next().await? {
        let entry = inventory.entry(id);
        let body: Value = body.ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        claims.sources.extend(data_source(&body));
        let namespace = inventory.namespace(entry).unwrap_or_default();
        if let Some(volume) = body["spec"]["volumeName"].as_str().filter(|name| !name.is_empty()) {
            let claim = (rewriter.namespace(namespace).to_owned(), entry.name.to_string());
            if body["status"]["phase"] != "Pending" {
                claims.bound.insert(claim.clone());
            }
            claims.volumes.insert(claim, volume.to_owned());
        }
    }
    Ok(claims)
}

fn planned<'s>(
    source: &'s Source,
    plan: &'s PlannedItems,
    kind: &'static str,
) -> impl Iterator<Item = EntryId> + 's {
    let inventory = &source.inventory;
    plan.entries().filter(move |id| inventory.kind(inventory.entry(*id)).as_str() == kind)
}

/// Decides which volumes come back: reads the planned ones and lists those of the cluster.
pub async fn look_at_volumes(
    cluster: &Cluster,
    catalog: &Catalog,
    source: &Source,
    plan: &PlannedItems,
    claims: &Claims,
    restore_pvs: Option<bool>,
    rewriter: &Rewriter,
) -> Result<Volumes, RestoreError> {
    let inventory = &source.inventory;
    let wanted: Vec<EntryId> = planned(source, plan, VOLUMES).collect();
    if wanted.is_empty() && claims.volumes.is_empty() {
        return Ok(Volumes::default());
    }
    let mut stored = Vec::new();
    let mut bodies = source.bodies(&wanted)?;
    while let Some((id, body)) = bodies.try_next().await? {
        let body = body.ok().and_then(|body| serde_json::from_slice::<Value>(&body).ok());
        stored.push((inventory.entry(id).name.to_string(), body.unwrap_or_default()));
    }
    let live = match catalog.find(&GroupResource::parse(VOLUMES)) {
        Some(info) => live_volumes(cluster, info).await?,
        None => BTreeMap::new(),
    };
    let map = |namespace: &str| rewriter.namespace(namespace).to_owned();
    let decided = decide(&stored, &live, &claims.volumes, restore_pvs, map);
    Ok(Volumes { bound: claims.bound.clone(), ..decided })
}

async fn live_volumes(
    cluster: &Cluster,
    info: &ResourceInfo,
) -> Result<BTreeMap<String, LiveVolume>, RestoreError> {
    let mut live = BTreeMap::new();
    let mut lister = cluster.lister(ListQuery { kind: info, namespace: None, labels: None, cut: None });
    while let Some(page) =
        lister.next().await.map_err(RestoreError::cluster("listing the cluster's volumes"))?
    {
        live.extend(page.bodies().filter_map(LiveVolume::read));
    }
    Ok(live)
}

/// Returns those sources of the planned PVCs that will be there: restored, or in the cluster
/// already.
pub async fn look_for_sources(
    cluster: &Cluster,
    catalog: &Catalog,
    source: &Source,
    plan: &PlannedItems,
    claims: &Claims,
    rewriter: &Rewriter,
) -> Result<HashSet<DataSource>, RestoreError> {
    let inventory = &source.inventory;
    let planned: HashSet<ItemKey> = match claims.sources.is_empty() {
        true => HashSet::new(),
        false => plan.entries().map(|id| inventory.key(inventory.entry(id))).collect(),
    };
    let mut there = HashSet::new();
    for wanted in &claims.sources {
        let kind = (inventory.kinds.iter())
            .find(|info| info.kind == wanted.kind && info.resource.group() == wanted.group)
            .map(|info| info.resource.clone());
        let key = |kind| ItemKey::namespaced(kind, wanted.namespace.as_str(), wanted.name.as_str());
        let restored = kind.is_some_and(|kind| planned.contains(&key(kind)));
        let namespace = Some(rewriter.namespace(&wanted.namespace)).filter(|name| !name.is_empty());
        let version = if wanted.group.is_empty() { "v1".to_owned() } else { format!("{}/", wanted.group) };
        let there_already = async || match catalog.find_named(&version, &wanted.kind) {
            Some(info) => {
                let namespace = namespace.filter(|_| info.namespaced);
                cluster.get(info, namespace, &wanted.name).await.map(|found| found.is_some())
            }
            None => Ok(false),
        };
        let doing = "looking for what the claims were filled from";
        if restored || there_already().await.map_err(RestoreError::cluster(doing))? {
            there.insert(wanted.clone());
        }
    }
    Ok(there)
}
