//! Tests of [`super::decide`] at each point of a deletion, and of the objections to one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;
use crate::api::{BackupSpec, BackupStatus, DeleteBackupRequestSpec, SYNCED_FROM};

const NOW: &str = "2026-11-21T12:00:00Z";

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

fn request(status: serde_json::Value) -> DeleteBackupRequest {
    let mut request =
        DeleteBackupRequest::new("any", DeleteBackupRequestSpec { backup_name: "nightly".into() });
    request.metadata.creation_timestamp = Some(Time(NOW.parse().unwrap()));
    request.status = Some(serde_json::from_value(status).unwrap());
    request
}

fn begun() -> DeleteBackupRequest {
    request(json!({"phase": "InProgress"}))
}

fn backup(phase: BackupPhase) -> Backup {
    let mut backup = Backup::new("nightly", BackupSpec::default());
    backup.metadata.uid = Some("uid".into());
    backup.status = Some(BackupStatus { phase: Some(phase), ..BackupStatus::default() });
    backup
}

fn observed(backup: Option<&Backup>) -> ObservedDeletion<'_> {
    ObservedDeletion {
        backup,
        place: Deletability::Usable,
        restoring: None,
        restore_only: false,
        removed: false,
    }
}

#[track_caller]
fn expect_refusal(step: DeletionStep, word: &str) {
    let DeletionStep::Refuse(why) = step else { panic!("{step:?} and no refusal") };
    assert!(why.contains(word), "{why}");
}

#[test]
fn a_deletion_begins_works_and_ends_wherever_it_was_interrupted() {
    let (complete, deleting) = (backup(BackupPhase::Completed), backup(BackupPhase::Deleting));
    assert_eq!(decide(&request(json!({})), &observed(Some(&complete)), now()), DeletionStep::Begin);
    assert_eq!(
        decide(&request(json!({})), &observed(Some(&deleting)), now()),
        DeletionStep::Begin,
        "marked and not recorded"
    );
    assert_eq!(decide(&begun(), &observed(Some(&complete)), now()), DeletionStep::Begin, "postponed before");
    assert_eq!(decide(&begun(), &observed(Some(&deleting)), now()), DeletionStep::Work);
    let removed = request(json!({"phase": "InProgress", "removed": true}));
    assert_eq!(decide(&removed, &observed(Some(&deleting)), now()), DeletionStep::Work);
    assert_eq!(decide(&removed, &observed(None), now()), DeletionStep::Finish, "its object goes last");
    let troubled = request(json!({"phase": "InProgress", "removed": true, "errors": ["no answer"]}));
    assert_eq!(
        decide(&troubled, &observed(None), now()),
        DeletionStep::Finish,
        "what stood in the way is over"
    );
}

#[test]
fn what_another_request_has_removed_is_deleted_for_this_one_too() {
    for second in [begun(), request(json!({}))] {
        assert_eq!(
            decide(&second, &ObservedDeletion { removed: true, ..observed(None) }, now()),
            DeletionStep::Finish
        );
    }
}

#[test]
fn only_what_was_removed_since_a_request_was_made_is_its_end_too() {
    let removed = |status| request(status);
    let at = |time: &str| json!({"phase": "Processed", "removed": true, "processedTimestamp": time});
    assert!(has_removed(&removed(at(NOW)), &begun()));
    assert!(has_removed(&removed(json!({"phase": "InProgress", "removed": true})), &begun()));
    assert!(!has_removed(&removed(at("2026-11-21T11:59:59Z")), &begun()), "that was an earlier backup");
    assert!(!has_removed(&removed(json!({"phase": "Processed"})), &begun()), "that one was refused");
    let mut another = removed(at(NOW));
    another.spec.backup_name = "weekly".into();
    assert!(!has_removed(&another, &begun()));
}

#[test]
fn what_ended_badly_or_was_not_begun_can_be_deleted() {
    for phase in
        [BackupPhase::New, BackupPhase::Failed, BackupPhase::FailedValidation, BackupPhase::PartiallyFailed]
    {
        assert_eq!(
            decide(&request(json!({})), &observed(Some(&backup(phase))), now()),
            DeletionStep::Begin,
            "{phase}"
        );
    }
}

#[test]
fn a_backup_that_is_not_there_or_being_made_is_refused() {
    expect_refusal(decide(&request(json!({})), &observed(None), now()), "there is no Backup `nightly`");
    let troubled = request(json!({"phase": "InProgress", "errors": ["unreachable"]}));
    for deleted_with_kubectl in [troubled, begun()] {
        expect_refusal(decide(&deleted_with_kubectl, &observed(None), now()), "comes back by itself");
    }
    let running = backup(BackupPhase::InProgress);
    expect_refusal(decide(&request(json!({})), &observed(Some(&running)), now()), "is in progress");
}

#[test]
fn a_backup_that_is_being_restored_is_refused_and_once_begun_waited_for() {
    let (complete, deleting) = (backup(BackupPhase::Completed), backup(BackupPhase::Deleting));
    let read = |backup| ObservedDeletion { restoring: Some("back".into()), ..observed(Some(backup)) };
    expect_refusal(decide(&request(json!({})), &read(&complete), now()), "Restore `back`");
    let DeletionStep::Postpone(why) = decide(&begun(), &read(&deleting), now()) else {
        panic!("it is postponed")
    };
    assert!(why.contains("Restore `back`"), "{why}");
}

#[test]
fn the_state_of_the_location_refuses_or_postpones() {
    let complete = backup(BackupPhase::Completed);
    let at = |place| ObservedDeletion { place, ..observed(Some(&complete)) };
    let read_only = Deletability::Closed("location `a` is ReadOnly".into());
    expect_refusal(decide(&request(json!({})), &at(read_only.clone()), now()), "ReadOnly");
    // A deletion that has begun goes on one day: nobody is told that the backup is kept.
    let deleting = backup(BackupPhase::Deleting);
    for asked in [begun(), request(json!({}))] {
        let observed = ObservedDeletion { place: read_only.clone(), ..observed(Some(&deleting)) };
        let DeletionStep::Postpone(why) = decide(&asked, &observed, now()) else { panic!("it waits") };
        assert!(why.contains("ReadOnly") && why.contains("has begun"), "{why}");
    }
    let unavailable = Deletability::Unavailable("no answer".into());
    assert_eq!(
        decide(&request(json!({})), &at(unavailable), now()),
        DeletionStep::Postpone("no answer".into())
    );
}

#[test]
fn a_restore_only_server_removes_nothing_from_a_bucket() {
    let refuse = |backup| ObservedDeletion { restore_only: true, ..observed(Some(backup)) };
    let complete = backup(BackupPhase::Completed);
    expect_refusal(decide(&request(json!({})), &refuse(&complete), now()), "--restore-only");
    let never_made = backup(BackupPhase::FailedValidation);
    assert_eq!(decide(&request(json!({})), &refuse(&never_made), now()), DeletionStep::Begin);
}

#[test]
fn a_later_backup_of_the_same_name_is_kept() {
    let complete = backup(BackupPhase::Completed);
    let mut of_another = request(json!({}));
    of_another.metadata.labels = Some([(BACKUP_UID_LABEL.to_owned(), "earlier".to_owned())].into());
    expect_refusal(decide(&of_another, &observed(Some(&complete)), now()), "is kept");
    of_another.metadata.labels = Some([(BACKUP_UID_LABEL.to_owned(), "uid".to_owned())].into());
    assert_eq!(decide(&of_another, &observed(Some(&complete)), now()), DeletionStep::Begin);
}

#[test]
fn a_request_that_names_no_uid_is_of_the_backup_that_was_there_when_it_was_made_and_first_looked_at() {
    let created = |time: &str| {
        let mut backup = backup(BackupPhase::Completed);
        backup.metadata.creation_timestamp = Some(Time(time.parse().unwrap()));
        backup
    };
    let unavailable = |backup| ObservedDeletion {
        place: Deletability::Unavailable("no answer".into()),
        ..observed(Some(backup))
    };
    let (before, after) = (created("2026-11-21T11:00:00Z"), created("2026-11-21T12:00:01Z"));
    assert_eq!(decide(&request(json!({})), &observed(Some(&before)), now()), DeletionStep::Begin);
    for observed in [observed(Some(&after)), unavailable(&after)] {
        expect_refusal(decide(&request(json!({})), &observed, now()), "is kept");
    }
    // The uid was noted when the request was postponed; a Backup that came meanwhile is another,
    // whatever the clocks say.
    let noted =
        |uid: &str| request(json!({"phase": "InProgress", "backupUid": uid, "errors": ["no answer"]}));
    assert_eq!(decide(&noted("uid"), &observed(Some(&before)), now()), DeletionStep::Begin);
    expect_refusal(decide(&noted("earlier"), &observed(Some(&before)), now()), "is kept");
    let removed = request(
        json!({"phase": "Processed", "removed": true, "backupUid": "earlier", "processedTimestamp": NOW}),
    );
    assert!(has_removed(&removed, &noted("earlier")) && !has_removed(&removed, &noted("uid")));
}

#[test]
fn a_clock_that_is_wrong_expires_nothing() {
    let complete = backup(BackupPhase::Completed);
    let asked = |at: &str| {
        let mut asked = request(json!({}));
        asked.metadata.annotations = Some([(REQUESTED_AT.to_owned(), at.to_owned())].into());
        asked
    };
    assert_eq!(
        decide(&asked("2026-11-21T11:59:00Z"), &observed(Some(&complete)), now()),
        DeletionStep::Begin
    );
    for wrong in ["2036-11-21T12:00:00Z", "1970-01-01T00:00:00Z", "noon"] {
        expect_refusal(decide(&asked(wrong), &observed(Some(&complete)), now()), "disagree");
    }
    let deleting = backup(BackupPhase::Deleting);
    assert_eq!(
        decide(&asked("noon"), &observed(Some(&deleting)), now()),
        DeletionStep::Begin,
        "what was begun is finished"
    );
}

#[test]
fn an_answer_is_shown_for_an_hour() {
    let answered = |at: &str| request(json!({"phase": "Processed", "processedTimestamp": at}));
    let decide = |request| decide(&request, &observed(None), now());
    assert_eq!(decide(answered("2026-11-21T11:30:00Z")), DeletionStep::Show(SHOWN / 2));
    assert_eq!(decide(answered("2026-11-21T11:00:00Z")), DeletionStep::Forget);
    assert_eq!(decide(answered("2026-11-21T12:00:10Z")), DeletionStep::Show(SHOWN), "clocks differ a little");
    assert_eq!(decide(answered("2036-11-21T11:00:00Z")), DeletionStep::Forget, "its clock was wrong");
    assert_eq!(decide(request(json!({"phase": "Processed"}))), DeletionStep::Forget);
}

#[test]
fn what_reached_the_bucket_is_told_by_its_marks_also_while_it_is_deleted() {
    let never = backup(BackupPhase::Deleting);
    assert!(!reached_bucket(&never) && !reached_bucket(&backup(BackupPhase::Failed)));
    assert!(reached_bucket(&backup(BackupPhase::Completed)));
    let mut synced = never.clone();
    synced.metadata.annotations = Some([(SYNCED_FROM.to_owned(), "id".to_owned())].into());
    let mut copy = synced.clone();
    copy.status.as_mut().unwrap().validation_errors = vec!["it carries the annotation".into()];
    assert!(!reached_bucket(&copy), "of a mirror, which was refused");
    let mut stored = never;
    stored.status.as_mut().unwrap().conditions =
        vec![crate::api::stored("there".into(), Time(NOW.parse().unwrap()))];
    assert!(reached_bucket(&synced) && reached_bucket(&stored));
}

#[test]
fn a_backup_that_has_something_to_undo_is_kept_until_it_is_undone() {
    let pending = json!({"backup-uid-1": [{"what": "scales it back", "since": NOW, "undo": {}}]});
    let mut open = backup(BackupPhase::PartiallyFailed);
    open.status.as_mut().unwrap().obligations = serde_json::from_value(pending).unwrap();
    expect_refusal(decide(&request(json!({})), &observed(Some(&open)), now()), "not undone yet (what scales");
    // Of what came out of a bucket, the cluster that made it looks after the rest.
    let mut copy = open.clone();
    copy.metadata.annotations = Some([(SYNCED_FROM.to_owned(), "default".to_owned())].into());
    assert_eq!(decide(&request(json!({})), &observed(Some(&copy)), now()), DeletionStep::Begin);
    open.status.as_mut().unwrap().phase = Some(BackupPhase::Deleting);
    assert_eq!(decide(&begun(), &observed(Some(&open)), now()), DeletionStep::Work, "it has begun");
}
