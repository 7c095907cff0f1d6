//! Backups and Restores as objects: admitted, run, recorded, taken up again.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::stage::Stage;
use super::{BACKUP, Home, LOCATION, RESTORE, Server, ServerOptions};
use crate::backup::{back_up, config_map, document};
use crate::process::run;
use crate::restore::data;
use crate::support::{Act, Lab, TestNamespace, eventually};

const LOCATION_LABEL: &str = "ark.heptio.com/storage-location";

/// A server whose sync does not look again before the test is over.
fn seldom_in_step() -> ServerOptions {
    ServerOptions { sync_period: "1h", ..ServerOptions::default() }
}

/// A home with a usable location, and a server that has looked into it: what is put there by other ways stays unseen.
async fn begin<'a>(lab: &'a Lab, purpose: &str, bucket: &str) -> (Home<'a>, Server) {
    let home = Home::found(&lab.a, purpose).await;
    home.location("default", bucket, json!({})).await;
    let server = home.start(seldom_in_step()).await;
    let synced = async || {
        home.read(LOCATION, "default").await.filter(|found| found["status"]["lastSyncedTime"].is_string())
    };
    eventually("the location is synced", synced).await;
    (home, server)
}

fn condition<'a>(object: &'a Value, type_: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array().expect("conditions");
    conditions.iter().find(|each| each["type"] == type_).unwrap_or_else(|| panic!("no {type_} in {object}"))
}

fn refusals(object: &Value) -> Vec<&str> {
    let errors = object["status"]["validationErrors"].as_array().expect("validation errors");
    errors.iter().map(|error| error.as_str().expect("a text")).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_is_made_and_recorded_and_restored_into_another_namespace() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (home, _server) = begin(&lab, "whole", &bucket).await;
    let source = TestNamespace::create(&lab.a, "whole-source").await;
    config_map(&lab.a, &source.name, "settings", &json!({"k": "v"})).await;

    let labels = json!({"name": "one", "labels": {"team": "shop"}});
    let spec = json!({"includedNamespaces": [&source.name]});
    home.create_object(BACKUP, json!({"metadata": labels, "spec": spec})).await;
    let made = home.reach(BACKUP, "one", "Completed").await;
    assert_eq!(made["metadata"]["labels"][LOCATION_LABEL], "default");
    assert_eq!(made["spec"]["storageLocation"], "default");
    assert_eq!(condition(&made, "Stored")["status"], "True");
    let stored = document(&lab.a, &bucket, "one");
    assert_eq!(stored["metadata"]["uid"], made["metadata"]["uid"]);
    assert_eq!(stored["metadata"]["labels"]["team"], "shop");
    for field in ["phase", "expiration", "objects", "attempt", "progress"] {
        assert_eq!(stored["status"][field], made["status"][field], "{field}");
    }
    let month = made["status"]["expiration"].as_str().zip(made["status"]["startTimestamp"].as_str());
    let time = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().expect("a time");
    assert_eq!(month.map(|(end, start)| (time(end) - time(start)).num_days()), Some(30));

    let copy = TestNamespace::reserve(&lab.a, "whole-copy");
    let mapping = json!({&source.name: &copy.name});
    home.create(RESTORE, "back", json!({"backupName": "one", "namespaceMapping": mapping})).await;
    let restored = home.reach(RESTORE, "back", "Completed").await;
    assert_eq!(data(&lab.a, &copy.name, "settings").await, Some(json!({"k": "v"})));
    assert_eq!(restored["metadata"]["labels"][LOCATION_LABEL], "default");
    assert_eq!(
        (&restored["status"]["backupName"], &restored["status"]["attempt"]),
        (&json!("one"), &json!(1))
    );
    assert_eq!(condition(&restored, "Stored")["status"], "True");

    // An Event follows the status that it tells of.
    let events = format!("/api/v1/namespaces/{}/events", home.name());
    for (name, reason) in [("one", "InProgress"), ("one", "Completed"), ("back", "Completed")] {
        let of = |event: &Value| event["involvedObject"]["name"] == name && event["reason"] == reason;
        eventually(&format!("an Event says that {name} is {reason}"), async || {
            lab.a.read(&events).await?["items"].as_array()?.iter().any(of).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_cannot_be_run_is_refused_with_everything_that_is_wrong() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (home, _server) = begin(&lab, "refused", &bucket).await;
    home.location("closed", &bucket, json!({"accessMode": "ReadOnly"})).await;
    // The server knows the location by now.
    home.reach(LOCATION, "closed", "Unavailable").await;
    let refused = async |kind, name: &str, spec: Value| {
        home.create(kind, name, spec).await;
        home.reach(kind, name, "FailedValidation").await
    };
    let wrong = refused(BACKUP, "wrong", json!({"ttl": "1000y", "storageLocation": "nowhere"})).await;
    assert!(
        matches!(&*refusals(&wrong), [ttl, location] if ttl.contains("100 years") && location.contains("`nowhere`")),
        "{wrong}"
    );
    let closed = refused(BACKUP, "closed", json!({"storageLocation": "closed"})).await;
    assert!(refusals(&closed)[0].contains("is ReadOnly"), "{closed}");
    back_up(&lab.a, &bucket, "taken", &["--include-namespaces", "kube-public"], 0);
    let before = document(&lab.a, &bucket, "taken");
    let taken = refused(BACKUP, "taken", json!({})).await;
    let cluster = before["status"]["cluster"]["uid"].as_str().expect("a cluster");
    assert!(refusals(&taken)[0].contains(cluster), "{taken}");
    assert_eq!(document(&lab.a, &bucket, "taken"), before);

    for (name, spec, part) in [
        ("absent", json!({"backupName": "absent"}), "only in the bucket"),
        ("never-made", json!({"backupName": "wrong"}), "100 years"),
        ("no-schedule", json!({"scheduleName": "nightly"}), "no Completed Backup of Schedule `nightly`"),
    ] {
        let restore = refused(RESTORE, name, spec).await;
        assert!(refusals(&restore).iter().any(|error| error.contains(part)), "{restore}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_read_only_location_is_restored_from_and_never_written_to() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (home, server) = begin(&lab, "writer", &bucket).await;
    let source = TestNamespace::create(&lab.a, "closed-source").await;
    config_map(&lab.a, &source.name, "settings", &json!({"k": "v"})).await;
    home.create(BACKUP, "one", json!({"includedNamespaces": [&source.name]})).await;
    home.reach(BACKUP, "one", "Completed").await;
    assert_eq!(server.stop().await, Some(0));
    let reader = Home::found(&lab.a, "reader").await;
    reader.location("default", &bucket, json!({"accessMode": "ReadOnly"})).await;
    let _server = reader.start(ServerOptions::default()).await;
    eventually("the backup is synced", async || {
        reader.read(BACKUP, "one").await.filter(|one| one["status"]["phase"] == "Completed")
    })
    .await;
    let copy = TestNamespace::reserve(&lab.a, "closed-copy");
    let mapping = json!({&source.name: &copy.name});
    reader.create(RESTORE, "back", json!({"backupName": "one", "namespaceMapping": mapping})).await;
    let restored = reader.reach(RESTORE, "back", "Completed").await;
    assert_eq!(data(&lab.a, &copy.name, "settings").await, Some(json!({"k": "v"})));
    let stored = condition(&restored, "Stored");
    assert_eq!(
        (&stored["status"], &stored["reason"]),
        (&json!("False"), &json!("ReadOnlyLocation")),
        "{stored}"
    );
    // What went wrong stands in the status, as there is no other place for it.
    let path = format!("/api/v1/namespaces/{}/configmaps/settings", copy.name);
    let mut changed = lab.a.read(&path).await.expect("there");
    changed["data"] = json!({"k": "changed"});
    lab.a.replace(&path, &changed).await;
    reader.create(RESTORE, "again", json!({"backupName": "one", "namespaceMapping": mapping})).await;
    let again = reader.reach(RESTORE, "again", "Completed").await;
    assert_eq!(again["status"]["warnings"], 1, "{again}");
    let finding = again["status"]["findings"][0].as_str().expect("a finding");
    assert!(finding.starts_with("warning (") && finding.contains("settings"), "{finding}");
    let mut describe = lab.a.ark(["restore", "describe", "again", "-n", reader.name()]);
    let described = tokio::task::spawn_blocking(move || run(&mut describe)).await.expect("it runs");
    let described = described.expect_code(0).stdout;
    assert!(described.contains("Warnings:     1\n") && described.contains(finding), "{described}");
    let store = crate::restore::store(&bucket).await;
    assert!(store.list("restores/", false, None).await.expect("listable").objects.is_empty());
}

/// Holds the upload of the tarball of `name` for ever: it does not arrive after its server has ended either.
fn hold_tarball(stage: &Stage<'_>, name: &str) {
    let (path, never) = (format!("/{name}.tar.zst"), CancellationToken::new());
    stage.s3.set(move |asked| match &*asked.method {
        "PUT" | "POST" if asked.path.ends_with(&path) => Act::Held(never.clone()),
        _ => Act::Pass,
    });
}

async fn in_attempt(stage: &Stage<'_>, name: &str, attempt: u64) {
    eventually(&format!("attempt {attempt} has its claim"), async || {
        let claim = stage.object(&format!("backups/{name}/claim.json")).await?;
        (claim["attempt"] == attempt).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn three_servers_that_die_at_a_backup_are_enough() {
    let lab = Lab::get().await;
    let mut stage = Stage::open(&lab, "thrice").await;
    hold_tarball(&stage, "doomed");
    stage.home.create(BACKUP, "doomed", json!({"includedNamespaces": [stage.home.name()]})).await;
    for attempt in 1..=3 {
        in_attempt(&stage, "doomed", attempt).await;
        stage.server.take().expect("a server runs").kill();
        stage.server = Some(stage.home.start_again(stage.options()).await);
    }
    let failed = stage.home.reach(BACKUP, "doomed", "Failed").await;
    let reason = failed["status"]["failureReason"].as_str().expect("a reason");
    assert!(reason.contains("3 attempts"), "{reason}");
    assert_eq!(stage.keys("backups/").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_server_that_is_stopped_puts_its_backup_back_and_the_next_one_begins_anew() {
    let lab = Lab::get().await;
    let mut stage = Stage::open(&lab, "stopped").await;
    hold_tarball(&stage, "again");
    stage.home.create(BACKUP, "again", json!({"includedNamespaces": [stage.home.name()]})).await;
    in_attempt(&stage, "again", 1).await;
    assert_eq!(stage.server.take().expect("a server runs").stop().await, Some(0));
    assert_eq!(stage.home.phase(BACKUP, "again").await.as_deref(), Some("New"));
    assert_eq!(stage.keys("backups/").await, Vec::<String>::new());
    stage.man().await;
    let made = stage.home.reach(BACKUP, "again", "Completed").await;
    assert_eq!(made["status"]["attempt"], 1, "{made}");
    stage.verify("again").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_waits_for_its_location_and_says_so() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "waits").await;
    home.location("default", &lab.bucket().replace("createBucket=true", "createBucket=false"), json!({}))
        .await;
    let _server = home.start(ServerOptions::default()).await;
    home.reach(LOCATION, "default", "Unavailable").await;
    home.create(BACKUP, "patient", json!({"includedNamespaces": [home.name()]})).await;
    let waiting = home.waits(BACKUP, "patient", "`default` is Unavailable").await;
    assert_eq!(waiting["status"]["phase"], "New");
    home.edit(LOCATION, "default", "", |location| location["spec"]["config"]["createBucket"] = json!(true)).await;
    let made = home.reach(BACKUP, "patient", "Completed").await;
    let types: Vec<&Value> = made["status"]["conditions"]
        .as_array()
        .expect("conditions")
        .iter()
        .map(|each| &each["type"])
        .collect();
    assert_eq!(types, ["Stored", "Complete"], "it waits no longer");
    let complete = condition(&made, "Complete");
    assert_eq!((&complete["status"], &complete["reason"]), (&json!("True"), &json!("Completed")));
    let location = home.reach(LOCATION, "default", "Available").await;
    let ready = condition(&location, "Ready");
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("True"), &json!("Available")));
    assert_eq!(location["status"]["observedGeneration"], location["metadata"]["generation"]);
}
