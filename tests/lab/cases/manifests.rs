//! What several cases are made of, an object a function. What has no namespace begins its name with
//! the short name of the case.

use serde_json::{Value, json};

/// The group of roles and bindings.
const RBAC: &str = "rbac.authorization.k8s.io";

/// A namespace.
pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// A ConfigMap that says `of: OF`.
pub fn config_map(namespace: &str, name: &str, of: &str) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"of": of}})
}

/// A service account.
pub fn account(namespace: &str, name: &str) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
}

/// A class whose volumes nobody makes.
pub fn class(name: &str) -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
        "provisioner": "kubernetes.io/no-provisioner"})
}

/// A claim of a class.
pub fn claim(namespace: &str, name: &str, class: &str) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    let spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": class,
        "resources": {"requests": {"storage": "1Gi"}}});
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
}

/// A role that lets these resources of the core group be read.
pub fn role(name: &str, resource: &str) -> Value {
    let rules = json!([{"apiGroups": [""], "resources": [resource], "verbs": ["get"]}]);
    json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
}

/// A role that is put together of the roles with this label.
pub fn gathering_role(name: &str, label: &str, value: &str) -> Value {
    let selectors = json!({"clusterRoleSelectors": [{"matchLabels": {label: value}}]});
    json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": name},
        "aggregationRule": selectors, "rules": []})
}

/// Gives a role to an account.
pub fn binding(name: &str, role: &str, namespace: &str, account: &str) -> Value {
    bind(name, role, &json!({"kind": "ServiceAccount", "name": account, "namespace": namespace}))
}

/// Gives a role to a `User` or a `Group`.
pub fn binding_by_name(name: &str, role: &str, kind: &str, subject: &str) -> Value {
    bind(name, role, &json!({"apiGroup": RBAC, "kind": kind, "name": subject}))
}

fn bind(name: &str, role: &str, subject: &Value) -> Value {
    let role = json!({"apiGroup": RBAC, "kind": "ClusterRole", "name": role});
    json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": role, "subjects": [subject]})
}

/// The object with this label.
pub fn labelled(mut object: Value, label: &str, value: &str) -> Value {
    object["metadata"]["labels"] = json!({label: value});
    object
}
