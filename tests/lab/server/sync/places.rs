//! Locations that are emptied, swapped, doubled, or whose credentials change, under a running server.

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
async fn unavailable(home: &Home<'_>, location: &str, why: &str) {
    eventually(&format!("{location} is Unavailable: {why}"), async || {
        let status = home.read(LOCATION, location).await?["status"].clone();
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
    let home = Home::found(&lab.a, "emptied").await;
    home.location("default", &bucket, json!({"validationPeriod": "1s"})).await;
    let server = home.start(ServerOptions { sync_period: "1s", ..ServerOptions::default() }).await;
    let kept = home.reach(BACKUP, "kept", "Completed").await;
    home.reach(RESTORE, "back", "PartiallyFailed").await;

    let all = contents(&store).await;
    let keys: Vec<_> = all.iter().map(|(key, _)| key.clone()).collect();
    // The identity first: while it is there, a document that is gone is one that somebody removed.
    remove(&store, IDENTITY).await;
    store.delete(&keys).await.expect("emptied");
    unavailable(&home, "default", "emptied or replaced").await;
    put(&store, IDENTITY, r#"{"id": "another", "format": 2, "createdAt": "2026-01-01T00:00:00Z"}"#).await;
    unavailable(&home, "default", "another bucket is there").await;
    for (kind, name) in [(BACKUP, "kept"), (RESTORE, "back")] {
        assert!(home.read(kind, name).await.is_some(), "{name}");
    }
    let log = server.log();
    assert!(!log.contains("no longer\""), "{log}");

    // The identity last, for the same reason.
    let (identity, documents): (Vec<_>, Vec<_>) = all.into_iter().partition(|(key, _)| key.as_str() == IDENTITY);
    for (key, body) in documents.into_iter().chain(identity) {
        store.put(&key, body, PutMode::Overwrite).await.expect("brought back");
    }
    home.reach(LOCATION, "default", "Available").await;
    pass_twice(&home, &server, "default").await;
    let still = home.read(BACKUP, "kept").await.expect("it is there");
    assert_eq!(still["metadata"]["uid"], kept["metadata"]["uid"]);
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn of_two_locations_that_are_one_bucket_the_older_is_used_and_the_younger_told() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let store = store(&bucket).await;
    put_backup(&store, "nightly").await;
    let home = Home::found(&lab.a, "double").await;
    let period = json!({"validationPeriod": "1s"});
    home.location("a-first", &bucket, period.clone()).await;
    home.location("b-second", &bucket, period.clone()).await;
    let server = home.start(ServerOptions::default()).await;
    home.reach(LOCATION, "a-first", "Available").await;
    unavailable(&home, "b-second", "older location `a-first`").await;
    let shown = home.reach(BACKUP, "nightly", "Completed").await;
    assert_eq!(shown["spec"]["storageLocation"], "a-first");
    // Once the older one is gone, the younger shows the same under its own name.
    home.delete(LOCATION, "a-first").await;
    home.reach(LOCATION, "b-second", "Available").await;
    eventually("the backup is shown under the other location", async || {
        let shown = home.read(BACKUP, "nightly").await?;
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
    let home = Home::found(&lab.a, "taken").await;
    home.location("one", &one, json!({})).await;
    let server = home.start(ServerOptions::default()).await;
    let shown = home.reach(BACKUP, "same", "Completed").await;
    let second = store(&other).await;
    put_backup(&second, "same").await;
    put_backup(&second, "own").await;
    home.location("other", &other, json!({})).await;
    home.reach(BACKUP, "own", "Completed").await;
    let events = format!("/api/v1/namespaces/{}/events", home.name());
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
    pass_twice(&home, &server, "other").await;
    let still = home.read(BACKUP, "same").await.expect("it is there");
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
    let home = Home::found(&lab.a, "rotated").await;
    home.set_credentials("nobody", "wrong-secret").await;
    home.location("default", &bucket, json!({"validationPeriod": "1s"})).await;
    let server = home.start(ServerOptions::default()).await;
    unavailable(&home, "default", "key `cloud` of Secret `bucket-credentials`").await;
    home.set_credentials(
        &crate::support::fact("AWS_ACCESS_KEY_ID"),
        &crate::support::fact("AWS_SECRET_ACCESS_KEY"),
    )
    .await;
    home.reach(LOCATION, "default", "Available").await;
    home.reach(BACKUP, "nightly", "Completed").await;
    home.cluster.delete(&format!("/api/v1/namespaces/{}/secrets/bucket-credentials", home.name())).await;
    unavailable(&home, "default", "there is no Secret `bucket-credentials`").await;
    assert!(home.read(BACKUP, "nightly").await.is_some());
    assert!(!server.log().contains("wrong-secret"), "{}", server.log());
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_waits_to_be_undone_is_counted_and_told_whoever_did_it() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let store = store(&bucket).await;
    let home = Home::found(&lab.a, "undone").await;
    home.location("default", &bucket, json!({"validationPeriod": "1s"})).await;
    let server = home.start(ServerOptions::default()).await;
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
    home.reach(LOCATION, "default", "Available").await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_read_only_location_is_read_and_never_written_to() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let store = store(&bucket).await;
    put_backup(&store, "nightly").await;
    let home = Home::found(&lab.a, "readonly").await;
    home.location("default", &bucket, json!({"accessMode": "ReadOnly", "validationPeriod": "1s"})).await;
    let server = home.start(ServerOptions::default()).await;
    unavailable(&home, "default", "none is written into a ReadOnly location").await;
    put(&store, IDENTITY, r#"{"id": "theirs", "format": 2, "createdAt": "2026-01-01T00:00:00Z"}"#).await;
    home.reach(BACKUP, "nightly", "Completed").await;
    pass_twice(&home, &server, "default").await;
    let keys: Vec<_> = contents(&store).await.into_iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(keys, [IDENTITY, "backups/nightly/ark-backup.json", "backups/nightly/nightly.tar.zst"]);
}
