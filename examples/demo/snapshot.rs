//! What a namespace holds, and the volumes of its claims, without what a cluster sets or makes by
//! itself: one line an object, ready to be compared. Of a status the phase stays: a claim is only
//! back when it is Bound.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use ark::cluster::{Cluster, ListQuery, ResourceInfo};
use serde_json::Value;

use super::{Failed, PATIENCE};

/// Between two looks: controllers act within a second.
const PAUSE: Duration = Duration::from_secs(1);

/// Differences shown.
const SHOWN: usize = 10;

/// Kinds whose objects a cluster makes by itself.
const MADE: [&str; 4] = ["events", "events.events.k8s.io", "endpoints", "leases.coordination.k8s.io"];

/// Metadata that a person writes.
const METADATA: [&str; 4] = ["name", "labels", "annotations", "finalizers"];

/// Annotations and labels that controllers or Ark add.
const MARKS: [&str; 8] = [
    "ark.heptio.com/",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "volume.beta.kubernetes.io/",
    "deployment.kubernetes.io/",
    "deprecated.daemonset.template.generation",
    "kubernetes.io/service-account.uid",
    "kubernetes.io/legacy-token-",
];

/// Kinds whose objects belong to a namespace, though they are in none.
const VOLUMES: &str = "persistentvolumes";

/// Kind and name, and the object as text.
type Snapshot = BTreeMap<String, String>;

/// The namespace once its claims are Bound and controllers have come to rest: two looks, one second
/// apart, see the same.
pub async fn settled(cluster: &Cluster, namespace: &str) -> Result<String, Failed> {
    let deadline = Instant::now() + PATIENCE;
    let mut before = take(cluster, namespace).await?;
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = take(cluster, namespace).await?;
        let unbound = unbound(&now);
        if now == before && unbound.is_empty() {
            let lines: Vec<String> = now.iter().map(|(key, object)| format!("{key}\t{object}")).collect();
            return Ok(format!("{namespace}\n{}", lines.join("\n")));
        }
        let awaited = match &*unbound {
            [] => "controllers to come to rest".to_owned(),
            _ => format!("{} to be Bound", unbound.join(", ")),
        };
        if Instant::now() > deadline {
            let seconds = PATIENCE.as_secs();
            return Err(format!("namespace {namespace}: waited {seconds} s in vain for {awaited}").into());
        }
        waiting(&awaited);
        before = now;
    }
}

/// Claims that have no volume, or not yet.
fn unbound(snapshot: &Snapshot) -> Vec<&str> {
    let claims = snapshot.iter().filter(|(key, _)| key.starts_with("persistentvolumeclaims/"));
    claims.filter(|(_, claim)| !claim.contains(r#""phase":"Bound""#)).map(|(key, _)| &**key).collect()
}

/// Tells whoever watches.
fn waiting(awaited: &str) {
    let _ = writeln!(std::io::stderr(), "waiting for {awaited}");
}

/// Compares the namespace with a snapshot, which may be of a namespace of another name. Controllers
/// get half a minute to make the rest of it so: claims are bound, default accounts appear.
pub async fn compare(cluster: &Cluster, file: &str, namespace: &str) -> Result<String, Failed> {
    let text = std::fs::read_to_string(file)?;
    let (original, lines) = text.split_once('\n').ok_or("the snapshot is empty")?;
    let expected: Snapshot = lines
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(key, object)| (key.into(), object.into()))
        .collect();
    let deadline = Instant::now() + PATIENCE / 6;
    loop {
        let found = take(cluster, namespace).await?;
        let differences = differences(&expected, &found, original, namespace);
        if differences.is_empty() {
            let claims = expected.keys().filter(|key| key.starts_with("persistentvolumeclaims/")).count();
            return Ok(format!("all {} objects are equal, {claims} claims among them Bound", expected.len()));
        }
        let first = differences.first().and_then(|difference| difference.lines().next()).unwrap_or_default();
        waiting(&format!("{} differences to go; the first is {first}", differences.len()));
        if Instant::now() > deadline {
            let shown: Vec<_> = differences.iter().take(SHOWN).map(String::as_str).collect();
            return Err(format!("{} differences:\n{}", differences.len(), shown.join("\n")).into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn differences(expected: &Snapshot, found: &Snapshot, original: &str, namespace: &str) -> Vec<String> {
    let mut differences = Vec::new();
    for (key, object) in expected {
        match found.get(key) {
            None => differences.push(format!("missing: {key}")),
            Some(other) => {
                // The new name occurs nowhere else, so that the old one in its place must give the
                // old text.
                if other.replace(namespace, original) != *object {
                    differences.push(format!("changed: {key}\n  was {object}\n  is  {other}"));
                } else if namespace != original && still_names(other, original) {
                    differences.push(format!("still names the old namespace: {key}\n  is  {other}"));
                }
            }
        }
    }
    differences
        .extend(found.keys().filter(|key| !expected.contains_key(*key)).map(|key| format!("new: {key}")));
    differences
}

/// Whether a field that holds a namespace holds this one.
fn still_names(object: &str, namespace: &str) -> bool {
    object.contains(&format!("\"namespace\":\"{namespace}\""))
        || object.contains(&format!("\"namespaces\":[\"{namespace}\"]"))
        || object.contains(&format!("system:serviceaccount:{namespace}:"))
}

async fn take(cluster: &Cluster, namespace: &str) -> Result<Snapshot, Failed> {
    let mut snapshot = Snapshot::new();
    for info in cluster.catalog().await?.kinds {
        let volumes = info.resource.as_str() == VOLUMES;
        let wanted = (info.namespaced || volumes)
            && info.can("list")
            && info.can("create")
            && !MADE.contains(&info.resource.as_str());
        if !wanted {
            continue;
        }
        let within = info.namespaced.then_some(namespace);
        let query = ListQuery { kind: &info, namespace: within, labels: None, cut: None };
        let mut lister = cluster.lister(query);
        while let Some(page) = lister.next().await? {
            for body in page.bodies() {
                let mut object: Value = serde_json::from_slice(body)?;
                if is_made(&object) || volumes && object["spec"]["claimRef"]["namespace"] != namespace {
                    continue;
                }
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let key = format!("{}/{name}", info.resource);
                strip(&info, &mut object);
                snapshot.insert(key, object.to_string());
            }
        }
    }
    Ok(snapshot)
}

/// Made by a controller or the control plane.
fn is_made(object: &Value) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    let owned = owners.is_some_and(|owners| owners.iter().any(|owner| owner["controller"] == true));
    owned || object["metadata"]["name"] == "kube-root-ca.crt"
}

/// Takes away what a cluster sets.
fn strip(info: &ResourceInfo, object: &mut Value) {
    let phase = object["status"]["phase"].take();
    let Some(fields) = object.as_object_mut() else { return };
    for field in ["status", "apiVersion", "kind"] {
        fields.remove(field);
    }
    if phase.is_string() {
        object["status"] = serde_json::json!({ "phase": phase });
    }
    let metadata = &mut object["metadata"];
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.retain(|field, _| METADATA.contains(&&**field));
        for field in ["labels", "annotations"] {
            if let Some(map) = metadata.get_mut(field).and_then(Value::as_object_mut) {
                map.retain(|key, _| !MARKS.iter().any(|mark| key.starts_with(mark)));
            }
        }
        metadata.retain(|_, value| !value.as_object().is_some_and(serde_json::Map::is_empty));
    }
    match &*info.kind {
        "PersistentVolume" => strip_volume(&mut object["spec"]),
        "Service" => strip_service(&mut object["spec"]),
        "Pod" => strip_pod(&mut object["spec"]),
        "Job" => strip_job(object),
        "Secret" if object["type"] == "kubernetes.io/service-account-token" => object["data"] = Value::Null,
        _ => {}
    }
}

/// A volume knows its claim by a uid, which the claim that comes back has not.
fn strip_volume(spec: &mut Value) {
    if let Some(claim) = spec["claimRef"].as_object_mut() {
        claim.retain(|field, _| !["uid", "resourceVersion"].contains(&&**field));
    }
}

fn strip_service(spec: &mut Value) {
    if spec["clusterIP"] == "None" {
        return;
    }
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|field, _| !["clusterIP", "clusterIPs", "healthCheckNodePort"].contains(&&**field));
    }
    for port in spec["ports"].as_array_mut().into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            port.remove("nodePort");
        }
    }
}

fn strip_pod(spec: &mut Value) {
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("nodeName");
    }
    let is_token =
        |value: &Value| value["name"].as_str().is_some_and(|name| name.starts_with("kube-api-access-"));
    if let Some(volumes) = spec["volumes"].as_array_mut() {
        volumes.retain(|volume| !is_token(volume));
    }
    for container in spec["containers"].as_array_mut().into_iter().flatten() {
        if let Some(mounts) = container["volumeMounts"].as_array_mut() {
            mounts.retain(|mount| !is_token(mount));
        }
    }
}

fn strip_job(job: &mut Value) {
    if let Some(spec) = job["spec"].as_object_mut() {
        spec.remove("selector");
    }
    for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
        if let Some(labels) = job.pointer_mut(labels).and_then(Value::as_object_mut) {
            labels.retain(|label, _| !label.ends_with("controller-uid"));
        }
    }
}
