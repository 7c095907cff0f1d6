//! An operator that reacts within milliseconds: as soon as a resource of its kind appears, it makes
//! what belongs to it, each time with a new password, as operators of databases do.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{Api, DynamicObject, WatchEvent, WatchParams};
use kube::core::ApiResource;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Cluster, unique};

/// How often an operator that runs already when its kind is defined asks for it.
const PAUSE: Duration = Duration::from_millis(5);

/// An operator of one kind in one namespace; it ends when it is dropped.
pub struct Operator {
    reacted: Arc<AtomicUsize>,
    made: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Operator {
    /// Starts an operator for `plural` of `kind` in `group` (version v1).
    pub fn start(cluster: &Cluster, group: &str, kind: &str, plural: &str, namespace: &str) -> Self {
        let resource = ApiResource {
            group: group.to_owned(),
            version: "v1".to_owned(),
            api_version: format!("{group}/v1"),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        let owned = Api::<DynamicObject>::namespaced_with(cluster.client.clone(), namespace, &resource);
        let (made, reacted) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (client, home) = (cluster.client.clone(), format!("/api/v1/namespaces/{namespace}"));
        let (objects, resources) = (Arc::clone(&made), Arc::clone(&reacted));
        let task = tokio::spawn(async move {
            loop {
                let Ok(events) = owned.watch(&WatchParams::default(), "0").await else {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                let mut events = pin!(events);
                while let Some(Ok(event)) = events.next().await {
                    if let WatchEvent::Added(object) = event {
                        objects.fetch_add(furnish(&client, &home, &object).await, Ordering::Relaxed);
                        resources.fetch_add(1, Ordering::Release);
                    }
                }
            }
        });
        Self { reacted, made, task }
    }

    /// For how many resources it has done its work.
    pub fn reacted(&self) -> usize {
        self.reacted.load(Ordering::Acquire)
    }

    /// How many objects it has made.
    pub fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Makes the Secret and the claim of a resource where they are missing; how many it made.
async fn furnish(client: &kube::Client, home: &str, owner: &DynamicObject) -> usize {
    let name = owner.metadata.name.as_deref().expect("an object has a name");
    let types = owner.types.as_ref().expect("a watch tells the type");
    let reference = json!({"apiVersion": types.api_version, "kind": types.kind, "name": name,
        "uid": owner.metadata.uid, "controller": true, "blockOwnerDeletion": true});
    let metadata = |suffix: &str| json!({"name": format!("{name}-{suffix}"), "ownerReferences": [reference]});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("credentials"), "stringData": {"password": unique("password")}});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata("data"),
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}});
    let mut made = 0;
    for (plural, object) in [("secrets", secret), ("persistentvolumeclaims", claim)] {
        let request = http::Request::post(format!("{home}/{plural}"))
            .header("Content-Type", "application/json")
            .body(object.to_string().into_bytes())
            .expect("a request");
        // What is there already is left as it is, as an operator that looks first would do.
        made += usize::from(client.request::<Value>(request).await.is_ok());
    }
    made
}
