//! Everything that a restore rests on, opened before anything is done: source, plan, kinds, volumes, rewriting.
//!
//! Opening reads the bucket and the cluster and changes neither; `preview` and `run` share it.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::TryStreamExt as _;
use serde_json::Value;

use super::account::Account;
use super::error::RestoreError;
use super::existing::Earlier;
use super::inventory::EntryId;
use super::kinds::{Kinds, Served};
use super::owners::Owners;
use super::plan::{Plan, plan, taken};
use super::rewrite::{CompiledModifiers, RewriteOptions, Rewriter};
use super::select::{Selection, Standing};
use super::source::Source;
use super::volumes::{LiveVolume, Volumes, decide};
use super::{DEFAULT_PARALLEL, RestoreRequest};
use crate::api::{CompiledSelection, ExistingResourcePolicy, InvalidSpec, RestoreSpec};
use crate::bucket::Bucket;
use crate::cluster::{Catalog, Cluster, KindInfo, ListQuery};
use crate::model::{
    Category, ClusterScope, Finding, ItemKey, Kind, KindTerms, LEADING, Needs, Offer, VOLUMES, refers,
};

/// The claims' own kind.
const CLAIMS: &str = "persistentvolumeclaims";

/// One restore, ready to be done or told.
#[derive(Debug)]
pub struct Work<'a> {
    /// Where it goes.
    pub cluster: &'a Cluster,
    /// Where it comes from.
    pub source: Source,
    /// What is to be done.
    pub plan: Plan,
    /// How the cluster serves the backup's kinds; looked up again when definitions have been restored.
    pub kinds: Kinds,
    /// From an item of the backup to the item to create.
    pub rewriter: Rewriter,
    /// Takes off an item of the cluster what a server sets, so that it compares.
    pub plain: Rewriter,
    /// What became of items that own others.
    pub owners: Owners,
    /// Which volumes come back.
    pub volumes: Volumes,
    /// What to do about items that are there already.
    pub policy: ExistingResourcePolicy,
    /// Namespaces of the cluster that cannot be had, and why.
    pub broken_namespaces: HashMap<String, (Category, String)>,
    /// Creates that are under way at once.
    pub parallel: usize,
    /// What an earlier attempt made; none in a first one.
    pub earlier: Option<Earlier>,
    status_kinds: Vec<bool>,
}

/// What a specification says, checked and compiled.
struct Terms {
    selection: CompiledSelection,
    modifiers: CompiledModifiers,
}

impl Terms {
    fn compile(spec: &RestoreSpec) -> Result<Self, RestoreError> {
        let mut wrong = spec.validate();
        let modifiers = CompiledModifiers::compile(&spec.resource_modifiers);
        let selection = spec.selection();
        if let (true, Err(errors)) = (wrong.is_empty(), &modifiers) {
            wrong.extend(errors.iter().map(|error| InvalidSpec {
                field: format!("resourceModifiers[{}].{}", error.rule - 1, error.field),
                why: error.why.clone(),
            }));
        }
        match (selection, modifiers) {
            (Ok(selection), Ok(modifiers)) if wrong.is_empty() => Ok(Self { selection, modifiers }),
            _ => Err(RestoreError::Specification(wrong)),
        }
    }
}

/// Checks a specification without looking at anything else.
pub fn check(spec: &RestoreSpec) -> Result<(), RestoreError> {
    Terms::compile(spec).map(|_| ())
}

impl<'a> Work<'a> {
    /// Opens the source, plans, and asks the cluster what it serves.
    pub async fn open(
        cluster: &'a Cluster,
        bucket: &Bucket,
        request: &RestoreRequest,
        account: &mut Account<'_>,
    ) -> Result<Self, RestoreError> {
        let spec = &request.spec;
        let Terms { selection, modifiers } = Terms::compile(spec)?;
        let selection = Selection::new(&selection);
        account.stage("reading the index of the backup");
        let source = Source::open(bucket, request, &selection).await?;
        account.backup = Some(source.name.to_string());
        let options = options(request, &source, modifiers);
        let map = Rewriter::new(options.clone());
        tell_what_is_missing(spec, &selection, &source, account);
        let needs = survey(&source, &selection).await?;
        let plan = plan(&source.inventory, &needs, |namespace| map.namespace(namespace));
        account.stage("asking the cluster what it serves");
        let catalog =
            cluster.catalog().await.map_err(RestoreError::cluster("asking the cluster what it serves"))?;
        let volumes = survey_volumes(cluster, &catalog, &source, &plan, spec.restore_pvs, &map).await?;
        let returning_volumes = volumes.returning.clone();
        let planned = plan.entries().filter_map(|id| source.inventory.entry(id).uid);
        Ok(Self {
            cluster,
            kinds: Kinds::resolve(&source.inventory, &catalog, &HashMap::new()),
            owners: Owners::awaiting(planned),
            rewriter: Rewriter::new(RewriteOptions { returning_volumes, ..options }),
            plain: Rewriter::new(RewriteOptions {
                preserve_node_ports: spec.preserve_node_ports.unwrap_or_default(),
                ..RewriteOptions::default()
            }),
            volumes,
            policy: spec.existing_resource_policy.unwrap_or_default(),
            broken_namespaces: HashMap::new(),
            parallel: if request.parallel == 0 { DEFAULT_PARALLEL } else { request.parallel },
            earlier: (request.attempt > 1).then(|| Earlier::new(request.name.as_str(), source.name.as_str())),
            status_kinds: status_kinds(spec, &source),
            plan,
            source,
        })
    }

    /// Looks the kinds up again; `broken`: definitions that did not come.
    pub async fn look_up_kinds(
        &mut self,
        broken: &HashMap<String, (Category, String)>,
    ) -> Result<(), RestoreError> {
        let catalog = self.cluster.catalog().await;
        let catalog = catalog.map_err(RestoreError::cluster("asking the cluster again what it serves"))?;
        self.kinds = Kinds::resolve(&self.source.inventory, &catalog, broken);
        Ok(())
    }

    /// A warning for each planned kind that the cluster serves only at another version than the backup has.
    pub fn conversions(&self) -> Vec<Finding> {
        let planned = self.plan.entries().map(|id| self.source.inventory.entry(id).kind);
        let planned: std::collections::BTreeSet<u16> = planned.collect();
        let warn = |id: u16| {
            let stored = &self.source.inventory.kinds[usize::from(id)];
            match self.kinds.at(id) {
                Served::Yes { info, converted: true } => Some(
                    Finding::warning(
                        Category::Other,
                        format!(
                            "the cluster does not serve {} any more, so that its items are restored as {}; fields that this version does not have are dropped",
                            stored.version,
                            info.api_version()
                        ),
                    )
                    .on_kind(stored.kind.clone()),
                ),
                _ => None,
            }
        };
        planned.into_iter().filter_map(warn).collect()
    }

    /// Tells the account what is planned, and what is left out.
    pub fn open_account(&self, account: &mut Account<'_>) {
        let inventory = &self.source.inventory;
        account.expect(
            self.plan.entries().count() + self.plan.namespaces.values().filter(|home| home.is_none()).count(),
        );
        for (id, reason) in &self.plan.skipped {
            account.results.skipped.add(*reason, inventory.kind(inventory.entry(*id)));
        }
        let (items, left_out) = (account.total, self.plan.skipped.len());
        account.log.info(&format!(
            "restoring {items} items of the backup {}, leaving {left_out} out",
            self.source.name
        ));
    }

    /// Whether the status of items of this kind comes back.
    pub fn restores_status(&self, kind: u16) -> bool {
        self.status_kinds.get(usize::from(kind)).copied().unwrap_or_default()
    }
}

fn options(request: &RestoreRequest, source: &Source, modifiers: CompiledModifiers) -> RewriteOptions {
    let spec = &request.spec;
    RewriteOptions {
        restore_name: request.name.to_string(),
        backup_name: source.name.to_string(),
        namespace_mapping: spec.namespace_mapping.clone(),
        storage_classes: spec.storage_class_mapping.clone(),
        images: spec.image_mapping.clone(),
        modifiers,
        preserve_node_ports: spec.preserve_node_ports.unwrap_or_default(),
        ..RewriteOptions::default()
    }
}

fn status_kinds(spec: &RestoreSpec, source: &Source) -> Vec<bool> {
    let Some(filter) = spec.restore_status.as_ref().filter(|filter| !filter.included_resources.is_empty())
    else {
        return Vec::new();
    };
    let terms = KindTerms::new(&filter.included_resources, &filter.excluded_resources);
    source.inventory.kinds.iter().map(|kind| terms.takes(&kind.kind, kind.aliases())).collect()
}

fn tell_what_is_missing(
    spec: &RestoreSpec,
    selection: &Selection<'_>,
    source: &Source,
    account: &mut Account<'_>,
) {
    let inventory = &source.inventory;
    for finding in selection.unmatched(&inventory.kinds, &inventory.namespaces) {
        account.find(finding);
    }
    for from in spec.namespace_mapping.keys() {
        if !inventory.namespaces.iter().any(|name| **name == **from) {
            let message = format!("namespaceMapping names `{from}`, which the backup does not have");
            account.find(Finding::warning(Category::Unmatched, message));
        }
    }
    let ignored = [
        ("hooks", !spec.hooks.is_empty()),
        ("scale", !spec.scale.is_empty()),
        ("rerunJobs", !spec.rerun_jobs.is_empty()),
    ];
    for (field, _) in ignored.iter().filter(|(_, given)| *given) {
        let message = format!("spec.{field} is not supported by this version and was ignored");
        account.find(Finding::warning(Category::Other, message));
    }
}

/// Which cluster-scoped items the selected ones name, where only those are wanted.
async fn survey(source: &Source, selection: &Selection<'_>) -> Result<HashSet<ItemKey>, RestoreError> {
    let inventory = &source.inventory;
    let mut needs = Needs::default();
    let optional = inventory.entries.iter().any(|entry| entry.standing == Standing::IfNeeded);
    if selection.cluster != ClusterScope::Related || !optional {
        return Ok(needs.found);
    }
    let referring: Vec<EntryId> =
        taken(inventory).filter(|(_, entry)| refers(inventory.kind(entry))).map(|(id, _)| id).collect();
    // A body that cannot be read is told when it is to be restored.
    let mut bodies = source.bodies(&referring)?;
    while let Some((id, body)) = bodies.try_next().await? {
        needs.look(inventory.kind(inventory.entry(id)), &body.unwrap_or_default());
    }
    for kind in LEADING {
        let offered: Vec<EntryId> = match needs.asks(kind) {
            Offer::All => of_kind(source, kind).collect(),
            Offer::Found => of_kind(source, kind)
                .filter(|id| needs.found.contains(&inventory.key(inventory.entry(*id))))
                .collect(),
            Offer::Nothing => continue,
        };
        let mut bodies = source.bodies(&offered)?;
        while let Some((id, body)) = bodies.try_next().await? {
            let entry = inventory.entry(id);
            needs.offer(inventory.kind(entry), &entry.name, &body.unwrap_or_default());
        }
    }
    let cluster_kinds = inventory.kinds.iter().filter(|kind| !kind.namespaced);
    needs.close(cluster_kinds.map(|kind| (&kind.kind, &*kind.name)));
    Ok(needs.found)
}

fn of_kind<'s>(source: &'s Source, kind: &'static str) -> impl Iterator<Item = EntryId> + 's {
    let inventory = &source.inventory;
    (inventory.entries.iter().zip(0..))
        .filter(move |(entry, _)| inventory.kind(entry).as_str() == kind)
        .map(|(_, id)| id)
}

/// Which volumes come back: reads those of the plan and asks the cluster for its own.
async fn survey_volumes(
    cluster: &Cluster,
    catalog: &Catalog,
    source: &Source,
    plan: &Plan,
    restore_pvs: Option<bool>,
    rewriter: &Rewriter,
) -> Result<Volumes, RestoreError> {
    let inventory = &source.inventory;
    let (mut wanted, mut claims) = (Vec::new(), HashSet::new());
    for id in plan.entries() {
        let entry = inventory.entry(id);
        match (inventory.kind(entry).as_str(), inventory.namespace(entry)) {
            (VOLUMES, _) => wanted.push(id),
            (CLAIMS, Some(namespace)) => {
                claims.insert((rewriter.namespace(namespace).to_owned(), entry.name.to_string()));
            }
            _ => {}
        }
    }
    if wanted.is_empty() && claims.is_empty() {
        return Ok(Volumes::default());
    }
    let mut stored = Vec::new();
    let mut bodies = source.bodies(&wanted)?;
    while let Some((id, body)) = bodies.try_next().await? {
        let body = body.ok().and_then(|body| serde_json::from_slice::<Value>(&body).ok());
        stored.push((inventory.entry(id).name.to_string(), body.unwrap_or_default()));
    }
    let live = match catalog.find(&Kind::parse(VOLUMES)) {
        Some(info) => live_volumes(cluster, info).await?,
        None => BTreeMap::new(),
    };
    let map = |namespace: &str| rewriter.namespace(namespace).to_owned();
    Ok(decide(&stored, &live, &claims, restore_pvs, map))
}

async fn live_volumes(
    cluster: &Cluster,
    info: &KindInfo,
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

/// Parses a uid out of an object without making a tree of it.
pub fn uid_of(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(serde::Deserialize)]
    struct Metadata {
        uid: String,
    }
    serde_json::from_slice::<Object>(body).ok().map(|object| object.metadata.uid)
}
