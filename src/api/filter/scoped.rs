//! Velero's newer way to select kinds: cluster-scoped ones and namespaced ones by lists of their own. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CompiledSelection, Filter, check_lists, check_terms};
use crate::api::InvalidSpec;
use crate::model::{ClusterScope, KindTerms};

/// Selects cluster-scoped and namespaced kinds by separate lists, as Velero does; cannot be
/// combined with includedResources, excludedResources or includeClusterResources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScopedKinds {
    /// Cluster-scoped kinds of which every item is taken, whatever namespaces are selected, for
    /// example `storageclasses.storage.k8s.io` or `*`; written as in includedResources. Items of
    /// other cluster-scoped kinds come only where selected items need them. Default: all
    /// cluster-scoped items if nothing else narrows the selection by namespace or kind, otherwise
    /// only those that selected items need. Cannot be set together with includedResources,
    /// excludedResources or includeClusterResources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 512),
        inner(length(min = 1, max = 253), regex(pattern = r"^(\*|[A-Za-z0-9-]+)(\.[a-z0-9.-]+)?$"))
    )]
    pub included_cluster_scoped_resources: Vec<String>,
    /// Cluster-scoped kinds to leave out even where selected items need them, written as in
    /// includedResources; `*` leaves out all of them. Default: none. If only this list is given,
    /// items of the other cluster-scoped kinds come where selected items need them. Cannot be set
    /// together with includedResources, excludedResources or includeClusterResources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 512),
        inner(length(min = 1, max = 253), regex(pattern = r"^(\*|[A-Za-z0-9-]+)(\.[a-z0-9.-]+)?$"))
    )]
    pub excluded_cluster_scoped_resources: Vec<String>,
    /// Namespaced kinds to take, written as in includedResources, for example `deployments.apps`;
    /// default: all (the same as `*`). Cannot be set together with includedResources,
    /// excludedResources or includeClusterResources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 512),
        inner(length(min = 1, max = 253), regex(pattern = r"^(\*|[A-Za-z0-9-]+)(\.[a-z0-9.-]+)?$"))
    )]
    pub included_namespace_scoped_resources: Vec<String>,
    /// Namespaced kinds to leave out, written as in includedResources; default: none. `*` leaves
    /// out all namespaced kinds and cannot be combined with includedNamespaceScopedResources.
    /// Cannot be set together with includedResources, excludedResources or includeClusterResources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 512),
        inner(length(min = 1, max = 253), regex(pattern = r"^(\*|[A-Za-z0-9-]+)(\.[a-z0-9.-]+)?$"))
    )]
    pub excluded_namespace_scoped_resources: Vec<String>,
}

impl ScopedKinds {
    /// Compiles a filter together with these lists, or says everything that is wrong with both.
    pub fn compile(&self, filter: &Filter) -> Result<CompiledSelection, Vec<InvalidSpec>> {
        if *self == Self::default() {
            return filter.compile();
        }
        let Self {
            included_cluster_scoped_resources: cluster,
            excluded_cluster_scoped_resources: without_cluster,
            included_namespace_scoped_resources: namespaced,
            excluded_namespace_scoped_resources: without_namespaced,
        } = self;
        let mut wrong = Vec::new();
        check_pair("ClusterScopedResources", cluster, without_cluster, &mut wrong);
        check_pair("NamespaceScopedResources", namespaced, without_namespaced, &mut wrong);
        wrong.extend(self.contradictions(filter));
        let compiled = filter.compile();
        let selection = match compiled {
            Ok(selection) if wrong.is_empty() => selection,
            compiled => {
                wrong.extend(compiled.err().unwrap_or_default());
                return Err(wrong);
            }
        };
        let everything = |terms: &[String]| terms.is_empty() || terms.iter().any(|term| term == "*");
        // As in Velero: all of the cluster's own items belong only to a backup of everything.
        let whole = selection.namespaces.is_everything()
            && everything(namespaced)
            && without_namespaced.is_empty()
            && without_cluster.is_empty();
        let cluster_scope = if without_cluster.iter().any(|term| term == "*") {
            ClusterScope::None
        } else if !cluster.is_empty() || whole {
            ClusterScope::All
        } else {
            ClusterScope::Related
        };
        // That nothing of the cluster comes says the scope; the namespaces of what is taken still do.
        let named: Vec<String> = without_cluster.iter().filter(|term| *term != "*").cloned().collect();
        Ok(CompiledSelection {
            kinds: KindTerms::new(namespaced, without_namespaced),
            cluster_kinds: Some(KindTerms::new(cluster, &named)),
            cluster_scope,
            ..selection
        })
    }

    /// The older fields, which cannot be meant together with these.
    fn contradictions(&self, filter: &Filter) -> Vec<InvalidSpec> {
        let older = [
            ("includedResources", !filter.included_resources.is_empty()),
            ("excludedResources", !filter.excluded_resources.is_empty()),
            ("includeClusterResources", filter.include_cluster_resources.is_some()),
        ];
        let given = older.into_iter().filter(|(_, given)| *given);
        given
            .map(|(field, _)| {
                let why = "cannot be set together with the lists for cluster-scoped and namespace-scoped resources; keep one way";
                InvalidSpec::new(field, why)
            })
            .collect()
    }
}

fn check_pair(what: &str, included: &[String], excluded: &[String], wrong: &mut Vec<InvalidSpec>) {
    let field = format!("excluded{what}");
    check_terms(&format!("included{what}"), included, wrong);
    check_terms(&field, excluded, wrong);
    if excluded.iter().any(|term| term == "*") {
        if !included.is_empty() {
            wrong.push(InvalidSpec::new(
                field,
                format!("`*` leaves nothing for included{what}; keep one of them"),
            ));
        }
    } else {
        check_lists(what, included, excluded, wrong);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GroupResource;

    fn compile(spec: serde_json::Value) -> Result<CompiledSelection, Vec<InvalidSpec>> {
        let scoped: ScopedKinds = serde_json::from_value(spec.clone()).unwrap();
        scoped.compile(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn each_list_selects_kinds_of_its_own_scope() {
        let selection = compile(serde_json::json!({
            "includedClusterScopedResources": ["storageclasses"], "includedNamespaceScopedResources": ["configmaps"],
        }))
        .unwrap();
        let takes = |namespaced: bool, kind: &str| {
            selection.kinds_of(namespaced).takes(&GroupResource::parse(kind), std::iter::empty())
        };
        assert!(takes(true, "configmaps") && !takes(true, "secrets"));
        assert!(takes(false, "storageclasses.storage.k8s.io") && !takes(false, "nodes"));
        assert_eq!(selection.cluster_scope, ClusterScope::All);
    }

    #[test]
    fn the_cluster_comes_whole_with_everything_and_else_as_needed() {
        use serde_json::json;
        for (spec, scope) in [
            (json!({"excludedNamespaceScopedResources": ["events"]}), ClusterScope::Related),
            (json!({"includedNamespaceScopedResources": ["*"]}), ClusterScope::All),
            (
                json!({"includedNamespaceScopedResources": ["*"], "includedNamespaces": ["a"]}),
                ClusterScope::Related,
            ),
            (json!({"excludedClusterScopedResources": ["nodes"]}), ClusterScope::Related),
            (json!({"excludedClusterScopedResources": ["*"]}), ClusterScope::None),
            (
                json!({"includedClusterScopedResources": ["*"], "includedNamespaces": ["a"]}),
                ClusterScope::All,
            ),
        ] {
            assert_eq!(compile(spec.clone()).unwrap().cluster_scope, scope, "{spec}");
        }
    }

    #[test]
    fn the_two_ways_to_select_kinds_do_not_mix() {
        let wrong = compile(serde_json::json!({
            "includedResources": ["pods"], "includeClusterResources": true, "excludedNamespaceScopedResources": ["*"],
            "includedNamespaceScopedResources": ["a/b"], "includedClusterScopedResources": ["nodes"],
            "excludedClusterScopedResources": ["nodes"],
        }))
        .unwrap_err();
        let fields: Vec<&str> = wrong.iter().map(|wrong| wrong.field.as_str()).collect();
        let expected = [
            "excludedClusterScopedResources",
            "includedNamespaceScopedResources",
            "excludedNamespaceScopedResources",
            "includedResources",
            "includeClusterResources",
        ];
        assert_eq!(fields, expected);
    }
}
