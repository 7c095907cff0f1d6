//! Everything that a restore rests on, opened before anything is done: source, plan, kinds, volumes, rewriting.
//!
//! Opening reads the bucket and the cluster and changes neither; `preview` and `run` share it.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::account::RestoreAccount;
use super::binding::Claimed;
use super::error::Broken;
use super::error::RestoreError;
use super::existing::Earlier;
use super::halt::RestoreHalt;
use super::inventory::{EntryId, Inventory};
use super::kinds::{Kinds, conversion};
use super::links::Links;
use super::owners::Owners;
use super::plan::{BodyFacts, PlannedItems, plan};
use super::rewrite::{CompiledModifiers, RewriteOptions, Rewriter};
use super::select::Selection;
use super::source::Source;
use super::volumes::Volumes;
use super::{MOST_PARALLEL, RestoreRequest, survey};
use crate::api::{CompiledSelection, ExistingResourcePolicy, InvalidSpec, RestoreSpec, collisions};
use crate::bucket::{Attempt, Bucket};
use crate::cluster::{Catalog, Cluster, Pace};
use crate::model::{Category, Finding, KindTerms, SkipReason};

/// One restore, ready to be done or told.
#[derive(Debug)]
pub struct RestoreContext<'a> {
    /// Where it goes.
    pub cluster: &'a Cluster,
    /// Where it comes from.
    pub source: Source,
    /// What is to be done.
    pub plan: PlannedItems,
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
    /// Whether the backup is another cluster's.
    pub from_another_cluster: bool,
    /// What the cluster serves.
    pub catalog: Catalog,
    /// Items that lack references to their owners.
    pub links: Links,
    /// Claims that were created for volumes that are there.
    pub claimed: Mutex<Vec<Claimed>>,
    /// Namespaces of the cluster that cannot be had, and why.
    pub broken_namespaces: HashMap<String, Broken>,
    /// Namespaces that this restore made: what controllers put there is brought into line.
    pub made_namespaces: Noted<String>,
    /// Items that are under way at most.
    pub parallel: usize,
    /// How many creates are under way at once.
    pub pace: Pace,
    /// How what this restore made is told.
    pub earlier: Earlier,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Items that were tried before in this attempt, and may have been made without an answer.
    pub tried: Noted<EntryId>,
    /// Items that something was sent for, or is about to be.
    pub begun: Noted<EntryId>,
    /// Items that were made without the status that said that they were done.
    pub ended: Noted<EntryId>,
    /// Whether it is to end.
    pub halt: RestoreHalt,
    /// Whether something was deleted, whatever came of it.
    pub touched: Arc<AtomicBool>,
    status_kinds: Vec<bool>,
}

/// What items that are restored side by side note for each other.
#[derive(Debug)]
pub struct Noted<T>(Mutex<HashSet<T>>);

impl<T> Default for Noted<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Eq + Hash> Noted<T> {
    /// Notes one.
    pub fn add(&self, one: T) {
        self.lock().insert(one);
    }

    /// Whether that one was noted.
    pub fn has<Q: Eq + Hash + ?Sized>(&self, one: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.lock().contains(one)
    }

    /// All that were noted.
    pub fn all(&self) -> Vec<T>
    where
        T: Clone,
    {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a specification says, checked and compiled.
struct CompiledSpec {
    selection: CompiledSelection,
    modifiers: CompiledModifiers,
}

impl CompiledSpec {
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
    CompiledSpec::compile(spec).map(|_| ())
}

impl<'a> RestoreContext<'a> {
    /// Opens the source, plans, and asks the cluster what it serves.
    pub async fn open(
        cluster: &'a Cluster,
        bucket: &Bucket,
        request: &RestoreRequest,
        attempt: Option<&Attempt>,
        halt: &RestoreHalt,
        account: &mut RestoreAccount<'_>,
    ) -> Result<Self, RestoreError> {
        let spec = &request.spec;
        let CompiledSpec { selection, modifiers } = CompiledSpec::compile(spec)?;
        let selection = Selection::new(&selection);
        account.stage("reading the index of the backup");
        let mut source = Source::open(bucket, request, &selection, attempt).await?;
        for finding in source.passed_over.drain(..) {
            account.find(finding);
        }
        if let Some(finding) = source.shortcomings() {
            account.find(finding);
        }
        account.backup = Some(source.name.to_string());
        let options = options(request, &source, modifiers);
        let map = Rewriter::new(options.clone());
        tell_what_is_missing(spec, &selection, &source, account);
        let said = survey::look_into_owners(&source).await?;
        let needs = survey::look_for_needs(&source, &selection, &said).await?;
        let plan = plan(&source.inventory, &needs, &said, |namespace| map.namespace(namespace));
        check_mapping(spec, &source, &plan)?;
        if let Some(message) = nothing(&plan) {
            account.find(Finding::warning(Category::Unmatched, message));
        }
        if let Some(message) = left_to_the_server(&plan) {
            account.find(Finding::warning(Category::Other, message));
        }
        if let Some(finding) = left_to_operators(&plan, &source.inventory, &said) {
            account.find(finding);
        }
        account.stage("asking the cluster what it serves");
        let catalog =
            cluster.catalog().await.map_err(RestoreError::cluster("asking the cluster what it serves"))?;
        let claims = survey::look_at_claims(&source, &plan, &map).await?;
        let wanted = spec.restore_pvs;
        let volumes =
            survey::look_at_volumes(cluster, &catalog, &source, &plan, &claims, wanted, &map).await?;
        let sources = survey::look_for_sources(cluster, &catalog, &source, &plan, &claims, &map).await?;
        let known = volumes.clone();
        let options = RewriteOptions {
            returning_volumes: known.returning,
            volumes_elsewhere: known.elsewhere,
            outlived_volumes: known.outlived,
            unknown_volumes: known.unknown,
            sources,
            ..options
        };
        let planned = plan.entries().filter_map(|id| source.inventory.entry(id).uid);
        let planned = planned.chain(plan.made_by_others(&source.inventory));
        let parallel = if request.parallel == 0 { MOST_PARALLEL } else { request.parallel };
        Ok(Self {
            cluster,
            kinds: Kinds::resolve(&source.inventory, &catalog, &HashMap::new()),
            owners: Owners::awaiting(planned),
            rewriter: Rewriter::new(options),
            plain: Rewriter::plain(),
            volumes,
            policy: spec.existing_resource_policy.unwrap_or_default(),
            from_another_cluster: !["", &request.cluster.uid].contains(&&*source.inventory.cluster),
            catalog,
            links: Links::default(),
            claimed: Mutex::default(),
            broken_namespaces: HashMap::new(),
            made_namespaces: Noted::default(),
            parallel,
            pace: cluster.pace(parallel),
            earlier: Earlier::new(request.name.as_str(), source.name.as_str()),
            attempt: request.attempt,
            tried: Noted::default(),
            begun: Noted::default(),
            ended: Noted::default(),
            halt: halt.clone(),
            touched: Arc::clone(&account.touched),
            status_kinds: status_kinds(spec, &source),
            plan,
            source,
        })
    }

    /// Takes a new catalog; `broken`: definitions that did not come.
    pub fn set_catalog(&mut self, catalog: Catalog, broken: &HashMap<String, Broken>) {
        self.kinds = Kinds::resolve(&self.source.inventory, &catalog, broken);
        self.catalog = catalog;
    }

    /// A warning for each planned kind that the cluster serves otherwise than the backup has it: only at another version, or
    /// with a status of which a create takes nothing.
    pub fn conversions(&self) -> Vec<Finding> {
        let planned = self.plan.entries().map(|id| self.source.inventory.entry(id).kind);
        let planned: std::collections::BTreeSet<u16> = planned.collect();
        let warn = |id: u16| {
            let stored = &self.source.inventory.kinds[usize::from(id)];
            conversion(stored, self.kinds.at(id), self.restores_status(id))
        };
        planned.into_iter().filter_map(warn).collect()
    }

    /// Tells what a person asked for and what changed nothing; a restore of nothing has said enough.
    pub fn tell_without_effect(&self, account: &mut RestoreAccount<'_>) {
        let found = if account.done > 0 { self.rewriter.without_effect() } else { Vec::new() };
        for message in found {
            account.find(Finding::warning(Category::Unmatched, message));
        }
    }

    /// Tells the account what is planned, and what is left out.
    pub fn open_account(&self, account: &mut RestoreAccount<'_>) {
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
        storage_classes: spec.storage_class_mapping.clone().into(),
        images: spec.image_mapping.clone().into(),
        modifiers,
        preserve_node_ports: spec.preserve_node_ports.unwrap_or_default(),
        ..RewriteOptions::default()
    }
}

/// What a person should know of a plan to do nothing.
fn nothing(plan: &PlannedItems) -> Option<&'static str> {
    let is_empty = plan.entries().next().is_none() && plan.skipped.is_empty();
    is_empty.then_some("nothing in the backup is selected; `ark backup contents` shows what there is")
}

/// That what is in the server's namespace stays as it is, where some of it was selected.
fn left_to_the_server(plan: &PlannedItems) -> Option<String> {
    let number = plan.skipped.iter().filter(|(_, reason)| *reason == SkipReason::RunningServer).count();
    (number > 0).then(|| {
        format!(
            "{number} items did not come back, since a restore leaves the server that runs it and what is in its namespace as they are; \
             includedNamespaces with that namespace's name brings that back"
        )
    })
}

/// That pods of custom resources are not restored, where there are any: whether their operators run here is not known.
fn left_to_operators(plan: &PlannedItems, inventory: &Inventory, said: &BodyFacts) -> Option<Finding> {
    let mut pods = plan.left_to_operators(inventory, said);
    let first = inventory.key(pods.next()?);
    let message = format!(
        "{} of them have generated names and belong to custom resources that come back (`{}/{}` among them); they are left out, since the operator of these would make others beside them; where no operator does, they are missing",
        pods.count() + 1,
        first.namespace.unwrap_or_default(),
        first.name
    );
    Some(Finding::warning(Category::Other, message).on_kind(first.kind))
}

/// Two namespaces of the backup must not end up in one: the second item of a name would meet the first.
fn check_mapping(spec: &RestoreSpec, source: &Source, plan: &PlannedItems) -> Result<(), RestoreError> {
    let inventory = &source.inventory;
    let namespaces: HashSet<&str> =
        plan.entries().filter_map(|id| inventory.namespace(inventory.entry(id))).collect();
    let wrong = collisions(&spec.namespace_mapping, namespaces.into_iter());
    if wrong.is_empty() { Ok(()) } else { Err(RestoreError::Specification(wrong)) }
}

fn status_kinds(spec: &RestoreSpec, source: &Source) -> Vec<bool> {
    let Some(filter) = spec.restore_status.as_ref().filter(|filter| !filter.included_resources.is_empty())
    else {
        return Vec::new();
    };
    let terms = KindTerms::new(&filter.included_resources, &filter.excluded_resources);
    source.inventory.kinds.iter().map(|kind| terms.takes(&kind.resource, kind.aliases())).collect()
}

fn tell_what_is_missing(
    spec: &RestoreSpec,
    selection: &Selection<'_>,
    source: &Source,
    account: &mut RestoreAccount<'_>,
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
    spec.ignored().iter().for_each(|said| account.log.info(said));
}
