//! Locations that are emptied, swapped, doubled, or whose credentials change, under a running
//! server.

use super::*;

const IDENTITY: &str = "ark-location.json";

/// Everything in a bucket.
async fn contents(store: &Arc<dyn ObjectStore>) -> Vec<(ObjectKey, Bytes)> {
    let mut found = Vec::new();
    for object in store.list("", false, None).await.expect("listable").objects {
        let body = ark::store::read_all(&**store, &object.key, 1 << 20).await.expect("readable");
        found.push((object.key, body));
    }
    found
}

/// Waits until a location is Unavailable for this reason.
async fn unavailable(installation: &Installation<'_>, location: &str, why: &str) {
    eventually(&format!("{location} is Unavailable: {why}"), async || {
        let status = installation.read(LOCATION, location).await?["status"].clone();
        let told = status["message"].as_str().is_some_and(|message| message.contains(why));
        (status["phase"] == "Unavailable" && told).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_bucket_that_is_emptied_or_swapped_deletes_nothing_and_is_told() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let store = store(&bucket).await;
    put_backup(&store, "kept").await;
    put_restore(&store, "back").await;
    let installation = Installation::prepare(&lab.a, "emptied").await;
    installation.location("default", &bucket, json!({"validationPeriod": "1s"})).await;
    let server = installation.start(ServerOptions { sync_period: "1s", ..ServerOptions::default() }).await;
    let kept = installation.reach(BACKUP, "kept", "Completed").await;
    installation.reach(RESTORE, "back", "PartiallyFailed").await;

    let all = contents(&store).await;
    let keys: Vec<_> = all.iter().map(|(key, _)| key.clone()).collect();
    // The identity first: while it is there, a document that is gone is one that somebody removed.
    remove(&store, IDENTITY).await;
    store.delete(&keys).await.expect("emptied");
    unavailable(&installation, "default", "emptied or replaced").await;
    put(&store, IDENTITY, r#"{"id": "another", "format": 2, "createdAt": "2026-01-01T00:00:00Z"}"#).await;
    unavailable(&installation, "default", "another bucket is there").await;
    for (kind, name) in [(BACKUP, "kept"), (RESTORE, "back")] {
        assert!(installation.read(kind, name).await.is_some(), "{name}");
    }
    let log = server.log();
    assert!(!log.contains("no longer\""), "{log}");

    // The identity last, for the same reason.
    let (identity, documents): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(key, _)| key.as_str() == IDENTITY);
    for (key, body) in documents.into_iter().chain(identity) {
        store.put(&key, body, PutMode::Overwrite).await.expect("brought back");
    }
    installation.reach(LOCATION, "default", "Available").await;
    pass_twice(&installation, &server, "default").await;
    let still = installation.read(BACKUP, "kept").await.expect("it is there");
    assert_eq!(still["metadata"]["uid"], kept["metadata"]["uid"]);
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn of_two_locations_that_are_one_bucket_the_older_is_used_and_the_younger_told() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let store = store(&bucket).await;
    put_backup(&store, "nightly").await;
    let installation = Installation::prepare(&lab.a, "double").await;
    let period = json!({"validationPeriod": "1s"});
    installation.location("a-first", &bucket, period.clone()).await;
    installation.location("b-second", &bucket, period.clone()).await;
    let server = installation.start(ServerOptions::default()).await;
    installation.reach(LOCATION, "a-first", "Available").await;
    unavailable(&installation, "b-second", "older location `a-first`").await;
    let shown = installation.reach(BACKUP, "nightly", "Completed").await;
    assert_eq!(shown["spec"]["storageLocation"], "a-first");
    // Once the older one is gone, the younger shows the same under its own name.
    installation.delete(LOCATION, "a-first").await;
    installation.reach(LOCATION, "b-second", "Available").await;
    eventually("the backup is shown under the other location", async || {
        let shown = installation.read(BACKUP, "nightly").await?;
        (shown["spec"]["storageLocation"] == "b-second" && shown["status"]["phase"] == "Completed")
            .then_some(())
    })
    .await;
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_name_that_another_location_has_is_reported_once_and_not_overwritten() {
    let lab = Lab::get().await;
    let (one, other) = (lab.bucket(), lab.bucket());
    put_backup(&store(&one).await, "same").await;
    let installation = Installation::prepare(&lab.a, "taken").await;
    installation.location("one", &one, json!({})).await;
    let server = installation.start(ServerOptions::default()).await;
    let shown = installation.reach(BACKUP, "same", "Completed").await;
    let second = store(&other).await;
    put_backup(&second, "same").await;
    put_backup(&second, "own").await;
    installation.location("other", &other, json!({})).await;
    installation.reach(BACKUP, "own", "Completed").await;
    let events = format!("/api/v1/namespaces/{}/events", installation.name());
    eventually("an Event says that the name is taken", async || {
        let events = lab.a.read(&events).await?;
        let told = |event: &Value| {
            let message = event["message"].to_string();
            let says_how = message.contains("`same`") && message.contains("ark restore run --location");
            event["reason"] == "NamesTaken" && says_how
        };
        events["items"].as_array()?.iter().any(told).then_some(())
    })
    .await;
    pass_twice(&installation, &server, "other").await;
    let still = installation.read(BACKUP, "same").await.expect("it is there");
    assert_eq!(
        (&still["metadata"]["uid"], &still["spec"]["storageLocation"]),
        (&shown["metadata"]["uid"], &json!("one"))
    );
    assert_eq!(server.log().matches("not shown: ").count(), 1, "{}", server.log());
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn credentials_that_change_are_taken_up_without_a_restart() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    put_backup(&store(&bucket).await, "nightly").await;
    let installation = Installation::prepare(&lab.a, "rotated").await;
    installation.set_credentials("nobody", "wrong-secret").await;
    installation.location("default", &bucket, json!({"validationPeriod": "1s"})).await;
    let server = installation.start(ServerOptions::default()).await;
    unavailable(&installation, "default", "key `cloud` of Secret `bucket-credentials`").await;
    installation
        .set_credentials(
            &crate::support::fact("AWS_ACCESS_KEY_ID"),
            &crate::support::fact("AWS_SECRET_ACCESS_KEY"),
        )
        .await;
    installation.reach(LOCATION, "default", "Available").await;
    installation.reach(BACKUP, "nightly", "Completed").await;
    installation
        .cluster
        .delete(&format!("/api/v1/namespaces/{}/secrets/bucket-credentials", installation.name()))
        .await;
    unavailable(&installation, "default", "there is no Secret `bucket-credentials`").await;
    assert!(installation.read(BACKUP, "nightly").await.is_some());
    assert!(!server.log().contains("wrong-secret"), "{}", server.log());
}

/// Objects below `obligations/` in the bucket: changes that a backup or restore made and has to
/// take back.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_waits_to_be_undone_is_counted_and_told_whoever_did_it() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let store = store(&bucket).await;
    let installation = Installation::prepare(&lab.a, "undone").await;
    installation.location("default", &bucket, json!({"validationPeriod": "1s"})).await;
    let server = installation.start(ServerOptions::default()).await;
    let open = async |number: u64| {
        eventually(&format!("{number} changes are open"), async || {
            (figure(&server, "ark_obligation_open", "default").await? == number).then_some(())
        })
        .await;
    };
    open(0).await;
    put(&store, "obligations/frozen.json", "{}").await;
    put(&store, "obligations/scaled.json", "{}").await;
    open(2).await;
    let says = async |words| eventually(words, async || server.log().contains(words).then_some(())).await;
    says("wait to be undone").await;
    remove(&store, "obligations/frozen.json").await;
    remove(&store, "obligations/scaled.json").await;
    open(0).await;
    says("is undone").await;
    installation.reach(LOCATION, "default", "Available").await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_read_only_location_is_read_and_never_written_to() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let store = store(&bucket).await;
    put_backup(&store, "nightly").await;
    let installation = Installation::prepare(&lab.a, "readonly").await;
    installation
        .location("default", &bucket, json!({"accessMode": "ReadOnly", "validationPeriod": "1s"}))
        .await;
    let server = installation.start(ServerOptions::default()).await;
    unavailable(&installation, "default", "none is written into a ReadOnly location").await;
    put(&store, IDENTITY, r#"{"id": "theirs", "format": 2, "createdAt": "2026-01-01T00:00:00Z"}"#).await;
    installation.reach(BACKUP, "nightly", "Completed").await;
    pass_twice(&installation, &server, "default").await;
    let keys: Vec<_> = contents(&store).await.into_iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(keys, [IDENTITY, "backups/nightly/ark-backup.json", "backups/nightly/nightly.tar.zst"]);
}
