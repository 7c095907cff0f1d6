//! Maps ServiceAccounts in bindings and flow schemas, and rules about namespaces by name. Pure.

use serde_json::Value;

use super::NamespaceMap;
use crate::model::GroupResource;
use crate::restore::rewrite::shape;

/// The user name of a ServiceAccount begins so: `system:serviceaccount:<namespace>:<name>`.
const USER_PREFIX: &str = "system:serviceaccount:";

/// The group of a namespace's ServiceAccounts begins so: `system:serviceaccounts:<namespace>`.
const GROUP_PREFIX: &str = "system:serviceaccounts:";

/// Maps subjects, and resource names that are names of namespaces.
pub(super) fn rewrite(kind: &GroupResource, item: &mut Value, map: &NamespaceMap) {
    match kind.as_str() {
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            for subject in shape::array_mut(item, &["subjects"]).into_iter().flatten() {
                shape::each(subject, "namespace", &mut |place| map.replace(place));
                match shape::text(subject, &["kind"]) {
                    Some("User") => shape::each(subject, "name", &mut |name| replace_user(name, map)),
                    Some("Group") => shape::each(subject, "name", &mut |name| replace_group(name, map)),
                    _ => {}
                }
            }
        }
        "flowschemas.flowcontrol.apiserver.k8s.io" => {
            let accounts = "spec.rules[].subjects[].serviceAccount.namespace";
            shape::each(item, accounts, &mut |place| map.replace(place));
            shape::each(item, "spec.rules[].subjects[].user.name", &mut |name| replace_user(name, map));
            shape::each(item, "spec.rules[].subjects[].group.name", &mut |name| replace_group(name, map));
        }
        "clusterroles.rbac.authorization.k8s.io" | "roles.rbac.authorization.k8s.io" => {
            for rule in shape::array_mut(item, &["rules"]).into_iter().flatten() {
                if is_about_namespaces(rule) {
                    shape::each(rule, "resourceNames[]", &mut |name| map.replace(name));
                }
            }
        }
        _ => {}
    }
}

fn replace_user(place: &mut Value, map: &NamespaceMap) {
    let parts = place.as_str().and_then(|user| user.strip_prefix(USER_PREFIX)?.split_once(':'));
    if let Some((namespace, name)) = parts {
        *place = Value::String(format!("{USER_PREFIX}{}:{name}", map.map(namespace)));
    }
}

fn replace_group(place: &mut Value, map: &NamespaceMap) {
    if let Some(namespace) = place.as_str().and_then(|group| group.strip_prefix(GROUP_PREFIX)) {
        *place = Value::String(format!("{GROUP_PREFIX}{}", map.map(namespace)));
    }
}

/// Returns whether every resource of a rule is `namespaces` or a part of it, so that its
/// resourceNames are names of namespaces.
fn is_about_namespaces(rule: &Value) -> bool {
    let is_namespaces = |resource: &Value| {
        resource.as_str().is_some_and(|name| name == "namespaces" || name.starts_with("namespaces/"))
    };
    let mut resources = shape::elements(rule, &["resources"]).peekable();
    resources.peek().is_some()
        && resources.all(is_namespaces)
        && shape::elements(rule, &["apiGroups"]).all(|group| group.as_str() == Some(""))
}
