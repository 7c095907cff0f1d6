//! What waits acts on what was meant when it was asked for; a location that is made anew is waited for.

use ark::bucket::Bucket;
use serde_json::{Value, json};

use super::stage::Stage;
use super::{BACKUP, DELETION, Home, LOCATION, RESTORE, SCHEDULE, ServerOptions};
use crate::backup::config_map;
use crate::process::run;
use crate::restore::store;
use crate::support::{Act, Lab, TestNamespace, eventually};

/// Removes a backup and makes another of its name, past the server.
async fn make_again(stage: &Stage<'_>, name: &str, namespace: &str) {
    let bucket = Bucket::new(store(&stage.bucket).await);
    bucket.remove_backup(&name.parse().expect("a name"), None, "another cluster").await.expect("removed");
    let mut command = stage.lab.a.ark([
        "backup",
        "run",
        name,
        "--location",
        &stage.bucket,
        "--include-namespaces",
        namespace,
    ]);
    tokio::task::spawn_blocking(move || run(&mut command).expect_code(0)).await.expect("it runs");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_waits_for_its_location_acts_on_no_run_that_came_meanwhile() {
    let lab = Lab::get().await;
    let stage = Stage::open(&lab, "meant").await;
    let source = TestNamespace::create(&lab.a, "meant-source").await;
    config_map(&lab.a, &source.name, "settings", &json!({"k": "v"})).await;
    for name in ["deleted", "restored"] {
        stage.home.create(BACKUP, name, json!({"includedNamespaces": [&source.name]})).await;
        stage.home.reach(BACKUP, name, "Completed").await;
    }
    stage.s3.set(|_| Act::Answer(503));
    stage.home.reach(LOCATION, "default", "Unavailable").await;
    stage.home.create(DELETION, "away", json!({"backupName": "deleted"})).await;
    let copy = TestNamespace::reserve(&lab.a, "meant-copy");
    let spec = json!({"backupName": "restored", "namespaceMapping": {&source.name: &copy.name}});
    stage.home.create(RESTORE, "back", spec).await;
    let waiting = stage.home.waits(RESTORE, "back", "default").await;
    assert_eq!(waiting["status"]["backupName"], "restored", "{waiting}");
    assert!(waiting["status"]["backupRun"].is_string(), "{waiting}");
    eventually("the deletion waits", async || {
        let request = stage.home.read(DELETION, "away").await?;
        (request["status"]["phase"] == "InProgress" && request["status"]["backupUid"].is_string())
            .then_some(())
    })
    .await;

    for name in ["deleted", "restored"] {
        make_again(&stage, name, &source.name).await;
    }
    let kept = stage.object("backups/deleted/ark-backup.json").await.expect("made again");
    stage.s3.clear();
    // Sync replaces the object of the one run by that of the other meanwhile: the requests find the object of the first run,
    // none, that of the second without a status, or that with its status, and refuse each.
    let request = stage.home.reach(DELETION, "away", "Processed").await;
    let why = request["status"]["errors"].to_string();
    let refusals = ["is another run", "was deleted before the backup was removed from its bucket", "is kept"];
    assert!(refusals.iter().any(|refusal| why.contains(refusal)), "{request}");
    assert_eq!(stage.object("backups/deleted/ark-backup.json").await, Some(kept));
    let restore = stage.home.reach(RESTORE, "back", "FailedValidation").await;
    let why = restore["status"]["validationErrors"].to_string();
    let refusals = ["another run", "there is no Backup `restored`", "Backup `restored` is New"];
    assert!(refusals.iter().any(|refusal| why.contains(refusal)), "{restore}");
    assert!(lab.a.read(&format!("/api/v1/namespaces/{}", copy.name)).await.is_none(), "nothing is restored");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_deletion_is_done_where_another_cluster_was_faster_and_refused_where_the_bucket_has_it_still() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let home = Home::found(&lab.a, "faster").await;
    home.location("default", &bucket, json!({})).await;
    let _server = home.start(ServerOptions::default()).await;
    let location = home.reach(LOCATION, "default", "Available").await;
    let mut uids = Vec::new();
    for name in ["gone", "there"] {
        home.create(BACKUP, name, json!({"includedNamespaces": [home.name()]})).await;
        uids.push(home.reach(BACKUP, name, "Completed").await["metadata"]["uid"].clone());
    }
    // Another cluster removes one of them, and sync takes its object away before the request for it is looked at.
    let stored = Bucket::new(store(&bucket).await);
    stored.remove_backup(&"gone".parse().expect("a name"), None, "another cluster").await.expect("removed");
    home.gone(BACKUP, "gone").await;
    home.delete(BACKUP, "there").await;
    for (name, uid) in ["gone", "there"].into_iter().zip(&uids) {
        let marks = json!({"name": format!("{name}-asked"), "labels": {"ark.heptio.com/backup-uid": uid},
            "annotations": {"ark.heptio.com/stored-in": location["status"]["id"]}});
        home.create_object(DELETION, json!({"metadata": marks, "spec": {"backupName": name}})).await;
        let request = home.reach(DELETION, &format!("{name}-asked"), "Processed").await;
        assert_eq!(request["status"]["errors"].is_null(), name == "gone", "{request}");
    }
    assert!(
        stored.open_backup(&"there".parse().expect("a name")).await.is_ok(),
        "it is another object by now"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_backup_of_a_tick_waits_for_a_location_that_is_made_anew() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "anew").await;
    let _server = home.start(ServerOptions::default()).await;
    let template = json!({"includedNamespaces": [home.name()], "storageLocation": "west"});
    home.create(SCHEDULE, "nightly", json!({"schedule": "@every 10h", "template": template})).await;
    let made = eventually("the tick has its backup", async || home.all(BACKUP).await.pop()).await;
    let name = made["metadata"]["name"].as_str().expect("a name").to_owned();
    let waiting = home.waits(BACKUP, &name, "LocationMissing").await;
    assert_eq!(waiting["status"]["phase"], "New", "{waiting}");
    assert!(waiting["status"]["conditions"].to_string().contains("`west`"), "{waiting}");
    // A person who names one that is not there is told so at once.
    home.create(BACKUP, "by-hand", json!({"storageLocation": "west"})).await;
    home.reach(BACKUP, "by-hand", "FailedValidation").await;
    home.location("west", &lab.bucket(), json!({})).await;
    home.reach(BACKUP, &name, "Completed").await;
}
