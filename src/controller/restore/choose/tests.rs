//! Tests of the choice of a Backup: the named one, the one begun with, a Schedule's newest, and
//! those that are never chosen.

use serde_json::{Value, json};

use super::*;
use crate::api::{RestoreSpec, SYNCED_FROM};

fn restore(spec: Value) -> Restore {
    Restore::new("back", serde_json::from_value::<RestoreSpec>(spec).unwrap())
}

fn here() -> Chooser {
    let now = "2026-11-27T12:00:00Z".parse().unwrap();
    let (cluster, schedules, hiding) = ("a".into(), HashMap::new(), Vec::new());
    Chooser { cluster, schedules, read_only: vec!["partner".into()], hiding, now }
}

fn backup(name: &str, status: Value) -> Arc<Backup> {
    let labels = json!({SCHEDULE_NAME_LABEL: "nightly"});
    let object = json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup",
        "metadata": {"name": name, "labels": labels}, "spec": {"storageLocation": "default"}, "status": status});
    Arc::new(serde_json::from_value(object).unwrap())
}

/// Returns a Backup made by the Schedule `nightly` of a cluster.
fn scheduled(cluster: &str, phase: &str, day: u32) -> Arc<Backup> {
    let origin = json!({"cluster": cluster, "schedule": format!("of-{cluster}")});
    let start = format!("2026-11-{day:02}T03:00:00Z");
    backup(&named(day), json!({"phase": phase, "startTimestamp": start, "origin": origin}))
}

fn named(day: u32) -> String {
    format!("nightly-202611{day:02}030000")
}

/// Returns the same as a Backup synced from a bucket.
fn synced(cluster: &str, day: u32, location: &str) -> Arc<Backup> {
    let mut backup = scheduled(cluster, "Completed", day).as_ref().clone();
    backup.annotations_mut().insert(SYNCED_FROM.to_owned(), "id".to_owned());
    backup.spec.storage_location = Some(location.to_owned());
    Arc::new(backup)
}

fn chosen(spec: Value, backups: &[Arc<Backup>]) -> Result<(String, Vec<String>), String> {
    choose(&restore(spec), backups, &here()).map(|choice| (choice.backup.name_any(), choice.notes))
}

#[test]
fn a_schedule_means_its_newest_completed_backup_before_the_time_that_is_given() {
    let backups = [3, 1, 2].map(|day| scheduled("a", "Completed", day)).into_iter().chain([scheduled(
        "a",
        "PartiallyFailed",
        4,
    )]);
    let backups: Vec<_> = backups.collect();
    let (name, notes) = chosen(json!({"scheduleName": "nightly"}), &backups).unwrap();
    assert!(name == named(3) && notes.len() == 1 && notes[0].contains(&named(4)), "{name} {notes:?}");
    let before = json!({"scheduleName": "nightly", "before": "2026-11-03T03:00:00Z"});
    assert_eq!(chosen(before, &backups).unwrap(), (named(2), vec![]));
    let partial = json!({"scheduleName": "nightly", "allowPartiallyFailed": true});
    assert_eq!(chosen(partial, &backups).unwrap().0, named(4));
    let none = chosen(json!({"scheduleName": "weekly"}), &backups).unwrap_err();
    assert!(none.contains("no Completed Backup of Schedule `weekly` in this cluster"), "{none}");
}

#[test]
fn newer_ones_that_came_to_nothing_are_told() {
    let backups =
        [scheduled("a", "Completed", 1), scheduled("a", "Failed", 2), scheduled("a", "InProgress", 3)];
    let (name, notes) = chosen(json!({"scheduleName": "nightly"}), &backups).unwrap();
    assert!(name == named(1) && notes.len() == 1, "{notes:?}");
    assert!(notes[0].starts_with("2 that are newer") && notes[0].contains(&named(3)), "{notes:?}");
    let of_another = scheduled("b", "Failed", 9);
    let (_, notes) =
        chosen(json!({"scheduleName": "nightly"}), &[Arc::clone(&backups[0]), of_another]).unwrap();
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn another_cluster_s_backups_are_not_taken_for_this_one_s() {
    let nightly = || json!({"scheduleName": "nightly"});
    let both = [scheduled("a", "Completed", 3), synced("b", 9, "default")];
    assert_eq!(chosen(nightly(), &both).unwrap(), (named(3), vec![]));
    let from = json!({"scheduleName": "nightly", "fromCluster": "b"});
    assert_eq!(chosen(from, &both).unwrap(), (named(9), vec![]));
    let (name, notes) = chosen(nightly(), &both[1..]).unwrap();
    assert!(name == named(9) && notes[0].contains("cluster b"), "{name} {notes:?}");
    let why = chosen(nightly(), &[synced("b", 9, "default"), synced("c", 8, "default")]).unwrap_err();
    assert!(why.contains("cluster b") && why.contains("cluster c") && why.contains("fromCluster"), "{why}");
}

#[test]
fn what_only_says_that_it_is_the_schedule_s_is_never_taken() {
    let nightly = || json!({"scheduleName": "nightly"});
    let real = scheduled("a", "Completed", 3);
    let by_hand = backup(
        "nightly-20261109030000",
        json!({"phase": "Completed", "startTimestamp": "2026-11-09T03:00:00Z",
        "origin": {"cluster": "a"}}),
    );
    let mut named_otherwise = scheduled("a", "Completed", 9).as_ref().clone();
    named_otherwise.metadata.name = Some("mine".into());
    let in_the_future = synced("a", 29, "default");
    let of_a_partner = synced("a", 9, "partner");
    for forged in [by_hand, Arc::new(named_otherwise), in_the_future, of_a_partner] {
        let own = [Arc::clone(&real), Arc::clone(&forged)];
        assert_eq!(chosen(nightly(), &own).unwrap(), (named(3), vec![]), "{forged:?}");
    }
    let (name, notes) = chosen(nightly(), &[synced("a", 9, "partner")]).unwrap();
    assert!(name == named(9) && notes[0].contains("ReadOnly location `partner`"), "{notes:?}");
    assert_eq!(chosen(nightly(), &[synced("a", 9, "default")]).unwrap(), (named(9), vec![]));
    // After a loss everything is in a ReadOnly location, this cluster's own backups too: naming the
    // cluster chooses them.
    let all = [synced("a", 8, "partner"), synced("b", 9, "partner")];
    let why = chosen(nightly(), &all).unwrap_err();
    assert!(why.contains("of cluster a (as the ReadOnly") && why.contains("of cluster b"), "{why}");
    let named_cluster = json!({"scheduleName": "nightly", "fromCluster": "a"});
    assert_eq!(chosen(named_cluster, &all).unwrap().0, named(8));
}

#[test]
fn where_backups_are_hidden_behind_others_of_their_names_a_refusal_says_how_to_get_at_them() {
    let of_west = restore(json!({"scheduleName": "nightly", "fromCluster": "west"}));
    let shown = [synced("east", 9, "east")];
    let why = choose(&of_west, &shown, &here()).unwrap_err();
    assert!(why.contains("of cluster west") && !why.contains("--location"), "{why}");
    let here = Chooser { hiding: vec!["west".into()], ..here() };
    let why = choose(&of_west, &shown, &here).unwrap_err();
    assert!(why.contains("not all of `west`") && why.contains("ark restore run --location"), "{why}");
}

#[test]
fn a_schedule_of_the_same_name_in_another_namespace_stands_not_for_this_one() {
    let mut of_another = scheduled("a", "Completed", 9).as_ref().clone();
    let origin = of_another.status.as_mut().unwrap().origin.as_mut().unwrap();
    origin.schedule = Some("of-another-team".into());
    let here = Chooser { schedules: [("nightly".to_owned(), "of-a".to_owned())].into(), ..here() };
    let nightly = restore(json!({"scheduleName": "nightly"}));
    let both = [scheduled("a", "Completed", 3), Arc::new(of_another)];
    let choice = choose(&nightly, &both, &here).unwrap();
    assert!(choice.backup.name_any() == named(3) && choice.notes.len() == 1, "{:?}", choice.notes);
    assert!(
        choice.notes[0].contains(&named(9)) && choice.notes[0].contains("passed over"),
        "{:?}",
        choice.notes
    );
    let choice = choose(&nightly, &both[1..], &here).unwrap();
    assert!(choice.notes[0].contains("another Schedule of its name"), "{:?}", choice.notes);
}

#[test]
fn where_no_schedule_of_the_name_is_there_two_that_made_backups_side_by_side_are_told_and_none_is_taken() {
    let of = |schedule: &str, day: u32| {
        let mut backup = synced("b", day, "default").as_ref().clone();
        backup.status.as_mut().unwrap().origin.as_mut().unwrap().schedule = Some(schedule.to_owned());
        Arc::new(backup)
    };
    let both = [of("one", 1), of("two", 2), of("one", 3), of("two", 4)];
    let why = chosen(json!({"scheduleName": "nightly"}), &both).unwrap_err();
    assert!(why.contains(&named(3)) && why.contains(&named(4)) && why.contains("side by side"), "{why}");
    let (name, notes) = chosen(json!({"scheduleName": "nightly"}), &[of("one", 1), of("two", 2)]).unwrap();
    assert!(name == named(2) && notes.iter().any(|note| note.contains("2 Schedules")), "{notes:?}");
}

#[test]
fn an_interrupted_restore_goes_on_with_the_backup_that_it_began_with() {
    let mut begun = restore(json!({"scheduleName": "nightly"}));
    let status = RestoreStatus {
        phase: Some(RestorePhase::InProgress),
        backup_name: Some(named(1)),
        choice: vec!["as it was said".into()],
        ..RestoreStatus::default()
    };
    begun.status = Some(status);
    let backups = [scheduled("a", "Completed", 1), scheduled("a", "Completed", 2)];
    let choice = choose(&begun, &backups, &here()).unwrap();
    assert_eq!((choice.backup.name_any(), choice.notes), (named(1), vec!["as it was said".to_owned()]));
}

#[test]
fn an_interrupted_restore_goes_on_with_no_other_run_that_has_the_backup_s_name_by_now() {
    let with = |uid: Option<&str>| {
        let mut backup = scheduled("a", "Completed", 1).as_ref().clone();
        backup.metadata.uid = uid.map(str::to_owned);
        Arc::new(backup)
    };
    let mut begun = restore(json!({"backupName": named(1)}));
    begun.status = Some(RestoreStatus {
        phase: Some(RestorePhase::InProgress),
        backup_name: Some(named(1)),
        backup_run: Some("first".into()),
        ..RestoreStatus::default()
    });
    for (uid, goes_on) in [(Some("first"), true), (Some("second"), false), (None, true)] {
        let chosen = choose(&begun, &[with(uid)], &here());
        assert_eq!(chosen.is_ok(), goes_on, "{uid:?}");
        if let Err(why) = chosen {
            assert!(why.contains("another run has its name now"), "{why}");
        }
    }
}

#[test]
fn what_waits_is_restored_from_the_run_that_was_meant_and_from_no_other_that_has_its_name_by_then() {
    let run = |day: u32, uid: &str| {
        let mut backup = scheduled("a", "Completed", day).as_ref().clone();
        backup.metadata.uid = Some(uid.to_owned());
        Arc::new(backup)
    };
    let condition = json!({"type": WAITING, "status": "True", "reason": "Away", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-11-21T03:00:00Z"});
    let waiting = |spec: &Value, generation: i64| {
        let mut waiting = restore(spec.clone());
        waiting.metadata.generation = Some(generation);
        let status =
            json!({"phase": "New", "backupName": named(1), "backupRun": "first", "conditions": [condition]});
        waiting.status = serde_json::from_value(status).unwrap();
        waiting
    };
    let (by_name, by_schedule) = (json!({"backupName": named(1)}), json!({"scheduleName": "nightly"}));
    for spec in [&by_name, &by_schedule] {
        let both = [run(1, "first"), run(2, "newer")];
        assert_eq!(choose(&waiting(spec, 1), &both, &here()).unwrap().backup.name_any(), named(1), "{spec}");
        let why = choose(&waiting(spec, 1), &[run(1, "second"), run(2, "newer")], &here()).unwrap_err();
        assert!(why.contains("waited with") && why.contains("another run has its name now"), "{why}");
        let why = choose(&waiting(spec, 1), &[run(2, "newer")], &here()).unwrap_err();
        assert!(why.contains(&named(1)), "it takes nothing else instead: {why}");
    }
    // Until it begins its specification may be changed: the notes are of the specification before.
    let edited = json!({"backupName": named(2)});
    let choice = choose(&waiting(&edited, 2), &[run(1, "first"), run(2, "newer")], &here()).unwrap();
    assert_eq!(choice.backup.name_any(), named(2));
}

#[test]
fn a_backup_that_cannot_be_restored_is_refused_with_the_reason() {
    for (status, reason) in [
        (json!({}), "is New"),
        (json!({"phase": "InProgress"}), "is InProgress"),
        (json!({"phase": "Deleting"}), "is being deleted"),
        (json!({"phase": "Failed", "failureReason": "no space"}), "no space"),
        (json!({"phase": "FailedValidation", "validationErrors": ["a", "b"]}), "a; b"),
    ] {
        let refused = chosen(json!({"backupName": "x"}), &[backup("x", status)]).unwrap_err();
        assert!(refused.contains("`x`") && refused.contains(reason), "{refused}");
    }
    let partial = [backup("x", json!({"phase": "PartiallyFailed"}))];
    assert!(chosen(json!({"backupName": "x"}), &partial).is_ok());
    let absent = chosen(json!({"backupName": "x"}), &[]).unwrap_err();
    assert!(absent.contains("only in the bucket") && absent.contains("sync period"), "{absent}");
}
