//! A backup that another cluster restores is kept until that has ended; and a restore that outlives its servers.

use ark::bucket::Claim;
use ark::store::{ObjectKey, PutMode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::stage::Stage;
use super::{BACKUP, DELETION, Home, LOCATION, RESTORE, ServerOptions};
use crate::backup::config_map;
use crate::restore::store;
use crate::support::{Act, Interceptor, Lab, TestNamespace, eventually};

async fn request_deletion(home: &Home<'_>, name: &str, backup: &str) -> Value {
    home.create(DELETION, name, json!({"backupName": backup})).await;
    home.reach(DELETION, name, "Processed").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_that_another_cluster_restores_is_not_deleted_until_that_has_ended() {
    let lab = Lab::get().await;
    let stage = Stage::open(&lab, "read-a").await;
    let source = TestNamespace::create(&lab.a, "read-source").await;
    config_map(&lab.a, &source.name, "settings", &json!({"k": "v"})).await;
    stage.home.create(BACKUP, "shared", json!({"includedNamespaces": [&source.name]})).await;
    stage.home.reach(BACKUP, "shared", "Completed").await;

    let home = Home::found(&lab.b, "read-b").await;
    let s3 = Interceptor::of_s3(&lab).await;
    home.location("default", &s3.through(&lab, &stage.bucket), json!({"default": true})).await;
    let _server = home.start(ServerOptions::default()).await;
    home.reach(BACKUP, "shared", "Completed").await;
    let release = CancellationToken::new();
    let held = release.clone();
    s3.set(move |asked| {
        let reads = asked.method == "GET" && asked.path.ends_with("/shared.tar.zst");
        if reads { Act::Held(held.clone()) } else { Act::Pass }
    });
    let copy = TestNamespace::reserve(&lab.b, "read-copy");
    let spec = json!({"backupName": "shared", "namespaceMapping": {&source.name: &copy.name}});
    home.create(RESTORE, "reading", spec).await;
    eventually("the restore says in the bucket what it reads", async || {
        let claim = stage.object("restores/reading/claim.json").await?;
        (claim["reads"] == "shared").then_some(())
    })
    .await;

    let refused = request_deletion(&stage.home, "meanwhile", "shared").await;
    let why = refused["status"]["errors"].to_string();
    assert!(why.contains("restore `reading` of cluster"), "{refused}");
    assert_eq!(stage.home.phase(BACKUP, "shared").await.as_deref(), Some("Completed"), "nothing has changed");
    stage.verify("shared").await;

    release.cancel();
    let restored = home.reach(RESTORE, "reading", "Completed").await;
    assert_eq!(restored["status"]["errors"], 0, "{restored}");
    let done = request_deletion(&stage.home, "at-last", "shared").await;
    assert!(done["status"]["errors"].is_null(), "{done}");
    assert_eq!(stage.keys("backups/").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_a_restore_that_is_over_left_holds_its_backup_no_longer_than_until_the_next_look() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "left").await;
    let bucket = lab.bucket();
    let (source, copy) =
        (TestNamespace::create(&lab.a, "left-source").await, TestNamespace::reserve(&lab.a, "left-copy"));
    config_map(&lab.a, &source.name, "settings", &json!({"k": "v"})).await;
    home.location("default", &bucket, json!({"default": true})).await;
    let _server = home.start(ServerOptions::default()).await;
    home.create(BACKUP, "kept", json!({"includedNamespaces": [&source.name]})).await;
    let backup = home.reach(BACKUP, "kept", "Completed").await;

    // The location is made ReadOnly while the restore runs, so that whoever ends the restore cannot take its claim away.
    let path = format!("{}/default", home.path(LOCATION));
    lab.a.merge(&path, &json!({"spec": {"accessMode": "ReadOnly"}})).await;
    eventually("the server knows that it is ReadOnly", async || {
        let location = lab.a.read(&path).await.expect("it is there");
        (location["status"]["observedGeneration"] == location["metadata"]["generation"]).then_some(())
    })
    .await;
    let mapping = json!({&source.name: &copy.name});
    home.create(RESTORE, "over", json!({"backupName": "kept", "namespaceMapping": mapping})).await;
    let over = home.reach(RESTORE, "over", "Completed").await;
    let claim = Claim {
        reads: Some("kept".to_owned()),
        process: None,
        ..Claim::new(
            over["metadata"]["uid"].as_str().expect("a uid"),
            backup["status"]["cluster"]["uid"].as_str().expect("a cluster"),
            "ark-of-before/1",
        )
    };
    let key = ObjectKey::new("restores/over/claim.json").expect("a key");
    let body = serde_json::to_vec(&claim).expect("JSON");
    store(&bucket).await.put(&key, body.into(), PutMode::Create).await.expect("writable");

    lab.a.merge(&path, &json!({"spec": {"accessMode": "ReadWrite"}})).await;
    eventually("the claim is let go", async || {
        store(&bucket).await.head(&key).await.is_err_and(|error| error.is_not_found()).then_some(())
    })
    .await;
    let done = request_deletion(&home, "at-last", "kept").await;
    assert!(done["status"]["errors"].is_null(), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_restore_goes_on_however_often_its_server_is_told_to_end() {
    let lab = Lab::get().await;
    let mut stage = Stage::open(&lab, "resumed").await;
    let source = TestNamespace::create(&lab.a, "resumed-source").await;
    for number in 0..8 {
        config_map(&lab.a, &source.name, &format!("m{number}"), &json!({"k": "v"})).await;
    }
    stage.home.create(BACKUP, "source", json!({"includedNamespaces": [&source.name]})).await;
    stage.home.reach(BACKUP, "source", "Completed").await;
    let copy = TestNamespace::reserve(&lab.a, "resumed-copy");
    let spec = json!({"backupName": "source", "namespaceMapping": {&source.name: &copy.name}});
    let path = format!("/namespaces/{}/configmaps", copy.name);
    let mut began = Value::Null;
    for resumed in 1..=4 {
        let (path, hold) = (path.clone(), CancellationToken::new());
        let held = hold.clone();
        let mut begun = 0;
        stage.api.set(move |asked| {
            if asked.method != "POST" || !asked.path.ends_with(&path) {
                return Act::Pass;
            }
            begun += 1;
            // One more each time; those behind it wait until the server has been told to end.
            if begun <= resumed { Act::Pass } else { Act::Held(held.clone()) }
        });
        stage.api.take_seen();
        if resumed == 1 {
            stage.home.create(RESTORE, "patient", spec.clone()).await;
        } else {
            stage.server = Some(stage.home.start_again(stage.options()).await);
        }
        eventually("items are at hand", async || {
            let seen = stage.api.take_seen();
            seen.iter()
                .any(|asked| asked.method == "POST" && asked.path.ends_with("/configmaps"))
                .then_some(())
        })
        .await;
        let server = stage.server.take().expect("a server runs");
        let (code, ()) = tokio::join!(server.stop(), async {
            // What is at hand ends.
            hold.cancel();
        });
        assert_eq!(code, Some(0), "{}", server.log());
        let status = stage.home.read(RESTORE, "patient").await.expect("there")["status"].clone();
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
    stage.man().await;
    let restored = stage.home.reach(RESTORE, "patient", "Completed").await;
    assert_eq!(restored["status"]["errors"], 0, "{restored}");
    assert_eq!(restored["status"]["startTimestamp"], began, "it began when its first attempt did");
    let document = stage.object("restores/patient/ark-restore.json").await.expect("recorded");
    assert_eq!(document["status"]["startTimestamp"], began, "{document}");
    let list = lab.a.read(&format!("/api/v1/namespaces/{}/configmaps", copy.name)).await.expect("there");
    let names = list["items"].as_array().expect("items").iter();
    assert_eq!(names.filter(|item| item["metadata"]["name"] != "kube-root-ca.crt").count(), 8, "{list}");
}
