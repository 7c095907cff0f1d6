//! Whose backups are whose: two clusters on one bucket, labels that people set, documents that lie, edits of Schedules.

use ark::api::Schedule;
use ark::store::{ObjectKey, PutMode, read_all};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{BACKUP, DELETION, Home, LOCATION, RESTORE, SCHEDULE, ServerOptions};
use crate::backup::config_map;
use crate::restore::{data, store};
use crate::support::{Lab, TestNamespace, eventually};

/// Larger than any document of the tests.
const DOCUMENT: u64 = 1 << 20;

fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().expect("a name").to_owned()
}

/// The Backups that a Schedule made, which only the server can say.
async fn own(home: &Home<'_>, schedule: &str) -> Vec<Value> {
    let schedule = home.read(SCHEDULE, schedule).await.expect("the Schedule is there");
    let mut backups = home.all(BACKUP).await;
    let synced =
        |backup: &Value| backup["metadata"]["annotations"].get("ark.heptio.com/synced-from").is_some();
    backups.retain(|backup| {
        !synced(backup) && backup["status"]["origin"]["schedule"] == schedule["metadata"]["uid"]
    });
    backups
}

/// The one Backup that a Schedule has, once it Completed. Where another cluster took the name of the same second, the Schedule
/// makes another one instead of the first.
async fn first(home: &Home<'_>, schedule: &str) -> String {
    let complete = |backup: &Value| backup["status"]["phase"] == "Completed";
    eventually("the schedule makes a backup", async || {
        own(home, schedule).await.iter().find(|backup| complete(backup)).map(name_of)
    })
    .await
}

/// Changes fields of a Schedule's specification, however often others change the object meanwhile.
async fn change(home: &Home<'_>, name: &str, fields: Value) {
    let api = Api::<Schedule>::namespaced(home.cluster.client.clone(), home.name());
    let patch = Patch::Merge(json!({"spec": fields}));
    let changed = api.patch(name, &PatchParams::default(), &patch).await;
    changed.unwrap_or_else(|error| panic!("Schedule {name}: {error}"));
}

/// Waits until the server has seen this text of a Schedule, unpaused.
async fn counted(home: &Home<'_>, name: &str, text: &str) -> Value {
    eventually("the server sees the edit", async || {
        let schedule = home.read(SCHEDULE, name).await?;
        let seen = &schedule["status"]["counting"];
        (seen["schedule"] == text && seen["paused"] != true).then_some(schedule)
    })
    .await
}

/// Waits until the server has seen that a Schedule is paused: no backup of it is begun from then on.
async fn seen_paused(home: &Home<'_>, name: &str) -> Value {
    eventually("the server sees it paused", async || {
        let schedule = home.read(SCHEDULE, name).await?;
        (schedule["status"]["counting"]["paused"] == true).then_some(schedule)
    })
    .await
}

/// Pauses a Schedule, and waits until the server has seen it.
async fn pause(home: &Home<'_>, name: &str) -> Value {
    change(home, name, json!({"paused": true})).await;
    seen_paused(home, name).await
}

/// The name that the backup of a Schedule has for a tick.
fn named(schedule: &str, tick: &Value) -> String {
    let tick = tick.as_str().expect("a time");
    format!("{schedule}-{}", tick.replace(['-', ':', 'T', 'Z'], ""))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn two_clusters_with_one_schedule_and_one_bucket_have_a_backup_each_of_a_tick() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (a, b) = (Home::found(&lab.a, "twin").await, Home::found(&lab.b, "twin").await);
    for home in [&a, &b] {
        home.location("default", &bucket, json!({})).await;
    }
    let (_server_a, _server_b) =
        (a.start(ServerOptions::default()).await, b.start(ServerOptions::default()).await);
    for home in [&a, &b] {
        home.reach(LOCATION, "default", "Available").await;
        let template = json!({"includedNamespaces": [home.name()]});
        let spec = json!({"schedule": "* * * * *", "skipImmediately": true, "template": template});
        home.create(SCHEDULE, "nightly", spec).await;
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
    for home in [&a, &b] {
        pause(home, "nightly").await;
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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_others_label_and_write_neither_ages_out_nor_replaces_a_schedule_s_own() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "forged").await;
    let (bucket, partner) = (lab.bucket(), lab.bucket());
    home.location("default", &bucket, json!({"default": true})).await;
    let _server = home.start(ServerOptions::default()).await;
    home.reach(LOCATION, "default", "Available").await;
    let template = json!({"includedNamespaces": [home.name()]});
    let spec = json!({"schedule": "0 0 1 1 *", "template": template, "retention": {"maxCount": 1}});
    home.create(SCHEDULE, "few", spec).await;
    let real = first(&home, "few").await;

    // A person's, with the label and a name of the Schedule; and a partner's, which claims to be this cluster's, of 2099.
    let label = json!({"ark.heptio.com/schedule-name": "few"});
    let object = json!({"metadata": {"name": "few-20991231235958", "labels": label},
        "spec": {"includedNamespaces": [home.name()]}});
    home.create_object(BACKUP, object).await;
    home.reach(BACKUP, "few-20991231235958", "Completed").await;
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
    home.location("partner", &partner, json!({})).await;
    home.reach(BACKUP, forged, "Completed").await;

    // Retention goes on by the Schedule's own: with each new one, the one before goes, and nothing else.
    change(&home, "few", json!({"schedule": "@every 2s"})).await;
    eventually("two are removed by retention", async || {
        let requests = home.all(DELETION).await;
        (requests.iter().filter(|request| request["status"]["phase"] == "Processed").count() >= 2)
            .then_some(())
    })
    .await;
    change(&home, "few", json!({"schedule": "0 0 1 1 *"})).await;
    counted(&home, "few", "0 0 1 1 *").await;
    eventually("one of its own is left", async || {
        let own = own(&home, "few").await;
        (own.len() == 1 && own[0]["status"]["phase"] == "Completed").then_some(())
    })
    .await;
    for kept in ["few-20991231235958", forged] {
        assert_eq!(home.phase(BACKUP, kept).await.as_deref(), Some("Completed"), "{kept}");
    }
    // Nor is one of them the newest of the Schedule.
    let namespace = TestNamespace::reserve(&lab.a, "forged-copy");
    let mapping = json!({home.name(): &namespace.name});
    home.create(RESTORE, "newest", json!({"scheduleName": "few", "namespaceMapping": mapping})).await;
    let restore = home.reach(RESTORE, "newest", "Completed").await;
    assert_eq!(restore["status"]["backupName"], own(&home, "few").await[0]["metadata"]["name"], "{restore}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn editing_and_unpausing_fire_nothing_for_a_past_that_was_before_them() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "edited").await;
    home.location("default", &lab.bucket(), json!({})).await;
    let _server = home.start(ServerOptions::default()).await;
    home.reach(LOCATION, "default", "Available").await;
    let template = json!({"includedNamespaces": [home.name()]});
    home.create(SCHEDULE, "edit", json!({"schedule": "0 0 1 1 *", "template": &template})).await;
    first(&home, "edit").await;

    // Ticks of an hour ago, and of 22 hours ago by another clock than Greenwich's, which were never this schedule's.
    let (hour, day) = (chrono::TimeDelta::minutes(61), chrono::TimeDelta::hours(22));
    let at = |time: chrono::DateTime<chrono::Utc>| time.format("%M %H * * *").to_string();
    let now = chrono::Utc::now();
    let west = at(now - day - chrono::TimeDelta::hours(5));
    for text in [at(now - hour), format!("CRON_TZ=Etc/GMT+5 {west}")] {
        change(&home, "edit", json!({"schedule": text})).await;
        let schedule = counted(&home, "edit", &text).await;
        let next = schedule["status"]["nextBackup"].as_str().expect("it says when the next one is made");
        let next = chrono::DateTime::parse_from_rfc3339(next).expect("a time");
        assert!(next > now, "{schedule}");
    }
    // A tick that has not come yet is the next that it makes a backup for.
    let before = own(&home, "edit").await;
    assert_eq!(before.len(), 1, "nothing was fired: {before:?}");
    change(&home, "edit", json!({"schedule": "@every 1s"})).await;
    let made = eventually("it makes backups again", async || {
        let made = own(&home, "edit").await;
        (made.len() > before.len()).then_some(made)
    })
    .await;
    let edited = home.read(SCHEDULE, "edit").await.expect("it is there")["status"]["counting"]["since"].clone();
    let new = made.iter().map(name_of).filter(|name| *name != name_of(&before[0]));
    let early: Vec<String> = new.filter(|name| *name < named("edit", &edited)).collect();
    assert!(early.is_empty(), "{early:?} were made for ticks before {edited}");

    // Created paused: its first backup carries the time at which it was unpaused.
    home.create(SCHEDULE, "later", json!({"schedule": "0 0 1 1 *", "template": &template, "paused": true}))
        .await;
    seen_paused(&home, "later").await;
    let unpaused = chrono::Utc::now();
    eventually("its creation is past", async || {
        (chrono::Utc::now() > unpaused + chrono::TimeDelta::seconds(2)).then_some(())
    })
    .await;
    let unpaused = chrono::Utc::now().format("%Y%m%d%H%M%S").to_string();
    change(&home, "later", json!({"paused": false})).await;
    let made = first(&home, "later").await;
    assert!(made >= format!("later-{unpaused}"), "{made} was made for a time before {unpaused}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_restore_by_schedule_takes_this_cluster_s_backup_and_not_a_newer_one_of_another() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (a, b) = (Home::found(&lab.a, "origins").await, Home::found(&lab.b, "origins").await);
    let (of_a, of_b) =
        (TestNamespace::create(&lab.a, "shop").await, TestNamespace::create(&lab.b, "shop").await);
    config_map(&lab.a, &of_a.name, "prices", &json!({"from": "a"})).await;
    config_map(&lab.b, &of_b.name, "prices", &json!({"from": "b"})).await;
    for home in [&a, &b] {
        home.location("default", &bucket, json!({})).await;
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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_newest_good_backup_outlives_its_ttl_until_the_schedule_is_deleted() {
    let lab = Lab::get().await;
    let home = Home::found(&lab.a, "last-good").await;
    home.location("default", &lab.bucket(), json!({})).await;
    let _server = home.start(ServerOptions { gc_period: "1s", ..ServerOptions::default() }).await;
    home.reach(LOCATION, "default", "Available").await;
    let template = json!({"includedNamespaces": [home.name()], "ttl": "2s"});
    home.create(SCHEDULE, "kept", json!({"schedule": "0 0 1 1 *", "template": &template})).await;
    let kept = first(&home, "kept").await;
    // One that a person made with the same ttl goes; by then the other's time has come as well.
    home.create(BACKUP, "by-hand", template).await;
    let expired = home.reach(DELETION, "by-hand-expired", "Processed").await;
    assert!(expired["status"]["errors"].is_null(), "{expired}");
    home.gone(BACKUP, "by-hand").await;
    assert_eq!(home.phase(BACKUP, &kept).await.as_deref(), Some("Completed"));
    home.delete(SCHEDULE, "kept").await;
    home.gone(BACKUP, &kept).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_newest_good_backup_of_another_cluster_s_schedule_outlives_its_ttl_here() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (a, b) = (Home::found(&lab.a, "kept-there").await, Home::found(&lab.b, "kept-there").await);
    for home in [&a, &b] {
        home.location("default", &bucket, json!({})).await;
    }
    // The cluster that makes the backups collects no garbage in this test; the other one does, all the time.
    let _server_a = a.start(ServerOptions { gc_period: "1h", ..ServerOptions::default() }).await;
    let _server_b = b.start(ServerOptions { gc_period: "1s", ..ServerOptions::default() }).await;
    a.reach(LOCATION, "default", "Available").await;
    let template = json!({"includedNamespaces": [a.name()], "ttl": "2s"});
    a.create(SCHEDULE, "kept", json!({"schedule": "0 0 1 1 *", "template": &template})).await;
    let kept = first(&a, "kept").await;
    b.reach(BACKUP, &kept, "Completed").await;
    // One that a person made there with the same ttl goes; by then the other's time has come as well.
    a.create(BACKUP, "by-hand", template).await;
    let expired = b.reach(DELETION, "by-hand-expired", "Processed").await;
    assert!(expired["status"]["errors"].is_null(), "{expired}");
    a.gone(BACKUP, "by-hand").await;
    for home in [&a, &b] {
        assert_eq!(home.phase(BACKUP, &kept).await.as_deref(), Some("Completed"));
    }
}
