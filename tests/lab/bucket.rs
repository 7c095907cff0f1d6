//! One holder a name and nothing half-written, on a real S3 server.

use std::sync::Arc;

use ark::api::{Backup, BackupPhase, BackupSpec, BackupStatus};
use ark::bucket::{Bucket, BucketError, Claim, Part, RunState};
use ark::model::BackupName;
use ark::store::{Location, open};
use bytes::Bytes;
use futures::TryStreamExt as _;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::Lab;

/// More than one part of a multipart upload.
const LARGE: usize = 20 << 20;

async fn bucket(url: &str) -> Bucket {
    let location = Location::from_url(url).expect("the location is understood");
    Bucket::new(open(&location).await.expect("the bucket can be opened"))
}

fn name() -> BackupName {
    "nightly".parse().expect("a valid name")
}

fn document() -> Backup {
    let mut backup = Backup::new("nightly", BackupSpec::default());
    let phase = Some(BackupPhase::Completed);
    backup.status =
        Some(BackupStatus { phase, format_version: Some("2".to_owned()), ..BackupStatus::default() });
    backup
}

async fn state(bucket: &Bucket) -> Vec<RunState> {
    bucket.list_backups().map_ok(|entry| entry.state).try_collect().await.expect("listable")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs the lab: run hack/test.sh"]
async fn of_many_processes_that_claim_a_name_on_s3_at_once_exactly_one_wins() {
    let lab = Lab::get().await;
    let url = lab.bucket();
    bucket(&url).await.establish_identity().await.expect("writable");
    let start = Arc::new(Barrier::new(16));
    let mut tasks = JoinSet::new();
    for number in 0..16 {
        // A client of its own each, as processes have.
        let (bucket, start) = (bucket(&url).await, Arc::clone(&start));
        tasks.spawn(async move {
            start.wait().await;
            bucket.claim_backup(&name(), &Claim::new(format!("run-{number}"), "cluster", "test")).await
        });
    }
    let outcomes = tasks.join_all().await;
    let losers: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert_eq!(losers.len(), 15);
    assert!(losers.iter().all(|error| error.is_name_taken()), "{losers:?}");
}

/// The second attempt under the same claim commits; the first one, were it alive, could not.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_run_on_s3_that_dies_mid_upload_is_partial_and_taken_over() {
    let lab = Lab::get().await;
    let bucket = bucket(&lab.bucket()).await;
    let claim = Claim::new("run", "cluster", "test");
    let first = bucket.claim_backup(&name(), &claim).await.expect("free");
    let mut upload = first.upload(Part::Tarball).await.expect("writable");
    upload.write(Bytes::from(vec![7; LARGE])).await.expect("writable");
    drop(upload);
    assert!(matches!(state(&bucket).await.as_slice(), [RunState::Partial(Some(_))]));
    assert!(matches!(bucket.open_backup(&name()).await, Err(BucketError::Incomplete { .. })));

    let second = bucket.claim_backup(&name(), &claim).await.expect("its own claim");
    assert_eq!(second.number(), 2);
    let mut upload = second.upload(Part::Tarball).await.expect("writable");
    upload.write(Bytes::from(vec![7; LARGE])).await.expect("writable");
    assert_eq!(upload.finish().await.expect("writable").size, LARGE as u64);
    assert!(matches!(first.renew().await, Err(BucketError::ClaimLost { .. })));
    second.commit(&document()).await.expect("still its claim");
    assert_eq!(state(&bucket).await, [RunState::Complete]);

    let taken = bucket.claim_backup(&name(), &claim).await.expect_err("complete");
    assert!(taken.is_name_taken(), "{taken}");
    assert_eq!(bucket.remove_backup(&name(), None, "test").await.expect("removable"), 2);
    assert!(state(&bucket).await.is_empty());
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_run_on_s3_that_gives_up_leaves_nothing() {
    let lab = Lab::get().await;
    let bucket = bucket(&lab.bucket()).await;
    let attempt = bucket.claim_backup(&name(), &Claim::new("run", "cluster", "test")).await.expect("free");
    let log = zstd::encode_all(&b"{}\n"[..], 1).expect("in memory");
    attempt.put(Part::Log, Bytes::from(log)).await.expect("writable");
    let mut upload = attempt.upload(Part::Tarball).await.expect("writable");
    upload.write(Bytes::from(vec![7; LARGE])).await.expect("writable");
    upload.abort().await;
    assert_eq!(attempt.discard().await.expect("its claim"), 1);
    let left = bucket.store().list("", false, None).await.expect("listable");
    assert!(left.objects.is_empty(), "{left:?}");
}
