//! Catalog and selection in, the kinds to list out, in restore order. Pure.
//!
//! Says at once what the specification names and the cluster does not have. Next on the way: `survey`, `collect`.

use std::collections::{BTreeMap, HashSet};

use crate::api::CompiledSelection;
use crate::cluster::{Catalog, GroupFailure, ResourceInfo};
use crate::model::traits::{Stay, Traits, must_be_named};
use crate::model::{
    Category, ClusterScope, Finding, GroupResource, NAMESPACES, SkipReason, restore_order, term_means,
};

/// Our own group: the bucket holds it better than a backup could.
const OWN_GROUP: &str = "ark.heptio.com";

/// One stored object may be served by two groups; the first named here that the cluster serves is listed, the others not.
const COHABITING: &[(&str, &[&str])] = &[
    ("daemonsets", &["apps", "extensions"]),
    ("deployments", &["apps", "extensions"]),
    ("events", &["", "events.k8s.io"]),
    ("ingresses", &["networking.k8s.io", "extensions"]),
    ("networkpolicies", &["networking.k8s.io", "extensions"]),
    ("podsecuritypolicies", &["policy", "extensions"]),
    ("replicasets", &["apps", "extensions"]),
];

/// Groups of measurements, which nothing can create: without an answer of theirs nothing is missing.
const MEASUREMENTS: &[&str] = &["metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"];

/// Where a person finds how kinds are called.
const API_RESOURCES: &str = "`kubectl api-resources` lists the names";

/// What a backup will list, before anything is listed.
#[derive(Debug)]
pub struct BackupPlan {
    /// The kinds, in restore order.
    pub kinds: Vec<ResourceInfo>,
    /// Kinds among them that nobody asked for: only what others need of them is taken.
    pub along: HashSet<GroupResource>,
    /// Kinds that are there and left out, for the count of what was skipped.
    pub left_out: Vec<(ResourceInfo, SkipReason)>,
    /// Which cluster-scoped items are wanted.
    pub cluster_scope: ClusterScope,
    /// The namespaces to ask for one by one, when few are spelled out; None: ask for all at once.
    pub namespaces: Option<Vec<String>>,
    /// Whether what is taken can be known only after a first look (labels, some namespaces, some kinds).
    pub needs_survey: bool,
    /// Unknown kinds, groups that did not answer.
    pub findings: Vec<Finding>,
}

/// Up to so many spelled-out namespaces are listed one by one; beyond, listing all and leaving out costs less.
const NAMESPACES_ONE_BY_ONE: usize = 8;

/// Makes the plan.
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

/// Whether labels or kinds are selected, so that which namespaces and definitions come along depends on what is found.
pub fn narrows(selection: &CompiledSelection) -> bool {
    !selection.labels.is_everything() || selection.terms().any(|(terms, ..)| !terms.includes_everything())
}

enum ResourceVerdict {
    Take,
    /// Listed for what others need of it.
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
    // A namespace comes with what is in it, a definition with its resources, a volume with its claim, unless somebody
    // excludes the kind.
    let comes_along = is_namespaces || Traits::of(&info.resource).comes_along;
    match taken {
        true => ResourceVerdict::Take,
        false if comes_along && !terms.excludes(&info.resource, info.aliases()) => ResourceVerdict::Along,
        false => ResourceVerdict::NotSelected,
    }
}

/// Kinds that can be listed and created, each stored object once.
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

/// Terms that mean no kind, and groups that did not answer. A kind named and not found is an error: the backup lacks what
/// somebody asked for; one excluded and not found is a warning.
fn findings(catalog: &Catalog, selection: &CompiledSelection) -> Vec<Finding> {
    // Where all kinds that are named are served, a group that is silent has none of them.
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

/// What a group that did not answer means for the backup.
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
