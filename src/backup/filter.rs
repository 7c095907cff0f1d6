//! The verdict about each item: taken, left out for a reason, or not selected. Pure: decides from
//! the plan, the namespaces at the cut, the Services seen so far and the survey.
//!
//! Next: `pack`.

use std::collections::{BTreeMap, HashSet};

use super::exclusion::exclusion;
use super::item::ItemView;
use super::survey_result::SurveyResult;
use crate::api::CompiledSelection;
use crate::cluster::ResourceInfo;
use crate::model::{
    ClusterScope, GroupResource, NAMESPACES, PVCS, SkipReason, follows_service, regenerated_by,
};

/// The kind whose selectors decide whether a controller keeps endpoints.
pub const SERVICES: &str = "services";

/// The verdict about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterVerdict {
    /// The item goes into the backup.
    Take,
    /// The item is selected and left out all the same; it is counted under the reason.
    Skip(SkipReason),
    /// The selection does not reach the item.
    NotSelected,
}

/// The namespaces of the cluster at the cut, and those that are left out with their contents.
#[derive(Clone, Debug, Default)]
pub struct Namespaces {
    /// The names of all namespaces.
    pub names: HashSet<String>,
    /// Namespaces that are left out with their contents: by label, or being deleted.
    pub left_out: BTreeMap<String, SkipReason>,
    /// Those of `left_out` that are being deleted: the deletion timestamp, and the state that
    /// their conditions tell.
    pub leaving: BTreeMap<String, (String, String)>,
}

/// The facts that a verdict rests on.
#[derive(Debug)]
pub struct BackupFilter<'a> {
    /// The compiled selection of the specification.
    pub selection: &'a CompiledSelection,
    /// The cluster-scoped items that are wanted.
    pub cluster_scope: ClusterScope,
    /// Kinds that are listed only for the items that others need.
    pub along: &'a HashSet<GroupResource>,
    /// The namespaces at the cut.
    pub namespaces: &'a Namespaces,
    /// The result of the survey; `None` if the plan needs none, and during the survey itself.
    pub survey: Option<&'a SurveyResult>,
    /// Services with a selector that were seen so far, as (namespace, name); they come before
    /// endpoints.
    pub selecting: HashSet<(String, String)>,
}

impl BackupFilter<'_> {
    /// Remembers a Service that has a selector, whether the Service is taken or not: its endpoints
    /// follow it.
    pub fn note(&mut self, info: &ResourceInfo, item: &ItemView<'_>) {
        if info.resource.as_str() == SERVICES && item.selects() {
            let namespace = item.namespace.as_deref().unwrap_or_default();
            self.selecting.insert((namespace.to_owned(), item.name.clone().into_owned()));
        }
    }

    /// Returns the verdict about an item of a kind.
    pub fn judge(&self, info: &ResourceInfo, item: &ItemView<'_>) -> FilterVerdict {
        let selected = match item.namespace.as_deref() {
            Some(namespace) => {
                let wanted = || self.matches_labels(item) || self.is_named_claim(info, namespace, item);
                self.selection.namespaces.takes(namespace) && wanted()
            }
            None if info.resource.as_str() == NAMESPACES => self.selects_namespace(info, item),
            None => self.selects_cluster_item(info, item),
        };
        match selected {
            true => self.skip_reason(info, item).map_or(FilterVerdict::Take, FilterVerdict::Skip),
            false if self.is_unrelated(info, item) => FilterVerdict::Skip(SkipReason::NotRelated),
            false => FilterVerdict::NotSelected,
        }
    }

    fn matches_labels(&self, item: &ItemView<'_>) -> bool {
        self.selection.labels.is_everything() || self.selection.labels.matches(&item.label_set())
    }

    /// Returns true for a PVC that a labelled workload names, whatever its own labels.
    fn is_named_claim(&self, info: &ResourceInfo, namespace: &str, item: &ItemView<'_>) -> bool {
        info.resource.as_str() == PVCS
            && self.survey.is_some_and(|survey| survey.needs.names_claim(namespace, &item.name))
    }

    /// Returns true for a namespace that is selected itself or in which an item is taken.
    fn selects_namespace(&self, info: &ResourceInfo, item: &ItemView<'_>) -> bool {
        if !self.selection.namespaces.takes(&item.name) {
            return false;
        }
        let Some(survey) = self.survey else { return true };
        (!self.along.contains(&info.resource) && self.matches_labels(item))
            || survey.namespaces.contains(&*item.name)
    }

    fn selects_cluster_item(&self, info: &ResourceInfo, item: &ItemView<'_>) -> bool {
        let needed = || self.survey.is_some_and(|survey| survey.needs.needs(&info.resource, &item.name));
        match self.cluster_scope {
            ClusterScope::All => {
                (!self.along.contains(&info.resource) && self.matches_labels(item)) || needed()
            }
            ClusterScope::Related => needed(),
            ClusterScope::None => false,
        }
    }

    /// Returns true for a cluster-scoped item that was listed and that no taken item needs.
    fn is_unrelated(&self, info: &ResourceInfo, item: &ItemView<'_>) -> bool {
        self.cluster_scope == ClusterScope::Related
            && item.namespace.is_none()
            && info.resource.as_str() != NAMESPACES
            && !self.along.contains(&info.resource)
    }

    /// Returns the reason to leave out an item although it is selected, or `None` if there is
    /// none.
    pub fn skip_reason(&self, info: &ResourceInfo, item: &ItemView<'_>) -> Option<SkipReason> {
        let home =
            if info.resource.as_str() == NAMESPACES { Some(&*item.name) } else { item.namespace.as_deref() };
        if let Some(reason) = home.and_then(|namespace| self.namespaces.left_out.get(namespace)) {
            return Some(*reason);
        }
        exclusion(&info.resource, item)
            .or_else(|| regenerated_by(&info.resource, item))
            .or_else(|| self.follows(info, item))
    }

    /// Returns the reason to leave out endpoints of a Service with a selector: the Service
    /// decides, not labels.
    fn follows(&self, info: &ResourceInfo, item: &ItemView<'_>) -> Option<SkipReason> {
        let service = follows_service(&info.resource, item)?;
        let namespace = item.namespace.as_deref().unwrap_or_default();
        let selects = self.selecting.contains(&(namespace.to_owned(), service));
        selects.then_some(SkipReason::ControllerMakesIt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Filter as Fields;
    use crate::model::ItemKey;

    fn info(kind: &str, namespaced: bool) -> ResourceInfo {
        ResourceInfo {
            resource: GroupResource::parse(kind),
            version: "v1".into(),
            kind: String::new(),
            singular: String::new(),
            short_names: Vec::new(),
            namespaced,
            status: true,
            verbs: Vec::new(),
            other_versions: Vec::new(),
        }
    }

    fn judge(kind: &str, item: &serde_json::Value) -> FilterVerdict {
        let selection = Fields::default().compile().unwrap();
        let mut namespaces = Namespaces::default();
        namespaces.left_out.insert("leaving".into(), SkipReason::ExcludeLabel);
        let filter = BackupFilter {
            selection: &selection,
            cluster_scope: ClusterScope::All,
            along: &HashSet::new(),
            namespaces: &namespaces,
            survey: None,
            selecting: HashSet::from([("n".to_owned(), "web".to_owned())]),
        };
        let text = item.to_string();
        let item = ItemView::read(text.as_bytes(), false).unwrap();
        filter.judge(&info(kind, item.namespace.is_some()), &item)
    }

    fn item(metadata: serde_json::Value) -> serde_json::Value {
        serde_json::json!({"metadata": metadata})
    }

    #[test]
    fn what_others_make_again_is_left_out_with_its_reason() {
        use serde_json::json;
        let cases = [
            (
                "pods",
                item(
                    json!({"name": "a", "namespace": "n", "annotations": {"kubernetes.io/config.mirror": "x"}}),
                ),
                SkipReason::MirrorPod,
            ),
            (
                "configmaps",
                item(json!({"name": "kube-root-ca.crt", "namespace": "n"})),
                SkipReason::ControlPlaneMakesIt,
            ),
            (
                "pods",
                item(json!({"name": "a", "namespace": "n", "deletionTimestamp": "2026-01-01T00:00:00Z"})),
                SkipReason::BeingDeleted,
            ),
            (
                "pods",
                item(
                    json!({"name": "a", "namespace": "n", "labels": {"velero.io/exclude-from-backup": "true"}}),
                ),
                SkipReason::ExcludeLabel,
            ),
            ("pods", item(json!({"name": "a", "namespace": "leaving"})), SkipReason::ExcludeLabel),
            ("namespaces", item(json!({"name": "leaving"})), SkipReason::ExcludeLabel),
            (
                "endpointslices.discovery.k8s.io",
                item(
                    json!({"name": "a", "namespace": "n", "labels": {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io", "kubernetes.io/service-name": "web"}}),
                ),
                SkipReason::ControllerMakesIt,
            ),
            ("endpoints", item(json!({"name": "web", "namespace": "n"})), SkipReason::ControllerMakesIt),
            (
                "endpoints",
                item(json!({"name": "kubernetes", "namespace": "default"})),
                SkipReason::ControlPlaneMakesIt,
            ),
            (
                "endpointslices.discovery.k8s.io",
                item(
                    json!({"name": "a", "namespace": "n", "labels": {"endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io", "kubernetes.io/service-name": "ext"}}),
                ),
                SkipReason::ControllerMakesIt,
            ),
            (
                "secrets",
                json!({"type": "kubernetes.io/service-account-token", "metadata": {"name": "web-token-x7k2p", "namespace": "n", "annotations": {"kubernetes.io/service-account.name": "web"}}}),
                SkipReason::ControlPlaneMakesIt,
            ),
        ];
        for (kind, item, reason) in cases {
            assert_eq!(judge(kind, &item), FilterVerdict::Skip(reason), "{kind} {item}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_taken() {
        use serde_json::json;
        let cases = [
            (
                "secrets",
                json!({"type": "kubernetes.io/service-account-token", "metadata": {"name": "deploy-token", "namespace": "n", "annotations": {"kubernetes.io/service-account.name": "web"}}}),
            ),
            // Made by a person, with a name in the form that the token controller gives.
            (
                "secrets",
                json!({"type": "kubernetes.io/service-account-token", "metadata": {"name": "web-token-stg24", "namespace": "n", "annotations": {"kubernetes.io/service-account.name": "web"},
                    "managedFields": [{"manager": "kubectl-create", "fieldsV1": {"f:type": {}}}, {"manager": "kube-controller-manager", "fieldsV1": {"f:data": {}}}]}}),
            ),
            // Deleted, and still used.
            (
                "persistentvolumeclaims",
                item(
                    json!({"name": "data", "namespace": "n", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["kubernetes.io/pvc-protection"]}),
                ),
            ),
            ("endpointslices.discovery.k8s.io", item(json!({"name": "manual", "namespace": "n"}))),
            (
                "endpointslices.discovery.k8s.io",
                item(
                    json!({"name": "by-hand", "namespace": "n", "labels": {"endpointslice.kubernetes.io/managed-by": "staff", "kubernetes.io/service-name": "web"}}),
                ),
            ),
            // Left behind by a Service that lost its selector, whatever their labels say.
            (
                "endpoints",
                item(
                    json!({"name": "ext", "namespace": "n", "labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}, "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z"}}),
                ),
            ),
            (
                "endpointslices.discovery.k8s.io",
                item(
                    json!({"name": "ext-x", "namespace": "n", "labels": {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io", "kubernetes.io/service-name": "ext"}, "ownerReferences": [{"uid": "s", "controller": true}]}),
                ),
            ),
            ("endpoints", item(json!({"name": "web", "namespace": "m"}))),
            (
                "pods",
                item(
                    json!({"name": "a", "namespace": "n", "labels": {"ark.heptio.com/exclude-from-backup": "false"}}),
                ),
            ),
            ("configmaps", item(json!({"name": "a", "namespace": "n"}))),
        ];
        for (kind, item) in cases {
            assert_eq!(judge(kind, &item), FilterVerdict::Take, "{kind} {item}");
        }
    }

    #[test]
    fn with_some_namespaces_only_needed_cluster_items_come_along() {
        let selection =
            Fields { included_namespaces: vec!["n".into()], ..Fields::default() }.compile().unwrap();
        let namespaces = Namespaces::default();
        let mut survey = SurveyResult::default();
        survey.needs.found.insert(ItemKey::cluster(GroupResource::parse("persistentvolumes"), "mine"));
        survey.namespaces.insert("n".into());
        let filter = BackupFilter {
            selection: &selection,
            cluster_scope: ClusterScope::Related,
            along: &HashSet::from([GroupResource::parse("priorityclasses.scheduling.k8s.io")]),
            namespaces: &namespaces,
            survey: Some(&survey),
            selecting: HashSet::new(),
        };
        let judge = |kind: &str, name: &str| {
            let text = item(serde_json::json!({"name": name})).to_string();
            filter.judge(&info(kind, false), &ItemView::read(text.as_bytes(), false).unwrap())
        };
        assert_eq!(judge("persistentvolumes", "mine"), FilterVerdict::Take);
        assert_eq!(judge("persistentvolumes", "other"), FilterVerdict::Skip(SkipReason::NotRelated));
        // A kind that nobody asked for is not counted as left out.
        assert_eq!(judge("priorityclasses.scheduling.k8s.io", "other"), FilterVerdict::NotSelected);
        assert_eq!(judge("namespaces", "n"), FilterVerdict::Take);
        assert_eq!(judge("namespaces", "m"), FilterVerdict::NotSelected);
    }

    #[test]
    fn a_claim_without_the_labels_comes_with_the_workload_that_names_it_unless_it_is_labelled_to_be_left_out()
    {
        use serde_json::json;
        let labels =
            json!({"labelSelector": {"matchLabels": {"app": "web"}}, "excludedNamespaces": ["other"]});
        let selection = serde_json::from_value::<Fields>(labels).unwrap().compile().unwrap();
        let mut survey = SurveyResult::of(&selection);
        for namespace in ["n", "other"] {
            let volumes =
                ["data", "private"].map(|claim| json!({"persistentVolumeClaim": {"claimName": claim}}));
            let pod =
                json!({"metadata": {"name": "web", "namespace": namespace}, "spec": {"volumes": volumes}});
            survey.needs.note_references(&GroupResource::parse("pods"), pod.to_string().as_bytes());
        }
        let filter = BackupFilter {
            selection: &selection,
            cluster_scope: ClusterScope::All,
            along: &HashSet::new(),
            namespaces: &Namespaces::default(),
            survey: Some(&survey),
            selecting: HashSet::new(),
        };
        let judge = |kind: &str, namespace: &str, name: &str, labels: serde_json::Value| {
            let text = item(json!({"name": name, "namespace": namespace, "labels": labels})).to_string();
            filter.judge(&info(kind, true), &ItemView::read(text.as_bytes(), false).unwrap())
        };
        let left_out = json!({"velero.io/exclude-from-backup": "true"});
        assert_eq!(judge(PVCS, "n", "data", json!({})), FilterVerdict::Take);
        assert_eq!(judge(PVCS, "n", "own", json!({"app": "web"})), FilterVerdict::Take);
        assert_eq!(judge(PVCS, "n", "private", left_out), FilterVerdict::Skip(SkipReason::ExcludeLabel));
        assert_eq!(judge(PVCS, "n", "bystander", json!({})), FilterVerdict::NotSelected);
        assert_eq!(judge(PVCS, "other", "data", json!({})), FilterVerdict::NotSelected);
        assert_eq!(judge("secrets", "n", "data", json!({})), FilterVerdict::NotSelected);
    }

    #[test]
    fn a_service_is_remembered_by_its_selector() {
        let selection = Fields::default().compile().unwrap();
        let mut filter = BackupFilter {
            selection: &selection,
            cluster_scope: ClusterScope::All,
            along: &HashSet::new(),
            namespaces: &Namespaces::default(),
            survey: None,
            selecting: HashSet::new(),
        };
        let service = |name: &str, spec: serde_json::Value| {
            serde_json::json!({"metadata": {"name": name, "namespace": "n"}, "spec": spec}).to_string()
        };
        for text in [
            service("web", serde_json::json!({"selector": {"app": "web"}})),
            service("ext", serde_json::json!({})),
        ] {
            filter.note(&info(SERVICES, true), &ItemView::read(text.as_bytes(), false).unwrap());
        }
        let endpoints = |name: &str| {
            let text = item(serde_json::json!({"name": name, "namespace": "n"})).to_string();
            filter.judge(&info("endpoints", true), &ItemView::read(text.as_bytes(), false).unwrap())
        };
        assert_eq!(endpoints("web"), FilterVerdict::Skip(SkipReason::ControllerMakesIt));
        assert_eq!(endpoints("ext"), FilterVerdict::Take);
    }
}
