//! Killed while a Backup is deleted: the next server finishes, and nothing of it is left anywhere.

use serde_json::json;

use super::super::intercepted::{InterceptedServer, KillPoint, api, s3, without_attempts};
use super::super::{BACKUP, DELETION, Installation, RESTORE};
use super::{backups, cases};
use crate::backup::config_map;
use crate::support::{Lab, TestNamespace, eventually};

/// The annotation by which somebody asks to be rid of a Restore.
const REQUESTED: &str = "ark.heptio.com/deletion-requested";

pub const KILL_POINTS: &[KillPoint] = &[
    api("Deletion: Backup Deleting", "PUT", "/backups/{}/status", r#""phase":"Deleting""#),
    api("Deletion: request InProgress", "PUT", "/deletebackuprequests/{}/status", r#""phase":"InProgress""#),
    s3("Deletion: claim on a Restore", "PUT", "/restores/{}/claim.json"),
    s3("Deletion: document of a Restore", "DELETE", "/restores/{}/ark-restore.json"),
    s3("Deletion: part of a Restore", "DELETE", "/restores/{}/*/logs.ndjson.zst"),
    s3("Deletion: claim on a Restore let go", "DELETE", "/restores/{}/claim.json"),
    api("Deletion: Restore", "DELETE", "/restores/{}", ""),
    s3("Deletion: claim", "PUT", "/backups/{}/claim.json"),
    s3("Deletion: document", "DELETE", "/backups/{}/ark-backup.json"),
    s3("Deletion: tarball", "DELETE", "/backups/{}/*/{}.tar.zst"),
    s3("Deletion: other part", "DELETE", "/backups/{}/*/logs.ndjson.zst"),
    s3("Deletion: claim let go", "DELETE", "/backups/{}/claim.json"),
    api(
        "Deletion: request says that the bucket is empty",
        "PUT",
        "/deletebackuprequests/{}/status",
        r#""removed":true"#,
    ),
    api("Deletion: Backup", "DELETE", "/backups/{}", ""),
    api("Deletion: request Processed", "PUT", "/deletebackuprequests/{}/status", r#""phase":"Processed""#),
];

/// Of a Restore that somebody wants to be rid of.
pub const RESTORE_KILL_POINTS: &[KillPoint] = &[
    s3("Restore deleted: claim", "PUT", "/restores/{}/claim.json"),
    s3("Restore deleted: document", "DELETE", "/restores/{}/ark-restore.json"),
    s3("Restore deleted: part", "DELETE", "/restores/{}/*/logs.ndjson.zst"),
    s3("Restore deleted: claim let go", "DELETE", "/restores/{}/claim.json"),
    api("Restore deleted: object", "DELETE", "/restores/{}", ""),
];

/// Of one that is kept, although somebody wants to be rid of it.
pub const KEPT_KILL_POINTS: &[KillPoint] = &[
    api("Restore kept: the reason", "PUT", "/restores/{}/status", r#""type":"Deletion""#),
    api("Restore kept: answer", "PATCH", "/restores/{}", r#""ark.heptio.com/deletion-requested":null"#),
];

/// A Backup and a Restore from it for each case, of the same name.
async fn make(intercepted: &InterceptedServer<'_>, namespace: &str) -> Vec<TestNamespace> {
    let names: Vec<String> =
        cases(KILL_POINTS, "delete").map(|(_, _, name)| name).chain(["bystander".to_owned()]).collect();
    for name in &names {
        backups::begin(&intercepted.installation, name, namespace).await;
    }
    let mut copies = Vec::new();
    for name in &names {
        intercepted.installation.reach(BACKUP, name, "Completed").await;
        let copy = TestNamespace::reserve(&intercepted.lab.a, "deleted");
        let spec = json!({"backupName": name, "namespaceMapping": {namespace: &copy.name}});
        intercepted.installation.create(RESTORE, name, spec).await;
        copies.push(copy);
    }
    for name in &names {
        intercepted.installation.reach(RESTORE, name, "Completed").await;
    }
    copies
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_deletion_is_finished_wherever_the_server_is_killed() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "removed").await;
    config_map(&lab.a, &namespace.name, "settings", &json!({"k": "v"})).await;
    let mut intercepted = InterceptedServer::start(&lab, "crash-delete").await;
    let _copies = make(&intercepted, &namespace.name).await;
    for (point, moment, name) in cases(KILL_POINTS, "delete") {
        println!("{moment:?} `{}`: {name}", point.what);
        intercepted.kill_at(point, moment, &name);
        intercepted.installation.create(DELETION, &name, json!({"backupName": name})).await;
        intercepted.dies_at(point, moment).await;
        intercepted.start_next().await;
        let request = intercepted.installation.reach(DELETION, &name, "Processed").await;
        let errors = request["status"]["errors"].as_array().map_or(0, Vec::len);
        assert_eq!(errors, 0, "{request}");
        intercepted.installation.gone(BACKUP, &name).await;
        intercepted.installation.gone(RESTORE, &name).await;
        for kind in ["backups", "restores"] {
            // Where the objects were gone first, the next collection finishes what is left in the
            // bucket.
            eventually("nothing is left in the bucket", async || {
                intercepted.keys(&format!("{kind}/{name}/")).await.is_empty().then_some(())
            })
            .await;
        }
    }
    assert_eq!(intercepted.installation.phase(BACKUP, "bystander").await.as_deref(), Some("Completed"));
    assert_eq!(intercepted.installation.phase(RESTORE, "bystander").await.as_deref(), Some("Completed"));
    assert_eq!(without_attempts(intercepted.keys("backups/").await), backups::complete("bystander"));
    intercepted.verify("bystander").await;
}

/// Asks for the deletion of a Restore, as `ark restore delete` does, after it was labelled as from
/// this location.
async fn ask(installation: &Installation<'_>, name: &str, location: &str) {
    let change = |restore: &mut serde_json::Value| {
        restore["metadata"]["labels"]["ark.heptio.com/storage-location"] = json!(location);
        restore["metadata"]["annotations"][REQUESTED] = json!("2026-11-21T03:00:00Z");
    };
    installation.edit(RESTORE, name, "", change).await;
}

/// One that may be deleted is gone in the end, one that may not is told why.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_deletion_of_a_restore_is_finished_or_answered_wherever_the_server_is_killed() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "unrestored").await;
    config_map(&lab.a, &namespace.name, "settings", &json!({"k": "v"})).await;
    let mut intercepted = InterceptedServer::start(&lab, "crash-restore-delete").await;
    backups::begin(&intercepted.installation, "source", &namespace.name).await;
    intercepted.installation.reach(BACKUP, "source", "Completed").await;
    let deleted: Vec<_> = cases(RESTORE_KILL_POINTS, "gone").collect();
    let kept: Vec<_> = cases(KEPT_KILL_POINTS, "kept").collect();
    let copy = TestNamespace::reserve(&lab.a, "restored");
    for (.., name) in deleted.iter().chain(&kept) {
        let spec = json!({"backupName": "source", "namespaceMapping": {&namespace.name: &copy.name}});
        intercepted.installation.create(RESTORE, name, spec).await;
        intercepted.installation.reach(RESTORE, name, "Completed").await;
    }
    for (point, moment, name) in deleted {
        println!("{moment:?} `{}`: {name}", point.what);
        intercepted.kill_at(point, moment, &name);
        ask(&intercepted.installation, &name, "default").await;
        intercepted.dies_at(point, moment).await;
        intercepted.start_next().await;
        intercepted.installation.gone(RESTORE, &name).await;
        eventually("nothing is left in the bucket", async || {
            intercepted.keys(&format!("restores/{name}/")).await.is_empty().then_some(())
        })
        .await;
    }
    for (point, moment, name) in kept {
        println!("{moment:?} `{}`: {name}", point.what);
        intercepted.kill_at(point, moment, &name);
        ask(&intercepted.installation, &name, "nowhere").await;
        intercepted.dies_at(point, moment).await;
        intercepted.start_next().await;
        let answered = eventually("the request is answered", async || {
            let restore = intercepted.installation.read(RESTORE, &name).await.expect("it is kept");
            restore["metadata"]["annotations"].get(REQUESTED).is_none().then_some(restore)
        })
        .await;
        let why = answered["status"]["conditions"].to_string();
        assert!(why.contains("its location `nowhere` is not there"), "{why}");
        assert_eq!(intercepted.keys(&format!("restores/{name}/")).await.len(), 4);
    }
    let settings = format!("/api/v1/namespaces/{}/configmaps/settings", copy.name);
    assert!(lab.a.read(&settings).await.is_some(), "what was restored stays");
    assert_eq!(intercepted.installation.phase(BACKUP, "source").await.as_deref(), Some("Completed"));
}
