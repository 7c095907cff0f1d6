//! Backups and Restores as objects: admitted, run, recorded, taken up again.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::installation::condition;
use super::intercepted::InterceptedServer;
use super::{BACKUP, Installation, LOCATION, RESTORE, Server, ServerOptions};
use crate::backup::{back_up, config_map, document};
use crate::process::run;
use crate::restore::data;
use crate::support::{Act, Lab, TestNamespace, eventually};

const LOCATION_LABEL: &str = "ark.heptio.com/storage-location";

/// A server whose sync does not look again before the test is over.
fn seldom_in_step() -> ServerOptions {
    ServerOptions { sync_period: "1h", ..ServerOptions::default() }
}

/// An installation with a usable location, and a server that has looked into it: what is put there
/// by other ways stays unseen.
async fn begin<'a>(lab: &'a Lab, purpose: &str, bucket: &str) -> (Installation<'a>, Server) {
    let installation = Installation::prepare(&lab.a, purpose).await;
    installation.location("default", bucket, json!({})).await;
    let server = installation.start(seldom_in_step()).await;
    let synced = async || {
        installation
            .read(LOCATION, "default")
            .await
            .filter(|found| found["status"]["lastSyncedTime"].is_string())
    };
    eventually("the location is synced", synced).await;
    (installation, server)
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
    let (installation, _server) = begin(&lab, "whole", &bucket).await;
    let source = TestNamespace::create(&lab.a, "whole-source").await;
    config_map(&lab.a, &source.name, "settings", &json!({"k": "v"})).await;

    let labels = json!({"name": "one", "labels": {"team": "shop"}});
    let spec = json!({"includedNamespaces": [&source.name]});
    installation.create_object(BACKUP, json!({"metadata": labels, "spec": spec})).await;
    let made = installation.reach(BACKUP, "one", "Completed").await;
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
    installation.create(RESTORE, "back", json!({"backupName": "one", "namespaceMapping": mapping})).await;
    let restored = installation.reach(RESTORE, "back", "Completed").await;
    assert_eq!(data(&lab.a, &copy.name, "settings").await, Some(json!({"k": "v"})));
    assert_eq!(restored["metadata"]["labels"][LOCATION_LABEL], "default");
    assert_eq!(
        (&restored["status"]["backupName"], &restored["status"]["attempt"]),
        (&json!("one"), &json!(1))
    );
    assert_eq!(condition(&restored, "Stored")["status"], "True");

    // An Event follows the status that it tells of.
    let events = format!("/api/v1/namespaces/{}/events", installation.name());
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
    let (installation, _server) = begin(&lab, "refused", &bucket).await;
    installation.location("closed", &bucket, json!({"accessMode": "ReadOnly"})).await;
    // The server knows the location by now.
    installation.reach(LOCATION, "closed", "Unavailable").await;
    let refused = async |kind, name: &str, spec: Value| {
        installation.create(kind, name, spec).await;
        installation.reach(kind, name, "FailedValidation").await
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
    let (installation, server) = begin(&lab, "writer", &bucket).await;
    let source = TestNamespace::create(&lab.a, "closed-source").await;
    config_map(&lab.a, &source.name, "settings", &json!({"k": "v"})).await;
    installation.create(BACKUP, "one", json!({"includedNamespaces": [&source.name]})).await;
    installation.reach(BACKUP, "one", "Completed").await;
    assert_eq!(server.stop().await, Some(0));
    let reader = Installation::prepare(&lab.a, "reader").await;
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

async fn in_attempt(intercepted: &InterceptedServer<'_>, name: &str, attempt: u64) {
    eventually(&format!("attempt {attempt} has its claim"), async || {
        let claim = intercepted.object(&format!("backups/{name}/claim.json")).await?;
        (claim["attempt"] == attempt).then_some(())
    })
    .await;
}

/// A Backup at whose attempts three servers died is Failed with the reason, and nothing of it stays
/// in the bucket.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn three_servers_that_die_at_a_backup_are_enough() {
    let lab = Lab::get().await;
    let mut intercepted = InterceptedServer::start(&lab, "thrice").await;
    intercepted.hold("/doomed/*/doomed.tar.zst");
    intercepted
        .installation
        .create(BACKUP, "doomed", json!({"includedNamespaces": [intercepted.installation.name()]}))
        .await;
    for attempt in 1..=3 {
        in_attempt(&intercepted, "doomed", attempt).await;
        intercepted.server.take().expect("a server runs").kill();
        intercepted.server = Some(intercepted.installation.start_again(intercepted.options()).await);
    }
    let failed = intercepted.installation.reach(BACKUP, "doomed", "Failed").await;
    let reason = failed["status"]["failureReason"].as_str().expect("a reason");
    assert!(reason.contains("3 attempts"), "{reason}");
    assert_eq!(intercepted.keys("backups/").await, Vec::<String>::new());
}

/// SIGTERM while a backup is uploaded: the Backup is New again, the bucket is empty, and the
/// attempt does not count.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_server_that_is_stopped_puts_its_backup_back_and_the_next_one_begins_anew() {
    let lab = Lab::get().await;
    let mut intercepted = InterceptedServer::start(&lab, "stopped").await;
    intercepted.hold("/again/*/again.tar.zst");
    intercepted
        .installation
        .create(BACKUP, "again", json!({"includedNamespaces": [intercepted.installation.name()]}))
        .await;
    in_attempt(&intercepted, "again", 1).await;
    assert_eq!(intercepted.server.take().expect("a server runs").stop().await, Some(0));
    assert_eq!(intercepted.installation.phase(BACKUP, "again").await.as_deref(), Some("New"));
    assert_eq!(intercepted.keys("backups/").await, Vec::<String>::new());
    intercepted.start_next().await;
    let made = intercepted.installation.reach(BACKUP, "again", "Completed").await;
    assert_eq!(made["status"]["attempt"], 1, "{made}");
    intercepted.verify("again").await;
}

/// SIGTERM in the middle of a restore, four times: items at hand are finished, and the attempts do
/// not count.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_restore_goes_on_however_often_its_server_is_told_to_end() {
    let lab = Lab::get().await;
    let mut intercepted = InterceptedServer::start(&lab, "resumed").await;
    let source = TestNamespace::create(&lab.a, "resumed-source").await;
    for number in 0..8 {
        config_map(&lab.a, &source.name, &format!("m{number}"), &json!({"k": "v"})).await;
    }
    intercepted.installation.create(BACKUP, "source", json!({"includedNamespaces": [&source.name]})).await;
    intercepted.installation.reach(BACKUP, "source", "Completed").await;
    let copy = TestNamespace::reserve(&lab.a, "resumed-copy");
    let spec = json!({"backupName": "source", "namespaceMapping": {&source.name: &copy.name}});
    let path = format!("/namespaces/{}/configmaps", copy.name);
    let mut began = Value::Null;
    for resumed in 1..=4 {
        let (path, hold) = (path.clone(), CancellationToken::new());
        let held = hold.clone();
        let mut begun = 0;
        intercepted.api.set(move |asked| {
            if asked.method != "POST" || !asked.path.ends_with(&path) {
                return Act::Pass;
            }
            begun += 1;
            // One more each time; those behind it wait until the server has been told to end.
            if begun <= resumed { Act::Pass } else { Act::Held(held.clone()) }
        });
        intercepted.api.take_seen();
        if resumed == 1 {
            intercepted.installation.create(RESTORE, "patient", spec.clone()).await;
        } else {
            intercepted.server = Some(intercepted.installation.start_again(intercepted.options()).await);
        }
        eventually("items are at hand", async || {
            let seen = intercepted.api.take_seen();
            seen.iter()
                .any(|asked| asked.method == "POST" && asked.path.ends_with("/configmaps"))
                .then_some(())
        })
        .await;
        let server = intercepted.server.take().expect("a server runs");
        let (code, ()) = tokio::join!(server.stop(), async {
            // What is at hand ends.
            hold.cancel();
        });
        assert_eq!(code, Some(0), "{}", server.log());
        let status =
            intercepted.installation.read(RESTORE, "patient").await.expect("there")["status"].clone();
        if resumed == 1 {
            began = status["startTimestamp"].clone();
        }
        if status["phase"] == "Completed" {
            break;
        }
        assert_eq!(
            (&status["phase"], &status["resumed"]),
            (&json!("InProgress"), &json!(resumed)),
            "{status}"
        );
    }
    intercepted.start_next().await;
    let restored = intercepted.installation.reach(RESTORE, "patient", "Completed").await;
    assert_eq!(restored["status"]["errors"], 0, "{restored}");
    assert_eq!(restored["status"]["startTimestamp"], began, "it began when its first attempt did");
    let document = intercepted.object("restores/patient/ark-restore.json").await.expect("recorded");
    assert_eq!(document["status"]["startTimestamp"], began, "{document}");
    let list = lab.a.read(&format!("/api/v1/namespaces/{}/configmaps", copy.name)).await.expect("there");
    let names = list["items"].as_array().expect("items").iter();
    assert_eq!(names.filter(|item| item["metadata"]["name"] != "kube-root-ca.crt").count(), 8, "{list}");
}
