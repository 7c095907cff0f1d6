//! Makes the plan of a restore: reads the index of the backup, and asks the cluster what it serves
//! and which volumes it has. Changes neither, so that a run and a dry run share it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::account::RestoreAccount;
use super::empty::require_empty;
use super::error::RestoreError;
use super::existing::Earlier;
use super::inventory::Inventory;
use super::kinds::ServedKinds;
use super::plan::{Afterwards, RestorePlan};
use super::rewrite::{CompiledModifiers, RewriteOptions, Rewriter};
use super::select::Selection;
use super::source::Source;
use super::spec::CompiledSpec;
use super::steps::{BodyFacts, PlannedItems, plan_items};
use super::volumes::Volumes;
use super::{MOST_PARALLEL, RestoreRequest, survey};
use crate::api::{RestoreSpec, collisions};
use crate::bucket::{Attempt, Bucket};
use crate::cluster::{Catalog, Cluster};
use crate::hooks::RestoreHookSelection;
use crate::model::{Category, Finding, KindTerms, SkipReason};

/// Makes the plan; `spec` is that of the request. What a person should know of the plan goes to
/// the account.
///
/// # Errors
/// When the mapping does not fit the backup, backup or cluster cannot be read, or `requireEmpty`
/// finds items.
pub async fn open(
    cluster: &Cluster,
    bucket: &Bucket,
    request: &RestoreRequest,
    spec: CompiledSpec,
    attempt: Option<&Attempt>,
    account: &mut RestoreAccount<'_>,
) -> Result<RestorePlan, RestoreError> {
    let selection = Selection::new(&spec.selection);
    let source = read_backup(bucket, request, &selection, attempt, account).await?;
    let hooks = Arc::new(RestoreHookSelection::new(request.spec.hooks.as_ref()));
    let init_hooks = request.runs_hooks.then(|| Arc::clone(&hooks));
    let options = RewriteOptions { init_hooks, ..options(request, &source, spec.modifiers) };
    let namespace_mapper = Rewriter::new(options.clone());
    let items = choose_items(request, &source, &selection, &namespace_mapper, account).await?;
    account.stage("asking the cluster what it serves");
    let catalog =
        cluster.catalog().await.map_err(RestoreError::cluster("asking the cluster what it serves"))?;
    let (volumes, options) =
        look_at_storage(cluster, &catalog, request, &source, &items, &namespace_mapper, options).await?;
    let plan = RestorePlan {
        served: ServedKinds::resolve(&source.inventory, catalog, &HashMap::new()),
        volumes,
        rewriter: Rewriter::new(options),
        policy: request.spec.existing_resource_policy.unwrap_or_default(),
        status_kinds: status_kinds(&request.spec, &source.inventory),
        from_another_cluster: is_another_cluster(&source.inventory.cluster, &request.cluster.uid),
        earlier: Earlier::new(request.name.as_str(), source.name.as_str()),
        afterwards: Afterwards {
            hooks,
            runs_hooks: request.runs_hooks,
            jobs: request.spec.rerun_jobs.clone(),
            run: request.uid.clone(),
        },
        attempt: request.attempt,
        parallel: if request.parallel == 0 { MOST_PARALLEL } else { request.parallel },
        items,
        source,
    };
    if request.spec.require_empty == Some(true) {
        account.stage("looking whether the target namespaces are empty");
        require_empty(cluster, &plan).await?;
    }
    account.begin(&plan);
    Ok(plan)
}

/// Reads the index of the backup, and reports what the backup lacks.
async fn read_backup(
    bucket: &Bucket,
    request: &RestoreRequest,
    selection: &Selection<'_>,
    attempt: Option<&Attempt>,
    account: &mut RestoreAccount<'_>,
) -> Result<Source, RestoreError> {
    account.stage("reading the index of the backup");
    let mut source = Source::open(bucket, request, selection, attempt).await?;
    for finding in source.passed_over.drain(..) {
        account.find(finding);
    }
    if let Some(finding) = source.shortcomings() {
        account.find(finding);
    }
    account.backup = Some(source.name.to_string());
    tell_what_is_missing(&request.spec, selection, &source.inventory, account);
    Ok(source)
}

/// Decides which items come; `namespace_mapper` maps the namespaces.
async fn choose_items(
    request: &RestoreRequest,
    source: &Source,
    selection: &Selection<'_>,
    namespace_mapper: &Rewriter,
    account: &mut RestoreAccount<'_>,
) -> Result<PlannedItems, RestoreError> {
    let inventory = &source.inventory;
    let facts = survey::look_into_owners(source).await?;
    let needs = survey::look_for_needs(source, selection, &facts).await?;
    let items = plan_items(inventory, &needs, &facts, |namespace| namespace_mapper.namespace(namespace));
    check_mapping(&request.spec, inventory, &items)?;
    if let Some(message) = nothing(&items) {
        account.find(Finding::warning(Category::Unmatched, message));
    }
    if let Some(message) = left_to_the_server(&items) {
        account.find(Finding::warning(Category::Other, message));
    }
    if let Some(finding) = left_to_operators(&items, inventory, &facts) {
        account.find(finding);
    }
    Ok(items)
}

/// Decides which volumes come back, and returns them with the options of a rewriting that knows
/// them and the sources of the planned PVCs.
async fn look_at_storage(
    cluster: &Cluster,
    catalog: &Catalog,
    request: &RestoreRequest,
    source: &Source,
    items: &PlannedItems,
    namespace_mapper: &Rewriter,
    options: RewriteOptions,
) -> Result<(Volumes, RewriteOptions), RestoreError> {
    let claims = survey::look_at_claims(source, items, namespace_mapper).await?;
    let wanted = request.spec.restore_pvs;
    let volumes =
        survey::look_at_volumes(cluster, catalog, source, items, &claims, wanted, namespace_mapper).await?;
    let sources =
        survey::look_for_sources(cluster, catalog, source, items, &claims, namespace_mapper).await?;
    let options = RewriteOptions {
        returning_volumes: volumes.returning.clone(),
        volumes_elsewhere: volumes.elsewhere.clone(),
        outlived_volumes: volumes.outlived.clone(),
        unknown_volumes: volumes.unknown.clone(),
        sources,
        ..options
    };
    Ok((volumes, options))
}

/// Returns whether the backup was made in another cluster than `here`; false if the backup does
/// not say in which.
fn is_another_cluster(of_backup: &str, here: &str) -> bool {
    !of_backup.is_empty() && of_backup != here
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
fn nothing(items: &PlannedItems) -> Option<&'static str> {
    let is_empty = items.entries().next().is_none() && items.skipped.is_empty();
    is_empty.then_some("nothing in the backup is selected; `ark backup contents` shows what there is")
}

/// Returns the warning that items of the server's namespace stay as they are, or `None` if none of
/// them was selected.
fn left_to_the_server(items: &PlannedItems) -> Option<String> {
    let number = items.skipped.iter().filter(|(_, reason)| *reason == SkipReason::RunningServer).count();
    (number > 0).then(|| {
        format!(
            "{number} items did not come back, since a restore leaves the server that runs it and what is in its namespace as they are; \
             includedNamespaces with that namespace's name brings that back"
        )
    })
}

/// Returns the warning that pods of custom resources are left out, or `None` if there are none.
/// Whether their operators run in this cluster is not known.
fn left_to_operators(items: &PlannedItems, inventory: &Inventory, facts: &BodyFacts) -> Option<Finding> {
    let mut pods = items.left_to_operators(inventory, facts);
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
fn check_mapping(
    spec: &RestoreSpec,
    inventory: &Inventory,
    items: &PlannedItems,
) -> Result<(), RestoreError> {
    let namespaces: HashSet<&str> =
        items.entries().filter_map(|id| inventory.namespace(inventory.entry(id))).collect();
    let wrong = collisions(&spec.namespace_mapping, namespaces.into_iter());
    if wrong.is_empty() { Ok(()) } else { Err(RestoreError::Specification(wrong)) }
}

fn status_kinds(spec: &RestoreSpec, inventory: &Inventory) -> Vec<bool> {
    let Some(filter) = spec.restore_status.as_ref().filter(|filter| !filter.included_resources.is_empty())
    else {
        return Vec::new();
    };
    let terms = KindTerms::new(&filter.included_resources, &filter.excluded_resources);
    inventory.kinds.iter().map(|kind| terms.takes(&kind.resource, kind.aliases())).collect()
}

fn tell_what_is_missing(
    spec: &RestoreSpec,
    selection: &Selection<'_>,
    inventory: &Inventory,
    account: &mut RestoreAccount<'_>,
) {
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
