//! Killed while it makes scheduled Backups, syncs, opens a location or finds an expired Backup: nothing twice, nothing lost.

use ark::bucket::Bucket;
use serde_json::{Value, json};

use super::super::stage::{Point, Side, Stage, api, s3};
use super::super::{BACKUP, DELETION, Kind, LOCATION, RESTORE, SCHEDULE};
use super::cases;
use crate::backup::config_map;
use crate::process::run;
use crate::support::{Lab, TestNamespace, eventually, unique};

pub const SCHEDULE_POINTS: &[Point] = &[
    api("Schedule: ticks counted", "PUT", "/schedules/{}/status", r#""counting":{"#),
    api("Schedule: name recorded", "PUT", "/schedules/{}/status", r#""pending":{"#),
    api("Schedule: Backup created", "POST", "/backups", r#""name":"{}-2"#),
    api("Schedule: Backup marked", "PUT", "/status", r#""origin":{"schedule":""#),
    api("Schedule: status", "PUT", "/schedules/{}/status", r#""lastBackup":""#),
];

pub const SYNC: &[Point] = &[
    api("Sync: Backup created", "POST", "/backups", r#""name":"{}""#),
    api("Sync: status of a Backup", "PUT", "/backups/{}/status", r#""phase":"Completed""#),
    api("Sync: Restore created", "POST", "/restores", r#""name":"{}""#),
    api("Sync: status of a Restore", "PUT", "/restores/{}/status", r#""phase":"Completed""#),
];

pub const SYNC_REMOVAL: &[Point] = &[
    api("Sync: Backup removed", "DELETE", "/backups/{}", ""),
    api("Sync: Restore removed", "DELETE", "/restores/{}", ""),
];

pub const LOCATION_POINTS: &[Point] = &[
    s3("Location: bucket created", "PUT", "/{}"),
    s3("Location: identity", "PUT", "/{}/ark-location.json"),
    api("Location: status", "PUT", "/backupstoragelocations/{}/status", r#""phase":"Available""#),
];

pub const EXPIRY: &[Point] =
    &[api("Expiry: request created", "POST", "/deletebackuprequests", r#""name":"{}-expired""#)];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_tick_makes_one_backup_wherever_the_server_is_killed() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "ticked").await;
    let mut stage = Stage::open(&lab, "crash-schedule").await;
    for (point, side, name) in cases(SCHEDULE_POINTS, "schedule") {
        println!("{side:?} `{}`: {name}", point.what);
        stage.mine(point, side, &name);
        let template = json!({"includedNamespaces": [&namespace.name]});
        stage.home.create(SCHEDULE, &name, json!({"schedule": "@yearly", "template": template})).await;
        stage.died(point, side).await;
        stage.man().await;
        let made = eventually("the schedule's backup is recorded", async || {
            let schedule = stage.home.reach(SCHEDULE, &name, "Enabled").await;
            schedule["status"]["lastBackup"].as_str()?;
            let mut backups = stage.home.all(BACKUP).await;
            backups.retain(|backup| backup["metadata"]["labels"]["ark.heptio.com/schedule-name"] == name);
            let uid = &schedule["metadata"]["uid"];
            let own = |backup: &Value| backup["status"]["origin"]["schedule"] == *uid;
            (!backups.is_empty() && backups.iter().all(own)).then_some(backups)
        });
        let made: Vec<String> = made.await.iter().map(name_of).collect();
        assert_eq!(made.len(), 1, "{made:?}");
        stage.home.reach(BACKUP, &made[0], "Completed").await;
    }
    assert_eq!(stage.home.all(BACKUP).await.len(), cases(SCHEDULE_POINTS, "").count());
}

fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().expect("a name").to_owned()
}

/// `ark` as another cluster would run it, past the server.
async fn elsewhere(lab: &Lab, arguments: &[&str]) {
    let mut command = lab.a.ark(arguments.iter().copied());
    tokio::task::spawn_blocking(move || run(&mut command).expect_code(0)).await.expect("it runs");
}

/// It is there, as it was stored, marked, and has not been run.
async fn check_synced(stage: &Stage<'_>, kind: Kind, name: &str) {
    let synced = stage.home.reach(kind, name, "Completed").await;
    let identity = stage.object("ark-location.json").await.expect("there")["id"].clone();
    assert_eq!(synced["metadata"]["annotations"]["ark.heptio.com/synced-from"], identity, "{synced}");
    let file = if kind.1 == BACKUP.1 { "ark-backup.json" } else { "ark-restore.json" };
    let stored = stage.object(&format!("{}/{name}/{file}", kind.1)).await.expect("stored");
    for field in ["phase", "completionTimestamp", "holder", "attempt"] {
        assert_eq!(synced["status"][field], stored["status"][field], "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_the_bucket_has_comes_and_goes_wherever_the_server_is_killed() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "synced").await;
    config_map(&lab.a, &namespace.name, "settings", &json!({"k": "v"})).await;
    let copy = TestNamespace::reserve(&lab.a, "synced-copy");
    let mapping = format!("{}:{}", namespace.name, copy.name);
    let mut stage = Stage::open(&lab, "crash-sync").await;
    let bucket = stage.bucket.clone();
    for (point, side, name) in cases(SYNC, "sync") {
        println!("{side:?} `{}`: {name}", point.what);
        stage.mine(point, side, &name);
        let backup = ["backup", "run", &name, "--location", &bucket, "--include-namespaces", &namespace.name];
        elsewhere(&lab, &backup).await;
        let restore = ["restore", "run", &name, "--location", &bucket, "--from-backup", &name];
        elsewhere(&lab, &[&restore[..], &["--namespace-mappings", &mapping]].concat()).await;
        stage.died(point, side).await;
        stage.man().await;
        check_synced(&stage, BACKUP, &name).await;
        check_synced(&stage, RESTORE, &name).await;
    }
    let names: Vec<String> = cases(SYNC, "sync").map(|(_, _, name)| name).collect();
    let removing = Bucket::new(std::sync::Arc::clone(&stage.store));
    for ((point, side, _), name) in cases(SYNC_REMOVAL, "").zip(&names) {
        println!("{side:?} `{}`: {name}", point.what);
        stage.mine(point, side, name);
        removing.remove_restore(&name.parse().expect("a name"), None, "test").await.expect("removed");
        removing.remove_backup(&name.parse().expect("a name"), None, "test").await.expect("removed");
        stage.died(point, side).await;
        stage.man().await;
        stage.home.gone(BACKUP, name).await;
        stage.home.gone(RESTORE, name).await;
    }
    let left = names.len() - cases(SYNC_REMOVAL, "").count();
    assert_eq!(stage.home.all(BACKUP).await.len(), left);
    assert_eq!(stage.home.all(RESTORE).await.len(), left);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_location_has_one_identity_wherever_the_server_is_killed() {
    let lab = Lab::get().await;
    let mut stage = Stage::open(&lab, "crash-location").await;
    for (point, side, _) in cases(LOCATION_POINTS, "") {
        let url = lab.bucket();
        let name = url.trim_start_matches("s3://").split('?').next().expect("a bucket").to_owned();
        println!("{side:?} `{}`: {name}", point.what);
        stage.mine(point, side, &name);
        stage.home.location(&name, &stage.s3.through(&lab, &url), json!({})).await;
        stage.died(point, side).await;
        let early = if point.what == "Location: status" { identity(&url).await } else { Value::Null };
        stage.man().await;
        let location = stage.home.reach(LOCATION, &name, "Available").await;
        let id = identity(&url).await;
        assert_eq!(location["status"]["id"], id);
        assert!(early.is_null() || early == id, "the identity was replaced");
    }
}

async fn identity(bucket: &str) -> Value {
    let store = crate::restore::store(bucket).await;
    let document = Bucket::new(store).identity().await.expect("readable");
    document.map_or(Value::Null, |document| json!(document.id))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_expired_backup_goes_wherever_the_server_is_killed() {
    let lab = Lab::get().await;
    let mut stage = Stage::open(&lab, "crash-expiry").await;
    for (point, side, _) in cases(EXPIRY, "") {
        let name = unique("expiring");
        println!("{side:?} `{}`: {name}", point.what);
        stage.mine(point, side, &name);
        let spec = json!({"includedNamespaces": [stage.home.name()], "ttl": "1s"});
        stage.home.create(BACKUP, &name, spec).await;
        stage.died(point, side).await;
        if side == Side::Before {
            assert_eq!(stage.home.phase(BACKUP, &name).await.as_deref(), Some("Completed"));
        }
        stage.man().await;
        stage.home.gone(BACKUP, &name).await;
        stage.home.reach(DELETION, &format!("{name}-expired"), "Processed").await;
        assert_eq!(stage.keys(&format!("backups/{name}/")).await, Vec::<String>::new());
    }
}
