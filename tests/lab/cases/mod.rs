//! Clusters that real people had, from public bug reports: each is put up, backed up, lost and
//! restored, must be right then, and a second restore must change nothing. What a case puts up is a
//! YAML file in `data`; the names in it become the test's own.

mod admission;
pub mod api_server_outages;
mod controllers;
mod definitions;
mod ephemeral_claims;
mod existing_items;
mod field_owners;
mod manifests;
mod namespaces;
mod owner_references;
mod related_items;
mod selection;
mod services;
mod snapshots;
mod status;
mod update_and_recreate;
mod volumes;
mod younger_admission;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::backup::back_up;
use crate::process::Run;
use crate::restore::{count, destroy, restore};
use crate::support::{Cluster, Lab, eventually, kind_path, objects, path_of, unique};

/// Who writes to objects of any kind by himself.
const CONTROL_PLANE: [&str; 5] = [
    "clusterrole-aggregation-controller",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
];

/// The name of every case's backup.
const BACKUP: &str = "one";

/// One case: its objects under names of its own, and where they are backed up.
pub struct Case {
    /// What replaces the case's short name (`c37`) in every name.
    pub id: String,
    /// Its objects.
    pub objects: Vec<Value>,
    short: &'static str,
    bucket: String,
    lab: Lab,
}

/// What a restore came to.
pub struct Restored {
    /// The status of its document.
    pub status: Value,
    /// What it said on standard error.
    pub said: String,
}

impl Case {
    /// A case beside other tests.
    pub async fn get(short: &'static str, yaml: &str) -> Self {
        Self::open(Lab::get().await, short, yaml, objects)
    }

    /// A case of these objects.
    pub async fn of(short: &'static str, objects: &[Value]) -> Self {
        let read = |text: &str| serde_json::from_str(text).expect("what was written as JSON is JSON");
        Self::open(Lab::get().await, short, &Value::from(objects).to_string(), read)
    }

    /// A case that has the lab alone.
    pub async fn alone(short: &'static str, yaml: &str) -> Self {
        Self::open(Lab::alone().await, short, yaml, objects)
    }

    fn open(lab: Lab, short: &'static str, text: &str, read: fn(&str) -> Vec<Value>) -> Self {
        let id = unique(short);
        let objects = read(&text.replace(short, &id));
        Self { bucket: lab.bucket(), id, objects, short, lab }
    }

    /// The cluster that is backed up.
    pub fn a(&self) -> &Cluster {
        &self.lab.a
    }

    /// The other one.
    pub fn b(&self) -> &Cluster {
        &self.lab.b
    }

    /// More objects, under the names of the case.
    pub fn more(&self, yaml: &str) -> Vec<Value> {
        objects(&yaml.replace(self.short, &self.id))
    }

    /// Puts the case up in cluster A.
    pub async fn create(&self) {
        self.a().create_all(&self.objects).await;
    }

    /// The path of an object of the core group in the namespace of the case: `services/web`.
    pub fn core_path(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.id)
    }

    /// The path of an object of an API group in the namespace of the case.
    pub fn group_path(&self, version: &str, rest: &str) -> String {
        format!("/apis/{version}/namespaces/{}/{rest}", self.id)
    }

    /// Backs up the namespace of the case.
    pub fn back_up(&self) {
        self.back_up_by(&["--include-namespaces", &self.id]);
    }

    /// Backs up by these flags.
    pub fn back_up_by(&self, flags: &[&str]) {
        back_up(self.a(), &self.bucket, BACKUP, flags, 0);
    }

    /// `ark backup diff --live`.
    pub fn diff(&self, cluster: &Cluster) -> String {
        let arguments = ["backup", "diff", BACKUP, "--live", "--location", &self.bucket];
        crate::process::run(&mut cluster.ark(arguments)).expect_code(0).stdout
    }

    /// Deletes the namespace of the case in cluster A.
    pub async fn destroy(&self) {
        destroy(self.a(), &self.id).await;
    }

    /// Restores by these flags and expects this exit code.
    pub fn restore(&self, cluster: &Cluster, flags: &[&str], code: i32) -> Restored {
        self.restore_from(BACKUP, cluster, flags, code)
    }

    /// As [`Case::restore`], from another backup in the same bucket.
    pub fn restore_from(&self, backup: &str, cluster: &Cluster, flags: &[&str], code: i32) -> Restored {
        let flags: Vec<&str> = flags.iter().copied().chain(["-o", "json"]).collect();
        let Run { stdout, stderr, .. } = restore(cluster, &self.bucket, backup, &flags, code);
        let document: Value = serde_json::from_str(&stdout).expect("the document is JSON");
        Restored { status: document["status"].clone(), said: stderr }
    }

    /// Restores by these flags, and nothing is to be said about it.
    pub fn restore_cleanly(&self, cluster: &Cluster, flags: &[&str]) -> Restored {
        let restored = self.restore(cluster, flags, 0);
        let found = (count(&restored.status, "warnings"), count(&restored.status, "errors"));
        assert_eq!(found, (0, 0), "{}\n{}", restored.status, restored.said);
        restored
    }

    /// A second restore by the same flags makes nothing, changes nothing, and has nothing to say.
    pub async fn second_changes_nothing(&self, cluster: &Cluster, flags: &[&str]) {
        let again = self.second_writes_nothing(cluster, flags).await;
        assert_eq!(count(&again.status, "warnings"), 0, "{}\n{}", again.status, again.said);
    }

    /// The same, where a warning stays true.
    pub async fn second_writes_nothing(&self, cluster: &Cluster, flags: &[&str]) -> Restored {
        let before = self.versions(cluster).await;
        let again = self.restore(cluster, flags, 0);
        let counts = ["created", "updated", "errors"].map(|field| count(&again.status, field));
        assert_eq!(counts, [0, 0, 0], "{}\n{}", again.status, again.said);
        let after = self.versions(cluster).await;
        for (path, live) in before {
            let now = after.get(&path).unwrap_or_else(|| panic!("{path} is gone"));
            assert!(is_unwritten(&live, now), "{path} was written to:\n{live}\n{now}");
        }
        again
    }

    /// Each object of the case that is in a cluster, by its path.
    async fn versions(&self, cluster: &Cluster) -> BTreeMap<String, Value> {
        let mut versions = BTreeMap::new();
        for object in &self.objects {
            let path = path_of(object);
            if let Some(live) = cluster.read(&path).await {
                versions.insert(path, live);
            }
        }
        versions
    }
}

/// Whether nobody wrote to an object between two reads but the control plane, which does so at any
/// time: it numbers the revisions of a Deployment, puts a pod on a node, protects what is used. The
/// object is the same, or a controller noted a write of its own and the notes of all others are as
/// they were.
fn is_unwritten(before: &Value, now: &Value) -> bool {
    let writes = |object: &Value, of_control_plane: bool| -> Vec<Value> {
        let notes = object["metadata"]["managedFields"].as_array().into_iter().flatten();
        let of = |note: &&Value| {
            let manager = note["manager"].as_str().unwrap_or_default();
            CONTROL_PLANE.contains(&manager) == of_control_plane
        };
        notes.filter(of).cloned().collect()
    };
    let same = |of_control_plane| writes(before, of_control_plane) == writes(now, of_control_plane);
    let controller_wrote = before["metadata"]["uid"] == now["metadata"]["uid"] && same(false) && !same(true);
    controller_wrote || without_status(before) == without_status(now)
}

/// The object without its status, which controllers go on writing, and without what changes with
/// it.
fn without_status(object: &Value) -> Value {
    let mut object = object.clone();
    if object.get("status").is_some() {
        for field in ["resourceVersion", "managedFields"] {
            object["metadata"][field] = Value::Null;
        }
        object["status"] = Value::Null;
    }
    if object["kind"] == "Pod" {
        // The scheduler's choice has no note.
        object["spec"]["nodeName"] = Value::Null;
    }
    object
}

impl Drop for Case {
    /// Asks for the removal of what the case may have left in either cluster. Definitions stay:
    /// their end would disturb the backups of other tests.
    fn drop(&mut self) {
        let doomed = self.objects.iter().filter(|object| {
            object["metadata"].get("namespace").is_none() && object["kind"] != "CustomResourceDefinition"
        });
        let paths: Vec<String> =
            doomed.map(path_of).chain([format!("/api/v1/namespaces/{}", self.id)]).collect();
        let clusters = [self.a().kubeconfig.clone(), self.b().kubeconfig.clone()];
        // The test's runtime cannot be blocked on from within, so the removal has a thread and a
        // runtime of its own.
        let removal = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                for kubeconfig in clusters {
                    let client = crate::support::connect(&kubeconfig).await;
                    for path in &paths {
                        let request = http::Request::delete(path).body(Vec::new()).expect("a path");
                        // Not being there is fine; what cannot be removed now is of no use to
                        // anybody either.
                        client.request::<Value>(request).await.ok();
                    }
                }
            });
        });
        removal.join().expect("the removal does not panic");
    }
}

/// The uid of an object.
async fn uid(cluster: &Cluster, path: &str) -> Value {
    let object = cluster.read(path).await.unwrap_or_else(|| panic!("{path} is not there"));
    object["metadata"]["uid"].clone()
}

/// The uids of the owners of an object.
async fn owners(cluster: &Cluster, path: &str) -> Vec<Value> {
    let object = cluster.read(path).await.unwrap_or_else(|| panic!("{path} is not there"));
    let references = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
    references.into_iter().map(|reference| reference["uid"].clone()).collect()
}

/// Waits until a claim or volume is Bound; the object then.
async fn bound(cluster: &Cluster, path: &str) -> Value {
    eventually(&format!("{path} is Bound"), async || {
        let object = cluster.read(path).await?;
        (object["status"]["phase"] == "Bound").then_some(object)
    })
    .await
}

/// A definition of `widgets` in a group, served and stored as v1, with this schema and these
/// subresources.
fn definition(group: &str, schema: &Value, subresources: &Value) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("widgets.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}, "subresources": subresources}]}})
}

/// A schema that takes everything.
fn open_schema() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// Makes many objects of one kind side by side.
async fn create_many(cluster: &Cluster, many: impl IntoIterator<Item = Value>) {
    use futures::StreamExt as _;
    let creates =
        many.into_iter().map(|object| async move { cluster.create(&kind_path(&object), &object).await });
    futures::stream::iter(creates).buffer_unordered(16).for_each(async |_| {}).await;
}
