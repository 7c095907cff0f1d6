//! The life of a run on a real filesystem, and with a store that fails as stores do.

use crate::store::{Fault, Faults, Location, Operation, open};

use super::*;
use crate::bucket::RunState;

async fn folder() -> (tempfile::TempDir, Faults, Bucket) {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::from_url(&format!("file://{}", folder.path().display())).unwrap();
    let faults = Faults::new(open(&location).await.unwrap());
    (folder, faults.clone(), Bucket::new(Arc::new(faults)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_runs_that_claim_a_name_on_a_filesystem_exactly_one_wins() {
    let (_folder, _, bucket) = folder().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..12 {
        let bucket = bucket.clone();
        tasks.spawn(async move { make(&bucket, &claim(&format!("run-{number}"))).await });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().filter_map(|o| o.as_ref().err()).all(|error| error.is_name_taken()));
    assert_eq!(list(&bucket).await[0].state, RunState::Complete);
}

#[tokio::test]
async fn a_backup_on_a_filesystem_is_written_verified_listed_and_removed() {
    let (folder, _, bucket) = folder().await;
    sample::write(&bucket, "nightly", Some("2.0.0\n")).await;
    assert_eq!(bucket.verify(&name(), sample::describe, &|_| {}).await.unwrap().problems, []);
    let entries = list(&bucket).await;
    assert_eq!((entries.len(), entries[0].objects), (1, 4));
    assert_eq!(bucket.remove_backup(&name(), None, "me").await.unwrap(), 4);
    assert!(list(&bucket).await.is_empty());
    assert!(!folder.path().join("backups/nightly/ark-backup.json").exists());
}

#[tokio::test]
async fn a_store_that_fails_is_told_as_it_fails_and_leaves_nothing_that_counts() {
    for (operation, fault, unusable) in [
        (Operation::UploadFinish, Fault::Full, true),
        (Operation::UploadWrite, Fault::Unreachable, true),
        (Operation::UploadStart, Fault::Forbidden, true),
        (Operation::Put, Fault::ReadOnly, true),
        (Operation::List, Fault::BucketMissing, true),
    ] {
        let (_folder, faults, bucket) = folder().await;
        faults.script_always(operation, fault.clone());
        let error = make(&bucket, &claim("run")).await.unwrap_err();
        assert_eq!(error.is_unreachable(), unusable, "{fault:?}: {error}");
        faults.heal();
        assert!(list(&bucket).await.iter().all(|entry| matches!(entry.state, RunState::Partial(Some(_)))));
        make(&bucket, &claim("run")).await.unwrap();
        assert_eq!(list(&bucket).await[0].state, RunState::Complete);
    }
}

#[tokio::test]
async fn a_connection_that_ends_while_a_backup_is_read_is_an_error() {
    let (_folder, faults, bucket) = folder().await;
    let backup = sample::write(&bucket, "nightly", Some("2.0.0\n")).await;
    let (_, frames) = sample::index(&backup).await;
    faults.script_always(Operation::Get, Fault::Cut(1000));
    assert!(backup.index().await.unwrap().try_collect::<Vec<_>>().await.is_err());
    let mut reader = backup.frames(frames).unwrap();
    assert!(reader.next().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_never_arrives_is_cleaned_up() {
    let faults = Faults::new(bucket().0);
    let bucket = Bucket::new(Arc::new(faults.clone()));
    let attempt = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    let objects = write_parts(&attempt).await.unwrap();
    let before = faults.count(Operation::Put);
    faults.script_always(Operation::Put, Fault::Unreachable);
    let error = attempt.commit(&document("nightly", objects)).await.unwrap_err();
    assert!(error.is_unreachable() && error.is_retryable(), "{error}");
    assert_eq!(faults.count(Operation::Put) - before, 4, "a commit is sent four times at most");
    faults.heal();
    assert_eq!(attempt.discard().await.unwrap(), 4);
    assert!(list(&bucket).await.is_empty());
}
