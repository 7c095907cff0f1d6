//! Servers whose clocks tell different times. Each is the real program with libfaketime before the
//! system's clock.

use serde_json::json;

use crate::backup::config_map;
use crate::restore::{data, store};
use crate::server::{BACKUP, DELETION, Installation, LOCATION, RESTORE, ServerOptions};
use crate::support::{Lab, TestNamespace, eventually, fact};

/// A server whose clock is off by this (`+8m`).
fn with_clock(off: &str) -> ServerOptions {
    let environment =
        [("LD_PRELOAD", &*fact("ARK_LAB_FAKETIME")), ("FAKETIME", off), ("DONT_FAKE_MONOTONIC", "1")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    ServerOptions { environment: environment.into(), ..ServerOptions::default() }
}

/// Fourteen minutes apart: backups, restores and deletions of one cluster are right in the other.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn two_clusters_whose_clocks_differ_share_a_bucket() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let shop = TestNamespace::create(&lab.a, "clocks").await;
    config_map(&lab.a, &shop.name, "settings", &json!({"k": "v"})).await;
    let (slow, fast) =
        (Installation::prepare(&lab.a, "slow").await, Installation::prepare(&lab.b, "fast").await);
    for home in [&slow, &fast] {
        home.location("default", &bucket, json!({})).await;
    }
    // Nearly as far apart as S3 lets them be. Ahead, not behind: the lab's certificates were made
    // just now.
    let _slow = slow.start(ServerOptions::default()).await;
    let _fast = fast.start(with_clock("+14m")).await;
    for home in [&slow, &fast] {
        home.reach(LOCATION, "default", "Available").await;
    }
    slow.create(BACKUP, "slow", json!({"includedNamespaces": [&shop.name], "ttl": "1h"})).await;
    fast.create(BACKUP, "fast", json!({"includedNamespaces": ["kube-public"], "ttl": "1h"})).await;
    for home in [&slow, &fast] {
        for backup in ["slow", "fast"] {
            eventually("both see both", async || {
                home.read(BACKUP, backup).await.filter(|seen| seen["status"]["phase"] == "Completed")
            })
            .await;
        }
    }
    let copy = TestNamespace::reserve(&lab.b, "clocks-copy");
    let mapping = json!({&shop.name: &copy.name});
    fast.create(RESTORE, "back", json!({"backupName": "slow", "namespaceMapping": mapping})).await;
    fast.reach(RESTORE, "back", "Completed").await;
    assert_eq!(data(&lab.b, &copy.name, "settings").await, Some(json!({"k": "v"})));
    eventually("the restore is seen", async || slow.read(RESTORE, "back").await).await;
    slow.create(DELETION, "away", json!({"backupName": "slow"})).await;
    for home in [&slow, &fast] {
        home.gone(BACKUP, "slow").await;
        home.gone(RESTORE, "back").await;
        assert_eq!(home.phase(BACKUP, "fast").await.as_deref(), Some("Completed"));
    }
}

/// By its clock the backup has expired, and the clock of the API server says otherwise.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_server_whose_clock_is_days_ahead_removes_nothing() {
    let lab = Lab::get().await;
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = format!("file://{}", folder.path().display());
    let (right, wrong) =
        (Installation::prepare(&lab.a, "right").await, Installation::prepare(&lab.b, "wrong").await);
    for home in [&right, &wrong] {
        home.location("default", &bucket, json!({})).await;
    }
    let _right = right.start(ServerOptions::default()).await;
    right.reach(LOCATION, "default", "Available").await;
    right.create(BACKUP, "kept", json!({"includedNamespaces": ["kube-public"], "ttl": "2h"})).await;
    right.reach(BACKUP, "kept", "Completed").await;
    let _wrong = wrong.start(with_clock("+3d")).await;
    let refused =
        eventually("its clock says that the backup has expired, and it may not remove it", async || {
            let asked = wrong.all(DELETION).await;
            asked.into_iter().find(|request| request["status"]["phase"] == "Processed")
        })
        .await;
    let why = refused["status"]["errors"].to_string();
    assert!(why.contains("clocks") && why.contains("disagree"), "{why}");
    for home in [&right, &wrong] {
        assert_eq!(home.phase(BACKUP, "kept").await.as_deref(), Some("Completed"));
    }
    let left = store(&bucket).await.list("backups/kept/", false, None).await.expect("listable").objects;
    assert_eq!(left.len(), 5, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_clock_that_s3_does_not_accept_is_named() {
    let lab = Lab::get().await;
    let home = Installation::prepare(&lab.a, "skewed").await;
    home.location("default", &lab.bucket(), json!({"validationPeriod": "1s"})).await;
    let server = home.start(with_clock("+1h")).await;
    let why = eventually("the location is Unavailable", async || {
        let location = home.read(LOCATION, "default").await?;
        (location["status"]["phase"] == "Unavailable").then_some(location["status"]["message"].clone())
    })
    .await;
    assert!(why.as_str().is_some_and(|why| why.contains("clock")), "{why}");
    drop(server);
    let _server = home.start_again(ServerOptions::default()).await;
    home.reach(LOCATION, "default", "Available").await;
}
