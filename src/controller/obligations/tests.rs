//! Documents in a folder, as a server that begins finds them.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::controller::context::{filled, settings};

fn document(cluster: &str, open: &Value) -> String {
    let run = json!({"kind": "Backup", "namespace": "heptio-ark", "name": "nightly", "uid": "u"});
    json!({"format": 1, "run": run, "clusterUid": cluster, "holder": "pod",
        "holderNamespace": "heptio-ark", "process": "before",
        "heartbeat": "2026-11-28T03:00:00Z", "open": open})
    .to_string()
}

fn unknown() -> Value {
    json!([{"what": "does something new", "since": "2026-11-28T03:00:00Z",
        "deadline": "2026-11-28T04:00:00Z", "undo": {"type": "later"}}])
}

async fn begun(folder: &Path, access: &str, backups: Vec<Value>) -> Arc<Context> {
    let identity = json!({"id": "one", "format": 2, "createdAt": "2026-11-28T03:00:00Z"});
    std::fs::write(folder.join("ark-location.json"), identity.to_string()).unwrap();
    std::fs::create_dir_all(folder.join("obligations")).unwrap();
    let location = json!({"apiVersion": "ark.heptio.com/v1", "kind": "BackupStorageLocation",
        "metadata": {"name": "default", "uid": "l", "resourceVersion": "1"},
        "spec": {"provider": "fs", "bucket": folder, "accessMode": access},
        "status": {"phase": "Available", "id": "one"}});
    filled(settings(), backups.into_iter().chain([location]).collect()).await
}

#[tokio::test]
async fn what_a_server_before_left_is_undone_and_what_is_of_others_or_unreadable_stays() {
    let folder = tempfile::tempdir().unwrap();
    let context = begun(folder.path(), "ReadWrite", Vec::new()).await;
    let path = |id: &str| folder.path().join(format!("obligations/{id}.json"));
    std::fs::write(path("backup-u-1"), document("cluster", &json!([]))).unwrap();
    std::fs::write(path("backup-u-2"), document("cluster", &unknown())).unwrap();
    std::fs::write(path("backup-v-1"), document("another", &json!([]))).unwrap();
    std::fs::write(path("nonsense"), "{}").unwrap();
    let mut watched = WatchedObligations::default();
    let seen = look(&context, &mut watched, false).await;
    assert_eq!(context.obligations.of("l"), Some(4));
    assert_eq!(seen.readable["default"].get("nonsense"), Some(&false));
    let mut tried = Vec::new();
    for left in seen.left {
        tried.push(left.key.1.clone());
        let (key, again) = undo(Arc::clone(&context), left).await;
        assert_eq!(again.is_some(), key.1 == "backup-u-2", "what is unknown is tried again");
    }
    assert_eq!(tried, ["backup-u-1", "backup-u-2"]);
    let is_there = |id: &str| path(id).exists();
    assert!(!is_there("backup-u-1") && is_there("backup-v-1") && is_there("nonsense"));
    assert_eq!(std::fs::read_to_string(path("backup-v-1")).unwrap(), document("another", &json!([])));
}

#[tokio::test(start_paused = true)]
async fn what_comes_into_a_location_that_held_nothing_is_found_without_a_validation() {
    let folder = tempfile::tempdir().unwrap();
    let context = begun(folder.path(), "ReadWrite", Vec::new()).await;
    let path = folder.path().join("obligations/backup-u-1.json");
    tokio::spawn(run(Arc::clone(&context)));
    let mut looks = 0;
    let mut next_look = async || {
        looks += 1;
        assert!(looks < 600, "nobody looks");
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    while context.obligations.of("l") != Some(0) {
        next_look().await;
    }
    std::fs::write(&path, document("cluster", &json!([]))).unwrap();
    while path.exists() {
        next_look().await;
    }
    context.stop.cancel();
}

#[tokio::test]
async fn in_a_location_that_is_read_only_nothing_is_undone() {
    let folder = tempfile::tempdir().unwrap();
    let context = begun(folder.path(), "ReadOnly", Vec::new()).await;
    let path = folder.path().join("obligations/backup-u-1.json");
    std::fs::write(&path, document("cluster", &json!([]))).unwrap();
    let seen = look(&context, &mut WatchedObligations::default(), false).await;
    assert!(seen.left.is_empty() && path.exists());
}

#[tokio::test]
async fn a_status_is_gone_by_where_the_document_cannot_be_read_and_a_copy_of_a_bucket_never() {
    let pending =
        json!({"what": "does something new", "since": "2026-11-28T03:00:00Z", "undo": {"type": "later"}});
    let backup = |name: &str, annotations: Value| {
        json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup", "spec": {},
            "metadata": {"name": name, "uid": name, "resourceVersion": "1", "annotations": annotations},
            "status": {"phase": "InProgress", "obligations": {(format!("backup-{name}-1")): [pending]}}})
    };
    let context = filled(settings(), vec![backup("own", json!({}))]).await;
    let mut statuses = from_status::StatusObligations::default();
    let nothing_listed = Default::default();
    statuses.undo_unreadable(&context, &nothing_listed).await;
    assert!(statuses.is_open());
    let only_copy =
        filled(settings(), vec![backup("copy", json!({crate::api::SYNCED_FROM: "default"}))]).await;
    statuses.undo_unreadable(&only_copy, &nothing_listed).await;
    assert!(!statuses.is_open());
}
