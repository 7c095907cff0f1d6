//! When a Schedule makes backups: ticks, pauses, edits, and what nobody saw.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::intercepted::InterceptedServer;
use super::super::{BACKUP, Installation, LOCATION, SCHEDULE, ServerOptions};
use super::{change, counted, first, name_of, named, own, pause, seen_paused};
use crate::support::{Act, Lab, eventually};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_schedule_makes_its_first_backup_at_once_and_then_one_a_tick_until_it_is_paused() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "ticks").await;
    installation.location("default", &lab.bucket(), json!({})).await;
    let _server = installation.start(ServerOptions::default()).await;
    installation.reach(LOCATION, "default", "Available").await;

    let template = json!({"includedNamespaces": [installation.name()]});
    // No tick of this one comes within the test.
    let spec = json!({"schedule": "@every 10h", "template": template});
    let schedule = installation.create(SCHEDULE, "seldom", spec).await;
    let first =
        eventually("it makes a backup at once", async || own(&installation, "seldom").await.pop()).await;
    assert!(name_of(&first) >= named("seldom", &schedule["metadata"]["creationTimestamp"]), "{first}");

    let spec = json!({"schedule": "@every 2s", "template": template, "useOwnerReferences": true});
    let schedule = installation.create(SCHEDULE, "often", spec).await;
    let made = eventually("three backups are made", async || {
        let made = own(&installation, "often").await;
        (made.iter().filter(|each| each["status"]["phase"] == "Completed").count() >= 3).then_some(made)
    })
    .await;
    for backup in &made {
        let owner = &backup["metadata"]["ownerReferences"][0]["uid"];
        assert_eq!(*owner, schedule["metadata"]["uid"], "{backup}");
    }
    let enabled = installation.reach(SCHEDULE, "often", "Enabled").await;
    let created = schedule["metadata"]["creationTimestamp"].as_str();
    assert!(enabled["status"]["lastBackup"].as_str() > created, "{enabled}");

    // Paused: ticks are recorded as skipped, and nothing is made.
    let seen = pause(&installation, "often").await;
    let names =
        async || -> BTreeSet<String> { own(&installation, "often").await.iter().map(name_of).collect() };
    let before = names().await;
    let skipped = async |after: &Value| {
        eventually("a tick is skipped", async || {
            let skipped = installation.read(SCHEDULE, "often").await?["status"]["lastSkipped"].clone();
            (skipped.as_str() > after.as_str()).then_some(skipped)
        })
        .await
    };
    let one = skipped(&seen["status"]["lastSkipped"]).await;
    let last = skipped(&one).await;
    assert_eq!(names().await, before);

    // Going on: with a tick that comes now, and none of those that were skipped.
    change(&installation, "often", json!({"paused": false})).await;
    let new = eventually("it goes on", async || {
        let new: Vec<String> = names().await.difference(&before).cloned().collect();
        (!new.is_empty()).then_some(new)
    })
    .await;
    assert!(new.iter().all(|name| *name > named("often", &last)), "{new:?} were made after {last}");

    // With owner references its Backups go with it; what the bucket has comes back as other
    // objects.
    pause(&installation, "often").await;
    let uid_of = |backup: &Value| backup["metadata"]["uid"].to_string();
    let uids: BTreeSet<String> = own(&installation, "often").await.iter().map(uid_of).collect();
    installation.delete(SCHEDULE, "often").await;
    installation.gone(SCHEDULE, "often").await;
    eventually("its Backups are gone", async || {
        (!installation.all(BACKUP).await.iter().any(|backup| uids.contains(&uid_of(backup)))).then_some(())
    })
    .await;
}

/// A server that was away makes one backup for all ticks that it missed; one that has a backup
/// under way skips the ticks of its Schedule.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn ticks_that_nobody_saw_become_one_backup_and_a_running_one_skips_the_next() {
    let lab = Lab::get().await;
    let mut intercepted = InterceptedServer::start(&lab, "missed").await;
    let template = json!({"includedNamespaces": [intercepted.installation.name()]});
    let spec = json!({"schedule": "@every 1s", "template": template, "skipImmediately": true});
    intercepted.installation.create(SCHEDULE, "missed", spec).await;
    eventually("a tick is made", async || own(&intercepted.installation, "missed").await.pop()).await;

    // While one is held up, ticks are skipped and told of.
    let never = CancellationToken::new();
    intercepted.s3.set(
        move |asked| {
            if asked.path.ends_with(".tar.zst") { Act::Held(never.clone()) } else { Act::Pass }
        },
    );
    intercepted.s3.take_seen();
    eventually("a backup is held up", async || {
        intercepted.s3.take_seen().iter().any(|asked| asked.path.ends_with(".tar.zst")).then_some(())
    })
    .await;
    eventually("ticks are skipped after it", async || {
        let status = intercepted.installation.read(SCHEDULE, "missed").await?["status"].clone();
        (status["lastSkipped"].as_str() > status["lastBackup"].as_str()).then_some(())
    })
    .await;
    intercepted.installation.delete(SCHEDULE, "missed").await;
    intercepted.start_next().await;
    eventually("what ran is finished", async || {
        let made = intercepted.installation.all(BACKUP).await;
        made.iter().all(|backup| backup["status"]["phase"] == "Completed").then_some(())
    })
    .await;

    // The server is away for some ticks. Whatever runs, the last of them may begin.
    let spec = json!({"schedule": "@every 2s", "template": template, "concurrencyPolicy": "Allow"});
    intercepted.installation.create(SCHEDULE, "unseen", spec).await;
    eventually("a tick is made", async || own(&intercepted.installation, "unseen").await.pop()).await;
    intercepted.server.as_ref().expect("a server").kill();
    let away = chrono::Utc::now();
    eventually("ticks go by", async || {
        (chrono::Utc::now() - away > chrono::TimeDelta::seconds(7)).then_some(())
    })
    .await;
    let back = chrono::Utc::now();
    intercepted.start_next().await;
    let [away, back] = [away, back].map(|time| named("unseen", &json!(time.format("%FT%TZ").to_string())));
    let made = eventually("a tick that was seen has its backup", async || {
        let made: Vec<String> = own(&intercepted.installation, "unseen").await.iter().map(name_of).collect();
        made.iter().any(|name| *name > back).then_some(made)
    })
    .await;
    let unseen: Vec<_> = made.iter().filter(|name| **name > away && **name <= back).collect();
    assert!(unseen.len() <= 1, "three ticks went by from {away} to {back}: {made:?}");
}

/// A Schedule makes no backup for ticks before its text was changed or it was unpaused.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn editing_and_unpausing_fire_nothing_for_a_past_that_was_before_them() {
    let lab = Lab::get().await;
    let installation = Installation::prepare(&lab.a, "edited").await;
    installation.location("default", &lab.bucket(), json!({})).await;
    let _server = installation.start(ServerOptions::default()).await;
    installation.reach(LOCATION, "default", "Available").await;
    let template = json!({"includedNamespaces": [installation.name()]});
    installation.create(SCHEDULE, "edit", json!({"schedule": "0 0 1 1 *", "template": &template})).await;
    first(&installation, "edit").await;

    // Ticks of an hour ago, and of 22 hours ago by another clock than Greenwich's, which were never
    // this schedule's.
    let (hour, day) = (chrono::TimeDelta::minutes(61), chrono::TimeDelta::hours(22));
    let at = |time: chrono::DateTime<chrono::Utc>| time.format("%M %H * * *").to_string();
    let now = chrono::Utc::now();
    let west = at(now - day - chrono::TimeDelta::hours(5));
    for text in [at(now - hour), format!("CRON_TZ=Etc/GMT+5 {west}")] {
        change(&installation, "edit", json!({"schedule": text})).await;
        let schedule = counted(&installation, "edit", &text).await;
        let next = schedule["status"]["nextBackup"].as_str().expect("it says when the next one is made");
        let next = chrono::DateTime::parse_from_rfc3339(next).expect("a time");
        assert!(next > now, "{schedule}");
    }
    // Nor later: what is made next is for ticks after the last edit.
    let before = own(&installation, "edit").await;
    assert_eq!(before.len(), 1, "nothing was fired: {before:?}");
    change(&installation, "edit", json!({"schedule": "@every 1s"})).await;
    let made = eventually("it makes backups again", async || {
        let made = own(&installation, "edit").await;
        (made.len() > before.len()).then_some(made)
    })
    .await;
    let edited =
        installation.read(SCHEDULE, "edit").await.expect("it is there")["status"]["counting"]["since"]
            .clone();
    let new = made.iter().map(name_of).filter(|name| *name != name_of(&before[0]));
    let early: Vec<String> = new.filter(|name| *name < named("edit", &edited)).collect();
    assert!(early.is_empty(), "{early:?} were made for ticks before {edited}");
    pause(&installation, "edit").await;

    // Created paused: its first backup carries the time at which it was unpaused.
    installation
        .create(SCHEDULE, "later", json!({"schedule": "0 0 1 1 *", "template": &template, "paused": true}))
        .await;
    seen_paused(&installation, "later").await;
    let unpaused = chrono::Utc::now();
    eventually("its creation is past", async || {
        (chrono::Utc::now() > unpaused + chrono::TimeDelta::seconds(2)).then_some(())
    })
    .await;
    let unpaused = chrono::Utc::now().format("%Y%m%d%H%M%S").to_string();
    change(&installation, "later", json!({"paused": false})).await;
    let made = first(&installation, "later").await;
    assert!(made >= format!("later-{unpaused}"), "{made} was made for a time before {unpaused}");
}
