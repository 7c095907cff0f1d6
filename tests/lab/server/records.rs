//! The records of restores: how long they are kept.

use serde_json::json;

use super::{BACKUP, Home, LOCATION, RESTORE, ServerOptions};
use crate::restore::store;
use crate::support::{Lab, TestNamespace, eventually};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_record_of_a_restore_goes_with_its_ttl_or_when_its_backup_is_gone() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "records").await;
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = format!("file://{}", folder.path().display());
    home.location("default", &bucket, json!({})).await;
    let options =
        ServerOptions { flags: vec!["--default-ttl".into(), "5s".into()], ..ServerOptions::default() };
    // Nothing is collected until everything is made.
    let server = home.start(ServerOptions { gc_period: "1h", ..options.clone() }).await;
    home.reach(LOCATION, "default", "Available").await;
    home.create(BACKUP, "kept", json!({"includedNamespaces": [home.name()], "ttl": "1h"})).await;
    home.reach(BACKUP, "kept", "Completed").await;
    let copy = TestNamespace::reserve(&lab.a, "records-copy");
    let restore = |more: serde_json::Value| {
        let mut spec = json!({"backupName": "kept", "namespaceMapping": {home.name(): &copy.name}});
        spec.as_object_mut().expect("fields").extend(more.as_object().expect("fields").clone());
        spec
    };
    home.create(RESTORE, "stays", restore(json!({}))).await;
    home.reach(RESTORE, "stays", "Completed").await;
    home.create(RESTORE, "timed", restore(json!({"ttl": "1s"}))).await;
    home.reach(RESTORE, "timed", "Completed").await;
    home.create(RESTORE, "refused", json!({"backupName": "no-such"})).await;
    home.reach(RESTORE, "refused", "FailedValidation").await;
    // Of a backup that another cluster removed before it knew of the restore.
    let store = store(&bucket).await;
    let document = json!({
        "apiVersion": "ark.heptio.com/v1", "kind": "Restore", "metadata": {"name": "orphan"}, "spec": {"backupName": "lost"},
        "status": {"phase": "Completed", "completionTimestamp": "2026-01-01T00:00:00Z"},
    });
    let key = ark::store::ObjectKey::new("restores/orphan/ark-restore.json").expect("a key");
    store.put(&key, document.to_string().into(), ark::store::PutMode::Create).await.expect("writable");
    assert_eq!(server.stop().await, Some(0), "{}", server.log());

    let server = home.start_again(options.clone()).await;
    for name in ["timed", "refused"] {
        home.gone(RESTORE, name).await;
    }
    eventually("only the record that is kept is in the bucket", async || {
        let keys = store.list("restores/", false, None).await.expect("listable").objects;
        keys.iter().all(|object| object.key.as_str().starts_with("restores/stays/")).then_some(())
    })
    .await;
    home.gone(RESTORE, "orphan").await;
    assert_eq!(home.phase(RESTORE, "stays").await.as_deref(), Some("Completed"));
    assert_eq!(home.phase(BACKUP, "kept").await.as_deref(), Some("Completed"));
    assert_eq!(server.stop().await, Some(0), "{}", server.log());

    // A cluster that stands by tests restores each night, and removes nothing of others.
    let _server = home.start_again(ServerOptions { restore_only: true, ..options }).await;
    home.create(RESTORE, "tested", restore(json!({"ttl": "1s"}))).await;
    home.gone(RESTORE, "tested").await;
    assert_eq!(home.phase(BACKUP, "kept").await.as_deref(), Some("Completed"));
}
