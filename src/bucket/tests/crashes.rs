//! Dying at every call of a run: the remains are reported correctly and taken over.

use super::memory::Death;
use super::*;
use crate::bucket::RunState;

const DOCUMENT: &str = "backups/nightly/ark-backup.json";

/// Checks that readers find what a listing says.
async fn assert_listing_is_right(store: &MemoryStore, bucket: &Bucket) {
    let entries = list(bucket).await;
    let committed = store.keys().iter().any(|key| key == DOCUMENT);
    match entries.as_slice() {
        [] => assert!(store.keys().is_empty()),
        [entry] => {
            assert_eq!(entry.state == RunState::Complete, committed);
            assert!(committed || matches!(entry.state, RunState::Partial(_)), "{entry:?}");
        }
        more => panic!("{more:?}"),
    }
    let opened = bucket.open_backup(&name()).await;
    assert_eq!(opened.is_ok(), committed);
}

/// Lets `act` die at each of its calls in turn, and calls `after` on the remains, until `act` gets
/// through.
async fn at_every_act<A, B>(death: Death, prepare: bool, act: A, after: B) -> usize
where
    A: AsyncFn(&Bucket) -> Result<(), BucketError>,
    B: AsyncFn(&MemoryStore, &Bucket),
{
    for acts in 0..100 {
        let (store, bucket) = bucket();
        if prepare {
            make(&bucket, &claim("run")).await.unwrap();
        }
        store.die_at(acts, death);
        let outcome = act(&bucket).await;
        let died = store.is_dead();
        store.revive();
        assert_listing_is_right(&store, &bucket).await;
        after(&store, &bucket).await;
        if !died {
            outcome.unwrap();
            return acts;
        }
    }
    panic!("it never gets through");
}

#[tokio::test]
async fn a_crash_at_any_act_of_a_backup_leaves_a_whole_one_or_parts_that_the_next_attempt_replaces() {
    for death in [Death::Before, Death::After] {
        let acts = at_every_act(
            death,
            false,
            async |bucket| make(bucket, &claim("run")).await.map(|_| ()),
            async |store, bucket| {
                let committed = store.keys().iter().any(|key| key == DOCUMENT);
                match make(bucket, &claim("run")).await {
                    Ok(_) => assert!(!committed),
                    Err(error) => assert!(committed && error.is_name_taken(), "{error}"),
                }
                // Claim, document and four parts at most; no claim once its own run came by again.
                assert_eq!(store.keys().len(), 5, "{:?}", store.keys());
                assert!(store.unfinished().is_empty(), "{:?}", store.unfinished());
            },
        )
        .await;
        assert_eq!(acts, 7, "claim, four parts, document, end of the claim");
    }
}

#[tokio::test]
async fn a_crash_at_any_act_of_a_clean_up_leaves_what_the_next_attempt_cleans() {
    for death in [Death::Before, Death::After] {
        at_every_act(
            death,
            false,
            async |bucket| {
                let attempt = bucket.claim_backup(&name(), &claim("run")).await?;
                write_parts(&attempt).await?;
                attempt.discard().await.map(|_| ())
            },
            async |store, bucket| {
                make(bucket, &claim("run")).await.unwrap();
                assert_eq!(store.keys().len(), 5);
            },
        )
        .await;
    }
}

#[tokio::test]
async fn a_crash_at_any_act_of_a_removal_leaves_what_anyone_can_remove() {
    for death in [Death::Before, Death::After] {
        at_every_act(
            death,
            true,
            async |bucket| bucket.remove_backup(&name(), None, "one").await.map(|_| ()),
            async |store, bucket| {
                if let Err(error) = bucket.remove_backup(&name(), None, "another").await {
                    assert!(error.is_not_found(), "{error}");
                }
                assert!(store.keys().is_empty(), "{:?}", store.keys());
            },
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_is_a_commit() {
    let (store, bucket) = bucket();
    let attempt = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    let objects = write_parts(&attempt).await.unwrap();
    store.die_at(0, Death::LostAnswer);
    attempt.commit(&document("nightly", objects)).await.unwrap();
    assert_eq!(list(&bucket).await[0].state, RunState::Complete);
    assert_eq!(store.keys().len(), 5);
}

#[tokio::test]
async fn a_run_that_lost_its_name_to_a_commit_removes_nothing_of_the_winner() {
    let (store, bucket) = bucket();
    let attempt = bucket.claim_backup(&name(), &claim("run")).await.unwrap();
    let objects = write_parts(&attempt).await.unwrap();
    let winner = serde_json::to_vec(&document("nightly", Vec::new())).unwrap();
    store.insert(DOCUMENT, winner.clone());
    let error = attempt.commit(&document("nightly", objects)).await.unwrap_err();
    assert!(error.is_name_taken(), "{error}");
    assert!(matches!(attempt.discard().await, Err(BucketError::CommittedAfterAll { .. })));
    assert_eq!(store.body(DOCUMENT), winner);
    assert_eq!(store.keys(), [DOCUMENT], "what no document names is gone");
}
