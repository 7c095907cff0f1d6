//! Decides which items of the index are selected, by namespace, kind and label, and which may come
//! along. Pure.

use crate::api::CompiledSelection;
use crate::archive::IndexedResource;
use crate::model::traits::stays_behind;
use crate::model::{
    Category, ClusterScope, Finding, GroupResource, ItemKey, LabelSet, NAMESPACES, PVCS, term_means,
};

/// The group of Velero's own objects.
const VELERO_GROUP: &str = "velero.io";

/// The relation of an item to the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inclusion {
    /// The item is selected itself.
    Selected,
    /// The restore selects the item, but the backup itself did not, and took it along: the item
    /// is restored if it is missing, and is never changed.
    Along,
    /// The item comes if a selected item needs it: a namespace comes for its items, a CRD for its
    /// resources, a PVC for the workload that names it, and so on.
    IfNeeded,
}

impl Inclusion {
    /// Returns whether the item comes even if no other needs it.
    pub fn comes(self) -> bool {
        matches!(self, Self::Selected | Self::Along)
    }
}

/// A selection, as it is applied to an index.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    terms: &'a CompiledSelection,
    /// Which cluster-scoped items are wanted.
    pub cluster: ClusterScope,
}

impl<'a> Selection<'a> {
    /// Makes a selection of compiled terms.
    pub fn new(terms: &'a CompiledSelection) -> Self {
        Self { terms, cluster: terms.cluster_scope }
    }

    /// Returns whether a term names the kind.
    pub fn names(&self, info: &IndexedResource) -> bool {
        self.terms.kinds_of(info.namespaced).names(&info.resource, info.aliases())
    }

    /// Returns the relation of an item to the selection, or `None` if the selection does not reach
    /// it.
    pub fn judge(&self, info: &IndexedResource, key: &ItemKey, labels: &LabelSet) -> Option<Inclusion> {
        let CompiledSelection { namespaces, labels: query, .. } = self.terms;
        let kinds = self.terms.kinds_of(info.namespaced);
        let of_kind = kinds.takes(&info.resource, info.aliases());
        let takes = of_kind && query.matches(labels);
        let inclusion = |taken: bool| if taken { Inclusion::Selected } else { Inclusion::IfNeeded };
        if let Some(namespace) = &key.namespace {
            // A labelled workload may name a PVC that does not have the labels.
            let reached = takes || (of_kind && info.resource.as_str() == PVCS);
            return (namespaces.takes(namespace) && reached).then(|| inclusion(takes));
        }
        if info.resource.as_str() == NAMESPACES {
            return namespaces.takes(&key.name).then(|| inclusion(takes));
        }
        if kinds.excludes(&info.resource, info.aliases()) {
            return None;
        }
        match self.cluster {
            // By kinds or labels a CRD is reached through its resources only, unless the terms
            // name CRDs.
            ClusterScope::All => Some(inclusion(takes)),
            ClusterScope::Related => Some(Inclusion::IfNeeded),
            ClusterScope::None => None,
        }
    }

    /// Returns findings about terms that match nothing in the backup: an error for a name that is
    /// spelled out, since nothing of it comes back; a warning for a pattern and for what is
    /// excluded.
    pub fn unmatched(&self, kinds: &[IndexedResource], namespaces: &[Box<str>]) -> Vec<Finding> {
        const ADVICE: &str = "`ark backup contents` lists what there is";
        let mut findings = Vec::new();
        for (name, literal) in self.terms.namespaces.unmatched(namespaces.iter().map(|name| &**name)) {
            findings.push(if literal {
                let message = format!("the backup has no namespace `{name}`; {ADVICE}");
                Finding::error(Category::Unmatched, message)
            } else {
                let message = format!("no namespace of the backup matches `{name}`");
                Finding::warning(Category::Unmatched, message)
            });
        }
        let unknown = |term: &&String| {
            *term != "*" && !kinds.iter().any(|info| term_means(term, &info.resource, info.aliases()))
        };
        let (included, excluded) = self.terms.kinds.terms();
        findings.extend(included.iter().filter(unknown).map(|term| {
            Finding::error(Category::Unmatched, format!("the backup has no kind called `{term}`; {ADVICE}"))
        }));
        // Velero writes kinds that never come back into every Restore, whether the backup has any
        // of them or not.
        let comes_back = |term: &&String| {
            let kind = GroupResource::parse(term);
            !stays_behind(&kind) && kind.group() != VELERO_GROUP
        };
        let meant: Vec<String> =
            excluded.iter().filter(unknown).filter(comes_back).map(|term| format!("`{term}`")).collect();
        if !meant.is_empty() {
            let message = format!(
                "the backup has no kind called {}, so that excluding it means nothing; {ADVICE}",
                meant.join(" or ")
            );
            findings.push(Finding::warning(Category::Unmatched, message));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Filter;
    use crate::model::{CRDS, GroupResource};

    fn judge(
        filter: serde_json::Value,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<Inclusion> {
        let terms = serde_json::from_value::<Filter>(filter).unwrap().compile().unwrap();
        let info = kind_info(kind, namespace.is_some());
        let key = ItemKey {
            resource: info.resource.clone(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        let labels = LabelSet::from([("app".to_owned(), "web".to_owned())]);
        Selection::new(&terms).judge(&info, &key, &labels)
    }

    fn kind_info(kind: &str, namespaced: bool) -> IndexedResource {
        IndexedResource {
            resource: GroupResource::parse(kind),
            version: "v1".into(),
            kind: String::new(),
            singular: String::new(),
            short_names: Vec::new(),
            namespaced,
            status_is_data: false,
        }
    }

    #[test]
    fn namespaces_kinds_and_labels_narrow_and_cluster_items_wait_until_needed() {
        use Inclusion::{IfNeeded, Selected};
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let (all, one) = (json("{}"), json(r#"{"includedNamespaces":["a*"]}"#));
        let kinds = json(r#"{"includedResources":["secrets"]}"#);
        let label = json(r#"{"labelSelector":{"matchLabels":{"app":"db"}}}"#);
        let labelled = json(r#"{"labelSelector":{"matchLabels":{"app":"web"}}}"#);
        let label_and =
            |more: &str| json(&format!(r#"{{"labelSelector":{{"matchLabels":{{"app":"db"}}}},{more}}}"#));
        let label_and_kinds = label_and(r#""includedResources":["pods"]"#);
        let label_without = label_and(r#""excludedResources":["persistentvolumeclaims"]"#);
        let label_elsewhere = label_and(r#""excludedNamespaces":["a"]"#);
        let none = json(r#"{"includeClusterResources":false}"#);
        let without = json(r#"{"includedNamespaces":["a"],"excludedResources":["storageclasses"]}"#);
        let class = "storageclasses.storage.k8s.io";
        for (filter, kind, namespace, name, expected) in [
            (&all, "secrets", Some("a"), "x", Some(Selected)),
            (&all, class, None, "x", Some(Selected)),
            (&one, "secrets", Some("a1"), "x", Some(Selected)),
            (&one, "secrets", Some("b"), "x", None),
            (&one, class, None, "x", Some(IfNeeded)),
            (&one, NAMESPACES, None, "a1", Some(Selected)),
            (&one, NAMESPACES, None, "b", None),
            (&kinds, "pods", Some("a"), "x", None),
            (&kinds, NAMESPACES, None, "a", Some(IfNeeded)),
            (&kinds, CRDS, None, "x", Some(IfNeeded)),
            (&label, "secrets", Some("a"), "x", None),
            // A labelled workload may name a PVC that does not have the labels.
            (&label, PVCS, Some("a"), "x", Some(IfNeeded)),
            (&labelled, PVCS, Some("a"), "x", Some(Selected)),
            (&label_and_kinds, PVCS, Some("a"), "x", None),
            (&label_without, PVCS, Some("a"), "x", None),
            (&label_elsewhere, PVCS, Some("a"), "x", None),
            (&kinds, PVCS, Some("a"), "x", None),
            (&none, class, None, "x", None),
            (&none, NAMESPACES, None, "a", Some(Selected)),
            (&without, class, None, "x", None),
        ] {
            assert_eq!(
                judge(filter.clone(), kind, namespace, name),
                expected,
                "{filter} {kind} {namespace:?} {name}"
            );
        }
    }

    #[test]
    fn a_name_that_nothing_has_is_told() {
        let filter = r#"{"includedNamespaces":["shop","x*"],"includedResources":["pods","gadgets"]}"#;
        let terms = serde_json::from_str::<Filter>(filter).unwrap().compile().unwrap();
        let findings =
            Selection::new(&terms).unmatched(&[kind_info("pods", true)], &["shop".into(), "prod".into()]);
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("`x*`") && told[1].contains("`gadgets`"), "{told:?}");
    }

    #[test]
    fn what_velero_excludes_from_every_restore_is_not_told_and_the_rest_in_one_warning() {
        let velero = [
            "nodes",
            "events",
            "events.events.k8s.io",
            "backups.velero.io",
            "restores.velero.io",
            "resticrepositories.velero.io",
            "csinodes.storage.k8s.io",
            "volumeattachments.storage.k8s.io",
            "backuprepositories.velero.io",
        ];
        let told = |more: &[&str]| {
            let excluded = [&velero, more].concat();
            let filter = serde_json::json!({"excludedResources": excluded});
            let terms = serde_json::from_value::<Filter>(filter).unwrap().compile().unwrap();
            let findings = Selection::new(&terms).unmatched(&[kind_info("pods", true)], &[]);
            findings.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(told(&[]), [""; 0]);
        let [warning] = &told(&["gadgets", "wigdets"])[..] else { panic!("one warning is meant") };
        assert!(warning.contains("`gadgets` or `wigdets`"), "{warning}");
    }
}
