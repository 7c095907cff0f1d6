//! The bucket as the source of truth, whatever is in it.

mod locations;
mod malformed;
mod replaced_runs;

use std::sync::Arc;

use ark::store::{ObjectKey, ObjectStore, PutMode};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{BACKUP, Installation, LOCATION, RESTORE, ServerOptions, intercepted};
use crate::process::run;
use crate::restore::store;
use crate::support::{Lab, TestNamespace, eventually};

/// Puts an object into a bucket, whatever was there.
async fn put(store: &Arc<dyn ObjectStore>, key: &str, body: impl Into<Bytes>) {
    let key = ObjectKey::new(key).expect("a key");
    store.put(&key, body.into(), PutMode::Overwrite).await.expect("written");
}

/// Removes an object from a bucket.
async fn remove(store: &Arc<dyn ObjectStore>, key: &str) {
    store.delete(&[ObjectKey::new(key).expect("a key")]).await.expect("deleted");
}

/// The document of a backup as a run leaves it.
fn document(name: &str) -> Value {
    json!({
        "apiVersion": "ark.heptio.com/v1", "kind": "Backup", "metadata": {"name": name, "labels": {"team": "a"}},
        "spec": {"includedNamespaces": ["shop"], "storageLocation": "elsewhere"},
        "status": {"phase": "Completed", "formatVersion": "2.0.0", "completionTimestamp": "2026-01-01T00:00:00Z"},
    })
}

/// Writes a backup into a bucket: its items first, then its document.
async fn put_backup(store: &Arc<dyn ObjectStore>, name: &str) {
    put(store, &format!("backups/{name}/{name}.tar.zst"), "items").await;
    put(store, &format!("backups/{name}/ark-backup.json"), document(name).to_string()).await;
}

/// Writes a restore into a bucket.
async fn put_restore(store: &Arc<dyn ObjectStore>, name: &str) {
    let document = json!({
        "apiVersion": "ark.heptio.com/v1", "kind": "Restore", "metadata": {"name": name},
        "spec": {"backupName": "nightly"}, "status": {"phase": "PartiallyFailed", "created": 7},
    });
    put(store, &format!("restores/{name}/ark-restore.json"), document.to_string()).await;
}

/// What the server counts of a location under this name.
async fn figure(server: &super::Server, metric: &str, location: &str) -> Option<u64> {
    let (_, text) = server.get("/metrics").await?;
    let series = format!("{metric}{{location=\"{location}\"}}");
    text.lines().find_map(|line| line.strip_prefix(&series)?.trim().parse().ok())
}

/// Waits until two more passes over a location have begun and ended since now.
pub async fn pass_twice(installation: &Installation<'_>, server: &super::Server, location: &str) {
    let passes = async || figure(server, "ark_sync_duration_seconds_count", location).await;
    let before = eventually("the passes are counted", passes).await;
    let what = format!("two passes over {location} of {}", installation.name());
    eventually(&what, async || passes().await.filter(|now| *now >= before + 2)).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_one_cluster_stores_another_shows_with_its_status_and_loses_when_it_is_removed() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let store = store(&bucket).await;
    // A real backup of another cluster, made without a server.
    let shop = TestNamespace::create(&lab.a, "shop").await;
    let mut backup =
        lab.a.ark(["backup", "run", "nightly", "--location", &bucket, "--include-namespaces", &shop.name]);
    tokio::task::spawn_blocking(move || run(&mut backup).expect_code(0)).await.expect("it runs");
    put_restore(&store, "back").await;
    let installation = Installation::prepare(&lab.b, "shows").await;
    installation.location("default", &bucket, json!({})).await;
    let server = installation.start(ServerOptions { restore_only: true, ..ServerOptions::default() }).await;

    let shown = installation.reach(BACKUP, "nightly", "Completed").await;
    let location = installation.read(LOCATION, "default").await.expect("it is there");
    assert_eq!(shown["metadata"]["annotations"]["ark.heptio.com/synced-from"], location["status"]["id"]);
    assert_eq!(shown["metadata"]["labels"]["ark.heptio.com/storage-location"], "default");
    assert_eq!(shown["spec"]["storageLocation"], "default");
    assert!(shown["status"]["objects"].as_array().is_some_and(|objects| !objects.is_empty()), "{shown}");
    let restored = installation.reach(RESTORE, "back", "PartiallyFailed").await;
    assert_eq!(restored["status"]["created"], 7);
    eventually("the location says what is in it", async || {
        let status = installation.read(LOCATION, "default").await?["status"].clone();
        (status["counts"]["backups"] == 1 && status["lastSyncedTime"].is_string()).then_some(())
    })
    .await;

    // Without its items a backup is none, nor is it without its document.
    remove(&store, &intercepted::key(&*store, "backups/nightly/", "/nightly.tar.zst").await).await;
    installation.gone(BACKUP, "nightly").await;
    remove(&store, "restores/back/ark-restore.json").await;
    installation.gone(RESTORE, "back").await;
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
}

/// Sync creates an object and then writes its status: the next server does what a dead one did not
/// come to.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_object_that_a_dead_server_left_without_status_gets_it() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let store = store(&bucket).await;
    let installation = Installation::prepare(&lab.a, "halves").await;
    installation.location("default", &bucket, json!({})).await;
    let server = installation.start(ServerOptions::default()).await;
    let location = installation.reach(LOCATION, "default", "Available").await;
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
    put_backup(&store, "half").await;
    let metadata = json!({
        "name": "half", "labels": {"ark.heptio.com/storage-location": "default"},
        "annotations": {"ark.heptio.com/synced-from": location["status"]["id"]},
    });
    let left = installation.create_object(BACKUP, json!({"metadata": metadata, "spec": {}})).await;
    let _server = installation.start_again(ServerOptions::default()).await;
    let complete = installation.reach(BACKUP, "half", "Completed").await;
    assert_eq!(complete["metadata"]["uid"], left["metadata"]["uid"]);
    assert_eq!(complete["status"]["completionTimestamp"], "2026-01-01T00:00:00Z");
}

/// A Backup whose status says that its document was never stored is not taken for one that was
/// removed from the bucket.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_object_that_never_reached_the_bucket_stays() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let installation = Installation::prepare(&lab.a, "stays").await;
    installation.location("default", &bucket, json!({})).await;
    let server = installation.start(ServerOptions { restore_only: true, ..ServerOptions::default() }).await;
    installation.reach(LOCATION, "default", "Available").await;
    // Made in this cluster, and ended here: with its document in the bucket, or never there.
    for (name, stored) in [("stored", "True"), ("never", "False")] {
        let labels = json!({"ark.heptio.com/storage-location": "default"});
        let spec = json!({"storageLocation": "default"});
        installation
            .create_object(BACKUP, json!({"metadata": {"name": name, "labels": labels}, "spec": spec}))
            .await;
        let status = json!({"phase": "PartiallyFailed", "conditions": [{"type": "Stored", "status": stored,
            "reason": "Test", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
        installation.edit(BACKUP, name, "/status", |backup| backup["status"] = status.clone()).await;
    }
    installation.gone(BACKUP, "stored").await;
    pass_twice(&installation, &server, "default").await;
    assert!(installation.read(BACKUP, "never").await.is_some());
}
