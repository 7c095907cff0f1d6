//! What goes when its time is over: backups with their restores, and the records of restores.

use serde_json::json;

use super::{BACKUP, DELETION, Installation, LOCATION, RESTORE, ServerOptions, keys};
use crate::backup::config_map;
use crate::restore::store;
use crate::support::{Lab, TestNamespace, eventually};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_expires_goes_with_its_restores_and_what_does_not_stays() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "expiry").await;
    let bucket = lab.bucket();
    installation.location("default", &bucket, json!({"default": true})).await;
    installation.location("elsewhere", &lab.bucket(), json!({"accessMode": "ReadOnly"})).await;
    config_map(&lab.a, installation.name(), "settings", &json!({"k": "v"})).await;
    // Nothing is collected until the restore is done.
    let options = ServerOptions { gc_period: "1h", ..ServerOptions::default() };
    let server = installation.start(options).await;
    installation.reach(LOCATION, "default", "Available").await;
    let spec = |ttl: &str| json!({"includedNamespaces": [installation.name()], "ttl": ttl});
    installation.create(BACKUP, "short", spec("5s")).await;
    installation.create(BACKUP, "long", spec("1h")).await;
    installation.create(BACKUP, "refused", json!({"ttl": "5s", "storageLocation": "elsewhere"})).await;
    installation.reach(BACKUP, "short", "Completed").await;
    installation.reach(BACKUP, "long", "Completed").await;
    installation.reach(BACKUP, "refused", "FailedValidation").await;
    let copy = TestNamespace::reserve(&lab.a, "expiry-copy");
    let mapping = json!({installation.name(): &copy.name});
    installation.create(RESTORE, "back", json!({"backupName": "short", "namespaceMapping": mapping})).await;
    installation.reach(RESTORE, "back", "Completed").await;
    assert!(keys(&bucket).await.iter().any(|key| key.starts_with("restores/back/")));
    server.stop().await;

    let _server = installation.start_again(ServerOptions::default()).await;
    for (kind, name) in [(BACKUP, "short"), (RESTORE, "back"), (BACKUP, "refused")] {
        installation.gone(kind, name).await;
    }
    let request = installation.reach(DELETION, "short-expired", "Processed").await;
    assert!(request["status"]["errors"].is_null(), "{request}");
    assert_eq!(installation.phase(BACKUP, "long").await.as_deref(), Some("Completed"));
    let left = keys(&bucket).await;
    let kept = |key: &String| key == "ark-location.json" || key.starts_with("backups/long/");
    assert!(left.len() == 6 && left.iter().all(kept), "{left:?}");
}

/// Restores with a ttl, refused ones, and those whose backup is gone are removed from cluster and
/// bucket; others stay.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_record_of_a_restore_goes_with_its_ttl_or_when_its_backup_is_gone() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "records").await;
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = format!("file://{}", folder.path().display());
    installation.location("default", &bucket, json!({})).await;
    let options =
        ServerOptions { flags: vec!["--default-ttl".into(), "5s".into()], ..ServerOptions::default() };
    // Nothing is collected until everything is made.
    let server = installation.start(ServerOptions { gc_period: "1h", ..options.clone() }).await;
    installation.reach(LOCATION, "default", "Available").await;
    installation
        .create(BACKUP, "kept", json!({"includedNamespaces": [installation.name()], "ttl": "1h"}))
        .await;
    installation.reach(BACKUP, "kept", "Completed").await;
    let copy = TestNamespace::reserve(&lab.a, "records-copy");
    let restore = |more: serde_json::Value| {
        let mut spec = json!({"backupName": "kept", "namespaceMapping": {installation.name(): &copy.name}});
        spec.as_object_mut().expect("fields").extend(more.as_object().expect("fields").clone());
        spec
    };
    installation.create(RESTORE, "stays", restore(json!({}))).await;
    installation.reach(RESTORE, "stays", "Completed").await;
    installation.create(RESTORE, "timed", restore(json!({"ttl": "1s"}))).await;
    installation.reach(RESTORE, "timed", "Completed").await;
    installation.create(RESTORE, "refused", json!({"backupName": "no-such"})).await;
    installation.reach(RESTORE, "refused", "FailedValidation").await;
    // Of a backup that another cluster removed before it knew of the restore.
    let store = store(&bucket).await;
    let document = json!({
        "apiVersion": "ark.heptio.com/v1", "kind": "Restore", "metadata": {"name": "orphan"}, "spec": {"backupName": "lost"},
        "status": {"phase": "Completed", "completionTimestamp": "2026-01-01T00:00:00Z"},
    });
    let key = ark::store::ObjectKey::new("restores/orphan/ark-restore.json").expect("a key");
    store.put(&key, document.to_string().into(), ark::store::PutMode::Create).await.expect("writable");
    assert_eq!(server.stop().await, Some(0), "{}", server.log());

    let server = installation.start_again(options.clone()).await;
    for name in ["timed", "refused"] {
        installation.gone(RESTORE, name).await;
    }
    eventually("only the record that is kept is in the bucket", async || {
        let keys = store.list("restores/", false, None).await.expect("listable").objects;
        keys.iter().all(|object| object.key.as_str().starts_with("restores/stays/")).then_some(())
    })
    .await;
    installation.gone(RESTORE, "orphan").await;
    assert_eq!(installation.phase(RESTORE, "stays").await.as_deref(), Some("Completed"));
    assert_eq!(installation.phase(BACKUP, "kept").await.as_deref(), Some("Completed"));
    assert_eq!(server.stop().await, Some(0), "{}", server.log());

    // A cluster that stands by tests restores each night, and removes nothing of others.
    let _server = installation.start_again(ServerOptions { restore_only: true, ..options }).await;
    installation.create(RESTORE, "tested", restore(json!({"ttl": "1s"}))).await;
    installation.gone(RESTORE, "tested").await;
    assert_eq!(installation.phase(BACKUP, "kept").await.as_deref(), Some("Completed"));
}
