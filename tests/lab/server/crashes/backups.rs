//! Killed while a Backup is made: the next server makes it under the same name, or finds that it is
//! made.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::intercepted::{InterceptedServer, KillMoment, KillPoint, api, s3, without_attempts};
use super::super::{BACKUP, Installation};
use super::cases;
use crate::backup::{S3, config_map, fill};
use crate::support::{Act, Lab, TestNamespace, eventually};

pub const KILL_POINTS: &[KillPoint] = &[
    api("Backup: specification completed", "PATCH", "/backups/{}", ""),
    api("Backup: status InProgress", "PUT", "/backups/{}/status", r#""phase":"InProgress""#),
    s3("Backup: claim", "PUT", "/backups/{}/claim.json"),
    s3("Backup: tarball", "PUT", "/backups/{}/*/{}.tar.zst"),
    s3("Backup: index", "PUT", "/backups/{}/*/index.ndjson.zst"),
    s3("Backup: results", "PUT", "/backups/{}/*/results.json.zst"),
    s3("Backup: log", "PUT", "/backups/{}/*/logs.ndjson.zst"),
    s3("Backup: document, the commit", "PUT", "/backups/{}/ark-backup.json"),
    s3("Backup: claim let go", "DELETE", "/backups/{}/claim.json"),
    api("Backup: status Completed", "PUT", "/backups/{}/status", r#""phase":"Completed""#),
];

/// The keys of a complete backup, and nothing else; see [`without_attempts`].
pub fn complete(name: &str) -> Vec<String> {
    let tarball = format!("{name}.tar.zst");
    let files = ["ark-backup.json", "index.ndjson.zst", "logs.ndjson.zst", &tarball, "results.json.zst"];
    let mut keys = files.map(|file| format!("backups/{name}/{file}")).to_vec();
    keys.sort_unstable();
    keys
}

/// Creates a Backup of one namespace.
pub async fn begin(installation: &Installation<'_>, name: &str, namespace: &str) {
    installation.create(BACKUP, name, json!({"includedNamespaces": [namespace]})).await;
}

/// The document in the bucket is this object's, and both say the same.
pub fn agree(object: &Value, document: &Value) {
    assert_eq!(document["metadata"]["uid"], object["metadata"]["uid"], "the document is another's");
    for field in ["phase", "objects", "startTimestamp", "completionTimestamp", "attempt"] {
        assert_eq!(document["status"][field], object["status"][field], "{field}: {object} {document}");
    }
}

async fn check(intercepted: &InterceptedServer<'_>, name: &str, early: Option<Value>) {
    let backup = intercepted.installation.reach(BACKUP, name, "Completed").await;
    let document = intercepted.object(&format!("backups/{name}/ark-backup.json")).await.expect("committed");
    if let Some(early) = early {
        assert_eq!(early, document, "what was committed before the crash was written again");
    }
    agree(&backup, &document);
    let attempt = backup["status"]["attempt"].as_u64().expect("counted");
    assert!((1..=2).contains(&attempt), "{backup}");
    let stored = backup["status"]["conditions"].as_array().into_iter().flatten();
    assert!(stored.clone().any(|each| each["type"] == "Stored" && each["status"] == "True"), "{backup}");
    assert_eq!(without_attempts(intercepted.keys(&format!("backups/{name}/")).await), complete(name));
    intercepted.verify(name).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_is_made_once_wherever_the_server_is_killed() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "kept").await;
    config_map(&lab.a, &namespace.name, "settings", &json!({"k": "v"})).await;
    let mut intercepted = InterceptedServer::start(&lab, "crash-backup").await;
    for (point, moment, name) in cases(KILL_POINTS, "backup") {
        println!("{moment:?} `{}`: {name}", point.what);
        intercepted.kill_at(point, moment, &name);
        begin(&intercepted.installation, &name, &namespace.name).await;
        intercepted.dies_at(point, moment).await;
        let early = intercepted.object(&format!("backups/{name}/ark-backup.json")).await;
        let late = ["Backup: claim let go", "Backup: status Completed"].contains(&point.what);
        let committed = late || (point.what.ends_with("the commit") && moment == KillMoment::After);
        assert_eq!(early.is_some(), committed, "the document exists from the commit on: {early:?}");
        intercepted.start_next().await;
        check(&intercepted, &name, early).await;
    }
}

/// Killed between two parts of a multipart upload.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_was_being_uploaded_when_the_server_was_killed_does_not_stay() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "large").await;
    fill(&lab.a, &namespace.name).await;
    let mut intercepted = InterceptedServer::start(&lab, "crash-upload").await;
    let s3 = S3::new(&lab, &intercepted.bucket);
    let killer = intercepted.server.as_ref().expect("a server runs").killer();
    let deed: Arc<dyn Fn() + Send + Sync> = Arc::new(move || killer.kill());
    intercepted.s3.set(move |asked| {
        let second = asked.query.contains("partNumber=2");
        if second { Act::Before(Arc::clone(&deed)) } else { Act::Pass }
    });
    begin(&intercepted.installation, "large", &namespace.name).await;
    let server = intercepted.server.as_ref().expect("it was started");
    eventually("the server dies between two parts", async || server.ended()).await;
    let tarball = s3.tarball("large").await.expect("claimed");
    assert_eq!(s3.uploads(&tarball).await, 1, "the first part is there, unseen");
    intercepted.start_next().await;
    check(&intercepted, "large", None).await;
    assert_eq!(s3.uploads(&tarball).await, 0);
}
