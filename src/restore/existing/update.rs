//! Makes the body of an update: as in the backup, except for what servers and controllers own,
//! which stays as it is. Pure.
//!
//! An update replaces the whole object, so that what somebody added since is gone afterwards; a
//! server-side apply would leave it. Fields that only the cluster decides must have the values of
//! the live object, or the API server refuses the update.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::super::compare::{is_a_note, is_a_programs, is_aggregated, is_controlled};
use super::super::rewrite::{LAST_APPLIED, PortKey, annotations_by_hand, is_made_for};
use crate::model::traits::is_custom;
use crate::model::{GroupResource, NAMESPACES, TOKEN_TYPE};

/// Returns the body for a PUT. `wanted` is the item as it would be made, `live` the object as the
/// API server sent it.
pub fn as_update(wanted: &Value, live: &Value, kind: &GroupResource) -> Value {
    let (mut body, by_hand) = (wanted.clone(), annotations_by_hand(live));
    let (Some(object), Some(there)) = (body.as_object_mut(), live.as_object()) else { return body };
    if let (Some(Value::Object(metadata)), Some(Value::Object(live))) =
        (object.get_mut("metadata"), there.get("metadata"))
    {
        keep_metadata(metadata, live, &by_hand);
    }
    if !is_custom(kind) {
        keep_bundles(&mut body, live);
    }
    keep_by_kind(&mut body, live, kind);
    body
}

/// Merges the metadata. Identity and version are the live object's; labels the backup's;
/// annotations of programs and finalizers those of both sides; owners the backup's, and a
/// controller that has adopted the item.
fn keep_metadata(metadata: &mut Map<String, Value>, live: &Map<String, Value>, by_hand: &HashSet<String>) {
    for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "generateName"] {
        if let Some(value) = live.get(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    if let Some(Value::Object(notes)) = live.get("annotations") {
        let annotations = metadata.entry("annotations").or_insert_with(|| Map::new().into());
        for (key, value) in notes {
            // kubectl's last-applied configuration is the backup's, like the rest of the item,
            // though it is no difference.
            let theirs = is_a_note(key) && key != LAST_APPLIED;
            if let Some(annotations) = annotations.as_object_mut()
                && (theirs || (is_a_programs(key, by_hand) && !annotations.contains_key(key)))
            {
                annotations.insert(key.clone(), value.clone());
            }
        }
    }
    let controls = |owner: &Value| owner.get("controller").and_then(Value::as_bool) == Some(true);
    let controlled = elements(metadata.get("ownerReferences")).iter().any(controls);
    append(metadata, "ownerReferences", live, |owner| controls(owner) && !controlled);
    append(metadata, "finalizers", live, |_| true);
}

/// Appends those elements of a live list that `keep` accepts and the other list does not have.
fn append(
    object: &mut Map<String, Value>,
    field: &str,
    live: &Map<String, Value>,
    keep: impl Fn(&Value) -> bool,
) {
    let mut both = elements(object.get(field)).to_vec();
    for element in elements(live.get(field)) {
        if keep(element) && !both.contains(element) {
            both.push(element.clone());
        }
    }
    if !both.is_empty() {
        object.insert(field.to_owned(), both.into());
    }
}

/// Keeps the live certificate bundles: whoever keeps them fresh injects them, and those of the
/// backup may have expired.
fn keep_bundles(wanted: &mut Value, live: &Value) {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            if let Some(bundle) = live.get("caBundle") {
                wanted.insert("caBundle".to_owned(), bundle.clone());
            }
            for (key, wanted) in wanted {
                if let Some(live) = live.get(key) {
                    keep_bundles(wanted, live);
                }
            }
        }
        (Value::Array(wanted), Value::Array(live)) => {
            for wanted in wanted {
                if let Some(live) = live.iter().find(|live| is_named_alike(wanted, live)) {
                    keep_bundles(wanted, live);
                }
            }
        }
        _ => {}
    }
}

fn is_named_alike(one: &Value, other: &Value) -> bool {
    one.get("name").is_some_and(|name| Some(name) == other.get("name"))
}

fn keep_by_kind(body: &mut Value, live: &Value, kind: &GroupResource) {
    match kind.as_str() {
        "services" => keep_allotted(body, live),
        "persistentvolumeclaims" => {
            keep_missing(body, live, &["spec"], &["volumeName", "dataSource", "dataSourceRef"]);
        }
        "persistentvolumes" => keep_binding(body, live),
        "replicasets.apps" if live.as_object().is_some_and(is_controlled) => {
            keep(body, live, &["spec", "replicas"]);
        }
        "pods" => keep_pod(body, live),
        "jobs.batch" => {
            keep_missing(body, live, &["spec"], &["selector"]);
            let uids = ["controller-uid", "batch.kubernetes.io/controller-uid"];
            keep_missing(body, live, &["spec", "template", "metadata", "labels"], &uids);
        }
        "secrets" if body.get("type").and_then(Value::as_str) == Some(TOKEN_TYPE) => {
            keep(body, live, &["data"]);
        }
        "serviceaccounts" => {
            let name = live["metadata"]["name"].as_str().unwrap_or_default();
            if let (Value::Object(body), Value::Object(live)) = (body, live) {
                append(body, "secrets", live, |secret| is_made_for(name, secret));
            }
        }
        NAMESPACES => keep(body, live, &["spec"]),
        "clusterroles.rbac.authorization.k8s.io"
            if body.as_object().is_some_and(|role| is_aggregated(kind, role)) =>
        {
            keep(body, live, &["rules"]);
        }
        // The source of a snapshot cannot be changed, and the cluster may name it in another way.
        "volumesnapshots.snapshot.storage.k8s.io" => keep(body, live, &["spec", "source"]),
        "volumesnapshotcontents.snapshot.storage.k8s.io" => {
            for field in ["source", "volumeSnapshotRef", "deletionPolicy"] {
                keep(body, live, &["spec", field]);
            }
        }
        _ => {}
    }
}

/// Keeps the addresses and ports that the Service has and does not ask for otherwise.
fn keep_allotted(body: &mut Value, live: &Value) {
    let Some(spec) = body.get("spec") else { return };
    let text = |field: &str| spec.get(field).and_then(Value::as_str);
    let has_ports = matches!(text("type"), Some("NodePort" | "LoadBalancer"));
    if text("type") == Some("ExternalName") {
        return;
    }
    // A chosen address and the one that was allotted beside it (dual stack) belong together.
    let addresses = at(live, &["spec", "clusterIP"]);
    if text("clusterIP").is_none() || spec.get("clusterIP") == addresses {
        for field in ["clusterIP", "clusterIPs"] {
            keep(body, live, &["spec", field]);
        }
    }
    keep_missing(body, live, &["spec"], &["ipFamilies", "ipFamilyPolicy"]);
    if !has_ports {
        return;
    }
    keep_missing(body, live, &["spec"], &["healthCheckNodePort"]);
    let theirs = elements(at(live, &["spec", "ports"]));
    let ours = body.get_mut("spec").and_then(|spec| spec.get_mut("ports")?.as_array_mut());
    for port in ours.into_iter().flatten() {
        let same = theirs.iter().find(|other| PortKey::of(other) == PortKey::of(port));
        if let (Some(number), Some(port)) = (same.and_then(|port| port.get("nodePort")), port.as_object_mut())
        {
            port.entry("nodePort").or_insert_with(|| number.clone());
        }
    }
}

/// Keeps the volume's binding, which is the controller's, if it is to the same PVC.
fn keep_binding(body: &mut Value, live: &Value) {
    let claim = |side: &Value| {
        let name = |key: &str| at(side, &["spec", "claimRef", key]).cloned();
        (name("namespace"), name("name"))
    };
    if claim(body) == claim(live) {
        keep(body, live, &["spec", "claimRef"]);
    }
}

/// Keeps the pod's spec except for its images and `activeDeadlineSeconds`: hardly anything else of
/// a pod can be changed.
fn keep_pod(body: &mut Value, live: &Value) {
    let mut spec = live.get("spec").cloned().unwrap_or_default();
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let wanted = elements(at(body, &["spec", list]));
            let image = wanted.iter().find(|wanted| is_named_alike(wanted, container));
            if let Some(image) = image.and_then(|wanted| wanted.get("image")) {
                container["image"] = image.clone();
            }
        }
    }
    if let (Some(seconds), Some(spec)) = (at(body, &["spec", "activeDeadlineSeconds"]), spec.as_object_mut())
    {
        spec.insert("activeDeadlineSeconds".to_owned(), seconds.clone());
    }
    if let Some(body) = body.as_object_mut().filter(|_| spec.is_object()) {
        body.insert("spec".to_owned(), spec);
    }
}

/// Sets the field at a path to the value in the live object; removes it if the live object has
/// none.
fn keep(body: &mut Value, live: &Value, path: &[&str]) {
    let Some((field, parent)) = path.split_last() else { return };
    let Some(parent) = parent.iter().try_fold(body, |value, key| value.get_mut(*key)) else { return };
    let Some(parent) = parent.as_object_mut() else { return };
    match at(live, path) {
        Some(value) => drop(parent.insert((*field).to_owned(), value.clone())),
        None => drop(parent.remove(*field)),
    }
}

/// Fills in fields that the body leaves open.
fn keep_missing(body: &mut Value, live: &Value, parent: &[&str], fields: &[&str]) {
    let Some(theirs) = at(live, parent) else { return };
    let Some(ours) = parent.iter().try_fold(body, |value, key| value.get_mut(*key)) else { return };
    let Some(ours) = ours.as_object_mut() else { return };
    for field in fields {
        if let Some(value) = theirs.get(*field) {
            ours.entry(*field).or_insert_with(|| value.clone());
        }
    }
}

fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(*key))
}

fn elements(list: Option<&Value>) -> &[Value] {
    list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests;
