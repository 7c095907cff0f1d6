//! Schedules, expiry and deletion.

use std::collections::BTreeSet;

use ark::api::Schedule;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::stage::Stage;
use super::{BACKUP, DELETION, Home, LOCATION, RESTORE, SCHEDULE, ServerOptions};
use crate::backup::config_map;
use crate::restore::store;
use crate::support::{Act, Lab, TestNamespace, eventually};

/// The Backups of a Schedule, by name, with their phases.
async fn of_schedule(home: &Home<'_>, schedule: &str) -> Vec<(String, String)> {
    let own = |backup: &Value| backup["metadata"]["labels"]["ark.heptio.com/schedule-name"] == schedule;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let backups = home.all(BACKUP).await.into_iter().filter(own);
    backups.map(|backup| (text(&backup["metadata"]["name"]), text(&backup["status"]["phase"]))).collect()
}

/// Changes fields of a Schedule's specification, however often others change the object meanwhile.
async fn change(home: &Home<'_>, name: &str, fields: Value) {
    let api = Api::<Schedule>::namespaced(home.cluster.client.clone(), home.name());
    let patch = Patch::Merge(json!({"spec": fields}));
    let changed = api.patch(name, &PatchParams::default(), &patch).await;
    changed.unwrap_or_else(|error| panic!("Schedule {name}: {error}"));
}

/// What is in a bucket.
async fn keys(bucket: &str) -> Vec<String> {
    let objects = store(bucket).await.list("", false, None).await.expect("listable").objects;
    objects.into_iter().map(|object| object.key.to_string()).collect()
}

fn errors(request: &Value) -> String {
    request["status"]["errors"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_schedule_makes_its_first_backup_at_once_and_then_one_a_tick_until_it_is_paused() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "ticks").await;
    home.location("default", &lab.bucket(), json!({})).await;
    let _server = home.start(ServerOptions::default()).await;
    home.reach(LOCATION, "default", "Available").await;

    let template = json!({"includedNamespaces": [home.name()]});
    // No tick of this one comes within the test.
    let spec = json!({"schedule": "@every 10h", "template": template});
    let schedule = home.create(SCHEDULE, "seldom", spec).await;
    let first = eventually("it makes a backup at once", async || own(&home, "seldom").await.pop()).await;
    assert!(name_of(&first) >= named("seldom", &schedule["metadata"]["creationTimestamp"]), "{first}");

    let spec = json!({"schedule": "@every 2s", "template": template, "useOwnerReferences": true});
    let schedule = home.create(SCHEDULE, "often", spec).await;
    let made = eventually("three backups are made", async || {
        let made = own(&home, "often").await;
        (made.iter().filter(|each| each["status"]["phase"] == "Completed").count() >= 3).then_some(made)
    })
    .await;
    for backup in &made {
        let owner = &backup["metadata"]["ownerReferences"][0]["uid"];
        assert_eq!(*owner, schedule["metadata"]["uid"], "{backup}");
    }
    let enabled = home.reach(SCHEDULE, "often", "Enabled").await;
    let created = schedule["metadata"]["creationTimestamp"].as_str();
    assert!(enabled["status"]["lastBackup"].as_str() > created, "{enabled}");

    // Paused: ticks are recorded as skipped, and nothing is made.
    let seen = pause(&home, "often").await;
    let names = async || -> BTreeSet<String> { own(&home, "often").await.iter().map(name_of).collect() };
    let before = names().await;
    let skipped = async |after: &Value| {
        eventually("a tick is skipped", async || {
            let skipped = home.read(SCHEDULE, "often").await?["status"]["lastSkipped"].clone();
            (skipped.as_str() > after.as_str()).then_some(skipped)
        })
        .await
    };
    let one = skipped(&seen["status"]["lastSkipped"]).await;
    let last = skipped(&one).await;
    assert_eq!(names().await, before);

    // Going on: with a tick that comes now, and none of those that were skipped.
    change(&home, "often", json!({"paused": false})).await;
    let new = eventually("it goes on", async || {
        let new: Vec<String> = names().await.difference(&before).cloned().collect();
        (!new.is_empty()).then_some(new)
    })
    .await;
    assert!(new.iter().all(|name| *name > named("often", &last)), "{new:?} were made after {last}");

    // With owner references its Backups go with it; what the bucket has comes back as other objects.
    pause(&home, "often").await;
    let uid_of = |backup: &Value| backup["metadata"]["uid"].to_string();
    let uids: BTreeSet<String> = own(&home, "often").await.iter().map(uid_of).collect();
    home.delete(SCHEDULE, "often").await;
    home.gone(SCHEDULE, "often").await;
    eventually("its Backups are gone", async || {
        (!home.all(BACKUP).await.iter().any(|backup| uids.contains(&uid_of(backup)))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn ticks_that_nobody_saw_become_one_backup_and_a_running_one_skips_the_next() {
    let lab = Lab::get().await;
    let mut stage = Stage::open(&lab, "missed").await;
    let template = json!({"includedNamespaces": [stage.home.name()]});
    let spec = json!({"schedule": "@every 1s", "template": template, "skipImmediately": true});
    stage.home.create(SCHEDULE, "missed", spec).await;
    eventually("a tick is made", async || own(&stage.home, "missed").await.pop()).await;

    // While one is held up, ticks are skipped and told of.
    let never = CancellationToken::new();
    stage.s3.set(move |asked| {
        if asked.path.ends_with(".tar.zst") { Act::Held(never.clone()) } else { Act::Pass }
    });
    stage.s3.take_seen();
    eventually("a backup is held up", async || {
        stage.s3.take_seen().iter().any(|asked| asked.path.ends_with(".tar.zst")).then_some(())
    })
    .await;
    eventually("ticks are skipped after it", async || {
        let status = stage.home.read(SCHEDULE, "missed").await?["status"].clone();
        (status["lastSkipped"].as_str() > status["lastBackup"].as_str()).then_some(())
    })
    .await;
    stage.home.delete(SCHEDULE, "missed").await;
    stage.man().await;
    eventually("what ran is finished", async || {
        let made = stage.home.all(BACKUP).await;
        made.iter().all(|backup| backup["status"]["phase"] == "Completed").then_some(())
    })
    .await;

    // The server is away for some ticks. Whatever runs, the last of them may begin.
    let spec = json!({"schedule": "@every 2s", "template": template, "concurrencyPolicy": "Allow"});
    stage.home.create(SCHEDULE, "unseen", spec).await;
    eventually("a tick is made", async || own(&stage.home, "unseen").await.pop()).await;
    stage.server.as_ref().expect("a server").kill();
    let away = chrono::Utc::now();
    eventually("ticks go by", async || {
        (chrono::Utc::now() - away > chrono::TimeDelta::seconds(7)).then_some(())
    })
    .await;
    let back = chrono::Utc::now();
    stage.man().await;
    let [away, back] = [away, back].map(|time| named("unseen", &json!(time.format("%FT%TZ").to_string())));
    let made = eventually("a backup is made again", async || {
        let made: Vec<String> = own(&stage.home, "unseen").await.iter().map(name_of).collect();
        made.iter().any(|name| *name > away).then_some(made)
    })
    .await;
    let unseen: Vec<_> = made.iter().filter(|name| **name > away && **name <= back).collect();
    assert!(unseen.len() <= 1, "three ticks went by from {away} to {back}: {made:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn retention_keeps_the_newest_in_cluster_and_bucket() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "retention").await;
    let bucket = lab.bucket();
    home.location("default", &bucket, json!({})).await;
    let _server = home.start(ServerOptions::default()).await;
    home.reach(LOCATION, "default", "Available").await;
    let template = json!({"includedNamespaces": [home.name()]});
    let spec = json!({"schedule": "@every 2s", "template": template, "retention": {"maxCount": 2}});
    home.create(SCHEDULE, "few", spec).await;
    eventually("two deletions are answered", async || {
        let requests = home.all(DELETION).await;
        let done = |request: &&Value| request["status"]["phase"] == "Processed" && errors(request) == "null";
        (requests.iter().filter(done).count() >= 2).then_some(())
    })
    .await;
    change(&home, "few", json!({"schedule": "@every 10h"})).await;
    counted(&home, "few", "@every 10h").await;
    let left = eventually("two are left", async || {
        let made = own(&home, "few").await;
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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_expires_goes_with_its_restores_and_what_does_not_stays() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "expiry").await;
    let bucket = lab.bucket();
    home.location("default", &bucket, json!({"default": true})).await;
    home.location("elsewhere", &lab.bucket(), json!({"accessMode": "ReadOnly"})).await;
    config_map(&lab.a, home.name(), "settings", &json!({"k": "v"})).await;
    // Nothing is collected until the restore is done.
    let options = ServerOptions { gc_period: "1h", ..ServerOptions::default() };
    let server = home.start(options).await;
    home.reach(LOCATION, "default", "Available").await;
    let spec = |ttl: &str| json!({"includedNamespaces": [home.name()], "ttl": ttl});
    home.create(BACKUP, "short", spec("5s")).await;
    home.create(BACKUP, "long", spec("1h")).await;
    home.create(BACKUP, "refused", json!({"ttl": "5s", "storageLocation": "elsewhere"})).await;
    home.reach(BACKUP, "short", "Completed").await;
    home.reach(BACKUP, "long", "Completed").await;
    home.reach(BACKUP, "refused", "FailedValidation").await;
    let copy = TestNamespace::reserve(&lab.a, "expiry-copy");
    let mapping = json!({home.name(): &copy.name});
    home.create(RESTORE, "back", json!({"backupName": "short", "namespaceMapping": mapping})).await;
    home.reach(RESTORE, "back", "Completed").await;
    assert!(keys(&bucket).await.iter().any(|key| key.starts_with("restores/back/")));
    server.stop().await;

    let _server = home.start_again(ServerOptions::default()).await;
    for (kind, name) in [(BACKUP, "short"), (RESTORE, "back"), (BACKUP, "refused")] {
        home.gone(kind, name).await;
    }
    let request = home.reach(DELETION, "short-expired", "Processed").await;
    assert_eq!(errors(&request), "null", "{request}");
    assert_eq!(home.phase(BACKUP, "long").await.as_deref(), Some("Completed"));
    let left = keys(&bucket).await;
    let kept = |key: &String| key == "ark-location.json" || key.starts_with("backups/long/");
    assert!(left.len() == 6 && left.iter().all(kept), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_deletion_whose_request_is_gone_is_finished_and_what_a_dead_run_left_is_swept() {
    let lab = Lab::get().await;
    let mut stage = Stage::open(&lab, "unfinished").await;
    stage.home.create(BACKUP, "half", json!({"includedNamespaces": [stage.home.name()]})).await;
    stage.home.reach(BACKUP, "half", "Completed").await;
    stage.server.as_ref().expect("a server").kill();
    stage.home.edit(BACKUP, "half", "/status", |half| half["status"]["phase"] = json!("Deleting")).await;
    // A run of a process of this machine that is no more.
    let mut claim = serde_json::to_value(ark::bucket::Claim::new("uid", "cluster", "host/1")).expect("JSON");
    claim["process"]["id"] = u32::MAX.into();
    for (key, body) in [("claim.json", claim.to_string()), ("dead.tar.zst", "parts".to_owned())] {
        let key = ark::store::ObjectKey::new(format!("backups/dead/{key}")).expect("a key");
        stage.store.put(&key, body.into(), ark::store::PutMode::Create).await.expect("writable");
    }
    stage.man().await;
    let request = stage.home.reach(DELETION, "half-unfinished", "Processed").await;
    assert_eq!(errors(&request), "null", "{request}");
    stage.home.gone(BACKUP, "half").await;
    eventually("the bucket is empty", async || stage.keys("backups/").await.is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_may_not_be_deleted_is_refused_with_the_reason() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "refusals").await;
    let bucket = lab.bucket();
    home.location("default", &bucket, json!({})).await;
    let server = home.start(ServerOptions::default()).await;
    home.reach(LOCATION, "default", "Available").await;
    home.create(BACKUP, "kept", json!({"includedNamespaces": [home.name()]})).await;
    home.reach(BACKUP, "kept", "Completed").await;
    let refused = async |name: &str, backup: &str| {
        home.create(DELETION, name, json!({"backupName": backup})).await;
        errors(&home.reach(DELETION, name, "Processed").await)
    };
    assert!(refused("nothing", "no-such").await.contains("there is no Backup `no-such`"));
    let mut other = json!({"metadata": {"name": "another"}, "spec": {"backupName": "kept"}});
    other["metadata"]["labels"] = json!({"ark.heptio.com/backup-uid": "of-an-earlier-one"});
    home.create_object(DELETION, other).await;
    assert!(errors(&home.reach(DELETION, "another", "Processed").await).contains("is kept"));
    let mut ahead = json!({"metadata": {"name": "ahead"}, "spec": {"backupName": "kept"}});
    ahead["metadata"]["annotations"] = json!({"ark.heptio.com/requested-at": "2099-01-01T00:00:00Z"});
    home.create_object(DELETION, ahead).await;
    assert!(errors(&home.reach(DELETION, "ahead", "Processed").await).contains("clocks"));
    server.stop().await;

    let server = home.start_again(ServerOptions { restore_only: true, ..ServerOptions::default() }).await;
    assert!(refused("elsewhere", "kept").await.contains("--restore-only"));
    server.stop().await;

    home.edit(LOCATION, "default", "", |location| location["spec"]["accessMode"] = json!("ReadOnly")).await;
    let _server = home.start_again(ServerOptions::default()).await;
    assert!(refused("read-only", "kept").await.contains("ReadOnly"));
    assert_eq!(home.phase(BACKUP, "kept").await.as_deref(), Some("Completed"));
    assert_eq!(keys(&bucket).await.len(), 6);
}
