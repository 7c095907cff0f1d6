//! A name that another run has by now: behind a location that points elsewhere, by another cluster,
//! made again by the same.

use ark::bucket::Bucket;
use ark::model::Opener;

use super::*;
use crate::backup::{back_up, config_map};
use crate::server::{DELETION, DOWNLOAD};
use crate::support::Cluster;

/// A namespace with one ConfigMap.
async fn shop(cluster: &Cluster, map: &str) -> TestNamespace {
    let namespace = TestNamespace::create(cluster, "same").await;
    config_map(cluster, &namespace.name, map, &json!({"k": "v"})).await;
    namespace
}

/// Makes the backup `same` past any server.
async fn back_up_same(cluster: &Cluster, bucket: &str, namespace: &TestNamespace) {
    let mut command =
        cluster.ark(["backup", "run", "same", "--location", bucket, "--include-namespaces", &namespace.name]);
    tokio::task::spawn_blocking(move || run(&mut command).expect_code(0)).await.expect("it runs");
}

/// Waits until a location was synced once.
async fn synced_once(installation: &Installation<'_>) {
    eventually("the location was synced", async || {
        installation.read(LOCATION, "default").await?["status"]["lastSyncedTime"].is_string().then_some(())
    })
    .await;
}

/// The document of `same`.
async fn stored(bucket: &str) -> Value {
    let document = Bucket::new(store(bucket).await).read_backup(&"same".parse().expect("a name")).await;
    serde_json::to_value(document.expect("it is there")).expect("JSON")
}

/// Waits until the object `same` stands for the document that the bucket has.
async fn stands_for_what_is_there(installation: &Installation<'_>, bucket: &str) {
    let document = stored(bucket).await;
    eventually("`same` is the run that is there", async || {
        let shown = installation.read(BACKUP, "same").await?;
        let origin = &shown["status"]["origin"];
        let same = origin["run"] == document["metadata"]["uid"]
            && origin["cluster"] == document["status"]["cluster"]["uid"]
            && shown["status"]["objects"] == document["status"]["objects"];
        same.then_some(())
    })
    .await;
}

/// A location is deleted and made again with another bucket, which has a backup of the same name.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_location_that_points_elsewhere_shows_and_restores_what_is_there_now() {
    let lab = Lab::get().await;
    let (one, two) = (lab.bucket(), lab.bucket());
    let (here, there) = (shop(&lab.a, "only-in-a").await, shop(&lab.b, "only-in-b").await);
    back_up_same(&lab.b, &two, &there).await;
    let installation = Installation::prepare(&lab.a, "repointed").await;
    installation.location("default", &one, json!({})).await;
    let _server = installation.start(ServerOptions::default()).await;
    installation.reach(LOCATION, "default", "Available").await;
    installation.create(BACKUP, "same", json!({"includedNamespaces": [&here.name]})).await;
    let own = installation.reach(BACKUP, "same", "Completed").await;
    let location = installation.read(LOCATION, "default").await.expect("there");
    assert_eq!(own["status"]["origin"]["location"], location["status"]["id"]);
    assert_eq!(own["status"]["origin"]["run"], own["metadata"]["uid"]);
    installation.delete(LOCATION, "default").await;
    installation.gone(LOCATION, "default").await;
    installation.location("default", &two, json!({})).await;
    installation.reach(LOCATION, "default", "Available").await;
    stands_for_what_is_there(&installation, &two).await;
    let copy = TestNamespace::reserve(&lab.a, "same-copy");
    let mapping = json!({&there.name: &copy.name});
    installation.create(RESTORE, "back", json!({"backupName": "same", "namespaceMapping": mapping})).await;
    installation.reach(RESTORE, "back", "Completed").await;
    let map = format!("/api/v1/namespaces/{}/configmaps/only-in-b", copy.name);
    assert!(lab.a.read(&map).await.is_some());
    // Points where it pointed before: what it shows is what is there.
    installation.delete(LOCATION, "default").await;
    installation.gone(LOCATION, "default").await;
    installation.location("default", &one, json!({})).await;
    stands_for_what_is_there(&installation, &one).await;
}

/// Between two passes of sync the object stands for a run that the bucket has no longer: restore,
/// download and deletion are refused.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn another_clusters_backup_of_an_own_ones_name_is_refused_until_it_is_shown() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (here, there) = (shop(&lab.a, "only-in-a").await, shop(&lab.b, "only-in-b").await);
    let installation = Installation::prepare(&lab.a, "another").await;
    installation.location("default", &bucket, json!({})).await;
    // No pass comes between.
    let server = installation.start(ServerOptions { sync_period: "1h", ..ServerOptions::default() }).await;
    installation.reach(LOCATION, "default", "Available").await;
    synced_once(&installation).await;
    installation.create(BACKUP, "same", json!({"includedNamespaces": [&here.name]})).await;
    installation.reach(BACKUP, "same", "Completed").await;
    let removing = Bucket::new(store(&bucket).await);
    removing.remove_backup(&"same".parse().expect("a name"), None, "test").await.expect("removed");
    back_up_same(&lab.b, &bucket, &there).await;
    let document = stored(&bucket).await;

    let told = |text: &Value| {
        let text = text.to_string();
        let cluster = document["status"]["cluster"]["uid"].as_str().expect("a uid").to_owned();
        assert!(text.contains("is another run than") && text.contains(&cluster), "{text}");
        assert!(!text.contains("damaged"), "{text}");
    };
    installation.create(RESTORE, "back", json!({"backupName": "same"})).await;
    told(&installation.reach(RESTORE, "back", "FailedValidation").await["status"]["validationErrors"]);
    for (name, kind) in [("log", "BackupLog"), ("index", "BackupResourceList"), ("items", "BackupContents")] {
        let key = Opener::new().expect("there is randomness").key();
        installation
            .create(DOWNLOAD, name, json!({"target": {"kind": kind, "name": "same"}, "publicKey": key}))
            .await;
        told(&installation.reach(DOWNLOAD, name, "Processed").await["status"]["message"]);
    }
    installation.create(DELETION, "away", json!({"backupName": "same"})).await;
    told(&installation.reach(DELETION, "away", "Processed").await["status"]["errors"]);
    assert_eq!(stored(&bucket).await, document, "it is kept");
    assert_eq!(installation.phase(BACKUP, "same").await.as_deref(), Some("Completed"));

    assert_eq!(server.stop().await, Some(0), "{}", server.log());
    let server = installation.start(ServerOptions::default()).await;
    stands_for_what_is_there(&installation, &bucket).await;
    let events = format!("/api/v1/namespaces/{}/events", installation.name());
    eventually("an Event says so", async || {
        let events = lab.a.read(&events).await?;
        let told = |event: &Value| {
            event["reason"] == "RunsReplaced" && event["message"].to_string().contains("`same`")
        };
        events["items"].as_array()?.iter().any(told).then_some(())
    })
    .await;
    assert!(server.log().contains("another run of this name"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_is_deleted_and_made_again_while_another_cluster_does_not_look_is_shown_there_as_it_is() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let maker = shop(&lab.a, "first").await;
    let reader = Installation::prepare(&lab.b, "again").await;
    reader.location("default", &bucket, json!({})).await;
    tokio::task::block_in_place(|| {
        back_up(&lab.a, &bucket, "same", &["--include-namespaces", &maker.name], 0);
    });
    let server = reader.start(ServerOptions::default()).await;
    reader.reach(BACKUP, "same", "Completed").await;
    stands_for_what_is_there(&reader, &bucket).await;
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
    let removing = Bucket::new(store(&bucket).await);
    removing.remove_backup(&"same".parse().expect("a name"), None, "test").await.expect("removed");
    config_map(&lab.a, &maker.name, "second", &json!({"k": "v"})).await;
    back_up_same(&lab.a, &bucket, &maker).await;
    let _server = reader.start(ServerOptions::default()).await;
    stands_for_what_is_there(&reader, &bucket).await;
    let copy = TestNamespace::reserve(&lab.b, "again-copy");
    let mapping = json!({&maker.name: &copy.name});
    reader.create(RESTORE, "back", json!({"backupName": "same", "namespaceMapping": mapping})).await;
    reader.reach(RESTORE, "back", "Completed").await;
    let map = format!("/api/v1/namespaces/{}/configmaps/second", copy.name);
    assert!(lab.b.read(&map).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_pass_over_own_and_synced_backups_that_are_as_they_were_reads_none_of_them() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    put_backup(&store(&bucket).await, "theirs").await;
    let shop = shop(&lab.a, "idle").await;
    let s3 = crate::support::Interceptor::of_s3(&lab).await;
    let installation = Installation::prepare(&lab.a, "idle").await;
    installation.location("default", &s3.through(&lab, &bucket), json!({})).await;
    let server = installation.start(ServerOptions { sync_period: "1s", ..ServerOptions::default() }).await;
    installation.reach(BACKUP, "theirs", "Completed").await;
    installation.create(BACKUP, "same", json!({"includedNamespaces": [&shop.name]})).await;
    installation.reach(BACKUP, "same", "Completed").await;
    pass_twice(&installation, &server, "default").await;
    s3.take_seen();
    pass_twice(&installation, &server, "default").await;
    let seen = s3.take_seen();
    let read = seen.iter().filter(|asked| asked.path.ends_with("/ark-backup.json")).count();
    assert_eq!(read, 0, "{seen:?}");
}
