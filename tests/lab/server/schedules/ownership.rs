//! Whose backups are whose: two clusters on one bucket, labels that people set, documents that lie.

use ark::store::{ObjectKey, PutMode, read_all};
use serde_json::{Value, json};

use super::super::{BACKUP, DELETION, Installation, LOCATION, RESTORE, SCHEDULE, ServerOptions};
use super::{change, counted, first, name_of, own, pause};
use crate::backup::config_map;
use crate::restore::{data, store};
use crate::support::{Lab, TestNamespace, eventually};

/// Larger than any document of the tests, in bytes.
const DOCUMENT: u64 = 1 << 20;

/// Both want the same name for the same tick: one takes the name of a later second.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn two_clusters_with_one_schedule_and_one_bucket_have_a_backup_each_of_a_tick() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (a, b) = (Installation::prepare(&lab.a, "twin").await, Installation::prepare(&lab.b, "twin").await);
    for installation in [&a, &b] {
        installation.location("default", &bucket, json!({})).await;
    }
    let (_server_a, _server_b) =
        (a.start(ServerOptions::default()).await, b.start(ServerOptions::default()).await);
    for installation in [&a, &b] {
        installation.reach(LOCATION, "default", "Available").await;
        let template = json!({"includedNamespaces": [installation.name()]});
        let spec = json!({"schedule": "* * * * *", "skipImmediately": true, "template": template});
        installation.create(SCHEDULE, "nightly", spec).await;
    }
    // Each has made its own of the same minute, and both see both.
    let ticks = |backups: &[Value]| -> Vec<String> {
        let done = backups.iter().filter(|backup| backup["status"]["phase"] == "Completed").map(name_of);
        done.map(|name| name[..name.len() - 2].to_owned()).collect()
    };
    eventually("both have a backup of one tick", async || {
        let (of_a, of_b) = (ticks(&own(&a, "nightly").await), ticks(&own(&b, "nightly").await));
        of_a.iter().any(|tick| of_b.contains(tick)).then_some(())
    })
    .await;
    for installation in [&a, &b] {
        pause(installation, "nightly").await;
    }
    eventually("both see the same", async || {
        let names = |backups: Vec<Value>| -> Vec<String> {
            assert!(backups.iter().all(|backup| backup["status"]["phase"] != "Failed"), "{backups:?}");
            backups.iter().map(name_of).collect()
        };
        let (of_a, of_b) = (a.all(BACKUP).await, b.all(BACKUP).await);
        let complete = of_a.iter().chain(&of_b).all(|backup| backup["status"]["phase"] == "Completed");
        let (of_a, of_b) = (names(of_a), names(of_b));
        (of_a == of_b && of_a.len() >= 2 && complete).then_some(())
    })
    .await;
    let (of_a, of_b) = (own(&a, "nightly").await, own(&b, "nightly").await);
    let all = a.all(BACKUP).await.len();
    assert!(!of_a.is_empty() && !of_b.is_empty() && of_a.len() + of_b.len() == all, "{of_a:?} {of_b:?}");
}

/// Retention and the choice of the newest go by the Backups that the server made, not by labels,
/// names or documents of a partner.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_others_label_and_write_neither_ages_out_nor_replaces_a_schedule_s_own() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "forged").await;
    let (bucket, partner) = (lab.bucket(), lab.bucket());
    installation.location("default", &bucket, json!({"default": true})).await;
    let _server = installation.start(ServerOptions::default()).await;
    installation.reach(LOCATION, "default", "Available").await;
    let template = json!({"includedNamespaces": [installation.name()]});
    let spec = json!({"schedule": "0 0 1 1 *", "template": template, "retention": {"maxCount": 1}});
    installation.create(SCHEDULE, "few", spec).await;
    let real = first(&installation, "few").await;

    // A person's, with the label and a name of the Schedule; and a partner's, which claims to be
    // this cluster's, of 2099.
    let label = json!({"ark.heptio.com/schedule-name": "few"});
    let object = json!({"metadata": {"name": "few-20991231235958", "labels": label},
        "spec": {"includedNamespaces": [installation.name()]}});
    installation.create_object(BACKUP, object).await;
    installation.reach(BACKUP, "few-20991231235958", "Completed").await;
    let (from, to) = (store(&bucket).await, store(&partner).await);
    let document = ObjectKey::new(format!("backups/{real}/ark-backup.json")).expect("a key");
    let mut document: Value =
        serde_json::from_slice(&read_all(&*from, &document, DOCUMENT).await.expect("readable"))
            .expect("JSON");
    let forged = "few-20991231235959";
    document["metadata"]["name"] = json!(forged);
    document["status"]["startTimestamp"] = json!("2099-12-31T23:59:59Z");
    document["status"]["objects"] = json!([]);
    for (key, body) in [
        (format!("{forged}.tar.zst"), "items".to_owned()),
        ("ark-backup.json".to_owned(), document.to_string()),
    ] {
        let key = ObjectKey::new(format!("backups/{forged}/{key}")).expect("a key");
        to.put(&key, body.into(), PutMode::Create).await.expect("writable");
    }
    installation.location("partner", &partner, json!({})).await;
    installation.reach(BACKUP, forged, "Completed").await;

    // Retention goes on by the Schedule's own: with each new one, the one before goes, and nothing
    // else.
    change(&installation, "few", json!({"schedule": "@every 2s"})).await;
    eventually("two are removed by retention", async || {
        let requests = installation.all(DELETION).await;
        (requests.iter().filter(|request| request["status"]["phase"] == "Processed").count() >= 2)
            .then_some(())
    })
    .await;
    change(&installation, "few", json!({"schedule": "0 0 1 1 *"})).await;
    counted(&installation, "few", "0 0 1 1 *").await;
    eventually("one of its own is left", async || {
        let own = own(&installation, "few").await;
        (own.len() == 1 && own[0]["status"]["phase"] == "Completed").then_some(())
    })
    .await;
    for kept in ["few-20991231235958", forged] {
        assert_eq!(installation.phase(BACKUP, kept).await.as_deref(), Some("Completed"), "{kept}");
    }
    // Nor is one of them the newest of the Schedule.
    let namespace = TestNamespace::reserve(&lab.a, "forged-copy");
    let mapping = json!({installation.name(): &namespace.name});
    installation.create(RESTORE, "newest", json!({"scheduleName": "few", "namespaceMapping": mapping})).await;
    let restore = installation.reach(RESTORE, "newest", "Completed").await;
    assert_eq!(
        restore["status"]["backupName"],
        own(&installation, "few").await[0]["metadata"]["name"],
        "{restore}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_restore_by_schedule_takes_this_cluster_s_backup_and_not_a_newer_one_of_another() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (a, b) =
        (Installation::prepare(&lab.a, "origins").await, Installation::prepare(&lab.b, "origins").await);
    let (of_a, of_b) =
        (TestNamespace::create(&lab.a, "shop").await, TestNamespace::create(&lab.b, "shop").await);
    config_map(&lab.a, &of_a.name, "prices", &json!({"from": "a"})).await;
    config_map(&lab.b, &of_b.name, "prices", &json!({"from": "b"})).await;
    for installation in [&a, &b] {
        installation.location("default", &bucket, json!({})).await;
    }
    let (_server_a, _server_b) =
        (a.start(ServerOptions::default()).await, b.start(ServerOptions::default()).await);
    let spec =
        |namespace: &str| json!({"schedule": "@every 6h", "template": {"includedNamespaces": [namespace]}});
    b.reach(LOCATION, "default", "Available").await;
    b.create(SCHEDULE, "nightly", spec(&of_b.name)).await;
    let own_of_b = first(&b, "nightly").await;
    a.reach(LOCATION, "default", "Available").await;
    a.create(SCHEDULE, "nightly", spec(&of_a.name)).await;
    let newer = first(&a, "nightly").await;
    b.reach(BACKUP, &newer, "Completed").await;

    let copy = TestNamespace::reserve(&lab.b, "own-copy");
    let mapping = json!({&of_b.name: &copy.name});
    b.create(RESTORE, "own", json!({"scheduleName": "nightly", "namespaceMapping": mapping})).await;
    let restore = b.reach(RESTORE, "own", "Completed").await;
    assert_eq!(restore["status"]["backupName"], json!(own_of_b), "{restore}");
    assert_eq!(data(&lab.b, &copy.name, "prices").await, Some(json!({"from": "b"})));

    // The other's is taken where it is asked for.
    let cluster = b.read(BACKUP, &newer).await.expect("it is there")["status"]["cluster"]["uid"].clone();
    let copy = TestNamespace::reserve(&lab.b, "other-copy");
    let mapping = json!({&of_a.name: &copy.name});
    let spec = json!({"scheduleName": "nightly", "fromCluster": cluster, "namespaceMapping": mapping});
    b.create(RESTORE, "other", spec).await;
    let restore = b.reach(RESTORE, "other", "Completed").await;
    assert_eq!(restore["status"]["backupName"], json!(newer), "{restore}");
    assert_eq!(data(&lab.b, &copy.name, "prices").await, Some(json!({"from": "a"})));
}
