//! Buckets that hold what no Ark would put there, or that answer badly.

use super::*;
use crate::support::{Act, Interceptor};

/// Keys and bodies that must not come in, and must not stop what may.
fn garbage() -> Vec<(&'static str, Value)> {
    let mut other_name = document("other");
    other_name["metadata"]["uid"] = json!("x");
    let mut running = document("running");
    running["status"]["phase"] = json!("InProgress");
    let mut phase = document("phase");
    phase["status"]["phase"] = json!("Exploded");
    let mut kind = document("kind");
    kind["kind"] = json!("Restore");
    let mut schema = document("schema");
    schema["spec"]["includedNamespaces"] = json!(["Not_A_Namespace!"]);
    schema["spec"]["ttl"] = json!("soon");
    let mut newer = document("newer");
    newer["status"]["formatVersion"] = json!("99.0.0");
    let mut status = document("status");
    status["status"]["startTimestamp"] = json!("yesterday");
    let mut huge = document("huge");
    huge["metadata"]["labels"] = json!({"x": "y".repeat(5 << 20)});
    let restore = json!({"apiVersion": "ark.heptio.com/v1", "kind": "Restore", "metadata": {"name": "swap"},
        "spec": {"backupName": "a"}, "status": {"phase": "Completed"}});
    vec![
        ("moved", other_name),
        ("running", running),
        ("phase", phase),
        ("kind", kind),
        ("schema", schema),
        ("newer", newer),
        ("status", status),
        ("huge", huge),
        ("swap", restore),
        ("list", json!([[[[{}]]]])),
        ("text", json!("hello")),
    ]
}

/// Documents that are no backups do not come in, do not stop those that are, and are not read again
/// while they are unchanged.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_bucket_full_of_garbage_shows_what_is_sound_and_the_rest_is_read_once() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let store = store(&bucket).await;
    for (name, body) in garbage() {
        put(&store, &format!("backups/{name}/{name}.tar.zst"), "items").await;
        put(&store, &format!("backups/{name}/ark-backup.json"), body.to_string()).await;
    }
    put(&store, "backups/bare/ark-backup.json", document("bare").to_string()).await;
    put(&store, "backups/Bad Name/ark-backup.json", "{}").await;
    put(&store, "backups/deep/a/b/c/d", "x").await;
    put(&store, "restores/swap/ark-restore.json", document("swap").to_string()).await;
    put(&store, "top", "x").await;
    let mut flood = document("flood");
    flood["metadata"]["labels"] = (0..10_000).map(|n| (format!("l{n}"), json!("x"))).collect::<Value>();
    flood["metadata"]["annotations"] = json!({"evil": "x"});
    flood["metadata"]["finalizers"] = json!(["example.com/never"]);
    flood["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Pod", "name": "none", "uid": "none"}]);
    put(&store, "backups/flood/flood.tar.zst", "items").await;
    put(&store, "backups/flood/ark-backup.json", flood.to_string()).await;
    put_backup(&store, "zzz-sound").await;

    let s3 = Interceptor::of_s3(&lab).await;
    let installation = Installation::prepare(&lab.a, "garbage").await;
    installation.location("default", &s3.through(&lab, &bucket), json!({})).await;
    let server = installation.start(ServerOptions::default()).await;
    installation.reach(BACKUP, "zzz-sound", "Completed").await;
    let flood = installation.reach(BACKUP, "flood", "Completed").await;
    assert_eq!(flood["metadata"]["labels"].as_object().map(serde_json::Map::len), Some(65));
    for foreign in ["finalizers", "ownerReferences"] {
        assert!(flood["metadata"][foreign].is_null(), "{flood}");
    }
    assert_eq!(flood["metadata"]["annotations"].as_object().map(serde_json::Map::len), Some(2), "{flood}");
    pass_twice(&installation, &server, "default").await;
    let shown: Vec<_> =
        installation.all(BACKUP).await.iter().map(|backup| backup["metadata"]["name"].clone()).collect();
    assert_eq!(shown, ["flood", "zzz-sound"]);
    assert!(installation.all(RESTORE).await.is_empty());

    // A pass over what is known reads the identity and the listing, and no document, sound or not.
    s3.take_seen();
    pass_twice(&installation, &server, "default").await;
    let reads: Vec<_> = s3.take_seen().into_iter().filter(|asked| asked.path.contains("/backups/")).collect();
    assert!(reads.is_empty(), "{reads:?}");
    // One that changes is read again.
    put(&store, "backups/text/ark-backup.json", document("text").to_string()).await;
    installation.reach(BACKUP, "text", "Completed").await;
}

/// A listing that breaks off does not remove the objects that it lacks.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_bucket_that_fails_or_lies_in_its_listing_deletes_nothing() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let store = store(&bucket).await;
    put_backup(&store, "kept").await;
    put_backup(&store, "gone").await;
    let s3 = Interceptor::of_s3(&lab).await;
    let installation = Installation::prepare(&lab.a, "liar").await;
    installation.location("default", &s3.through(&lab, &bucket), json!({})).await;
    let server = installation.start(ServerOptions::default()).await;
    let kept = installation.reach(BACKUP, "kept", "Completed").await;
    installation.reach(BACKUP, "gone", "Completed").await;
    // Listings that are cut in the middle.
    s3.set(|asked| if asked.query.contains("list-type") { Act::Cut } else { Act::Pass });
    remove(&store, "backups/gone/ark-backup.json").await;
    // One pass may have begun before.
    let failed = || server.log().matches("cannot sync").count();
    let before = failed();
    eventually("a pass begins and fails", async || (failed() >= before + 2).then_some(())).await;
    for name in ["kept", "gone"] {
        assert!(installation.read(BACKUP, name).await.is_some(), "{name}");
    }
    s3.clear();
    installation.gone(BACKUP, "gone").await;
    let still = installation.read(BACKUP, "kept").await.expect("it is there");
    assert_eq!(still["metadata"]["uid"], kept["metadata"]["uid"]);
}
