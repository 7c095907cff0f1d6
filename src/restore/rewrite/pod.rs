//! Frees a Pod from its old node and from what admission puts in again; finds pod templates in
//! other kinds. Pure.

use serde_json::Value;

use super::chosen::Choices;
use super::shape;
use crate::model::{GroupResource, is_generated};

/// The path at which admission mounts the ServiceAccount's token.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The lists of containers in a pod's spec.
pub(super) const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Returns the path to a kind's pod spec, or `None` if the kind has none.
pub(super) fn spec_path(kind: &GroupResource) -> Option<&'static [&'static str]> {
    Some(match kind.as_str() {
        "pods" => &["spec"],
        "podtemplates" => &["template", "spec"],
        "deployments.apps"
        | "replicasets.apps"
        | "statefulsets.apps"
        | "daemonsets.apps"
        | "jobs.batch"
        | "replicationcontrollers" => &["spec", "template", "spec"],
        "cronjobs.batch" => &["spec", "jobTemplate", "spec", "template", "spec"],
        // A ControllerRevision holds the template of a StatefulSet or DaemonSet that `rollout
        // undo` goes back to.
        "controllerrevisions.apps" => &["data", "spec", "template", "spec"],
        _ => return None,
    })
}

/// Warns of a pod that a person placed on a node: a person is recorded among the field owners, the
/// scheduler is not.
pub(super) fn tell_of_node(kind: &GroupResource, item: &Value, warnings: &mut Vec<String>) {
    if kind.as_str() != "pods" || !Choices::read(item).has("nodeName") {
        return;
    }
    if let Some(node) = shape::text(item, &["spec", "nodeName"]) {
        warnings.push(format!(
            "whoever made it placed it on the node `{node}`; now the scheduler places it, since the node may be gone; a resource modifier that adds /spec/nodeName keeps it there"
        ));
    }
}

/// Removes the node, the resolved priority, debug containers (no Pod may begin with one), and the
/// token volumes of admission.
pub(super) fn rewrite(kind: &GroupResource, item: &mut Value) {
    if kind.as_str() != "pods" {
        return;
    }
    if let Some(spec) = shape::object_mut(item, &["spec"]) {
        for field in ["nodeName", "priority", "ephemeralContainers"] {
            spec.remove(field);
        }
    }
    let account = ["serviceAccountName", "serviceAccount"]
        .into_iter()
        .find_map(|field| shape::text(item, &["spec", field]))
        .unwrap_or("default")
        .to_owned();
    let injected: Vec<String> = shape::elements(item, &["spec", "volumes"])
        .filter(|volume| is_token_volume(volume, &account))
        .filter_map(|volume| Some(shape::text(volume, &["name"])?.to_owned()))
        .collect();
    if injected.is_empty() {
        return;
    }
    let is_injected = |named: &Value| {
        shape::text(named, &["name"]).is_some_and(|name| injected.iter().any(|one| one == name))
    };
    shape::retain(item, &["spec", "volumes"], |volume| !is_injected(volume));
    for list in CONTAINER_LISTS {
        for container in shape::array_mut(item, &["spec", list]).into_iter().flatten() {
            shape::retain(container, &["volumeMounts"], |mount| {
                !(is_injected(mount) && shape::text(mount, &["mountPath"]) == Some(TOKEN_PATH))
            });
        }
    }
}

fn is_token_volume(volume: &Value, account: &str) -> bool {
    let Some(name) = shape::text(volume, &["name"]) else { return false };
    let projected = volume.get("projected").is_some() && is_generated(name, "kube-api-access-");
    let secret = volume.get("secret").is_some() && is_generated(name, &format!("{account}-token-"));
    projected || secret
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_is_freed_from_its_node_and_its_tokens() {
        let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path, "readOnly": true});
        let mut pod = json!({"spec": {
            "nodeName": "node-1", "priority": 0, "priorityClassName": "shop", "serviceAccountName": "web",
            "ephemeralContainers": [{"name": "debugger"}],
            "volumes": [{"name": "kube-api-access-x7k2p", "projected": {"sources": []}},
                {"name": "web-token-b8xkz", "secret": {"secretName": "web-token-b8xkz"}},
                {"name": "web-token-admin", "secret": {"secretName": "web-token-admin"}}, {"name": "data", "emptyDir": {}}],
            "initContainers": [{"name": "init", "volumeMounts": [mount("web-token-b8xkz", TOKEN_PATH)]}],
            "containers": [{"name": "web", "volumeMounts": [mount("data", "/data"), mount("kube-api-access-x7k2p", TOKEN_PATH)]}]}});
        rewrite(&GroupResource::parse("pods"), &mut pod);
        assert_eq!(
            pod,
            json!({"spec": {"priorityClassName": "shop", "serviceAccountName": "web",
                "volumes": [{"name": "web-token-admin", "secret": {"secretName": "web-token-admin"}}, {"name": "data", "emptyDir": {}}],
                "initContainers": [{"name": "init"}],
                "containers": [{"name": "web", "volumeMounts": [mount("data", "/data")]}]}})
        );
    }

    #[test]
    fn the_template_of_a_deployment_is_not_a_pod() {
        let mut item = json!({"spec": {"template": {"spec": {"nodeName": "node-1"}}, "priority": 1}});
        let before = item.clone();
        rewrite(&GroupResource::parse("deployments.apps"), &mut item);
        assert_eq!(item, before);
    }

    #[test]
    fn a_pod_that_a_person_placed_is_told() {
        let pod =
            |owners: &Value| json!({"metadata": {"managedFields": owners}, "spec": {"nodeName": "node-1"}});
        let told = |pod: &Value| {
            let mut warnings = Vec::new();
            tell_of_node(&GroupResource::parse("pods"), pod, &mut warnings);
            warnings.len()
        };
        let placed = json!([{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:nodeName": {}}}}]);
        assert_eq!((told(&pod(&placed)), told(&pod(&json!([])))), (1, 0));
    }
}
