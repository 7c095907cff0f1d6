//! Sweeping: what may be removed, and what never is.

use chrono::{TimeDelta, Utc};

use super::memory::Death;
use super::*;

fn keys() -> crate::bucket::RunKeys {
    crate::bucket::RunKeys::backup(&name()).unwrap()
}

fn dead() -> Claim {
    let since = Utc::now() - TimeDelta::hours(documents::DEAD_AFTER_HOURS + 1);
    Claim { claimed_at: since, heartbeat: since, ..claim("dead") }
}

#[tokio::test]
async fn what_a_dead_run_left_is_swept_and_the_name_is_free() {
    let (store, bucket) = bucket();
    store.insert("backups/nightly/claim.json", serde_json::to_vec(&dead()).unwrap());
    store.insert("backups/nightly/nightly.tar.zst", "old");
    assert_eq!(bucket.sweep(&keys(), "gc").await.unwrap(), 1);
    assert!(store.keys().is_empty());
    make(&bucket, &claim("next")).await.unwrap();
}

#[tokio::test]
async fn parts_without_a_claim_are_swept() {
    let (store, bucket) = bucket();
    store.insert("backups/nightly/nightly.tar.zst", "old");
    assert_eq!(bucket.sweep(&keys(), "gc").await.unwrap(), 1);
    assert!(store.keys().is_empty());
}

#[tokio::test]
async fn what_is_complete_or_being_made_is_never_swept() {
    let (store, bucket) = bucket();
    let attempt = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    let objects = write_parts(&attempt).await.unwrap();
    assert_eq!(bucket.sweep(&keys(), "gc").await.unwrap(), 0);
    attempt.commit(&document("nightly", objects)).await.unwrap();
    assert_eq!(bucket.sweep(&keys(), "gc").await.unwrap(), 0);
    assert_eq!(store.keys().len(), 5);
    // A claim that outlived the commit changes nothing.
    store.insert("backups/nightly/claim.json", serde_json::to_vec(&dead()).unwrap());
    assert_eq!(bucket.sweep(&keys(), "gc").await.unwrap(), 0);
    bucket.open_backup(&name()).await.unwrap();
}

#[tokio::test]
async fn a_removal_that_died_after_any_act_is_finished_by_a_sweep_or_is_still_whole() {
    for acts in 0..20 {
        let (store, bucket) = bucket();
        make(&bucket, &claim("run")).await.unwrap();
        store.die_at(acts, Death::After);
        let removed = bucket.remove_backup(&name(), None, "one").await;
        let died = store.is_dead();
        store.revive();
        let whole = bucket.open_backup(&name()).await.is_ok();
        bucket.sweep(&keys(), "gc").await.unwrap();
        assert_eq!(whole, bucket.open_backup(&name()).await.is_ok());
        assert!(whole || store.keys().is_empty(), "{:?}", store.keys());
        if !died {
            removed.unwrap();
            return;
        }
    }
    panic!("it never gets through");
}
