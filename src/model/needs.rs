//! Which cluster-scoped items the taken ones name: volumes, classes, roles and their bindings. Pure.
//!
//! A backup asks when only a part of the cluster is taken, a restore when only a part of a backup comes back; both go by the
//! same names.

use std::collections::HashSet;

use serde::Deserialize;

use super::item::{ItemKey, Kind};

/// The kind that defines kinds.
pub const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// The kind that other items live in.
pub const NAMESPACES: &str = "namespaces";

/// The kind that binds service accounts to cluster roles; looked at last, when the accounts are known.
pub const CLUSTER_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";

/// The volumes' own kind.
pub const VOLUMES: &str = "persistentvolumes";

/// Which cluster-scoped items are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterScope {
    /// All that the other terms select.
    All,
    /// Those that the items in namespaces need.
    Related,
    /// None, namespaces aside.
    None,
}

impl ClusterScope {
    /// As `includeClusterResources` says; where it says nothing, all belong to all namespaces.
    pub fn of(include: Option<bool>, all_namespaces: bool) -> Self {
        match include {
            Some(true) => Self::All,
            Some(false) => Self::None,
            None if all_namespaces => Self::All,
            None => Self::Related,
        }
    }
}

/// Kinds in namespaces whose items name cluster-scoped ones.
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
    "statefulsets.apps",
    "volumesnapshots.snapshot.storage.k8s.io",
];

/// Whether items of the kind name cluster-scoped ones.
pub fn refers(kind: &Kind) -> bool {
    REFERRING.contains(&kind.as_str())
}

/// Cluster-scoped items that are needed, gathered body by body.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// What was found so far.
    pub found: HashSet<ItemKey>,
}

/// Who cluster role bindings may speak of: the service accounts and namespaces that are taken.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// Namespace and name.
    pub accounts: HashSet<(String, String)>,
    /// Namespaces.
    pub namespaces: HashSet<String>,
}

impl Needs {
    /// Looks at the body of a taken item, or of a volume that is needed. One of unknown shape names nothing.
    pub fn look(&mut self, body: &[u8]) {
        if let Ok(object) = serde_json::from_slice::<Referring>(body) {
            self.refer(object);
        }
    }

    /// Looks at a cluster role binding: needed when it speaks of a taken account, and its role with it.
    pub fn look_at_binding(&mut self, name: &str, body: &[u8], accounts: &Accounts) {
        let Ok(binding) = serde_json::from_slice::<Referring>(body) else { return };
        let about_them = binding.subjects.iter().flatten().any(|subject| match &*subject.kind {
            "ServiceAccount" => {
                accounts.accounts.contains(&(subject.namespace.clone(), subject.name.clone()))
            }
            "Group" => subject
                .name
                .strip_prefix("system:serviceaccounts:")
                .is_some_and(|namespace| accounts.namespaces.contains(namespace)),
            _ => false,
        });
        if about_them {
            self.need(CLUSTER_BINDINGS, Some(name.to_owned()));
            self.refer(binding);
        }
    }

    fn need(&mut self, kind: &str, name: Option<String>) {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            self.found.insert(ItemKey::cluster(Kind::parse(kind), name));
        }
    }

    fn refer(&mut self, object: Referring) {
        let Referring { spec, status, role_ref, subjects: _ } = object;
        if let Some(role) = role_ref.filter(|role| role.kind == "ClusterRole") {
            self.need("clusterroles.rbac.authorization.k8s.io", Some(role.name));
        }
        let content = status.and_then(|status| status.bound_volume_snapshot_content_name);
        self.need("volumesnapshotcontents.snapshot.storage.k8s.io", content);
        if let Some(spec) = spec {
            self.refer_spec(spec);
        }
    }

    /// The names may stand in the spec itself, in the template of a pod, of a job or of a claim.
    fn refer_spec(&mut self, spec: Spec) {
        let Spec {
            volume_name,
            storage_class_name,
            volume_attributes_class_name,
            priority_class_name,
            runtime_class_name,
            ingress_class_name,
            volume_snapshot_class_name,
            template,
            job_template,
            volume_claim_templates,
        } = spec;
        self.need(VOLUMES, volume_name);
        self.need("storageclasses.storage.k8s.io", storage_class_name);
        self.need("volumeattributesclasses.storage.k8s.io", volume_attributes_class_name);
        self.need("priorityclasses.scheduling.k8s.io", priority_class_name);
        self.need("runtimeclasses.node.k8s.io", runtime_class_name);
        self.need("ingressclasses.networking.k8s.io", ingress_class_name);
        self.need("volumesnapshotclasses.snapshot.storage.k8s.io", volume_snapshot_class_name);
        let claims = volume_claim_templates.into_iter().flatten();
        for inner in claims.chain(template).chain(job_template.map(|job| *job)) {
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
    volume_attributes_class_name: Option<String>,
    priority_class_name: Option<String>,
    runtime_class_name: Option<String>,
    ingress_class_name: Option<String>,
    volume_snapshot_class_name: Option<String>,
    template: Option<Nested>,
    job_template: Option<Box<Nested>>,
    volume_claim_templates: Option<Vec<Nested>>,
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

    fn found(needs: &Needs) -> Vec<String> {
        let mut names: Vec<String> = needs.found.iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn items_say_what_of_the_cluster_they_need() {
        for (object, expected) in [
            (
                json!({"spec": {"volumeName": "pv-1", "storageClassName": "fast"}}),
                vec!["persistentvolumes pv-1", "storageclasses.storage.k8s.io fast"],
            ),
            (
                json!({"spec": {"template": {"spec": {"priorityClassName": "high"}}, "volumeClaimTemplates": [{"spec": {"storageClassName": "fast"}}]}}),
                vec!["priorityclasses.scheduling.k8s.io high", "storageclasses.storage.k8s.io fast"],
            ),
            (
                json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"runtimeClassName": "gvisor"}}}}}}),
                vec!["runtimeclasses.node.k8s.io gvisor"],
            ),
            (
                json!({"roleRef": {"kind": "ClusterRole", "name": "view"}}),
                vec!["clusterroles.rbac.authorization.k8s.io view"],
            ),
            (
                json!({"spec": {"volumeAttributesClassName": "gold", "volumeClaimTemplates": null}}),
                vec!["volumeattributesclasses.storage.k8s.io gold"],
            ),
            (json!({"roleRef": {"kind": "Role", "name": "local"}}), vec![]),
            (json!({"spec": 3}), vec![]),
        ] {
            let mut needs = Needs::default();
            needs.look(object.to_string().as_bytes());
            assert_eq!(found(&needs), expected, "{object}");
        }
    }

    #[test]
    fn a_cluster_binding_comes_when_it_speaks_of_a_taken_account() {
        let accounts = Accounts {
            accounts: HashSet::from([("shop".to_owned(), "web".to_owned())]),
            namespaces: HashSet::from(["shop".to_owned()]),
        };
        for (subject, comes) in [
            (json!({"kind": "ServiceAccount", "namespace": "shop", "name": "web"}), true),
            (json!({"kind": "ServiceAccount", "namespace": "other", "name": "web"}), false),
            (json!({"kind": "Group", "name": "system:serviceaccounts:shop"}), true),
            (json!({"kind": "Group", "name": "system:serviceaccounts"}), false),
            (json!({"kind": "User", "name": "web"}), false),
        ] {
            let mut needs = Needs::default();
            let body =
                json!({"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [subject]}).to_string();
            needs.look_at_binding("b", body.as_bytes(), &accounts);
            assert_eq!(needs.found.len(), if comes { 2 } else { 0 }, "{subject}");
        }
    }
}
