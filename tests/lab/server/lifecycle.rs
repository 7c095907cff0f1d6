//! The whole life of a backup: two clusters, one bucket, and each step that a person would take.

use serde_json::{Value, json};

use super::{BACKUP, Installation, LOCATION, RESTORE, SCHEDULE, ServerOptions};
use crate::backup::config_map;
use crate::restore::{data, store};
use crate::support::{Lab, TestNamespace, eventually};

/// Its time is over long before anybody collects it.
const TTL: &str = "5s";

/// The Backup that a Schedule has made.
async fn scheduled(installation: &Installation<'_>, schedule: &str) -> String {
    let made = eventually("the schedule makes a backup", async || {
        let backups = installation.all(BACKUP).await;
        backups
            .into_iter()
            .find(|backup| backup["metadata"]["labels"]["ark.heptio.com/schedule-name"] == schedule)
    });
    made.await["metadata"]["name"].as_str().expect("a name").to_owned()
}

/// An object came out of the bucket, and is not this cluster's own.
fn synced(object: &Value, location: &Value) {
    let mark = &object["metadata"]["annotations"]["ark.heptio.com/synced-from"];
    assert_eq!(*mark, location["status"]["id"], "{object}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_is_scheduled_seen_and_restored_elsewhere_and_goes_everywhere_when_it_expires() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let shop = TestNamespace::create(&lab.a, "shop").await;
    config_map(&lab.a, &shop.name, "prices", &json!({"tea": "2 €"})).await;

    // A cluster that makes backups, and one that is there for the day when the first is lost.
    let (a, b) = (Installation::prepare(&lab.a, "life").await, Installation::prepare(&lab.b, "life").await);
    a.location("default", &bucket, json!({})).await;
    b.location("default", &bucket, json!({})).await;
    // Nothing is collected until everything is done with it.
    let server_a = a.start(ServerOptions { gc_period: "1h", ..ServerOptions::default() }).await;
    let _server_b = b.start(ServerOptions { restore_only: true, ..ServerOptions::default() }).await;
    let here = a.reach(LOCATION, "default", "Available").await;
    let there = b.reach(LOCATION, "default", "Available").await;
    assert_eq!(here["status"]["id"], there["status"]["id"], "both see one location");

    // Schedule and backup.
    let template = json!({"includedNamespaces": [&shop.name], "ttl": TTL});
    a.create(SCHEDULE, "nightly", json!({"schedule": "@every 6h", "template": template})).await;
    let backup = scheduled(&a, "nightly").await;
    let own = a.reach(BACKUP, &backup, "Completed").await;
    assert_eq!(own["metadata"]["annotations"].get("ark.heptio.com/synced-from"), None, "{own}");

    // The other cluster sees it, and makes none of its own.
    let seen = b.reach(BACKUP, &backup, "Completed").await;
    synced(&seen, &there);
    assert_eq!(seen["metadata"]["labels"]["ark.heptio.com/schedule-name"], "nightly", "{seen}");
    assert_eq!(seen["status"]["objects"], own["status"]["objects"]);
    b.create(BACKUP, "not-here", json!({"includedNamespaces": [&shop.name]})).await;
    let refused = b.reach(BACKUP, "not-here", "FailedValidation").await;
    assert!(refused["status"]["validationErrors"].to_string().contains("restore-only"), "{refused}");

    // Restored there, under another name.
    let copy = TestNamespace::reserve(&lab.b, "shop-copy");
    let spec = json!({"scheduleName": "nightly", "namespaceMapping": {&shop.name: &copy.name}});
    b.create(RESTORE, "moved", spec).await;
    let moved = b.reach(RESTORE, "moved", "Completed").await;
    assert_eq!(moved["status"]["backupName"], json!(backup), "{moved}");
    assert_eq!(data(&lab.b, &copy.name, "prices").await, Some(json!({"tea": "2 €"})));

    // Seen in the first, where it is a record and nothing is done.
    let record = a.reach(RESTORE, "moved", "Completed").await;
    synced(&record, &here);
    assert_eq!(record["status"]["holder"], moved["status"]["holder"]);
    assert!(lab.a.read(&format!("/api/v1/namespaces/{}", copy.name)).await.is_none());

    // Its time is over: it goes from the bucket and from both clusters, with its restores' records.
    assert_eq!(server_a.stop().await, Some(0), "{}", server_a.log());
    // While its Schedule is there, the newest good one stays.
    a.delete(SCHEDULE, "nightly").await;
    let _server_a = a.start_again(ServerOptions::default()).await;
    for installation in [&a, &b] {
        installation.gone(BACKUP, &backup).await;
        installation.gone(RESTORE, "moved").await;
    }
    let left = store(&bucket).await.list("", false, None).await.expect("listable").objects;
    let left: Vec<String> = left.into_iter().map(|object| object.key.to_string()).collect();
    assert_eq!(left, ["ark-location.json"]);
    assert_eq!(
        data(&lab.b, &copy.name, "prices").await,
        Some(json!({"tea": "2 €"})),
        "what was restored stays"
    );
}
