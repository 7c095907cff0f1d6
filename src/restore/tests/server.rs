//! An API server for whole restores: it keeps what it is given, and answers oddly where a test
//! says so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::cluster::script::{Answer, Asked, answer, failure, serve};

/// The server's kinds: group, plural, kind, whether namespaced; all of version v1.
const KINDS: [(&str, &str, &str, bool); 15] = [
    ("", "namespaces", "Namespace", false),
    ("", "persistentvolumes", "PersistentVolume", false),
    ("", "persistentvolumeclaims", "PersistentVolumeClaim", true),
    ("", "configmaps", "ConfigMap", true),
    ("", "secrets", "Secret", true),
    ("", "serviceaccounts", "ServiceAccount", true),
    ("", "services", "Service", true),
    ("", "podtemplates", "PodTemplate", true),
    ("", "pods", "Pod", true),
    ("apps", "statefulsets", "StatefulSet", true),
    ("batch", "jobs", "Job", true),
    ("example.com", "runs", "Run", true),
    ("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", false),
    (SNAPSHOTS, "volumesnapshots", "VolumeSnapshot", true),
    (SNAPSHOTS, "volumesnapshotcontents", "VolumeSnapshotContent", false),
];

const SNAPSHOTS: &str = "snapshot.storage.k8s.io";

/// The objects by their paths.
pub type Objects = BTreeMap<String, Value>;

/// A cluster that has these objects to begin with. `odd` is asked first, and may answer in the
/// place of the server.
pub fn keep(
    mut objects: Objects,
    mut odd: impl FnMut(&Asked, &mut Objects) -> Option<Answer> + Send + 'static,
) -> Cluster {
    serve(move |_, asked| odd(asked, &mut objects).unwrap_or_else(|| usual(asked, &mut objects))).0
}

fn usual(asked: &Asked, objects: &mut Objects) -> Answer {
    let path = asked.uri.split('?').next().unwrap();
    let last = path.rsplit('/').next().unwrap();
    match (asked.method.as_str(), path) {
        ("GET", "/api") => answer(200, discovery(&[""]).to_string()),
        ("GET", "/apis") => {
            let groups: BTreeSet<&str> =
                KINDS.iter().map(|(group, ..)| *group).filter(|group| !group.is_empty()).collect();
            answer(200, discovery(&Vec::from_iter(groups)).to_string())
        }
        ("GET", _) if objects.contains_key(path) => answer(200, objects[path].to_string()),
        ("GET", _) if KINDS.iter().any(|(_, plural, ..)| *plural == last) => answer(200, list(objects, last)),
        ("POST", _) => create(path, &asked.body, objects),
        ("PATCH", _) if objects.contains_key(path) => {
            let object = objects.get_mut(path).unwrap();
            json_patch::merge(object, &serde_json::from_str(&asked.body).unwrap());
            answer(200, object.to_string())
        }
        ("PUT", _) if objects.contains_key(path) => {
            objects.insert(path.to_owned(), serde_json::from_str(&asked.body).unwrap());
            answer(200, asked.body.clone())
        }
        ("DELETE", _) if objects.remove(path).is_some() => {
            answer(200, json!({"kind": "Status", "status": "Success"}).to_string())
        }
        _ => {
            let details = format!(r#""details":{{"name":"{last}"}}"#);
            failure(404, "NotFound", &format!("{last} not found"), &details)
        }
    }
}

fn create(path: &str, body: &str, objects: &mut Objects) -> Answer {
    let mut object: Value = serde_json::from_str(body).unwrap();
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    let path = format!("{path}/{name}");
    if objects.contains_key(&path) {
        return failure(409, "AlreadyExists", &format!("{name} already exists"), "");
    }
    object["metadata"]["uid"] = format!("new {path}").into();
    object["metadata"]["resourceVersion"] = "1".into();
    match object["kind"].as_str().unwrap() {
        "Namespace" => object["status"] = json!({"phase": "Active"}),
        "PersistentVolumeClaim" => object["status"] = json!({"phase": "Pending"}),
        _ => {}
    }
    let made = answer(201, object.to_string());
    objects.insert(path, object);
    made
}

fn list(objects: &Objects, plural: &str) -> String {
    let of_kind = |(path, _): &(&String, &Value)| path.rsplit('/').nth(1) == Some(plural);
    let items: Vec<&Value> = objects.iter().filter(of_kind).map(|(_, object)| object).collect();
    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})
        .to_string()
}

fn discovery(groups: &[&str]) -> Value {
    let items: Vec<Value> = groups.iter().map(|group| group_of(group)).collect();
    json!({"kind": "APIGroupDiscoveryList", "items": items})
}

fn group_of(group: &str) -> Value {
    let verbs = ["create", "delete", "get", "list", "patch", "update", "watch"];
    let of_group = KINDS.iter().filter(|(of, ..)| *of == group);
    let resources = of_group.map(|(_, plural, kind, namespaced)| {
        let plain = ["configmaps", "secrets", "serviceaccounts", "clusterrolebindings"].contains(plural);
        let below = if plain { json!([]) } else { json!([{"subresource": "status"}]) };
        json!({"resource": plural, "responseKind": {"group": group, "version": "", "kind": kind}, "verbs": verbs,
            "subresources": below, "scope": if *namespaced { "Namespaced" } else { "Cluster" }, "singularResource": kind.to_lowercase()})
    });
    let resources: Vec<Value> = resources.collect();
    let version = json!({"version": "v1", "freshness": "Current", "resources": resources});
    json!({"metadata": {"name": group}, "versions": [version]})
}
