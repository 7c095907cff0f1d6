//! The kinds to list, in restore order, chosen from the catalog by the selection. Pure.
//!
//! Kinds that the specification names and the cluster does not have become findings at once. Next:
//! `survey`, `collect`.

use std::collections::{BTreeMap, HashSet};

use crate::api::CompiledSelection;
use crate::cluster::{Catalog, GroupFailure, ResourceInfo};
use crate::model::traits::{Stay, Traits, must_be_named};
use crate::model::{
    Category, ClusterScope, Finding, GroupResource, NAMESPACES, SkipReason, restore_order, term_means,
};

/// Ark's own API group. Its objects are left out: the bucket holds the runs themselves.
const OWN_GROUP: &str = "ark.heptio.com";

/// Kinds that may be served by two groups though each object is stored once, with the groups in
/// order of preference. Only the first group that the cluster serves is listed.
const COHABITING: &[(&str, &[&str])] = &[
    ("daemonsets", &["apps", "extensions"]),
    ("deployments", &["apps", "extensions"]),
    ("events", &["", "events.k8s.io"]),
    ("ingresses", &["networking.k8s.io", "extensions"]),
    ("networkpolicies", &["networking.k8s.io", "extensions"]),
    ("podsecuritypolicies", &["policy", "extensions"]),
    ("replicasets", &["apps", "extensions"]),
];

/// Groups of measurements. Nothing can be created in them, so that a group that does not answer
/// costs no item: a warning instead of an error.
const MEASUREMENTS: &[&str] = &["metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"];

/// End of messages about unknown kinds.
const API_RESOURCES: &str = "`kubectl api-resources` lists the names";

/// The kinds that a backup lists, decided before anything is listed.
#[derive(Debug)]
pub struct BackupPlan {
    /// The kinds to list, in restore order.
    pub kinds: Vec<ResourceInfo>,
    /// Those of `kinds` that the selection does not name: only the items that others need are
    /// taken.
    pub along: HashSet<GroupResource>,
    /// Kinds that the cluster has and the backup leaves out, each with the reason; their items are
    /// counted.
    pub left_out: Vec<(ResourceInfo, SkipReason)>,
    /// The cluster-scoped items that are wanted: all, those that others need, or none.
    pub cluster_scope: ClusterScope,
    /// The namespaces to list one by one, if the selection spells out at most eight; `None` if all
    /// namespaces are listed at once.
    pub namespaces: Option<Vec<String>>,
    /// Whether the taken items are known only after a survey (labels, some namespaces, some
    /// kinds).
    pub needs_survey: bool,
    /// Findings about unknown kinds and groups that did not answer.
    pub findings: Vec<Finding>,
}

/// The most namespaces that are listed one by one. With more, listing all of them and leaving some
/// out costs fewer requests.
const NAMESPACES_ONE_BY_ONE: usize = 8;

/// Returns the plan for a selection of what the catalog has.
pub fn plan(catalog: &Catalog, selection: &CompiledSelection) -> BackupPlan {
    let cluster_scope = selection.cluster_scope;
    let mut kinds = Vec::new();
    let mut along = HashSet::new();
    let mut left_out = Vec::new();
    for kind in listable(catalog) {
        match judge(kind, selection, cluster_scope) {
            ResourceVerdict::Take => kinds.push(kind.clone()),
            ResourceVerdict::Along => {
                along.insert(kind.resource.clone());
                kinds.push(kind.clone());
            }
            ResourceVerdict::LeaveOut(reason) => left_out.push((kind.clone(), reason)),
            ResourceVerdict::NotSelected => {}
        }
    }
    kinds.sort_by(|a, b| restore_order(&a.resource, &b.resource));
    let namespaces =
        selection.namespaces.literal_includes().filter(|names| names.len() <= NAMESPACES_ONE_BY_ONE);
    BackupPlan {
        kinds,
        along,
        left_out,
        cluster_scope,
        namespaces: namespaces.map(<[String]>::to_vec),
        needs_survey: cluster_scope == ClusterScope::Related || narrows(selection),
        findings: findings(catalog, selection),
    }
}

/// Returns true if labels or kinds are selected: the namespaces and definitions that come along
/// then depend on the items that are found.
pub fn narrows(selection: &CompiledSelection) -> bool {
    !selection.labels.is_everything() || selection.terms().any(|(terms, ..)| !terms.includes_everything())
}

enum ResourceVerdict {
    Take,
    /// The kind is listed for the items that others need.
    Along,
    LeaveOut(SkipReason),
    NotSelected,
}

fn judge(info: &ResourceInfo, selection: &CompiledSelection, scope: ClusterScope) -> ResourceVerdict {
    let terms = selection.kinds_of(info.namespaced);
    let named = terms.names(&info.resource, info.aliases());
    let taken = terms.takes(&info.resource, info.aliases());
    if info.resource.group() == OWN_GROUP || (must_be_named(&info.resource) && !named) {
        return if taken {
            ResourceVerdict::LeaveOut(SkipReason::DefaultExclusion)
        } else {
            ResourceVerdict::NotSelected
        };
    }
    let is_namespaces = info.resource.as_str() == NAMESPACES;
    if !info.namespaced && !is_namespaces && scope == ClusterScope::None {
        return ResourceVerdict::NotSelected;
    }
    // Namespaces come with their contents, definitions with their resources, volumes with their
    // PVCs, unless the selection excludes the kind.
    let comes_along = is_namespaces || Traits::of(&info.resource).comes_along;
    match taken {
        true => ResourceVerdict::Take,
        false if comes_along && !terms.excludes(&info.resource, info.aliases()) => ResourceVerdict::Along,
        false => ResourceVerdict::NotSelected,
    }
}

/// Yields the kinds that can be listed and created; of kinds that share stored objects, one.
fn listable(catalog: &Catalog) -> impl Iterator<Item = &ResourceInfo> {
    let mut served: BTreeMap<&str, &str> = BTreeMap::new();
    for (resource, groups) in COHABITING {
        let first = groups.iter().find(|group| catalog.find(&GroupResource::new(resource, group)).is_some());
        if let Some(group) = first {
            served.insert(resource, group);
        }
    }
    catalog.kinds.iter().filter(move |info| {
        let twin = COHABITING.iter().any(|(resource, groups)| {
            *resource == info.resource.resource()
                && groups.contains(&info.resource.group())
                && served.get(resource).is_some_and(|group| *group != info.resource.group())
        });
        let stored = Traits::of(&info.resource).stay != Stay::Nowhere;
        stored && info.can("list") && info.can("create") && !twin
    })
}

/// Returns findings about terms that mean no kind and groups that did not answer. An included name
/// that is not found is an error, since the backup lacks what somebody asked for; an excluded one
/// is a warning.
fn findings(catalog: &Catalog, selection: &CompiledSelection) -> Vec<Finding> {
    // A group that does not answer matters only if it may hold a kind that is asked for: where
    // every named kind is served, it holds none of them.
    let served = |term: &String| {
        catalog.kinds.iter().any(|info| term_means(term.as_str(), &info.resource, info.aliases()))
    };
    let concerns = |failure: &&GroupFailure| {
        let group = failure.group_version.split_once('/').map_or("", |(group, _)| group);
        selection.terms().any(|(terms, ..)| {
            terms.includes_everything()
                || terms.terms().0.iter().any(|term| !served(term) || term.ends_with(group))
        })
    };
    let mut findings: Vec<Finding> = catalog.failures.iter().filter(concerns).map(silent_group).collect();
    for (terms, namespaced, cluster_scoped) in selection.terms() {
        let in_scope = |info: &&ResourceInfo| if info.namespaced { namespaced } else { cluster_scoped };
        let unknown = |term: &&String| {
            let mut kinds = catalog.kinds.iter().filter(in_scope);
            *term != "*" && !kinds.any(|info| term_means(term.as_str(), &info.resource, info.aliases()))
        };
        let kind = match (namespaced, cluster_scoped) {
            (true, true) => "kind",
            (true, false) => "namespaced kind",
            _ => "cluster-scoped kind",
        };
        let (includes, excludes) = terms.terms();
        findings.extend(includes.iter().filter(unknown).map(|term| {
            let says = format!("no {kind} is called `{term}` in this cluster, so that nothing of it is in this backup; {API_RESOURCES}");
            Finding::error(Category::Unmatched, says)
        }));
        findings.extend(excludes.iter().filter(unknown).map(|term| {
            let says = format!("no {kind} is called `{term}` in this cluster, so that excluding it excludes nothing; {API_RESOURCES}");
            Finding::warning(Category::Unmatched, says)
        }));
    }
    findings
}

/// Returns the finding about a group that did not answer.
fn silent_group(failure: &GroupFailure) -> Finding {
    let GroupFailure { group_version, message } = failure;
    let group = group_version.split_once('/').map_or("", |(group, _)| group);
    let mend =
        "mend the API service behind it, or delete its APIService object if it is no longer used".to_owned();
    if MEASUREMENTS.contains(&group) {
        let says = format!(
            "the API group {group_version} did not answer, which holds nothing that can be backed up: {message}; {mend}"
        );
        return Finding::warning(Category::Unavailable, says);
    }
    let says = format!(
        "the API group {group_version} did not answer, so that its kinds are not in this backup: {message}; {mend}"
    );
    Finding::error(Category::Unavailable, says)
}

#[cfg(test)]
mod tests;
