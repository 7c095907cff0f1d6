//! Claims: which of several runs gets a name.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};

use super::*;
use crate::bucket::{RunState, Taker, Writer};

fn dead(uid: &str) -> Claim {
    let since = Utc::now() - TimeDelta::hours(documents::DEAD_AFTER_HOURS + 1);
    Claim { claimed_at: since, heartbeat: since, ..claim(uid) }
}

fn taker(error: BucketError) -> Taker {
    match error {
        BucketError::NameTaken { by, .. } => by,
        other => panic!("{other}"),
    }
}

async fn race(bucket: &Bucket, runners: usize) -> Vec<Attempt> {
    let start = Arc::new(tokio::sync::Barrier::new(runners));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..runners {
        let (bucket, start) = (bucket.clone(), Arc::clone(&start));
        tasks.spawn(async move {
            start.wait().await;
            bucket.claim_backup(&name(), &claim(&format!("run-{number}"))).await
        });
    }
    let outcomes = tasks.join_all().await;
    let mut losers = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    assert!(losers.all(|error| error.is_name_taken()));
    outcomes.into_iter().filter_map(Result::ok).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_runs_that_claim_a_name_at_once_exactly_one_wins() {
    for _ in 0..50 {
        let (_, bucket) = bucket();
        assert_eq!(race(&bucket, 16).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_runs_that_take_over_a_dead_claim_at_once_exactly_one_wins() {
    for round in 0..50 {
        let (store, bucket) = bucket();
        if round % 2 == 0 {
            store.be_simple();
        }
        store.insert("backups/nightly/claim.json", serde_json::to_vec(&dead("old")).unwrap());
        store.insert("backups/nightly/index.ndjson.zst", "old");
        let winners = race(&bucket, 16).await;
        assert_eq!(winners.len(), 1);
        winners[0].renew().await.unwrap();
        assert_eq!(winners[0].discard().await.unwrap(), 1, "what the dead one left goes with it");
        assert!(store.keys().is_empty());
    }
}

#[tokio::test]
async fn a_run_takes_its_own_claim_over_and_the_process_before_learns_of_it() {
    let (store, bucket) = bucket();
    let claim = claim("run");
    let first = bucket.claim_backup(&name(), &claim).await.unwrap();
    write_parts(&first).await.unwrap();
    let second = bucket.claim_backup(&name(), &claim).await.unwrap();
    assert_eq!((first.number(), second.number()), (1, 2));
    let objects = write_parts(&second).await.unwrap();
    assert!(matches!(first.renew().await, Err(BucketError::ClaimLost { .. })));
    assert!(matches!(first.discard().await, Err(BucketError::ClaimLost { .. })));
    let lost = first.commit(&document("nightly", objects.clone())).await;
    assert!(matches!(lost, Err(BucketError::ClaimLost { .. })));
    second.commit(&document("nightly", objects)).await.unwrap();
    assert_eq!(store.keys().len(), 5, "the parts of the first attempt are gone");
    assert!(matches!(first.discard().await, Err(BucketError::CommittedAfterAll { .. })));
    assert_eq!(store.keys().len(), 5);
}

#[tokio::test]
async fn a_claim_whose_process_has_ended_on_this_machine_is_taken_over_at_once() {
    let (store, bucket) = bucket();
    let mut killed = serde_json::to_value(claim("killed")).unwrap();
    // No kernel numbers processes as high.
    killed["process"]["id"] = u32::MAX.into();
    store.insert("backups/nightly/claim.json", serde_json::to_vec(&killed).unwrap());
    store.insert("backups/nightly/index.ndjson.zst", "old");
    let attempt = bucket.claim_backup(&name(), &claim("next")).await.unwrap();
    attempt.renew().await.unwrap();
    assert_eq!(attempt.discard().await.unwrap(), 1, "what it left goes with what comes after it");
    // Of a process on another machine, nobody can know.
    killed["process"]["boot"] = "another".into();
    store.insert("backups/nightly/claim.json", serde_json::to_vec(&killed).unwrap());
    let error = bucket.claim_backup(&name(), &claim("next")).await.unwrap_err();
    assert!(!error.to_string().contains("delete its claim.json"), "it may be alive: {error}");
    killed["heartbeat"] = (Utc::now() - TimeDelta::hours(1)).to_rfc3339().into();
    store.insert("backups/nightly/claim.json", serde_json::to_vec(&killed).unwrap());
    let error = bucket.claim_backup(&name(), &claim("next")).await.unwrap_err();
    assert!(error.to_string().contains("delete its claim.json"), "it has been silent for long: {error}");
}

#[tokio::test]
async fn a_name_that_is_taken_says_by_whom_and_what_to_do() {
    let (store, bucket) = bucket();
    let attempt = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    let error = bucket.claim_backup(&name(), &claim("other")).await.unwrap_err();
    let text = error.to_string();
    for part in ["backup name `nightly` is taken in memory", "cluster-a", "host/run", "another name"] {
        assert!(text.contains(part), "{text}");
    }
    attempt.discard().await.unwrap();
    assert!(store.keys().is_empty());

    make(&bucket, &claim("run")).await.unwrap();
    let error = bucket.claim_backup(&name(), &claim("run")).await.unwrap_err();
    assert_eq!(taker(error), Taker::Committed { cluster: Some("cluster-a".into()) });
    assert_eq!(list(&bucket).await[0].state, RunState::Complete);
}

#[tokio::test]
async fn what_another_program_wrote_is_neither_overwritten_nor_removed() {
    let (store, bucket) = bucket();
    store.insert("backups/nightly/velero-backup.json", "{}");
    store.insert("backups/nightly/nightly.tar.gz", "x");
    let error = bucket.claim_backup(&name(), &claim("run")).await.unwrap_err();
    assert_eq!(taker(error), Taker::Foreign(Writer::Velero));
    assert!(matches!(bucket.remove_backup(&name(), None, "me").await, Err(BucketError::Foreign { .. })));
    assert!(matches!(bucket.open_backup(&name()).await, Err(BucketError::Foreign { .. })));
    assert_eq!(store.keys().len(), 2);
}

#[tokio::test]
async fn a_claim_that_cannot_be_read_keeps_the_name_until_it_is_old() {
    let (store, bucket) = bucket();
    store.insert("backups/nightly/claim.json", "\0garbage");
    let error = bucket.claim_backup(&name(), &claim("run")).await.unwrap_err();
    assert_eq!(taker(error), Taker::UnreadableClaim);
    store.insert("backups/nightly/claim.json", vec![b' '; 1 << 20]);
    let error = bucket.claim_backup(&name(), &claim("run")).await.unwrap_err();
    assert_eq!(taker(error), Taker::UnreadableClaim);
}

#[tokio::test]
async fn parts_without_claim_or_document_do_not_block_a_name() {
    let (store, bucket) = bucket();
    store.insert("backups/nightly/dumps/ns/d/m.zst", "left");
    assert_eq!(list(&bucket).await[0].state, RunState::Partial(None));
    make(&bucket, &claim("run")).await.unwrap();
    assert!(!store.keys().iter().any(|key| key.contains("dumps")));
}

#[tokio::test]
async fn a_location_gets_one_identity_and_a_newer_one_is_refused() {
    let (store, bucket) = bucket();
    assert_eq!(bucket.identity().await.unwrap(), None);
    let (one, two) = tokio::join!(bucket.establish_identity(), bucket.establish_identity());
    assert_eq!(one.unwrap(), two.unwrap());
    store.insert(
        "ark-location.json",
        r#"{"id":"x","format":3,"createdAt":"2026-11-21T00:00:00Z","more":true}"#,
    );
    let error = bucket.identity().await.unwrap_err();
    assert!(error.to_string().contains("use a newer Ark"), "{error}");
    store.insert("ark-location.json", "[]");
    assert!(matches!(bucket.identity().await, Err(BucketError::Document { .. })));
}

#[tokio::test]
async fn only_a_document_that_can_be_read_back_is_committed() {
    let (_, bucket) = bucket();
    let attempt = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    let mut running = document("nightly", Vec::new());
    running.status.as_mut().unwrap().phase = Some(BackupPhase::InProgress);
    let mut huge = document("nightly", Vec::new());
    huge.status.as_mut().unwrap().failure_reason = Some("x".repeat(1 << 20));
    let elsewhere = crate::api::StoredObject { key: "backups/other/x".into(), ..Default::default() };
    for wrong in [running, huge, document("weekly", Vec::new()), document("nightly", vec![elsewhere])] {
        let error = attempt.commit(&wrong).await.unwrap_err();
        assert!(matches!(error, BucketError::Unwritable { .. }), "{error}");
    }
    assert!(matches!(list(&bucket).await[0].state, RunState::Partial(Some(_))));
}
