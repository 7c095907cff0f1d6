//! Schedules: when they make backups, which backups are theirs, and which they keep.

mod ownership;
mod retention;
mod ticks;

use ark::api::Schedule;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{BACKUP, Installation, SCHEDULE};
use crate::support::eventually;

fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().expect("a name").to_owned()
}

/// The Backups that a Schedule made, which only the server can say.
async fn own(installation: &Installation<'_>, schedule: &str) -> Vec<Value> {
    let schedule = installation.read(SCHEDULE, schedule).await.expect("the Schedule is there");
    let mut backups = installation.all(BACKUP).await;
    let synced =
        |backup: &Value| backup["metadata"]["annotations"].get("ark.heptio.com/synced-from").is_some();
    backups.retain(|backup| {
        !synced(backup) && backup["status"]["origin"]["schedule"] == schedule["metadata"]["uid"]
    });
    backups
}

/// The one Backup that a Schedule has, once it Completed. Where another cluster took the name of
/// the same second, the Schedule makes another one instead of the first.
async fn first(installation: &Installation<'_>, schedule: &str) -> String {
    let complete = |backup: &Value| backup["status"]["phase"] == "Completed";
    eventually("the schedule makes a backup", async || {
        own(installation, schedule).await.iter().find(|backup| complete(backup)).map(name_of)
    })
    .await
}

/// Changes fields of a Schedule's specification, however often others change the object meanwhile.
async fn change(installation: &Installation<'_>, name: &str, fields: Value) {
    let api = Api::<Schedule>::namespaced(installation.cluster.client.clone(), installation.name());
    let patch = Patch::Merge(json!({"spec": fields}));
    let changed = api.patch(name, &PatchParams::default(), &patch).await;
    changed.unwrap_or_else(|error| panic!("Schedule {name}: {error}"));
}

/// Waits until the server has seen this text of a Schedule, unpaused.
async fn counted(installation: &Installation<'_>, name: &str, text: &str) -> Value {
    eventually("the server sees the edit", async || {
        let schedule = installation.read(SCHEDULE, name).await?;
        let seen = &schedule["status"]["counting"];
        (seen["schedule"] == text && seen["paused"] != true).then_some(schedule)
    })
    .await
}

/// Waits until the server has seen that a Schedule is paused: no backup of it is begun from then
/// on.
async fn seen_paused(installation: &Installation<'_>, name: &str) -> Value {
    eventually("the server sees it paused", async || {
        let schedule = installation.read(SCHEDULE, name).await?;
        (schedule["status"]["counting"]["paused"] == true).then_some(schedule)
    })
    .await
}

/// Pauses a Schedule, and waits until the server has seen it.
async fn pause(installation: &Installation<'_>, name: &str) -> Value {
    change(installation, name, json!({"paused": true})).await;
    seen_paused(installation, name).await
}

/// The name that the backup of a Schedule has for a tick.
fn named(schedule: &str, tick: &Value) -> String {
    let tick = tick.as_str().expect("a time");
    format!("{schedule}-{}", tick.replace(['-', ':', 'T', 'Z'], ""))
}
