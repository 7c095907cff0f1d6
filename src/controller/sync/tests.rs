//! Whole passes over a folder, against an API server that keeps its objects in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::SystemTime;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::api::{DOCUMENT_STAMP, SYNCED_FROM};
use crate::cluster::ClusterIdentity;
use crate::cluster::script::{Answer, Asked, answer, failure, serve};
use crate::controller::settings::Settings;
use crate::controller::{Handouts, prepare};
use crate::telemetry::Metrics;
use futures::StreamExt as _;

/// The identity of the location.
const HERE: &str = "location-one";

/// The objects of the cluster, by path below the namespace.
#[derive(Default)]
struct Objects {
    kept: BTreeMap<String, Value>,
    events: Vec<Value>,
    made: u64,
    /// The definitions that the API server goes by; the first ones take no Backup.
    definitions: u64,
}

impl Objects {
    /// Answers as an API server would, as far as a pass asks.
    fn answer(&mut self, asked: &Asked) -> Answer {
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
struct Folder {
    folder: TempDir,
    objects: Arc<Mutex<Objects>>,
    memory: Memory,
}

impl Folder {
    fn new() -> Self {
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

    fn write(&self, key: &str, body: &str) {
        let path = self.folder.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, body).unwrap();
    }

    fn keep(&self, object: Value, kind: &str) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.objects.lock().unwrap().kept.insert(format!("{kind}/{name}"), object);
    }

    /// The backup `same` as a run of that uid in that cluster left it, written at that second.
    fn store(&self, uid: &str, cluster: &str, second: u64) {
        self.write("backups/same/same.tar.zst", "items");
        self.write("backups/same/ark-backup.json", &run(uid, cluster).to_string());
        let document = std::fs::File::options()
            .append(true)
            .open(self.folder.path().join("backups/same/ark-backup.json"))
            .unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second);
        document.set_modified(time).unwrap();
    }

    fn shown(&self) -> Option<Value> {
        self.objects.lock().unwrap().kept.get("backups/same").cloned()
    }

    /// Whether an Event of this reason says this.
    fn is_told(&self, reason: &str, part: &str) -> bool {
        let events = self.objects.lock().unwrap().events.clone();
        events.iter().any(|event| event["reason"] == reason && event["note"].to_string().contains(part))
    }

    /// A server that has seen what the cluster has, and what it counts; it goes on seeing until the task is aborted.
    async fn server(&self) -> (Arc<Context>, Arc<Metrics>, tokio::task::JoinHandle<()>) {
        let objects = Arc::clone(&self.objects);
        let (cluster, _) = serve(move |_, asked| objects.lock().unwrap().answer(asked));
        let identity = ClusterIdentity { uid: "a".into(), version: "v1".into() };
        let metrics = Arc::new(Metrics::new());
        let (context, feeds) = prepare(
            cluster,
            identity,
            settings(),
            Arc::clone(&metrics),
            Arc::<Handouts>::default(),
            CancellationToken::new(),
        );
        let feeding = tokio::spawn(async move {
            let crate::controller::Feeds { backups, restores, schedules, locations, deletions, .. } = feeds;
            tokio::join!(
                backups.changes.for_each(async |_| {}),
                restores.changes.for_each(async |_| {}),
                schedules.changes.for_each(async |_| {}),
                locations.changes.for_each(async |_| {}),
                deletions.changes.for_each(async |_| {}),
            );
        });
        assert!(context.stores.filled().await);
        (context, metrics, feeding)
    }

    /// Makes a pass; how many objects of the bucket it read.
    async fn pass(&mut self) -> u64 {
        let (context, metrics, feeding) = self.server().await;
        let location = context.locations.find(Some("default")).unwrap();
        pass::pass(&context, &location, &mut self.memory).await.unwrap();
        feeding.abort();
        let text = metrics.exposition().unwrap();
        let reads = text.lines().filter(|line| line.starts_with("ark_store_requests_total{op=\"get\""));
        reads.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}

/// The document of a run.
fn run(uid: &str, cluster: &str) -> Value {
    json!({
        "apiVersion": "ark.heptio.com/v1", "kind": "Backup", "metadata": {"name": "same", "uid": uid},
        "spec": {"storageLocation": "default"},
        "status": {"phase": "Completed", "formatVersion": "2", "startTimestamp": "2026-11-21T03:00:00Z",
            "completionTimestamp": "2026-11-21T03:01:00Z", "cluster": {"uid": cluster, "version": "v1"}},
    })
}

/// The object of a run of this cluster.
fn own(uid: &str, location: Option<&str>) -> Value {
    let mut object = run(uid, "a");
    object["metadata"]["namespace"] = json!("ark");
    object["status"]["conditions"] = json!([{"type": "Stored", "status": "True", "reason": "Committed", "message": "",
        "lastTransitionTime": "2026-11-21T03:01:00Z"}]);
    object["status"]["origin"] = json!({"location": location, "cluster": "a", "run": uid});
    object
}

fn settings() -> Settings {
    let long = Duration::from_secs(3600);
    Settings {
        namespace: "ark".into(),
        restore_only: false,
        disable_schedules: false,
        disable_restores: false,
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

/// What a pass reads that reads no document: the identity, before and after the listing.
const IDLE: u64 = 2;

#[tokio::test]
async fn what_is_synced_says_which_run_it_is_and_is_read_once() {
    let mut folder = Folder::new();
    folder.store("one", "b", 0);
    assert_eq!(folder.pass().await, IDLE + 1);
    let shown = folder.shown().unwrap();
    assert_eq!(shown["status"]["origin"], json!({"location": HERE, "cluster": "b", "run": "one"}));
    assert_eq!(shown["metadata"]["annotations"][SYNCED_FROM], HERE);
    assert!(shown["metadata"]["annotations"][DOCUMENT_STAMP].is_string(), "{shown}");
    assert_eq!(folder.pass().await, IDLE);
    folder.memory = Memory::default(); // the server starts again
    assert_eq!(folder.pass().await, IDLE);
}

#[tokio::test]
async fn a_backup_that_was_deleted_and_made_again_within_the_period_is_shown_as_it_is() {
    for (uid, cluster) in [("two", "b"), ("one", "c"), ("two", "a")] {
        let mut folder = Folder::new();
        folder.store("one", "b", 0);
        folder.pass().await;
        let before = folder.shown().unwrap();
        folder.store(uid, cluster, 5);
        folder.pass().await;
        let shown = folder.shown().expect("the other is shown in the same pass");
        assert_ne!(shown["metadata"]["uid"], before["metadata"]["uid"]);
        assert_eq!(shown["status"]["origin"], json!({"location": HERE, "cluster": cluster, "run": uid}));
        let told = folder.objects.lock().unwrap().events.clone();
        assert!(told.iter().any(|event| event["note"].to_string().contains("backup `same`")), "{told:?}");
        assert_eq!(folder.pass().await, IDLE);
    }
}

#[tokio::test]
async fn an_own_backup_gives_way_to_another_run_of_its_name_and_to_nothing_else() {
    for location in [Some(HERE), None] {
        let mut folder = Folder::new();
        folder.store("mine", "a", 0);
        folder.keep(own("mine", location), "backups");
        assert_eq!(folder.pass().await, IDLE + 1, "nobody has compared them yet");
        assert_eq!(folder.pass().await, IDLE);
        assert_eq!(folder.shown().unwrap(), own("mine", location));
        // Written again as it was, by a copy of the bucket.
        folder.store("mine", "a", 5);
        assert_eq!(folder.pass().await, IDLE + 1);
        assert_eq!(folder.pass().await, IDLE);
        assert_eq!(folder.shown().unwrap(), own("mine", location));
        // What cannot be read proves nothing.
        folder.write("backups/same/ark-backup.json", "{");
        folder.pass().await;
        assert_eq!(folder.pass().await, IDLE);
        assert_eq!(folder.shown().unwrap(), own("mine", location));
        // Another cluster has deleted it and made its own.
        folder.store("theirs", "b", 10);
        folder.pass().await;
        let shown = folder.shown().unwrap();
        assert_eq!(shown["metadata"]["annotations"][SYNCED_FROM], HERE);
        assert_eq!(shown["status"]["origin"], json!({"location": HERE, "cluster": "b", "run": "theirs"}));
    }
}

#[tokio::test]
async fn that_backups_of_this_cluster_are_gone_from_the_bucket_is_told_and_of_others_not() {
    // Made here; made here and brought back after a loss of the objects; another cluster's.
    for (cluster, is_object, told) in [("a", true, true), ("a", false, true), ("b", false, false)] {
        let mut folder = Folder::new();
        folder.store("one", cluster, 0);
        if is_object {
            folder.keep(own("one", Some(HERE)), "backups");
        }
        folder.pass().await;
        std::fs::remove_dir_all(folder.folder.path().join("backups")).unwrap();
        folder.pass().await;
        assert_eq!(folder.shown(), None);
        assert_eq!(folder.is_told("BackupsLost", "same"), told, "{cluster} {is_object}");
    }
}

#[tokio::test]
async fn what_lies_in_the_bucket_that_a_location_pointed_at_before_is_not_called_lost() {
    let mut folder = Folder::new();
    folder.keep(own("mine", Some("location-two")), "backups");
    folder.pass().await;
    assert_eq!(folder.shown(), None);
    assert!(!folder.is_told("BackupsLost", ""));
}

#[tokio::test]
async fn the_same_runs_in_a_location_of_another_name_are_not_called_replaced() {
    let mut folder = Folder::new();
    folder.store("one", "b", 0);
    folder.pass().await;
    let mut before = folder.shown().unwrap();
    before["spec"]["storageLocation"] = json!("earlier");
    before["metadata"]["labels"] = json!({"ark.heptio.com/storage-location": "earlier"});
    folder.keep(before, "backups");
    folder.pass().await;
    assert_eq!(folder.shown().unwrap()["spec"]["storageLocation"], "default");
    assert!(!folder.is_told("RunsReplaced", ""));
}

#[tokio::test]
async fn a_copy_of_what_came_out_of_a_bucket_is_refused_with_the_reason_and_hides_no_document() {
    let mut folder = Folder::new();
    let marks = json!({SYNCED_FROM: HERE, DOCUMENT_STAMP: "2026-11-21T03:00:00Z/7/9"});
    folder.keep(
        json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup", "spec": {"storageLocation": "default"},
            "metadata": {"name": "same", "namespace": "ark", "uid": "copy", "annotations": marks}}),
        "backups",
    );
    for _ in 0..2 {
        folder.pass().await;
        let shown = folder.shown().expect("it stays, so that somebody reads why");
        assert_eq!(shown["status"]["phase"], "FailedValidation");
        assert!(shown["status"]["validationErrors"][0].to_string().contains(SYNCED_FROM), "{shown}");
    }
    assert!(folder.is_told("FailedValidation", "create it without"));
    folder.store("one", "b", 0);
    folder.pass().await;
    assert_eq!(folder.shown().unwrap()["status"]["phase"], "Completed");
}

#[tokio::test]
async fn a_run_of_another_cluster_or_server_is_not_said_to_be_complete_here() {
    let of = |cluster: &str, namespace: Value| {
        let mut made = run("one", cluster);
        made["status"]["origin"] = json!({"cluster": cluster, "namespace": namespace});
        made
    };
    for (document, is_complete) in [
        (of("a", json!("ark")), "True"),
        (of("a", Value::Null), "True"),
        (of("a", json!("team-b")), "False"),
        (of("b", json!("ark")), "False"),
    ] {
        let mut folder = Folder::new();
        folder.store("one", "b", 0);
        folder.write("backups/same/ark-backup.json", &document.to_string());
        folder.pass().await;
        let shown = folder.shown().unwrap();
        let condition = &shown["status"]["conditions"][0];
        assert_eq!(
            (&condition["type"], &condition["status"]),
            (&json!("Complete"), &json!(is_complete)),
            "{document}"
        );
        assert_eq!(shown["status"]["phase"], "Completed");
        let is_said = condition["message"].to_string().contains("nothing was run here");
        assert_eq!(is_said, is_complete == "False", "{condition}");
    }
}

#[tokio::test]
async fn a_backup_of_the_bucket_that_a_location_pointed_at_before_gives_way() {
    let mut folder = Folder::new();
    folder.store("theirs", "b", 0);
    folder.keep(own("mine", Some("location-two")), "backups");
    folder.pass().await;
    let shown = folder.shown().unwrap();
    assert_eq!(shown["status"]["origin"], json!({"location": HERE, "cluster": "b", "run": "theirs"}));
    assert_eq!(folder.pass().await, IDLE);
}

#[tokio::test]
async fn a_document_that_was_rejected_comes_when_the_definitions_take_it() {
    let mut folder = Folder::new();
    folder.store("one", "b", 1);
    folder.objects.lock().unwrap().definitions = 1;
    let looked = folder.pass().await;
    assert!(folder.shown().is_none());
    let again = folder.pass().await;
    assert!(again < looked && folder.shown().is_none(), "it is as it was: {again} of {looked}");
    folder.objects.lock().unwrap().definitions = 2;
    folder.pass().await;
    assert_eq!(folder.shown().unwrap()["status"]["phase"], "Completed");
}

#[tokio::test]
async fn a_pass_over_a_location_that_is_gone_or_another_by_now_brings_nothing_in() {
    let mut folder = Folder::new();
    folder.store("run", "b", 0);
    let (context, _, feeding) = folder.server().await;
    let there = context.locations.find(Some("default")).unwrap();
    let (mut other, mut gone) = (there.as_ref().clone(), there.as_ref().clone());
    other.metadata.uid = Some("before".to_owned());
    gone.metadata.name = Some("deleted".to_owned());
    for former in [other, gone] {
        assert!(!make_pass(&context, &Arc::new(former), &mut folder.memory).await);
        assert_eq!(folder.shown(), None);
    }
    make_pass(&context, &there, &mut folder.memory).await;
    assert!(folder.shown().is_some());
    feeding.abort();
}
