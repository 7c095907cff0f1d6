//! What waits for its location: it says so, begins when the location is there, and acts on nothing
//! but what was meant when it was asked for.

use ark::bucket::Bucket;
use serde_json::{Value, json};

use super::installation::condition;
use super::intercepted::InterceptedServer;
use super::{BACKUP, DELETION, Installation, LOCATION, RESTORE, SCHEDULE, ServerOptions};
use crate::backup::config_map;
use crate::process::run;
use crate::restore::store;
use crate::support::{Act, Lab, TestNamespace, eventually};

/// Removes a backup and makes another of its name, past the server.
async fn make_again(intercepted: &InterceptedServer<'_>, name: &str, namespace: &str) {
    let bucket = Bucket::new(store(&intercepted.bucket).await);
    bucket.remove_backup(&name.parse().expect("a name"), None, "another cluster").await.expect("removed");
    let mut command = intercepted.lab.a.ark([
        "backup",
        "run",
        name,
        "--location",
        &intercepted.bucket,
        "--include-namespaces",
        namespace,
    ]);
    tokio::task::spawn_blocking(move || run(&mut command).expect_code(0)).await.expect("it runs");
}

/// A Restore and a deletion wait for a location that is away. Meanwhile their backups are removed
/// and others made under the same names: both are refused, and these stay.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_waits_for_its_location_acts_on_no_run_that_came_meanwhile() {
    let lab = Lab::get().await;
    let intercepted = InterceptedServer::start(&lab, "meant").await;
    let source = TestNamespace::create(&lab.a, "meant-source").await;
    config_map(&lab.a, &source.name, "settings", &json!({"k": "v"})).await;
    for name in ["deleted", "restored"] {
        intercepted.installation.create(BACKUP, name, json!({"includedNamespaces": [&source.name]})).await;
        intercepted.installation.reach(BACKUP, name, "Completed").await;
    }
    intercepted.s3.set(|_| Act::Answer(503));
    intercepted.installation.reach(LOCATION, "default", "Unavailable").await;
    intercepted.installation.create(DELETION, "away", json!({"backupName": "deleted"})).await;
    let copy = TestNamespace::reserve(&lab.a, "meant-copy");
    let spec = json!({"backupName": "restored", "namespaceMapping": {&source.name: &copy.name}});
    intercepted.installation.create(RESTORE, "back", spec).await;
    let waiting = intercepted.installation.waits(RESTORE, "back", "default").await;
    assert_eq!(waiting["status"]["backupName"], "restored", "{waiting}");
    assert!(waiting["status"]["backupRun"].is_string(), "{waiting}");
    eventually("the deletion waits", async || {
        let request = intercepted.installation.read(DELETION, "away").await?;
        (request["status"]["phase"] == "InProgress" && request["status"]["backupUid"].is_string())
            .then_some(())
    })
    .await;

    for name in ["deleted", "restored"] {
        make_again(&intercepted, name, &source.name).await;
    }
    let kept = intercepted.object("backups/deleted/ark-backup.json").await.expect("made again");
    intercepted.s3.clear();
    // Sync replaces the object of the one run by that of the other meanwhile: the requests find the
    // object of the first run, none, that of the second without a status, or that with its status,
    // and refuse each.
    let request = intercepted.installation.reach(DELETION, "away", "Processed").await;
    let why = request["status"]["errors"].to_string();
    let refusals = ["is another run", "was deleted before the backup was removed from its bucket", "is kept"];
    assert!(refusals.iter().any(|refusal| why.contains(refusal)), "{request}");
    assert_eq!(intercepted.object("backups/deleted/ark-backup.json").await, Some(kept));
    let restore = intercepted.installation.reach(RESTORE, "back", "FailedValidation").await;
    let why = restore["status"]["validationErrors"].to_string();
    let refusals = ["another run", "there is no Backup `restored`", "Backup `restored` is New"];
    assert!(refusals.iter().any(|refusal| why.contains(refusal)), "{restore}");
    assert!(lab.a.read(&format!("/api/v1/namespaces/{}", copy.name)).await.is_none(), "nothing is restored");
}

/// The location of a Schedule is missing at a tick: its Backup waits, while that of a person is
/// refused at once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_backup_of_a_tick_waits_for_a_location_that_is_made_anew() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "anew").await;
    let _server = installation.start(ServerOptions::default()).await;
    let template = json!({"includedNamespaces": [installation.name()], "storageLocation": "west"});
    installation.create(SCHEDULE, "nightly", json!({"schedule": "@every 10h", "template": template})).await;
    let made = eventually("the tick has its backup", async || installation.all(BACKUP).await.pop()).await;
    let name = made["metadata"]["name"].as_str().expect("a name").to_owned();
    let waiting = installation.waits(BACKUP, &name, "LocationMissing").await;
    assert_eq!(waiting["status"]["phase"], "New", "{waiting}");
    assert!(waiting["status"]["conditions"].to_string().contains("`west`"), "{waiting}");
    // A person who names one that is not there is told so at once.
    installation.create(BACKUP, "by-hand", json!({"storageLocation": "west"})).await;
    installation.reach(BACKUP, "by-hand", "FailedValidation").await;
    installation.location("west", &lab.bucket(), json!({})).await;
    installation.reach(BACKUP, &name, "Completed").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_waits_for_its_location_and_says_so() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "waits").await;
    installation
        .location("default", &lab.bucket().replace("createBucket=true", "createBucket=false"), json!({}))
        .await;
    let _server = installation.start(ServerOptions::default()).await;
    installation.reach(LOCATION, "default", "Unavailable").await;
    installation.create(BACKUP, "patient", json!({"includedNamespaces": [installation.name()]})).await;
    let waiting = installation.waits(BACKUP, "patient", "`default` is Unavailable").await;
    assert_eq!(waiting["status"]["phase"], "New");
    installation
        .edit(LOCATION, "default", "", |location| location["spec"]["config"]["createBucket"] = json!(true))
        .await;
    let made = installation.reach(BACKUP, "patient", "Completed").await;
    let types: Vec<&Value> = made["status"]["conditions"]
        .as_array()
        .expect("conditions")
        .iter()
        .map(|each| &each["type"])
        .collect();
    assert_eq!(types, ["Stored", "Complete"], "it waits no longer");
    let complete = condition(&made, "Complete");
    assert_eq!((&complete["status"], &complete["reason"]), (&json!("True"), &json!("Completed")));
    let location = installation.reach(LOCATION, "default", "Available").await;
    let ready = condition(&location, "Ready");
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("True"), &json!("Available")));
    assert_eq!(location["status"]["observedGeneration"], location["metadata"]["generation"]);
}
