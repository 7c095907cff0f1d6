//! Catalog and selection in, the kinds to list out, in restore order. Pure.
//!
//! Says at once what the specification names and the cluster does not have. Next on the way: `survey`, `collect`.

use std::collections::BTreeMap;

use crate::api::CompiledSelection;
use crate::cluster::{Catalog, KindInfo};
use crate::model::{
    Category, ClusterScope, DEFINITIONS, Finding, Kind, NAMESPACES, SkipReason, is_of_one_cluster,
    restore_order, term_means,
};

/// Who holds what at this moment; taken only when it is named, as what tells of one cluster.
const LEASES: &str = "leases.coordination.k8s.io";

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

/// What a backup will list, before anything is listed.
#[derive(Debug)]
pub struct Plan {
    /// The kinds, in restore order.
    pub kinds: Vec<KindInfo>,
    /// Kinds that are there and left out, for the count of what was skipped.
    pub left_out: Vec<(KindInfo, SkipReason)>,
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
pub fn plan(catalog: &Catalog, selection: &CompiledSelection) -> Plan {
    let cluster_scope = ClusterScope::of(selection.cluster_resources, selection.namespaces.is_everything());
    let mut kinds = Vec::new();
    let mut left_out = Vec::new();
    for kind in listable(catalog) {
        match judge(kind, selection, cluster_scope) {
            Verdict::Take => kinds.push(kind.clone()),
            Verdict::LeaveOut(reason) => left_out.push((kind.clone(), reason)),
            Verdict::NotSelected => {}
        }
    }
    kinds.sort_by(|a, b| restore_order(&a.kind, &b.kind));
    let namespaces =
        selection.namespaces.literal_includes().filter(|names| names.len() <= NAMESPACES_ONE_BY_ONE);
    Plan {
        kinds,
        left_out,
        cluster_scope,
        namespaces: namespaces.map(<[String]>::to_vec),
        needs_survey: cluster_scope == ClusterScope::Related || narrows(selection),
        findings: findings(catalog, selection),
    }
}

/// Whether labels or kinds are selected, so that which namespaces and definitions come along depends on what is found.
pub fn narrows(selection: &CompiledSelection) -> bool {
    !selection.labels.is_everything() || !selection.kinds.includes_everything()
}

enum Verdict {
    Take,
    LeaveOut(SkipReason),
    NotSelected,
}

fn judge(info: &KindInfo, selection: &CompiledSelection, scope: ClusterScope) -> Verdict {
    let named = selection.kinds.names(&info.kind, info.aliases());
    let taken = selection.kinds.takes(&info.kind, info.aliases());
    if info.kind.group() == OWN_GROUP
        || ((info.kind.as_str() == LEASES || is_of_one_cluster(&info.kind)) && !named)
    {
        return if taken { Verdict::LeaveOut(SkipReason::DefaultExclusion) } else { Verdict::NotSelected };
    }
    // A namespace comes with what is in it and a definition with its resources, unless somebody excludes them.
    let comes_along = matches!(info.kind.as_str(), NAMESPACES | DEFINITIONS)
        && !selection.kinds.excludes(&info.kind, info.aliases());
    let in_scope = info.namespaced || info.kind.as_str() == NAMESPACES || scope != ClusterScope::None;
    if (taken || comes_along) && in_scope { Verdict::Take } else { Verdict::NotSelected }
}

/// Kinds that can be listed and created, each stored object once.
fn listable(catalog: &Catalog) -> impl Iterator<Item = &KindInfo> {
    let mut served: BTreeMap<&str, &str> = BTreeMap::new();
    for (resource, groups) in COHABITING {
        let first = groups.iter().find(|group| catalog.find(&Kind::new(resource, group)).is_some());
        if let Some(group) = first {
            served.insert(resource, group);
        }
    }
    catalog.kinds.iter().filter(move |info| {
        let twin = COHABITING.iter().any(|(resource, groups)| {
            *resource == info.kind.resource()
                && groups.contains(&info.kind.group())
                && served.get(resource).is_some_and(|group| *group != info.kind.group())
        });
        info.can("list") && info.can("create") && !twin
    })
}

/// Terms that mean no kind, and groups that did not answer. A kind named and not found is an error: the backup lacks what
/// somebody asked for; one excluded and not found is a warning.
fn findings(catalog: &Catalog, selection: &CompiledSelection) -> Vec<Finding> {
    let mut findings = Vec::new();
    for failure in &catalog.failures {
        findings.push(Finding::error(
            Category::Unavailable,
            format!(
                "the API group {} did not answer, so that its kinds are not in this backup: {}; mend the API service behind it, or delete its APIService object if it is no longer used",
                failure.group_version, failure.message
            ),
        ));
    }
    let unknown = |term: &&String| {
        !catalog.kinds.iter().any(|info| term_means(term.as_str(), &info.kind, info.aliases()))
    };
    let (includes, excludes) = selection.kinds.terms();
    for term in includes.iter().filter(unknown) {
        findings.push(Finding::error(
            Category::Unmatched,
            format!("no kind is called `{term}` in this cluster, so that nothing of it is in this backup; `kubectl api-resources` lists the names"),
        ));
    }
    for term in excludes.iter().filter(unknown) {
        findings.push(Finding::warning(
            Category::Unmatched,
            format!("no kind is called `{term}` in this cluster, so that excluding it excludes nothing; `kubectl api-resources` lists the names"),
        ));
    }
    findings
}

#[cfg(test)]
mod tests;
