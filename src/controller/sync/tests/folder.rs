//! Test bench of sync: a location in a folder, an API server that keeps what it is given, and a
//! server between them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::SystemTime;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::super::*;
use crate::cluster::ClusterIdentity;
use crate::cluster::script::{Answer, Asked, answer, failure, serve};
use crate::controller::settings::Settings;
use crate::controller::{DownloadTokens, prepare};
use crate::telemetry::Metrics;

/// Identity of the location.
pub(super) const HERE: &str = "location-one";

/// The objects of the cluster, by path below the namespace.
#[derive(Default)]
pub(super) struct Objects {
    pub(super) kept: BTreeMap<String, Value>,
    pub(super) events: Vec<Value>,
    pub(super) made: u64,
    /// Version of the API server's definitions; the first ones take no Backup.
    pub(super) definitions: u64,
}

impl Objects {
    /// Answers as an API server would, as far as a pass asks.
    pub(super) fn answer(&mut self, asked: &Asked) -> Answer {
        let (path, query) = asked.uri.split_once('?').unwrap_or((&asked.uri, ""));
        let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        if path.ends_with("/events") {
            self.events.push(body.clone());
            return answer(201, body.to_string());
        }
        if path == "/openapi/v3" {
            let url = format!("/openapi/v3/apis/ark.heptio.com/v1?hash={}", self.definitions);
            let paths = json!({"apis/ark.heptio.com/v1": {"serverRelativeURL": url}});
            return answer(200, json!({"paths": paths}).to_string());
        }
        if self.definitions == 1 && asked.method == "POST" {
            return failure(422, "Invalid", "unknown field", "");
        }
        let key = path.split_once("/namespaces/ark/").unwrap().1.to_owned();
        let echo = |object: &Value| answer(200, object.to_string());
        match (key.trim_end_matches("/status"), key.contains('/'), body.is_null()) {
            _ if query.contains("watch=true") => answer(200, ""),
            (kind, false, true) => {
                let prefix = format!("{kind}/");
                let items: Vec<_> = self.kept.iter().filter(|(key, _)| key.starts_with(&prefix)).collect();
                let items: Vec<_> = items.into_iter().map(|(_, object)| object).collect();
                echo(&json!({"apiVersion": "ark.heptio.com/v1", "kind": "List",
                    "metadata": {"resourceVersion": "1"}, "items": items}))
            }
            (kind, false, false) => {
                self.made += 1;
                let mut object = body;
                object["metadata"]["uid"] = json!(format!("made-{}", self.made));
                object.as_object_mut().unwrap().remove("status");
                let name = object["metadata"]["name"].as_str().unwrap().to_owned();
                self.kept.insert(format!("{kind}/{name}"), object.clone());
                echo(&object)
            }
            (named, true, false) if !body["preconditions"].is_null() => {
                let object = self.kept.remove(named).unwrap();
                assert_eq!(body["preconditions"]["uid"], object["metadata"]["uid"]);
                echo(&object)
            }
            (named, true, _) => {
                let kept = self.kept.get_mut(named).unwrap();
                if key.ends_with("/status") && named.starts_with("backups/") {
                    kept["status"] = body["status"].clone();
                }
                echo(kept)
            }
        }
    }
}

/// A folder that is synced, pass by pass.
pub(super) struct Folder {
    pub(super) folder: TempDir,
    pub(super) objects: Arc<Mutex<Objects>>,
    pub(super) memory: Memory,
}

impl Folder {
    pub(super) fn new() -> Self {
        let rig =
            Self { folder: tempfile::tempdir().unwrap(), objects: Arc::default(), memory: Memory::default() };
        let identity = json!({"id": HERE, "format": 2, "createdAt": "2026-01-01T00:00:00Z"});
        rig.write("ark-location.json", &identity.to_string());
        rig.keep(
            json!({
                "apiVersion": "ark.heptio.com/v1", "kind": "BackupStorageLocation",
                "metadata": {"name": "default", "uid": "l"},
                "spec": {"provider": "fs", "bucket": rig.folder.path()},
                "status": {"phase": "Available", "id": HERE},
            }),
            "backupstoragelocations",
        );
        rig
    }

    pub(super) fn write(&self, key: &str, body: &str) {
        let path = self.folder.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, body).unwrap();
    }

    pub(super) fn keep(&self, object: Value, kind: &str) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.objects.lock().unwrap().kept.insert(format!("{kind}/{name}"), object);
    }

    /// Writes the backup `same` as a run of that uid in that cluster left it, written at that
    /// second.
    pub(super) fn store(&self, uid: &str, cluster: &str, second: u64) {
        self.write("backups/same/same.tar.zst", "items");
        self.write("backups/same/ark-backup.json", &run(uid, cluster).to_string());
        let document = std::fs::File::options()
            .append(true)
            .open(self.folder.path().join("backups/same/ark-backup.json"))
            .unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second);
        document.set_modified(time).unwrap();
    }

    pub(super) fn shown(&self) -> Option<Value> {
        self.objects.lock().unwrap().kept.get("backups/same").cloned()
    }

    /// Returns true if an Event of this reason contains this text.
    pub(super) fn is_told(&self, reason: &str, part: &str) -> bool {
        let events = self.objects.lock().unwrap().events.clone();
        events.iter().any(|event| event["reason"] == reason && event["note"].to_string().contains(part))
    }

    /// Returns the state of a server whose caches are filled, its metrics, and the task that keeps
    /// watching until it is aborted.
    pub(super) async fn server(&self) -> (Arc<Context>, Arc<Metrics>, tokio::task::JoinHandle<()>) {
        let objects = Arc::clone(&self.objects);
        let (cluster, _) = serve(move |_, asked| objects.lock().unwrap().answer(asked));
        let identity = ClusterIdentity { uid: "a".into(), version: "v1".into() };
        let metrics = Arc::new(Metrics::new());
        let (context, watches) = prepare(
            cluster,
            identity,
            settings(),
            Arc::clone(&metrics),
            Arc::<DownloadTokens>::default(),
            CancellationToken::new(),
        );
        let feeding = tokio::spawn(watches.follow());
        assert!(context.caches.filled().await);
        (context, metrics, feeding)
    }

    /// Makes a pass, and returns how many objects of the bucket it read.
    pub(super) async fn pass(&mut self) -> u64 {
        let (context, metrics, feeding) = self.server().await;
        let location = context.locations.find(Some("default")).unwrap();
        pass::pass(&context, &location, &mut self.memory).await.unwrap();
        feeding.abort();
        let text = metrics.exposition().unwrap();
        let reads = text.lines().filter(|line| line.starts_with("ark_store_requests_total{op=\"get\""));
        reads.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}

/// Returns the document of a run.
pub(super) fn run(uid: &str, cluster: &str) -> Value {
    json!({
        "apiVersion": "ark.heptio.com/v1", "kind": "Backup", "metadata": {"name": "same", "uid": uid},
        "spec": {"storageLocation": "default"},
        "status": {"phase": "Completed", "formatVersion": "2", "startTimestamp": "2026-11-21T03:00:00Z",
            "completionTimestamp": "2026-11-21T03:01:00Z", "cluster": {"uid": cluster, "version": "v1"}},
    })
}

/// Returns the object of a run of this cluster.
pub(super) fn own(uid: &str, location: Option<&str>) -> Value {
    let mut object = run(uid, "a");
    object["metadata"]["namespace"] = json!("ark");
    object["status"]["conditions"] = json!([{"type": "Stored", "status": "True", "reason": "Committed", "message": "",
        "lastTransitionTime": "2026-11-21T03:01:00Z"}]);
    object["status"]["origin"] = json!({"location": location, "cluster": "a", "run": uid});
    object
}

pub(super) fn settings() -> Settings {
    let long = Duration::from_secs(3600);
    Settings {
        namespace: "ark".into(),
        restore_only: false,
        disable_schedules: false,
        disable_restores: false,
        disable_hooks: false,
        concurrent_backups: 1,
        concurrent_restores: 1,
        sync_period: long,
        gc_period: long,
        default_ttl: long,
        default_location: "default".into(),
        listen: "127.0.0.1:0".parse().unwrap(),
        pod: None,
        holder: "host/1".into(),
    }
}

/// Number of objects that a pass reads that reads no document: the identity, before and after the
/// listing.
pub(super) const IDLE: u64 = 2;
