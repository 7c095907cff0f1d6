//! The first look, when only a part of the cluster is wanted: which namespaces hold something that is taken, and which
//! cluster-scoped items the taken ones need.
//!
//! The tarball is in restore order, and there a definition comes before its resources and a volume before its claim. What is
//! needed must so be known before the first item is written. The survey lists at the same cut, takes the same verdicts,
//! and keeps names only. Next on the way: `collect`.

use std::collections::HashSet;

use serde::Deserialize;

use super::filter::{Filter, Verdict};
use super::item::ItemView;
use super::plan::{DEFINITIONS, NAMESPACES, Plan};
use crate::api::CompiledSelection;
use crate::cluster::KindInfo;
use crate::model::{ItemKey, Kind};

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Whether namespaces are selected as a kind, not only as the home of what is taken.
    pub namespaces_named: bool,
    /// Whether definitions are selected as a kind, not only as what the taken resources need.
    pub definitions_named: bool,
    /// Namespaces in which something is taken.
    pub namespaces: HashSet<String>,
    /// Cluster-scoped items that the taken ones need.
    pub needed: HashSet<ItemKey>,
    accounts: HashSet<(String, String)>,
}

/// Kinds whose items name cluster-scoped ones.
const REFERRING: &[&str] = &[
    "cronjobs.batch",
    "daemonsets.apps",
    "deployments.apps",
    "ingresses.networking.k8s.io",
    "jobs.batch",
    "persistentvolumeclaims",
    "pods",
    "replicasets.apps",
    "rolebindings.rbac.authorization.k8s.io",
    "serviceaccounts",
    "statefulsets.apps",
    "volumesnapshots.snapshot.storage.k8s.io",
];

/// The kind that binds service accounts to cluster roles; looked at last, when the accounts are known.
pub const CLUSTER_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";

/// The kinds to look at: all that may be taken when labels or kinds narrow the selection, else only those that refer to
/// others and those with a definition. `defined`: names of all definitions.
pub fn kinds_to_survey<'a>(plan: &'a Plan, narrows: bool, defined: &HashSet<String>) -> Vec<&'a KindInfo> {
    let look = |info: &&KindInfo| {
        let kind = info.kind.as_str();
        if kind == NAMESPACES || kind == DEFINITIONS {
            return false;
        }
        defined.contains(kind) || (info.namespaced && (narrows || REFERRING.contains(&kind)))
    };
    plan.kinds.iter().filter(look).collect()
}

/// The kind of this name if the plan has it.
pub fn the_kind<'a>(plan: &'a Plan, kind: &str) -> Vec<&'a KindInfo> {
    plan.kinds.iter().filter(|info| info.kind.as_str() == kind).collect()
}

impl Survey {
    /// An empty survey of what `selection` means.
    pub fn of(plan: &Plan, selection: &CompiledSelection) -> Self {
        let named = |kind: &str| {
            the_kind(plan, kind).iter().any(|info| selection.kinds.takes(&info.kind, info.aliases()))
        };
        Self { namespaces_named: named(NAMESPACES), definitions_named: named(DEFINITIONS), ..Self::default() }
    }

    /// Looks at one item; `filter` must not rest on a survey.
    pub fn look(&mut self, filter: &Filter<'_>, info: &KindInfo, body: &[u8], defined: &HashSet<String>) {
        let Ok(item) = ItemView::read(body) else { return };
        if filter.judge(info, &item) != Verdict::Take {
            return;
        }
        let kind = info.kind.as_str();
        if defined.contains(kind) {
            self.needed.insert(ItemKey::cluster(Kind::parse(DEFINITIONS), kind));
        }
        let Some(namespace) = item.namespace.as_deref() else { return };
        if !self.namespaces.contains(namespace) {
            self.namespaces.insert(namespace.to_owned());
        }
        if kind == "serviceaccounts" {
            self.accounts.insert((namespace.to_owned(), item.name.into_owned()));
        } else if REFERRING.contains(&kind) {
            // An object of a shape that we do not know refers to nothing that we know.
            if let Ok(object) = serde_json::from_slice::<Referring>(body) {
                self.refer(object);
            }
        }
    }

    /// Looks at one cluster role binding: needed when it speaks of a taken service account, and its role with it.
    pub fn look_at_cluster_binding(&mut self, body: &[u8]) {
        let (Ok(item), Ok(binding)) = (ItemView::read(body), serde_json::from_slice::<Referring>(body))
        else {
            return;
        };
        let about_us = binding.subjects.iter().flatten().any(|subject| match &*subject.kind {
            "ServiceAccount" => self.accounts.contains(&(subject.namespace.clone(), subject.name.clone())),
            "Group" => subject
                .name
                .strip_prefix("system:serviceaccounts:")
                .is_some_and(|namespace| self.namespaces.contains(namespace)),
            _ => false,
        });
        if about_us {
            self.need(CLUSTER_BINDINGS, Some(item.name.into_owned()));
            self.refer(binding);
        }
    }

    fn need(&mut self, kind: &str, name: Option<String>) {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            self.needed.insert(ItemKey::cluster(Kind::parse(kind), name));
        }
    }

    fn refer(&mut self, object: Referring) {
        if let Some(role) = object.role_ref.filter(|role| role.kind == "ClusterRole") {
            self.need("clusterroles.rbac.authorization.k8s.io", Some(role.name));
        }
        if let Some(status) = object.status {
            self.need(
                "volumesnapshotcontents.snapshot.storage.k8s.io",
                status.bound_volume_snapshot_content_name,
            );
        }
        if let Some(spec) = object.spec {
            self.refer_spec(spec);
        }
    }

    fn refer_spec(&mut self, spec: Spec) {
        self.need("persistentvolumes", spec.volume_name);
        self.need("storageclasses.storage.k8s.io", spec.storage_class_name);
        self.need("priorityclasses.scheduling.k8s.io", spec.priority_class_name);
        self.need("runtimeclasses.node.k8s.io", spec.runtime_class_name);
        self.need("ingressclasses.networking.k8s.io", spec.ingress_class_name);
        self.need("volumesnapshotclasses.snapshot.storage.k8s.io", spec.volume_snapshot_class_name);
        for inner in spec
            .volume_claim_templates
            .into_iter()
            .chain(spec.template)
            .chain(spec.job_template.map(|job| *job))
        {
            if let Some(spec) = inner.spec {
                self.refer_spec(*spec);
            }
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Referring {
    spec: Option<Spec>,
    status: Option<Status>,
    role_ref: Option<RoleRef>,
    subjects: Option<Vec<Subject>>,
}

/// The referring fields of all kinds in [`REFERRING`]; each kind fills its own.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    volume_name: Option<String>,
    storage_class_name: Option<String>,
    priority_class_name: Option<String>,
    runtime_class_name: Option<String>,
    ingress_class_name: Option<String>,
    volume_snapshot_class_name: Option<String>,
    template: Option<Nested>,
    job_template: Option<Box<Nested>>,
    volume_claim_templates: Vec<Nested>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Nested {
    spec: Option<Box<Spec>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    bound_volume_snapshot_content_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RoleRef {
    kind: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Subject {
    kind: String,
    name: String,
    namespace: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn needed(object: serde_json::Value) -> Vec<String> {
        let mut survey = Survey::default();
        survey.refer(serde_json::from_value(object).unwrap());
        let mut names: Vec<String> = survey.needed.iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn objects_say_which_cluster_items_they_need() {
        assert_eq!(
            needed(json!({"spec": {"volumeName": "pv-1", "storageClassName": "fast"}})),
            ["persistentvolumes pv-1", "storageclasses.storage.k8s.io fast"]
        );
        assert_eq!(
            needed(json!({"spec": {"template": {"spec": {"priorityClassName": "high"}},
                "volumeClaimTemplates": [{"spec": {"storageClassName": "fast"}}]}})),
            ["priorityclasses.scheduling.k8s.io high", "storageclasses.storage.k8s.io fast"]
        );
        assert_eq!(
            needed(
                json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"runtimeClassName": "gvisor"}}}}}})
            ),
            ["runtimeclasses.node.k8s.io gvisor"]
        );
        assert_eq!(
            needed(json!({"roleRef": {"kind": "ClusterRole", "name": "view"}})),
            ["clusterroles.rbac.authorization.k8s.io view"]
        );
        assert!(needed(json!({"roleRef": {"kind": "Role", "name": "local"}})).is_empty());
    }

    #[test]
    fn a_cluster_binding_comes_when_it_speaks_of_a_taken_account() {
        let binding = |subject: serde_json::Value| {
            json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [subject]}).to_string()
        };
        let mut survey = Survey::default();
        survey.accounts.insert(("n".into(), "web".into()));
        survey.namespaces.insert("n".into());
        survey.look_at_cluster_binding(
            binding(json!({"kind": "ServiceAccount", "namespace": "m", "name": "web"})).as_bytes(),
        );
        survey.look_at_cluster_binding(binding(json!({"kind": "User", "name": "web"})).as_bytes());
        assert!(survey.needed.is_empty());
        survey.look_at_cluster_binding(
            binding(json!({"kind": "Group", "name": "system:serviceaccounts:n"})).as_bytes(),
        );
        assert_eq!(survey.needed.len(), 2);
        survey.needed.clear();
        survey.look_at_cluster_binding(
            binding(json!({"kind": "ServiceAccount", "namespace": "n", "name": "web"})).as_bytes(),
        );
        assert_eq!(survey.needed.len(), 2);
    }
}
