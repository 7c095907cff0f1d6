//! Tests against a scripted API server with objects of others in the way: only the Schedule's own
//! Backup passes for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::api::{BackupSpec, Origin, ScheduleSpec};
use crate::cluster::script::{Answer, Asked, answer, serve};
use crate::controller::context::scripted;

type Objects = Arc<Mutex<BTreeMap<String, Value>>>;

fn schedule(name: &str, use_owner_references: bool) -> Schedule {
    let template = BackupSpec { storage_location: Some("other".into()), ..BackupSpec::default() };
    let spec = ScheduleSpec {
        schedule: "0 3 * * *".into(),
        template,
        use_owner_references: Some(use_owner_references),
        ..ScheduleSpec::default()
    };
    let mut schedule = Schedule::new(name, spec);
    schedule.metadata.uid = Some("uid".into());
    schedule
}

fn tick() -> DateTime<Utc> {
    "2026-11-21T03:00:00Z".parse().unwrap()
}

/// Returns the name of an object in a path: the segment after its plural.
fn named(uri: &str) -> Option<String> {
    let path = uri.split('?').next().unwrap_or_default();
    let mut parts = path.split('/').skip_while(|part| !["backups", "schedules"].contains(part)).skip(1);
    parts.next().filter(|part| !part.is_empty()).map(str::to_owned)
}

/// Keeps what is written, by name, as an API server does, but without revisions. An empty body
/// reads.
fn keep(objects: &Objects, asked: &Asked) -> Answer {
    let mut objects = objects.lock().unwrap();
    let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
    if asked.uri.contains("/events") {
        return answer(201, asked.body.clone());
    }
    match (named(&asked.uri), body["kind"].as_str()) {
        (None, _) => {
            let name = body["metadata"]["name"].as_str().unwrap().to_owned();
            if objects.contains_key(&name) {
                return answer(
                    409,
                    r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"AlreadyExists","code":409}"#,
                );
            }
            objects.insert(name, body);
            answer(201, asked.body.clone())
        }
        (Some(name), Some("Backup" | "Schedule")) => {
            objects.insert(name, body);
            answer(200, asked.body.clone())
        }
        (Some(name), _) if !asked.body.is_empty() => {
            objects.remove(&name);
            answer(200, r#"{"kind":"Status","apiVersion":"v1","status":"Success"}"#)
        }
        (Some(name), _) => match objects.get(&name) {
            Some(object) => answer(200, object.to_string()),
            None => answer(
                404,
                r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#,
            ),
        },
    }
}

fn world(known: &[Value]) -> (Arc<Context>, Objects) {
    let by_name = |object: &Value| (object["metadata"]["name"].as_str().unwrap().to_owned(), object.clone());
    let objects: Objects = Arc::new(Mutex::new(known.iter().map(by_name).collect()));
    let shared = Arc::clone(&objects);
    let (cluster, _) = serve(move |_, asked| keep(&shared, asked));
    (scripted(cluster), objects)
}

fn object(objects: &Objects, name: &str) -> Value {
    objects.lock().unwrap().get(name).cloned().unwrap_or_default()
}

/// Returns a forged Backup: the label, a token, a status that is Completed.
fn forged(name: &str) -> Value {
    json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup", "metadata": {"name": name, "uid": "theirs",
        "labels": {SCHEDULE_NAME_LABEL: "nightly"}, "annotations": {SCHEDULE_TOKEN: "1.guessed"}},
        "spec": {}, "status": {"phase": "Completed"}})
}

#[tokio::test]
async fn a_name_that_another_object_has_is_not_taken_for_the_schedule_s_and_the_next_second_s_is_used() {
    let (context, objects) = world(&[forged("nightly-20261121030000"), forged("nightly-20261121030001")]);
    backup(&context, &schedule("nightly", false), tick()).await.unwrap();
    let made = object(&objects, "nightly-20261121030002");
    assert_eq!(made["status"]["origin"]["schedule"], "uid", "{made}");
    let status = object(&objects, "nightly")["status"].clone();
    assert_eq!((&status["lastBackup"], &status["pending"]), (&json!("2026-11-21T03:00:00Z"), &Value::Null));
    for name in ["nightly-20261121030000", "nightly-20261121030001"] {
        assert_eq!(object(&objects, name), forged(name), "others' objects stay as they are");
    }
}

#[tokio::test]
async fn a_backup_of_an_earlier_attempt_is_known_by_its_token_and_made_once() {
    let token = token(tick(), "random");
    let pending = PendingBackup {
        tick: tick().into(),
        name: "nightly-20261121030000".into(),
        proof: proof(&token),
        instead_of: None,
    };
    let mut begun = schedule("nightly", false);
    begun.status = Some(ScheduleStatus { pending: Some(pending.clone()), ..ScheduleStatus::default() });
    let created = serde_json::to_value(backup_of(&begun, &pending.name, token)).unwrap();
    let (context, objects) = world(&[created]);
    finish(&context, &begun, &pending).await.unwrap();
    assert_eq!(objects.lock().unwrap().len(), 2, "the Schedule, and the one Backup");
    assert_eq!(object(&objects, &pending.name)["status"]["origin"]["schedule"], "uid");
    assert_eq!(object(&objects, "nightly")["status"]["lastBackup"], "2026-11-21T03:00:00Z");

    // The name was recorded, and somebody else was faster to use it.
    let (context, objects) = world(&[forged(&pending.name)]);
    finish(&context, &begun, &pending).await.unwrap();
    assert_eq!(object(&objects, "nightly-20261121030001")["status"]["origin"]["schedule"], "uid");
    // No object has the name: the Backup is made, with a token of its own.
    let (context, objects) = world(&[]);
    finish(&context, &begun, &pending).await.unwrap();
    assert_eq!(object(&objects, &pending.name)["status"]["origin"]["schedule"], "uid");
}

#[tokio::test]
async fn a_backup_says_who_makes_it_before_it_begins_and_a_forged_one_nothing() {
    let token = token(tick(), "random");
    let name = "nightly-20261121030000".to_owned();
    let mut making = schedule("nightly", false);
    let pending =
        PendingBackup { tick: tick().into(), name: name.clone(), proof: proof(&token), instead_of: None };
    making.status = Some(ScheduleStatus { pending: Some(pending), ..ScheduleStatus::default() });
    let ours = backup_of(&making, &name, token);
    let known = [serde_json::to_value(&making).unwrap(), serde_json::to_value(&ours).unwrap()];
    let (context, objects) = world(&known);
    mark_with_schedule(&context, &ours).await.unwrap();
    assert_eq!(object(&objects, &name)["status"]["origin"]["schedule"], "uid");

    let theirs: Backup = serde_json::from_value(forged(&name)).unwrap();
    let (context, objects) = world(&[known[0].clone(), forged(&name)]);
    mark_with_schedule(&context, &theirs).await.unwrap();
    assert_eq!(object(&objects, &name), forged(&name));
}

#[tokio::test]
async fn one_that_lost_its_name_goes_and_another_is_made_for_its_tick() {
    let lost = LostName { name: "nightly-20261121030000".into(), uid: "lost".into() };
    let mut refused = forged(&lost.name);
    refused["metadata"]["uid"] = json!("lost");
    let (context, objects) = world(&[refused]);
    let second = tick() + TimeDelta::seconds(1);
    let wanted = Again { tick: tick(), second, lost: lost.clone() };
    again(&context, &schedule("nightly", false), &wanted).await.unwrap();
    assert_eq!(object(&objects, &lost.name), Value::Null);
    let made = object(&objects, "nightly-20261121030001");
    assert_eq!(made["status"]["origin"]["schedule"], "uid", "{made}");
    let token = made["metadata"]["annotations"][SCHEDULE_TOKEN].as_str().unwrap();
    assert!(token.starts_with(&format!("{}.", tick().timestamp())), "it knows its tick: {token}");

    // An old cache shows it once more: nothing is made for it twice.
    again(&context, &schedule("nightly", false), &wanted).await.unwrap();
    assert_eq!(objects.lock().unwrap().len(), 2, "the Schedule, and the one Backup");
}

#[tokio::test]
async fn a_tick_whose_names_are_all_taken_is_skipped_and_said_so() {
    let names: Vec<Value> = (0..=LATEST_NAME.num_seconds())
        .map(|late| forged(&name_at("nightly", tick() + TimeDelta::seconds(late))))
        .collect();
    let (context, objects) = world(&names);
    backup(&context, &schedule("nightly", false), tick()).await.unwrap();
    let status = object(&objects, "nightly")["status"].clone();
    assert_eq!((&status["lastSkipped"], &status["pending"]), (&json!("2026-11-21T03:00:00Z"), &Value::Null));
    assert_eq!(objects.lock().unwrap().len(), names.len() + 1);
}

#[tokio::test]
async fn a_label_that_somebody_set_is_no_label_of_metrics() {
    let (context, _) = world(&[]);
    let mut theirs: Backup = serde_json::from_value(forged("nightly-20261121030000")).unwrap();
    assert_eq!(super::super::label_of(&context, &theirs), "");
    let origin = Origin { schedule: Some("of a Schedule that is not there".into()), ..Origin::default() };
    theirs.status.as_mut().unwrap().origin = Some(origin);
    assert_eq!(super::super::label_of(&context, &theirs), "");
    assert_eq!(super::super::label_named(&context, "nightly"), "");
}

#[test]
fn a_backup_has_the_label_of_its_schedule_and_what_the_template_says() {
    let backup = backup_of(&schedule("nightly", false), "nightly-20261121030000", "t".into());
    assert_eq!(backup.metadata.name.as_deref(), Some("nightly-20261121030000"));
    assert_eq!(backup.metadata.labels.unwrap()[SCHEDULE_NAME_LABEL], "nightly");
    assert_eq!(backup.spec.storage_location.as_deref(), Some("other"));
    assert_eq!(backup.metadata.owner_references, None);
    let longest = "a".repeat(238);
    assert_eq!(name_at(&longest, tick()).len(), 253);
    let backup = backup_of(&schedule(&longest, false), &name_at(&longest, tick()), "t".into());
    assert_eq!(backup.metadata.labels.unwrap()[SCHEDULE_NAME_LABEL].len(), 63);
}

#[test]
fn a_backup_goes_with_its_schedule_only_where_that_is_asked_for() {
    let backup = backup_of(&schedule("nightly", true), "nightly-20261121030000", "t".into());
    let owner = &backup.metadata.owner_references.unwrap()[0];
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str(), owner.uid.as_str()),
        ("Schedule", "nightly", "uid")
    );
    assert_eq!(owner.block_owner_deletion, None);
}

#[test]
fn the_labels_of_a_template_are_those_of_its_backups_and_hide_no_label_of_ours() {
    let mut schedule = schedule("nightly", false);
    let metadata = json!({"metadata": {"labels": {"team": "web", SCHEDULE_NAME_LABEL: "other"}}});
    schedule.spec.template = serde_json::from_value(metadata).unwrap();
    let labels = backup_of(&schedule, "nightly-20261121030000", "t".into()).metadata.labels.unwrap();
    assert_eq!((labels["team"].as_str(), labels[SCHEDULE_NAME_LABEL].as_str()), ("web", "nightly"));
}
