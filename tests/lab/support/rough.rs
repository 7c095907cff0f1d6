//! Cluster C: small, and one test's alone, which may stop its servers, fill its etcd and bring it
//! back.

use std::process::Command;

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::{Cluster, fact};

/// Nobody shares it.
static ORDER: Mutex<()> = Mutex::const_new(());
/// Much less than etcd takes of one object, and much more than it takes of time to fill it.
const PIECE: usize = 900_000;
/// The whole quota of its etcd holds fewer.
const PIECES: usize = 200;

/// A cluster that is treated roughly.
pub struct RoughCluster {
    /// The cluster.
    pub cluster: Cluster,
    name: String,
    _turn: MutexGuard<'static, ()>,
}

impl RoughCluster {
    /// The cluster, when no other test has it.
    pub async fn get() -> Self {
        let turn = ORDER.lock().await;
        Self { cluster: Cluster::open("C").await, name: fact("ARK_LAB_NAME_C"), _turn: turn }
    }

    /// Stops its API server.
    pub async fn stop_api_server(&self) {
        self.lab("down", &["--part", "apiserver"]).await;
    }

    /// Starts again what is stopped, and waits until it answers.
    pub async fn start(&self) {
        self.lab("up", &[]).await;
    }

    async fn lab(&self, script: &str, more: &[&str]) {
        let path = format!("{}/hack/lab/{script}", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(&path);
        command.args(["--name", &self.name]).args(more);
        let done = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
        let done = done.expect("a script can be started");
        assert!(done.status.success(), "{path}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Writes into a namespace until etcd takes no more; what it says then.
    pub async fn fill(&self, namespace: &str) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        for number in 0..PIECES {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": format!("piece-{number}")}, "data": {"text": "x".repeat(PIECE)}});
            if let Err(refusal) = self.cluster.try_create(&path, &object).await {
                return refusal;
            }
        }
        panic!("etcd took {PIECES} pieces of {PIECE} bytes: it has no quota");
    }

    /// Makes room again, as etcd's documentation says: delete, forget the past, defragment, and
    /// take the alarm back.
    pub async fn make_room(&self, namespace: &str) {
        for number in 0..PIECES {
            let path = format!("/api/v1/namespaces/{namespace}/configmaps/piece-{number}");
            if self.cluster.read(&path).await.is_none() {
                break;
            }
            self.cluster.delete(&path).await;
        }
        let revision = self.cluster.revision();
        self.cluster.ask_etcd("kv/compaction", &json!({"revision": revision, "physical": true}));
        self.cluster.ask_etcd("maintenance/defragment", &json!({}));
        let alarms = self.cluster.ask_etcd("maintenance/alarm", &json!({"action": "GET"}));
        let alarms: Vec<Value> = alarms["alarms"].as_array().cloned().unwrap_or_default();
        assert!(!alarms.is_empty(), "etcd was not full");
        for alarm in alarms {
            let back =
                json!({"action": "DEACTIVATE", "memberID": alarm["memberID"], "alarm": alarm["alarm"]});
            self.cluster.ask_etcd("maintenance/alarm", &back);
        }
    }
}
