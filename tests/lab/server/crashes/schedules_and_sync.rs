//! Killed while it makes scheduled Backups, syncs, opens a location or finds an expired Backup:
//! nothing twice, nothing lost.

use ark::bucket::Bucket;
use serde_json::{Value, json};

use super::super::intercepted::{InterceptedServer, KillMoment, KillPoint, api, s3};
use super::super::{BACKUP, DELETION, Kind, LOCATION, RESTORE, SCHEDULE};
use super::cases;
use crate::backup::config_map;
use crate::process::run;
use crate::support::{Lab, TestNamespace, eventually, unique};

pub const SCHEDULE_KILL_POINTS: &[KillPoint] = &[
    api("Schedule: ticks counted", "PUT", "/schedules/{}/status", r#""counting":{"#),
    api("Schedule: name recorded", "PUT", "/schedules/{}/status", r#""pending":{"#),
    api("Schedule: Backup created", "POST", "/backups", r#""name":"{}-2"#),
    api("Schedule: Backup marked", "PUT", "/status", r#""origin":{"schedule":""#),
    api("Schedule: status", "PUT", "/schedules/{}/status", r#""lastBackup":""#),
];

pub const SYNC_KILL_POINTS: &[KillPoint] = &[
    api("Sync: Backup created", "POST", "/backups", r#""name":"{}""#),
    api("Sync: status of a Backup", "PUT", "/backups/{}/status", r#""phase":"Completed""#),
    api("Sync: Restore created", "POST", "/restores", r#""name":"{}""#),
    api("Sync: status of a Restore", "PUT", "/restores/{}/status", r#""phase":"Completed""#),
];

pub const SYNC_REMOVAL_KILL_POINTS: &[KillPoint] = &[
    api("Sync: Backup removed", "DELETE", "/backups/{}", ""),
    api("Sync: Restore removed", "DELETE", "/restores/{}", ""),
];

pub const LOCATION_KILL_POINTS: &[KillPoint] = &[
    s3("Location: bucket created", "PUT", "/{}"),
    s3("Location: identity", "PUT", "/{}/ark-location.json"),
    api("Location: status", "PUT", "/backupstoragelocations/{}/status", r#""phase":"Available""#),
];

pub const EXPIRY_KILL_POINTS: &[KillPoint] =
    &[api("Expiry: request created", "POST", "/deletebackuprequests", r#""name":"{}-expired""#)];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_tick_makes_one_backup_wherever_the_server_is_killed() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "ticked").await;
    let mut intercepted = InterceptedServer::start(&lab, "crash-schedule").await;
    for (point, moment, name) in cases(SCHEDULE_KILL_POINTS, "schedule") {
        println!("{moment:?} `{}`: {name}", point.what);
        intercepted.kill_at(point, moment, &name);
        let template = json!({"includedNamespaces": [&namespace.name]});
        intercepted
            .installation
            .create(SCHEDULE, &name, json!({"schedule": "@yearly", "template": template}))
            .await;
        intercepted.dies_at(point, moment).await;
        intercepted.start_next().await;
        let made = eventually("the schedule's backup is recorded", async || {
            let schedule = intercepted.installation.reach(SCHEDULE, &name, "Enabled").await;
            schedule["status"]["lastBackup"].as_str()?;
            let mut backups = intercepted.installation.all(BACKUP).await;
            backups.retain(|backup| backup["metadata"]["labels"]["ark.heptio.com/schedule-name"] == name);
            let uid = &schedule["metadata"]["uid"];
            let own = |backup: &Value| backup["status"]["origin"]["schedule"] == *uid;
            (!backups.is_empty() && backups.iter().all(own)).then_some(backups)
        });
        let made: Vec<String> = made.await.iter().map(name_of).collect();
        assert_eq!(made.len(), 1, "{made:?}");
        intercepted.installation.reach(BACKUP, &made[0], "Completed").await;
    }
    assert_eq!(intercepted.installation.all(BACKUP).await.len(), cases(SCHEDULE_KILL_POINTS, "").count());
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
async fn check_synced(intercepted: &InterceptedServer<'_>, kind: Kind, name: &str) {
    let synced = intercepted.installation.reach(kind, name, "Completed").await;
    let identity = intercepted.object("ark-location.json").await.expect("there")["id"].clone();
    assert_eq!(synced["metadata"]["annotations"]["ark.heptio.com/synced-from"], identity, "{synced}");
    let file = if kind.1 == BACKUP.1 { "ark-backup.json" } else { "ark-restore.json" };
    let stored = intercepted.object(&format!("{}/{name}/{file}", kind.1)).await.expect("stored");
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
    let mut intercepted = InterceptedServer::start(&lab, "crash-sync").await;
    let bucket = intercepted.bucket.clone();
    for (point, moment, name) in cases(SYNC_KILL_POINTS, "sync") {
        println!("{moment:?} `{}`: {name}", point.what);
        intercepted.kill_at(point, moment, &name);
        let backup = ["backup", "run", &name, "--location", &bucket, "--include-namespaces", &namespace.name];
        elsewhere(&lab, &backup).await;
        let restore = ["restore", "run", &name, "--location", &bucket, "--from-backup", &name];
        elsewhere(&lab, &[&restore[..], &["--namespace-mappings", &mapping]].concat()).await;
        intercepted.dies_at(point, moment).await;
        intercepted.start_next().await;
        check_synced(&intercepted, BACKUP, &name).await;
        check_synced(&intercepted, RESTORE, &name).await;
    }
    let names: Vec<String> = cases(SYNC_KILL_POINTS, "sync").map(|(_, _, name)| name).collect();
    let removing = Bucket::new(std::sync::Arc::clone(&intercepted.store));
    for ((point, moment, _), name) in cases(SYNC_REMOVAL_KILL_POINTS, "").zip(&names) {
        println!("{moment:?} `{}`: {name}", point.what);
        intercepted.kill_at(point, moment, name);
        removing.remove_restore(&name.parse().expect("a name"), None, "test").await.expect("removed");
        removing.remove_backup(&name.parse().expect("a name"), None, "test").await.expect("removed");
        intercepted.dies_at(point, moment).await;
        intercepted.start_next().await;
        intercepted.installation.gone(BACKUP, name).await;
        intercepted.installation.gone(RESTORE, name).await;
    }
    let left = names.len() - cases(SYNC_REMOVAL_KILL_POINTS, "").count();
    assert_eq!(intercepted.installation.all(BACKUP).await.len(), left);
    assert_eq!(intercepted.installation.all(RESTORE).await.len(), left);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_location_has_one_identity_wherever_the_server_is_killed() {
    let lab = Lab::get().await;
    let mut intercepted = InterceptedServer::start(&lab, "crash-location").await;
    for (point, moment, _) in cases(LOCATION_KILL_POINTS, "") {
        let url = lab.bucket();
        let name = url.trim_start_matches("s3://").split('?').next().expect("a bucket").to_owned();
        println!("{moment:?} `{}`: {name}", point.what);
        intercepted.kill_at(point, moment, &name);
        intercepted.installation.location(&name, &intercepted.s3.through(&lab, &url), json!({})).await;
        intercepted.dies_at(point, moment).await;
        let early = if point.what == "Location: status" { identity(&url).await } else { Value::Null };
        intercepted.start_next().await;
        let location = intercepted.installation.reach(LOCATION, &name, "Available").await;
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
    let mut intercepted = InterceptedServer::start(&lab, "crash-expiry").await;
    for (point, moment, _) in cases(EXPIRY_KILL_POINTS, "") {
        let name = unique("expiring");
        println!("{moment:?} `{}`: {name}", point.what);
        intercepted.kill_at(point, moment, &name);
        let spec = json!({"includedNamespaces": [intercepted.installation.name()], "ttl": "1s"});
        intercepted.installation.create(BACKUP, &name, spec).await;
        intercepted.dies_at(point, moment).await;
        if moment == KillMoment::Before {
            assert_eq!(intercepted.installation.phase(BACKUP, &name).await.as_deref(), Some("Completed"));
        }
        intercepted.start_next().await;
        intercepted.installation.gone(BACKUP, &name).await;
        intercepted.installation.reach(DELETION, &format!("{name}-expired"), "Processed").await;
        assert_eq!(intercepted.keys(&format!("backups/{name}/")).await, Vec::<String>::new());
    }
}
