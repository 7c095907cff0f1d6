//! Which backups of a Schedule are kept: the newest by its retention, and the newest good one
//! beyond its ttl.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{BACKUP, DELETION, Installation, LOCATION, SCHEDULE, ServerOptions, keys};
use super::{change, counted, first, name_of, own};
use crate::support::{Lab, eventually};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn retention_keeps_the_newest_in_cluster_and_bucket() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "retention").await;
    let bucket = lab.bucket();
    installation.location("default", &bucket, json!({})).await;
    let _server = installation.start(ServerOptions::default()).await;
    installation.reach(LOCATION, "default", "Available").await;
    let template = json!({"includedNamespaces": [installation.name()]});
    let spec = json!({"schedule": "@every 2s", "template": template, "retention": {"maxCount": 2}});
    installation.create(SCHEDULE, "few", spec).await;
    eventually("two deletions are answered", async || {
        let requests = installation.all(DELETION).await;
        let done = |request: &&Value| {
            request["status"]["phase"] == "Processed" && request["status"]["errors"].is_null()
        };
        (requests.iter().filter(done).count() >= 2).then_some(())
    })
    .await;
    change(&installation, "few", json!({"schedule": "@every 10h"})).await;
    counted(&installation, "few", "@every 10h").await;
    let left = eventually("two are left", async || {
        let made = own(&installation, "few").await;
        let complete = made.iter().all(|backup| backup["status"]["phase"] == "Completed");
        (made.len() == 2 && complete).then_some(made)
    })
    .await;
    let stored: BTreeSet<String> = keys(&bucket)
        .await
        .iter()
        .filter_map(|key| Some(key.strip_prefix("backups/")?.split_once('/')?.0.to_owned()))
        .collect();
    let left: BTreeSet<String> = left.iter().map(name_of).collect();
    assert_eq!(stored, left);
}

/// An expired Backup is kept while it is the newest good one of its Schedule; one of a person is
/// not.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_newest_good_backup_outlives_its_ttl_until_the_schedule_is_deleted() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "last-good").await;
    installation.location("default", &lab.bucket(), json!({})).await;
    let _server = installation.start(ServerOptions { gc_period: "1s", ..ServerOptions::default() }).await;
    installation.reach(LOCATION, "default", "Available").await;
    let template = json!({"includedNamespaces": [installation.name()], "ttl": "2s"});
    installation.create(SCHEDULE, "kept", json!({"schedule": "0 0 1 1 *", "template": &template})).await;
    let kept = first(&installation, "kept").await;
    // One that a person made with the same ttl goes; by then the other's time has come as well.
    installation.create(BACKUP, "by-hand", template).await;
    let expired = installation.reach(DELETION, "by-hand-expired", "Processed").await;
    assert!(expired["status"]["errors"].is_null(), "{expired}");
    installation.gone(BACKUP, "by-hand").await;
    assert_eq!(installation.phase(BACKUP, &kept).await.as_deref(), Some("Completed"));
    installation.delete(SCHEDULE, "kept").await;
    installation.gone(BACKUP, &kept).await;
}

/// A cluster that only sees the bucket keeps the newest good backup of the other cluster's Schedule
/// too.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_newest_good_backup_of_another_cluster_s_schedule_outlives_its_ttl_here() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (a, b) = (
        Installation::prepare(&lab.a, "kept-there").await,
        Installation::prepare(&lab.b, "kept-there").await,
    );
    for installation in [&a, &b] {
        installation.location("default", &bucket, json!({})).await;
    }
    // The cluster that makes the backups collects no garbage in this test; the other one does, all
    // the time.
    let _server_a = a.start(ServerOptions { gc_period: "1h", ..ServerOptions::default() }).await;
    let _server_b = b.start(ServerOptions { gc_period: "1s", ..ServerOptions::default() }).await;
    a.reach(LOCATION, "default", "Available").await;
    let template = json!({"includedNamespaces": [a.name()], "ttl": "2s"});
    a.create(SCHEDULE, "kept", json!({"schedule": "0 0 1 1 *", "template": &template})).await;
    let kept = first(&a, "kept").await;
    b.reach(BACKUP, &kept, "Completed").await;
    // One that a person made there with the same ttl goes; by then the other's time has come as
    // well.
    a.create(BACKUP, "by-hand", template).await;
    let expired = b.reach(DELETION, "by-hand-expired", "Processed").await;
    assert!(expired["status"]["errors"].is_null(), "{expired}");
    a.gone(BACKUP, "by-hand").await;
    for installation in [&a, &b] {
        assert_eq!(installation.phase(BACKUP, &kept).await.as_deref(), Some("Completed"));
    }
}
