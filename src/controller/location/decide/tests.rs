//! Tests of a location's status from facts.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::*;
use crate::bucket::LocationDocument;

fn location(name: &str, day: u32, spec: &Value, status: &Value) -> Arc<BackupStorageLocation> {
    let created = format!("2026-01-{day:02}T00:00:00Z");
    let metadata = json!({"name": name, "uid": name, "creationTimestamp": created});
    Arc::new(serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).unwrap())
}

fn bucket(name: &str) -> Value {
    json!({"provider": "s3", "bucket": name})
}

fn seen(id: Option<&str>) -> Result<LocationReport, Obstacle> {
    let document = |id: &str| LocationDocument { id: id.to_owned(), format: 2, created_at: Utc::now() };
    Ok(LocationReport {
        identity: id.map(document),
        conditional_writes: None,
        checksums: None,
        obligations: 0,
    })
}

fn status_of(
    location: &BackupStorageLocation,
    seen: &Result<LocationReport, Obstacle>,
    all: &[Arc<BackupStorageLocation>],
) -> BackupStorageLocationStatus {
    decide(&ObservedLocation { location, seen, all, now: Timestamp::now() })
}

/// Returns the message of a location that cannot be used for this reason.
fn refusal(
    location: &BackupStorageLocation,
    seen: &Result<LocationReport, Obstacle>,
    all: &[Arc<BackupStorageLocation>],
) -> String {
    let status = status_of(location, seen, all);
    assert_eq!(status.phase, Some(LocationPhase::Unavailable));
    status.message.unwrap()
}

#[test]
fn the_first_look_gives_the_identity_and_later_ones_keep_it() {
    let fresh = location("a", 1, &bucket("b"), &json!({}));
    let status = status_of(&fresh, &seen(Some("one")), &[]);
    assert_eq!((status.phase, status.id.as_deref()), (Some(LocationPhase::Available), Some("one")));
    assert_eq!(status.message, None);
    let known = location("a", 1, &bucket("b"), &json!({"id": "one", "phase": "Unavailable", "message": "x"}));
    let status = status_of(&known, &seen(Some("one")), &[]);
    assert_eq!((status.phase, status.message), (Some(LocationPhase::Available), None));
}

#[test]
fn a_bucket_that_was_swapped_or_emptied_is_not_used_and_its_identity_not_taken() {
    let known = location("a", 1, &bucket("b"), &json!({"id": "one", "phase": "Available"}));
    for (found, told) in [(Some("two"), "another bucket is there"), (None, "emptied or replaced")] {
        let status = status_of(&known, &seen(found), &[]);
        assert_eq!((status.phase, status.id.as_deref()), (Some(LocationPhase::Unavailable), Some("one")));
        assert!(status.message.unwrap().contains(told));
    }
}

#[test]
fn a_look_that_fails_keeps_what_is_known_and_says_why_in_short() {
    let known = location(
        "a",
        1,
        &bucket("b"),
        &json!({"id": "one", "phase": "Available",
        "capabilities": {"conditionalWrites": true}, "counts": {"backups": 7, "partial": 0}}),
    );
    let status = status_of(&known, &Err(Obstacle::new("Timeout", "é".repeat(5000))), &[]);
    assert_eq!((status.phase, status.id.as_deref()), (Some(LocationPhase::Unavailable), Some("one")));
    assert_eq!(status.counts.unwrap().backups, 7);
    assert!(status.capabilities.unwrap().conditional_writes);
    assert!(status.message.unwrap().len() <= LONGEST_MESSAGE + '…'.len_utf8());
}

#[test]
fn a_read_only_location_must_have_been_written_by_another() {
    let spec = json!({"provider": "s3", "bucket": "b", "accessMode": "ReadOnly"});
    let read_only = location("a", 1, &spec, &json!({}));
    assert!(refusal(&read_only, &seen(None), &[]).contains("none is written into a ReadOnly location"));
    assert_eq!(status_of(&read_only, &seen(Some("one")), &[]).phase, Some(LocationPhase::Available));
}

#[test]
fn of_two_locations_that_are_one_place_the_older_is_used() {
    let old = location("old", 1, &bucket("b"), &json!({}));
    let young = location("young", 2, &bucket("b"), &json!({}));
    let all = [Arc::clone(&young), Arc::clone(&old)];
    assert!(refusal(&young, &seen(Some("one")), &all).contains("older location `old`"));
    assert_eq!(status_of(&old, &seen(Some("one")), &all).phase, Some(LocationPhase::Available));
    // The same bucket under another name is recognised by its identity.
    let old = location("old", 1, &bucket("alias"), &json!({"id": "one"}));
    let all = [Arc::clone(&young), old];
    assert!(refusal(&young, &seen(Some("one")), &all).contains("both have the identity one"));
    let elsewhere = json!({"provider": "s3", "bucket": "b", "prefix": "p"});
    let all = [Arc::clone(&young), location("old", 1, &elsewhere, &json!({"id": "two"}))];
    assert_eq!(status_of(&young, &seen(Some("one")), &all).phase, Some(LocationPhase::Available));
}

#[test]
fn the_younger_of_two_defaults_is_told_which_one_is_meant() {
    let default = |bucket: &str| json!({"provider": "s3", "bucket": bucket, "default": true});
    let old = location("old", 1, &default("a"), &json!({}));
    let young = location("young", 2, &default("b"), &json!({}));
    let all = [Arc::clone(&young), Arc::clone(&old)];
    assert_eq!(status_of(&old, &seen(Some("one")), &all).message, None);
    let told = status_of(&young, &seen(Some("two")), &all).message.unwrap();
    assert!(told.contains("`old`"), "{told}");
}

#[test]
fn a_service_without_conditional_writes_is_remembered_and_told() {
    let fresh = location("a", 1, &bucket("b"), &json!({}));
    let looked = seen(Some("one")).map(|seen| LocationReport { conditional_writes: Some(false), ..seen });
    let status = status_of(&fresh, &looked, &[]);
    assert!(status.message.as_ref().unwrap().contains("must not use the same names"));
    let later = location("a", 1, &bucket("b"), &serde_json::to_value(&status).unwrap());
    assert_eq!(status_of(&later, &seen(Some("one")), &[]).message, status.message);
}

#[test]
fn a_service_that_refuses_checksums_is_told_until_the_location_says_so() {
    let looked = seen(Some("one")).map(|seen| LocationReport {
        conditional_writes: Some(true),
        checksums: Some(false),
        ..seen
    });
    let status = status_of(&location("a", 1, &bucket("b"), &json!({})), &looked, &[]);
    assert!(status.message.as_ref().unwrap().contains("checksum headers"), "{status:?}");
    assert_eq!(status.capabilities.unwrap().checksums, Some(false));
    let mut spec = bucket("b");
    spec["config"] = json!({"checksums": "WhenRequired"});
    assert_eq!(status_of(&location("a", 1, &spec, &json!({})), &looked, &[]).message, None);
}

#[test]
fn an_identity_that_ark_did_not_make_is_damage() {
    let fresh = location("a", 1, &bucket("b"), &json!({}));
    assert!(refusal(&fresh, &seen(Some("a b\n")), &[]).contains("damaged"));
}

#[test]
fn what_is_new_is_written_at_once_and_what_is_not_once_a_period() {
    let minute = Duration::from_secs(60);
    let at = |seconds: i64| BackupStorageLocationStatus {
        last_validation_time: Some((Utc::now() + TimeDelta::seconds(seconds)).into()),
        ..BackupStorageLocationStatus::default()
    };
    assert!(is_worth_writing(&BackupStorageLocationStatus::default(), &at(0), minute));
    assert!(!is_worth_writing(&at(0), &at(30), minute));
    assert!(is_worth_writing(&at(0), &at(60), minute));
    let other = BackupStorageLocationStatus { id: Some("x".into()), ..at(1) };
    assert!(is_worth_writing(&at(0), &other, minute));
}

#[test]
fn whether_it_is_ready_is_told_to_tools_and_looks_that_see_the_same_write_nothing() {
    let at = |seconds: i64| Timestamp::from(Utc::now() + TimeDelta::seconds(seconds));
    let look = |status: &Value, generation: i64, seen: &Result<LocationReport, Obstacle>, now: Timestamp| {
        let mut location = Arc::unwrap_or_clone(location("a", 1, &bucket("b"), status));
        location.metadata.generation = Some(generation);
        let status = decide(&ObservedLocation { location: &location, seen, all: &[], now });
        let [ready] = &*status.conditions else { panic!("one condition: {status:?}") };
        assert_eq!(
            (ready.observed_generation, status.observed_generation),
            (Some(generation), Some(generation))
        );
        let said = (ready.status.clone(), ready.reason.clone(), Timestamp::from(&ready.last_transition_time));
        (said, status)
    };
    let denied = || Err(Obstacle::new("AccessDenied", "no"));
    let (said, first) = look(&json!({}), 1, &denied(), at(0));
    assert_eq!(said, ("False".into(), "AccessDenied".into(), at(0)));
    let (said, second) = look(&serde_json::to_value(&first).unwrap(), 1, &denied(), at(9));
    assert_eq!(said.2, at(0), "it has not been ready since then");
    assert!(!is_worth_writing(&first, &second, Duration::from_secs(60)));
    let (said, second) = look(&serde_json::to_value(&first).unwrap(), 2, &denied(), at(9));
    assert_eq!(said.2, at(0));
    assert!(is_worth_writing(&first, &second, Duration::from_secs(60)), "another generation was looked at");
    let (said, _) = look(&serde_json::to_value(&second).unwrap(), 2, &seen(Some("one")), at(20));
    assert_eq!(said, ("True".into(), "Available".into(), at(20)));
}
