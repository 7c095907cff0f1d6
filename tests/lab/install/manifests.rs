//! Manifests, as a person gets them: read from YAML, applied to a cluster as kubectl and Helm do.

use std::path::{Path, PathBuf};
use std::process::Command;

use http::Request;
use serde_json::{Value, json};

use crate::support::Cluster;

/// The kinds that are applied here: apiVersion and kind, plural, whether they lie in a namespace.
const KINDS: [(&str, &str, &str, bool); 22] = [
    ("v1", "Namespace", "namespaces", false),
    ("v1", "Secret", "secrets", true),
    ("v1", "Service", "services", true),
    ("v1", "ServiceAccount", "serviceaccounts", true),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", false),
    ("apps/v1", "Deployment", "deployments", true),
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", "flowschemas", false),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", true),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", false),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", false),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", true),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", true),
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Pod", "pods", true),
    ("ark.heptio.com/v1", "Backup", "backups", true),
    ("ark.heptio.com/v1", "BackupStorageLocation", "backupstoragelocations", true),
    ("ark.heptio.com/v1", "DeleteBackupRequest", "deletebackuprequests", true),
    ("ark.heptio.com/v1", "DownloadRequest", "downloadrequests", true),
    ("ark.heptio.com/v1", "Restore", "restores", true),
    ("ark.heptio.com/v1", "Schedule", "schedules", true),
    ("ark.heptio.com/v1", "ServerStatusRequest", "serverstatusrequests", true),
];

/// A file of the repository.
pub fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The objects of a YAML stream.
pub fn read(yaml: &str) -> Vec<Value> {
    let documents = yaml.split("\n---").map(|document| document.trim_start_matches("---"));
    let read = documents.map(|document| {
        serde_saphyr::from_str::<Value>(document).unwrap_or_else(|error| panic!("{error}:\n{document}"))
    });
    read.filter(|object| !object.is_null()).collect()
}

/// The path of an object.
pub fn path(object: &Value) -> String {
    let (version, kind) = (object["apiVersion"].as_str(), object["kind"].as_str());
    let known = KINDS.iter().find(|known| (Some(known.0), Some(known.1)) == (version, kind));
    let (version, _, plural, namespaced) = known.unwrap_or_else(|| panic!("an unknown kind: {object}"));
    let root = if version.contains('/') { "apis" } else { "api" };
    let name = object["metadata"]["name"].as_str().expect("every manifest has a name");
    let namespace = match object["metadata"]["namespace"].as_str() {
        Some(namespace) if *namespaced => format!("namespaces/{namespace}/"),
        None if !namespaced => String::new(),
        _ => panic!("a namespace too many or too few: {object}"),
    };
    format!("/{root}/{version}/{namespace}{plural}/{name}")
}

/// Server-side apply.
pub async fn apply(cluster: &Cluster, object: &Value, dry_run: bool) -> Result<Value, String> {
    let dry_run = if dry_run { "&dryRun=All" } else { "" };
    let address = format!("{}?fieldManager=test&force=true&fieldValidation=Strict{dry_run}", path(object));
    let request = Request::patch(address)
        .header("Content-Type", "application/apply-patch+yaml")
        .body(object.to_string().into_bytes())
        .expect("a request");
    let answer = cluster.client.request::<Value>(request).await;
    answer.map_err(|error| format!("{} is refused: {error}", path(object)))
}

/// Applies all of them; one that is refused fails the test.
pub async fn apply_all(cluster: &Cluster, objects: &[Value]) -> Vec<Value> {
    let mut applied = Vec::new();
    for object in objects {
        applied.push(apply(cluster, object, false).await.unwrap_or_else(|refusal| panic!("{refusal}")));
    }
    applied
}

/// What an apply may change: all but the status, and what the API server notes about each write.
pub fn essence(object: &Value) -> Value {
    let mut object = object.clone();
    object["status"] = Value::Null;
    let generation = object["metadata"]["generation"].clone();
    object["metadata"] = json!({
        "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
        "labels": object["metadata"]["labels"], "generation": generation,
    });
    object
}

/// Helm, from its pinned module. The first call on a machine builds it.
pub fn helm(arguments: &[&str]) -> String {
    let output = Command::new(file("hack/helm")).args(arguments).output().expect("hack/helm can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "helm {arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("helm speaks UTF-8")
}

/// What Helm says to what it refuses.
pub fn helm_refuses(arguments: &[&str]) -> String {
    let output = Command::new(file("hack/helm")).args(arguments).output().expect("hack/helm can be started");
    assert!(!output.status.success(), "helm {arguments:?} is taken");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The objects of the chart with the values of one of its files, but for those of `helm test`.
pub fn chart(namespace: &str, values: &Path, more: &[&str]) -> Vec<Value> {
    let [chart, values] = [file("charts/ark"), values.to_owned()].map(|path| path.display().to_string());
    let mut arguments =
        vec!["template", "ark", &chart, "--skip-tests", "--namespace", namespace, "--values", &values];
    arguments.extend(more);
    read(&helm(&arguments))
}

/// Every file below a folder that ends so.
pub fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(file(folder)).expect("a folder of the repository");
    let mut found: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    found.retain(|path| path.is_file() && path.to_string_lossy().ends_with(ending));
    found.sort();
    assert!(!found.is_empty(), "{folder} holds nothing");
    found
}

/// A typed object, to see that its fields are known to the types, too.
pub fn typed<K: for<'de> serde::Deserialize<'de>>(object: &Value) -> K {
    K::deserialize(object).unwrap_or_else(|error| panic!("{object}: {error}"))
}
