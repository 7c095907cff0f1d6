//! DeleteBackupRequests: what is deleted, what is refused, and what holds a backup.

use ark::bucket::{Bucket, Claim};
use ark::store::{ObjectKey, PutMode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::intercepted::InterceptedServer;
use super::{BACKUP, DELETION, Installation, LOCATION, RESTORE, ServerOptions, keys};
use crate::backup::config_map;
use crate::restore::store;
use crate::support::{Act, Interceptor, Lab, TestNamespace, eventually};

fn errors(request: &Value) -> String {
    request["status"]["errors"].to_string()
}

async fn request_deletion(installation: &Installation<'_>, name: &str, backup: &str) -> Value {
    installation.create(DELETION, name, json!({"backupName": backup})).await;
    installation.reach(DELETION, name, "Processed").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_that_another_cluster_restores_is_not_deleted_until_that_has_ended() {
    let lab = Lab::get().await;
    let intercepted = InterceptedServer::start(&lab, "read-a").await;
    let source = TestNamespace::create(&lab.a, "read-source").await;
    config_map(&lab.a, &source.name, "settings", &json!({"k": "v"})).await;
    intercepted.installation.create(BACKUP, "shared", json!({"includedNamespaces": [&source.name]})).await;
    intercepted.installation.reach(BACKUP, "shared", "Completed").await;

    let installation = Installation::prepare(&lab.b, "read-b").await;
    let s3 = Interceptor::of_s3(&lab).await;
    installation.location("default", &s3.through(&lab, &intercepted.bucket), json!({"default": true})).await;
    let _server = installation.start(ServerOptions::default()).await;
    installation.reach(BACKUP, "shared", "Completed").await;
    let release = CancellationToken::new();
    let held = release.clone();
    s3.set(move |asked| {
        let reads = asked.method == "GET" && asked.path.ends_with("/shared.tar.zst");
        if reads { Act::Held(held.clone()) } else { Act::Pass }
    });
    let copy = TestNamespace::reserve(&lab.b, "read-copy");
    let spec = json!({"backupName": "shared", "namespaceMapping": {&source.name: &copy.name}});
    installation.create(RESTORE, "reading", spec).await;
    eventually("the restore says in the bucket what it reads", async || {
        let claim = intercepted.object("restores/reading/claim.json").await?;
        (claim["reads"] == "shared").then_some(())
    })
    .await;

    let refused = request_deletion(&intercepted.installation, "meanwhile", "shared").await;
    let why = refused["status"]["errors"].to_string();
    assert!(why.contains("restore `reading` of cluster"), "{refused}");
    assert_eq!(
        intercepted.installation.phase(BACKUP, "shared").await.as_deref(),
        Some("Completed"),
        "nothing has changed"
    );
    intercepted.verify("shared").await;

    release.cancel();
    let restored = installation.reach(RESTORE, "reading", "Completed").await;
    assert_eq!(restored["status"]["errors"], 0, "{restored}");
    let done = request_deletion(&intercepted.installation, "at-last", "shared").await;
    assert!(done["status"]["errors"].is_null(), "{done}");
    assert_eq!(intercepted.keys("backups/").await, Vec::<String>::new());
}

/// The claim of a Restore that has ended, left in the bucket, is let go, so that its backup can be
/// deleted.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_a_restore_that_is_over_left_holds_its_backup_no_longer_than_until_the_next_look() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "left").await;
    let bucket = lab.bucket();
    let (source, copy) =
        (TestNamespace::create(&lab.a, "left-source").await, TestNamespace::reserve(&lab.a, "left-copy"));
    config_map(&lab.a, &source.name, "settings", &json!({"k": "v"})).await;
    installation.location("default", &bucket, json!({"default": true})).await;
    let _server = installation.start(ServerOptions::default()).await;
    installation.create(BACKUP, "kept", json!({"includedNamespaces": [&source.name]})).await;
    let backup = installation.reach(BACKUP, "kept", "Completed").await;

    // The location is made ReadOnly while the restore runs, so that whoever ends the restore cannot
    // take its claim away.
    let path = format!("{}/default", installation.path(LOCATION));
    lab.a.merge(&path, &json!({"spec": {"accessMode": "ReadOnly"}})).await;
    eventually("the server knows that it is ReadOnly", async || {
        let location = lab.a.read(&path).await.expect("it is there");
        (location["status"]["observedGeneration"] == location["metadata"]["generation"]).then_some(())
    })
    .await;
    let mapping = json!({&source.name: &copy.name});
    installation.create(RESTORE, "over", json!({"backupName": "kept", "namespaceMapping": mapping})).await;
    let over = installation.reach(RESTORE, "over", "Completed").await;
    let claim = Claim {
        reads: Some("kept".to_owned()),
        process: None,
        ..Claim::new(
            over["metadata"]["uid"].as_str().expect("a uid"),
            backup["status"]["cluster"]["uid"].as_str().expect("a cluster"),
            "ark-of-before/1",
        )
    };
    let key = ObjectKey::new("restores/over/claim.json").expect("a key");
    let body = serde_json::to_vec(&claim).expect("JSON");
    store(&bucket).await.put(&key, body.into(), PutMode::Create).await.expect("writable");

    lab.a.merge(&path, &json!({"spec": {"accessMode": "ReadWrite"}})).await;
    eventually("the claim is let go", async || {
        store(&bucket).await.head(&key).await.is_err_and(|error| error.is_not_found()).then_some(())
    })
    .await;
    let done = request_deletion(&installation, "at-last", "kept").await;
    assert!(done["status"]["errors"].is_null(), "{done}");
}

/// A Backup that is not there, another one than was meant, a request from the future, --restore-
/// only, a ReadOnly location.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_may_not_be_deleted_is_refused_with_the_reason() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "refusals").await;
    let bucket = lab.bucket();
    installation.location("default", &bucket, json!({})).await;
    let server = installation.start(ServerOptions::default()).await;
    installation.reach(LOCATION, "default", "Available").await;
    installation.create(BACKUP, "kept", json!({"includedNamespaces": [installation.name()]})).await;
    installation.reach(BACKUP, "kept", "Completed").await;
    let refused = async |name: &str, backup: &str| {
        installation.create(DELETION, name, json!({"backupName": backup})).await;
        errors(&installation.reach(DELETION, name, "Processed").await)
    };
    assert!(refused("nothing", "no-such").await.contains("there is no Backup `no-such`"));
    let mut other = json!({"metadata": {"name": "another"}, "spec": {"backupName": "kept"}});
    other["metadata"]["labels"] = json!({"ark.heptio.com/backup-uid": "of-an-earlier-one"});
    installation.create_object(DELETION, other).await;
    assert!(errors(&installation.reach(DELETION, "another", "Processed").await).contains("is kept"));
    let mut ahead = json!({"metadata": {"name": "ahead"}, "spec": {"backupName": "kept"}});
    ahead["metadata"]["annotations"] = json!({"ark.heptio.com/requested-at": "2099-01-01T00:00:00Z"});
    installation.create_object(DELETION, ahead).await;
    assert!(errors(&installation.reach(DELETION, "ahead", "Processed").await).contains("clocks"));
    server.stop().await;

    let server =
        installation.start_again(ServerOptions { restore_only: true, ..ServerOptions::default() }).await;
    assert!(refused("elsewhere", "kept").await.contains("--restore-only"));
    server.stop().await;

    installation
        .edit(LOCATION, "default", "", |location| location["spec"]["accessMode"] = json!("ReadOnly"))
        .await;
    let _server = installation.start_again(ServerOptions::default()).await;
    assert!(refused("read-only", "kept").await.contains("ReadOnly"));
    assert_eq!(installation.phase(BACKUP, "kept").await.as_deref(), Some("Completed"));
    assert_eq!(keys(&bucket).await.len(), 6);
}

/// Garbage collection makes a request for a Backup in phase Deleting, and removes parts whose claim
/// is of a process that is no more.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_deletion_whose_request_is_gone_is_finished_and_what_a_dead_run_left_is_swept() {
    let lab = Lab::get().await;
    let mut intercepted = InterceptedServer::start(&lab, "unfinished").await;
    intercepted
        .installation
        .create(BACKUP, "half", json!({"includedNamespaces": [intercepted.installation.name()]}))
        .await;
    intercepted.installation.reach(BACKUP, "half", "Completed").await;
    intercepted.server.as_ref().expect("a server").kill();
    intercepted
        .installation
        .edit(BACKUP, "half", "/status", |half| half["status"]["phase"] = json!("Deleting"))
        .await;
    // A run of a process of this machine that is no more.
    let mut claim = serde_json::to_value(ark::bucket::Claim::new("uid", "cluster", "host/1")).expect("JSON");
    claim["process"]["id"] = u32::MAX.into();
    for (key, body) in [("claim.json", claim.to_string()), ("dead.tar.zst", "parts".to_owned())] {
        let key = ark::store::ObjectKey::new(format!("backups/dead/{key}")).expect("a key");
        intercepted.store.put(&key, body.into(), ark::store::PutMode::Create).await.expect("writable");
    }
    intercepted.start_next().await;
    let request = intercepted.installation.reach(DELETION, "half-unfinished", "Processed").await;
    assert_eq!(errors(&request), "null", "{request}");
    intercepted.installation.gone(BACKUP, "half").await;
    eventually("the bucket is empty", async || intercepted.keys("backups/").await.is_empty().then_some(()))
        .await;
}

/// Requests for Backups whose objects are gone: removed from the bucket by another cluster, or
/// deleted with kubectl while the bucket has the backup still.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_deletion_is_done_where_another_cluster_was_faster_and_refused_where_the_bucket_has_it_still() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let installation = Installation::prepare(&lab.a, "faster").await;
    installation.location("default", &bucket, json!({})).await;
    let _server = installation.start(ServerOptions::default()).await;
    let location = installation.reach(LOCATION, "default", "Available").await;
    let mut uids = Vec::new();
    for name in ["gone", "there"] {
        installation.create(BACKUP, name, json!({"includedNamespaces": [installation.name()]})).await;
        uids.push(installation.reach(BACKUP, name, "Completed").await["metadata"]["uid"].clone());
    }
    // Another cluster removes one of them, and sync takes its object away before the request for it
    // is looked at.
    let stored = Bucket::new(store(&bucket).await);
    stored.remove_backup(&"gone".parse().expect("a name"), None, "another cluster").await.expect("removed");
    installation.gone(BACKUP, "gone").await;
    installation.delete(BACKUP, "there").await;
    for (name, uid) in ["gone", "there"].into_iter().zip(&uids) {
        let marks = json!({"name": format!("{name}-asked"), "labels": {"ark.heptio.com/backup-uid": uid},
            "annotations": {"ark.heptio.com/stored-in": location["status"]["id"]}});
        installation.create_object(DELETION, json!({"metadata": marks, "spec": {"backupName": name}})).await;
        let request = installation.reach(DELETION, &format!("{name}-asked"), "Processed").await;
        assert_eq!(request["status"]["errors"].is_null(), name == "gone", "{request}");
    }
    assert!(
        stored.open_backup(&"there".parse().expect("a name")).await.is_ok(),
        "it is another object by now"
    );
}

/// In one cluster; for two see
/// `a_backup_that_another_cluster_restores_is_not_deleted_until_that_has_ended`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_that_is_being_made_or_restored_is_not_deleted_and_the_request_says_why() {
    let lab = Lab::get().await;
    let mut intercepted = InterceptedServer::start(&lab, "busy").await;
    let spec = json!({"includedNamespaces": [intercepted.installation.name()]});

    intercepted.hold("/made/*/made.tar.zst");
    intercepted.installation.create(BACKUP, "made", spec.clone()).await;
    intercepted.installation.reach(BACKUP, "made", "InProgress").await;
    let refused = request_deletion(&intercepted.installation, "too-early", "made").await;
    assert!(errors(&refused).contains("is in progress"), "{refused}");
    intercepted.start_next().await;
    intercepted.installation.reach(BACKUP, "made", "Completed").await;

    intercepted.hold("/backups/made/*/index.ndjson.zst");
    let copy = TestNamespace::reserve(&lab.a, "busy-copy");
    let mapping = json!({intercepted.installation.name(): &copy.name});
    intercepted
        .installation
        .create(RESTORE, "reading", json!({"backupName": "made", "namespaceMapping": mapping}))
        .await;
    intercepted.installation.reach(RESTORE, "reading", "InProgress").await;
    let refused = request_deletion(&intercepted.installation, "meanwhile", "made").await;
    assert!(errors(&refused).contains("reading"), "it names the restore: {refused}");
    intercepted.start_next().await;
    intercepted.installation.reach(RESTORE, "reading", "Completed").await;
    intercepted.verify("made").await;

    let done = request_deletion(&intercepted.installation, "at-last", "made").await;
    assert_eq!(errors(&done), "null", "{done}");
    assert_eq!(intercepted.keys("backups/").await, Vec::<String>::new());
}
