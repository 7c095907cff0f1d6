//! Opens everything that a restore rests on: source, plan, kinds, volumes, rewriting.
//!
//! Opening reads the bucket and the cluster and changes neither, so that `preview` and `run` share
//! it.

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

/// One restore, opened: everything that is known before the first write, and what items note for
/// each other while they are restored side by side.
#[derive(Debug)]
pub struct RestoreContext<'a> {
    /// The cluster that is restored into.
    pub cluster: &'a Cluster,
    /// The backup that is restored.
    pub source: Source,
    /// The items to restore, in which order, and those left out.
    pub plan: PlannedItems,
    /// The version at which the cluster serves each kind of the backup; looked up again once CRDs
    /// have been restored.
    pub kinds: Kinds,
    /// Turns an item of the backup into the object to create.
    pub rewriter: Rewriter,
    /// Takes off an item of the cluster what a server sets, so that the item compares with the
    /// rewritten one.
    pub plain: Rewriter,
    /// The old and the new uids of items that own others.
    pub owners: Owners,
    /// The volumes that come back.
    pub volumes: Volumes,
    /// The policy for items that are in the cluster already.
    pub policy: ExistingResourcePolicy,
    /// Whether the backup was made in another cluster.
    pub from_another_cluster: bool,
    /// The kinds that the cluster serves.
    pub catalog: Catalog,
    /// The items that lack references to their owners.
    pub links: Links,
    /// The PVCs that were created for volumes that are there.
    pub claimed: Mutex<Vec<Claimed>>,
    /// Namespaces of the cluster that cannot be had, each with the reason.
    pub broken_namespaces: HashMap<String, Broken>,
    /// Namespaces that this restore made: what controllers put there is brought into line with the
    /// backup.
    pub made_namespaces: Noted<String>,
    /// Most items that are under way at once.
    pub parallel: usize,
    /// The limit for creates under way at once, which follows the API server's answers.
    pub pace: Pace,
    /// Tells by labels what this restore, or another of this backup, made.
    pub earlier: Earlier,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// Items that were tried before in this attempt, and may have been made although no answer
    /// came.
    pub tried: Noted<EntryId>,
    /// Items for which a request was sent, or is about to be sent.
    pub begun: Noted<EntryId>,
    /// Items that were made without the status that said that they were done.
    pub ended: Noted<EntryId>,
    /// Tells whether the restore is to end.
    pub halt: RestoreHalt,
    /// Whether a deletion was sent, whatever its answer.
    pub touched: Arc<AtomicBool>,
    status_kinds: Vec<bool>,
}

/// A set that items share while they are restored side by side.
#[derive(Debug)]
pub struct Noted<T>(Mutex<HashSet<T>>);

impl<T> Default for Noted<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Eq + Hash> Noted<T> {
    /// Adds an element.
    pub fn add(&self, one: T) {
        self.lock().insert(one);
    }

    /// Returns whether the element was added before.
    pub fn has<Q: Eq + Hash + ?Sized>(&self, one: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.lock().contains(one)
    }

    /// Returns all elements, in no particular order.
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

/// A specification, checked and compiled.
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

/// Checks a specification by itself, without cluster and bucket.
///
/// # Errors
/// [`RestoreError::Specification`], with all that is wrong.
pub fn check(spec: &RestoreSpec) -> Result<(), RestoreError> {
    CompiledSpec::compile(spec).map(|_| ())
}

impl<'a> RestoreContext<'a> {
    /// Opens the source, makes the plan, and asks the cluster what it serves and which volumes it
    /// has.
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

    /// Replaces the catalog; `broken` names the CRDs that did not come, each with the reason.
    pub fn set_catalog(&mut self, catalog: Catalog, broken: &HashMap<String, Broken>) {
        self.kinds = Kinds::resolve(&self.source.inventory, &catalog, broken);
        self.catalog = catalog;
    }

    /// Returns a warning for each planned kind that the cluster serves otherwise than the backup
    /// has it: only at another version, or with a status that a create does not take.
    pub fn conversions(&self) -> Vec<Finding> {
        let planned = self.plan.entries().map(|id| self.source.inventory.entry(id).kind);
        let planned: std::collections::BTreeSet<u16> = planned.collect();
        let warn = |id: u16| {
            let stored = &self.source.inventory.kinds[usize::from(id)];
            conversion(stored, self.kinds.at(id), self.restores_status(id))
        };
        planned.into_iter().filter_map(warn).collect()
    }

    /// Reports mappings and rules that fitted no item. A restore that dealt with no item has
    /// reported enough, and reports none of them.
    pub fn tell_without_effect(&self, account: &mut RestoreAccount<'_>) {
        let found = if account.done > 0 { self.rewriter.without_effect() } else { Vec::new() };
        for message in found {
            account.find(Finding::warning(Category::Unmatched, message));
        }
    }

    /// Tells the account how many items are planned, and which are left out.
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

    /// Returns whether the status of items of this kind is restored; `kind` is a place in the
    /// inventory's kinds.
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

/// Returns the warning for a plan that neither restores nor leaves out anything, or `None`.
fn nothing(plan: &PlannedItems) -> Option<&'static str> {
    let is_empty = plan.entries().next().is_none() && plan.skipped.is_empty();
    is_empty.then_some("nothing in the backup is selected; `ark backup contents` shows what there is")
}

/// Returns the warning that items of the server's namespace stay as they are, or `None` if none of
/// them was selected.
fn left_to_the_server(plan: &PlannedItems) -> Option<String> {
    let number = plan.skipped.iter().filter(|(_, reason)| *reason == SkipReason::RunningServer).count();
    (number > 0).then(|| {
        format!(
            "{number} items did not come back, since a restore leaves the server that runs it and what is in its namespace as they are; \
             includedNamespaces with that namespace's name brings that back"
        )
    })
}

/// Returns the warning that pods of custom resources are left out, or `None` if there are none.
/// Whether their operators run in this cluster is not known.
fn left_to_operators(plan: &PlannedItems, inventory: &Inventory, said: &BodyFacts) -> Option<Finding> {
    let mut pods = plan.left_to_operators(inventory, said);
    let first = inventory.key(pods.next()?);
    let message = format!(
        "{} of them have generated names and belong to custom resources that come back (`{}/{}` among them); they are left out, since the operator of these would make others beside them; where no operator does, they are missing",
        pods.count() + 1,
        first.namespace.unwrap_or_default(),
        first.name
    );
    Some(Finding::warning(Category::Other, message).on_kind(first.resource))
}

/// Refuses a mapping by which two namespaces of the backup become one: the second item of a name
/// would meet the first.
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
