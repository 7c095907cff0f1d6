//! Processes that were suspended and go on where they were: nothing that they still write or delete
//! does harm.

use chrono::{TimeDelta, Utc};

use super::*;
use crate::bucket::RunIdentity;
use crate::store::ObjectKey;

const DOCUMENT: &str = "backups/nightly/ark-backup.json";
const CLAIM: &str = "backups/nightly/claim.json";

/// Checks that everything that the document names is as it was written.
async fn assert_whole(bucket: &Bucket) {
    let stored = bucket.open_backup(&name()).await.unwrap();
    assert!(!stored.objects().is_empty());
    for object in stored.objects() {
        let key = ObjectKey::new(object.key.clone()).unwrap();
        let body = crate::store::read_all(&**bucket.store(), &key, 1 << 20).await.unwrap();
        assert_eq!(crate::bucket::upload::describe_bytes(&key, &body), *object);
    }
}

fn other_results() -> Bytes {
    let mut results = Results::default();
    results.add(crate::model::Finding::warning(crate::model::Category::Other, "of the first attempt"));
    documents::encode_compressed(&results).unwrap()
}

#[tokio::test]
async fn what_an_earlier_attempt_writes_late_touches_nothing_of_a_committed_backup() {
    let (store, bucket) = bucket();
    let first = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    let mut tarball = first.upload(Part::Tarball).await.unwrap();
    tarball.write(Bytes::from_static(b"other items")).await.unwrap();
    make(&bucket, &claim("run")).await.unwrap();
    let whole = store.keys();
    // The process wakes, and sends the write that it was about to send.
    tarball.finish().await.unwrap();
    first.put(Part::Index, sample::empty_index()).await.unwrap();
    first.put(Part::Results, other_results()).await.unwrap();
    first.put(Part::Log, documents::encode_compressed(&"another log").unwrap()).await.unwrap();
    assert_whole(&bucket).await;
    assert_eq!(bucket.open_backup(&name()).await.unwrap().results().await.unwrap().warnings, 0);
    assert!(whole.iter().all(|key| store.keys().contains(key)));
    // The late part goes with the backup.
    bucket.remove_backup(&name(), None, "one").await.unwrap();
    assert!(store.keys().is_empty(), "{:?}", store.keys());
}

#[tokio::test]
async fn the_same_of_another_run_of_the_name_and_of_one_whose_attempt_has_the_same_number() {
    let (store, bucket) = bucket();
    let first = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    store.remove(CLAIM); // by hand, as the message advises
    make(&bucket, &claim("another")).await.unwrap();
    first.put(Part::Results, other_results()).await.unwrap();
    assert_whole(&bucket).await;
    assert!(matches!(first.renew().await, Err(BucketError::ClaimLost { .. })));
    assert!(first.discard().await.is_err());
    assert_whole(&bucket).await;
    assert_eq!(store.keys().len(), 5, "what it wrote is in no document, and is gone");
}

#[tokio::test]
async fn a_document_that_comes_late_names_parts_that_are_there() {
    let (_, bucket) = bucket();
    let first = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    let objects = write_parts(&first).await.unwrap();
    // The process was suspended after it had confirmed its claim, and another attempt began.
    let second = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    let others = write_parts(&second).await.unwrap();
    let key = ObjectKey::new(DOCUMENT).unwrap();
    let body = serde_json::to_vec(&document("nightly", objects)).unwrap();
    bucket.store().put(&key, body.into(), crate::store::PutMode::Create).await.unwrap();
    assert!(second.commit(&document("nightly", others)).await.unwrap_err().is_name_taken());
    assert!(matches!(second.discard().await, Err(BucketError::CommittedAfterAll { .. })));
    assert_whole(&bucket).await;
}

#[tokio::test]
async fn a_removal_that_was_asleep_removes_nothing_of_a_later_backup() {
    for conditions in [true, false] {
        let (store, bucket) = bucket();
        if !conditions {
            store.be_simple();
        }
        make(&bucket, &claim("run")).await.unwrap();
        let keys = crate::bucket::RunKeys::backup(&name()).unwrap();
        // The process has claimed the name; the next one finishes the removal, and somebody makes a
        // backup of that name.
        let asleep = Claim { removing: true, ..Claim::new("removal", "", "asleep") };
        let asleep = bucket.take_claim(&keys, &asleep).await.unwrap().unwrap();
        bucket.remove_backup(&name(), None, "awake").await.unwrap();
        make(&bucket, &claim("later")).await.unwrap();
        let whole = store.keys();
        assert!(matches!(bucket.delete_parts(&keys, &asleep, &[]).await, Err(BucketError::ClaimLost { .. })));
        bucket.release(&keys, &asleep).await.unwrap();
        assert_eq!(store.keys(), whole);
        // Nor does the process delete the claim of a run that is being made.
        bucket.remove_backup(&name(), None, "awake").await.unwrap();
        let attempt = bucket.claim_backup(&name(), &claim("last")).await.unwrap();
        bucket.release(&keys, &asleep).await.unwrap();
        attempt.renew().await.unwrap();
    }
}

/// Makes `nightly` as the run of a uid, which is in its document.
async fn make_run(bucket: &Bucket, uid: &str) -> RunIdentity {
    let attempt = bucket.claim_backup(&name(), &claim(uid)).await.unwrap();
    let mut made = document("nightly", write_parts(&attempt).await.unwrap());
    made.metadata.uid = Some(uid.to_owned());
    attempt.commit(&made).await.unwrap();
    RunIdentity::of_document(&made)
}

#[tokio::test]
async fn a_removal_that_begins_late_removes_nothing_of_another_run_that_has_the_name_by_then() {
    for conditions in [true, false] {
        let (store, bucket) = bucket();
        if !conditions {
            store.be_simple();
        }
        // The run was looked at, and the reader is slow: another cluster deletes the backup and
        // makes its own meanwhile.
        let meant = make_run(&bucket, "run").await;
        bucket.remove_backup(&name(), Some(&meant), "another").await.unwrap();
        let later = make_run(&bucket, "later").await;
        let whole = store.keys();
        let late = bucket.remove_backup(&name(), Some(&meant), "late").await;
        assert!(matches!(late, Err(BucketError::AnotherRun { .. })), "{late:?}");
        assert_eq!(store.keys(), whole, "and its claim is let go");
        bucket.remove_backup(&name(), Some(&later), "another").await.unwrap();
        assert!(store.keys().is_empty());
    }
}

#[tokio::test]
async fn a_name_that_is_being_removed_is_said_to_be() {
    let (_, bucket) = bucket();
    make(&bucket, &claim("run")).await.unwrap();
    let keys = crate::bucket::RunKeys::backup(&name()).unwrap();
    let removing = Claim { removing: true, ..Claim::new("removal", "", "pod-7") };
    bucket.take_claim(&keys, &removing).await.unwrap().unwrap();
    bucket.store().delete(&[ObjectKey::new(DOCUMENT).unwrap()]).await.unwrap();
    let why = bucket.claim_backup(&name(), &claim("next")).await.unwrap_err().to_string();
    assert!(why.contains("pod-7 has been removing one") && !why.contains("making"), "{why}");
}

#[tokio::test]
async fn a_removal_does_not_take_the_claim_of_a_run_that_is_being_made() {
    let (store, bucket) = bucket();
    let attempt = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    write_parts(&attempt).await.unwrap();
    assert!(bucket.remove_backup(&name(), None, "one").await.unwrap_err().is_name_taken());
    attempt.renew().await.unwrap();
    assert_eq!(store.keys().len(), 5);
}

#[tokio::test]
async fn a_heartbeat_does_not_bring_back_a_claim_that_is_another_s() {
    let (store, bucket) = bucket();
    let first = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    let long_ago = Utc::now() - TimeDelta::hours(documents::DEAD_AFTER_HOURS + 1);
    let mut silent: Claim = serde_json::from_slice(&store.body(CLAIM)).unwrap();
    silent.heartbeat = long_ago;
    store.insert(CLAIM, serde_json::to_vec(&silent).unwrap());
    let second = bucket.claim_backup(&name(), &claim("other")).await.unwrap();
    assert!(matches!(first.renew().await, Err(BucketError::ClaimLost { .. })));
    second.renew().await.unwrap();
}

#[tokio::test]
async fn uploads_of_all_earlier_attempts_are_discarded_also_when_one_dies_right_after_its_claim() {
    let (store, bucket) = bucket();
    for _ in 0..3 {
        let attempt = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
        // A process that dies drops nothing.
        std::mem::forget(attempt.upload(Part::Tarball).await.unwrap());
    }
    assert_eq!(store.unfinished().len(), 1, "each takes away what was before it: {:?}", store.unfinished());
    let keys = crate::bucket::RunKeys::backup(&name()).unwrap();
    bucket.take_claim(&keys, &claim("run")).await.unwrap().unwrap();
    make(&bucket, &claim("run")).await.unwrap();
    assert!(store.unfinished().is_empty(), "{:?}", store.unfinished());
}

#[tokio::test]
async fn a_backup_whose_parts_lie_beside_its_document_is_read_and_removed_as_before() {
    let (store, bucket) = bucket();
    make(&bucket, &claim("run")).await.unwrap();
    let stored = bucket.open_backup(&name()).await.unwrap();
    let folder = stored.parts().index().as_str().trim_end_matches("index.ndjson.zst").to_owned();
    let mut objects = stored.objects().to_vec();
    for object in &mut objects {
        let beside = object.key.replace(&folder, "backups/nightly/");
        store.insert(&beside, store.body(&object.key));
        store.remove(&object.key);
        object.key = beside;
    }
    store.insert(DOCUMENT, serde_json::to_vec(&document("nightly", objects)).unwrap());
    assert_whole(&bucket).await;
    assert_eq!(bucket.open_backup(&name()).await.unwrap().results().await.unwrap(), Results::default());
    bucket.remove_backup(&name(), None, "one").await.unwrap();
    assert!(store.keys().is_empty(), "{:?}", store.keys());
}
