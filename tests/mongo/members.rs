//! The lock of a member: announced before it is taken, never that of somebody else, and released
//! whatever becomes of who wanted it.

use std::sync::Arc;
use std::time::Duration;

use ark::mongo::{LockRequest, MongoError, Unlocked};

use crate::records::Records;
use crate::stand::{Fault, Peculiarities, Role, Stand};
use crate::{impatient, lock, request};

#[tokio::test]
async fn no_lock_is_taken_whose_record_cannot_be_stored() {
    let stand = Stand::sharded(Peculiarities::default()).await;
    let records = Arc::new(Records::broken("the bucket is away"));
    let error = lock(&stand, &request(), &records).await.expect_err("it cannot be announced");
    assert!(matches!(error, MongoError::Ledger { .. }), "{error}");
    assert!(stand.deployment().events().is_empty());
}

#[tokio::test]
async fn the_lock_of_somebody_else_fails_the_backup_and_is_left_alone() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    stand.member(0).change(|state| state.locks = 1);
    let records = Arc::<Records>::default();
    let error = lock(&stand, &impatient(), &records).await.expect_err("it is locked");
    assert!(matches!(error, MongoError::ForeignLock { .. }), "{error}");
    assert_eq!((stand.locks(), stand.member(0).state().asked, records.open().len()), (1, (0, 0), 0));
}

#[tokio::test]
async fn of_two_locks_at_the_same_moment_ours_gives_way() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    stand.member(0).change(|state| state.fault = Some(Fault::OtherIsQuicker));
    let records = Arc::<Records>::default();
    let error = lock(&stand, &impatient(), &records).await.expect_err("the other was quicker");
    assert!(matches!(error, MongoError::ForeignLock { .. }), "{error}");
    assert_eq!((stand.locks(), stand.member(0).state().asked, records.open().len()), (1, (1, 1), 0));
}

#[tokio::test]
async fn two_backups_of_one_member_take_turns() {
    let stand = Stand::replica_set(&[Role::Data; 3], Peculiarities::default()).await;
    let first = lock(&stand, &request(), &Arc::default()).await.expect("it is locked");
    let other = LockRequest { comment: "ark other/2".to_owned(), ..request() };
    let records = Arc::default();
    let (second, ends) = tokio::join!(lock(&stand, &other, &records), first.finish());
    assert!(ends[0].as_ref().is_ok_and(|end| end.unlocked == Unlocked::Released), "{ends:?}");
    second.expect("it is locked after the first").finish().await;
    assert_eq!((stand.locks(), stand.member(1).state().asked), (0, (2, 2)));
}

#[tokio::test]
async fn what_somebody_else_locks_meanwhile_stays_locked() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    let held = lock(&stand, &request(), &Arc::default()).await.expect("it is locked");
    stand.member(0).change(|state| state.locks += 1);
    let ends = held.finish().await;
    assert!(ends[0].as_ref().is_ok_and(|end| end.unlocked == Unlocked::LockedByOthers && end.lasted()));
    assert_eq!(stand.locks(), 1);
}

#[tokio::test]
async fn a_lock_ends_when_its_time_is_up() {
    let stand = Stand::sharded(Peculiarities::default()).await;
    let records = Arc::<Records>::default();
    let brief = LockRequest { longest: Duration::from_millis(500), ..request() };
    let held = lock(&stand, &brief, &records).await.expect("it is locked");
    for member in [1, 4, 7] {
        stand.member(member).until(|state| state.locks == 0).await;
    }
    let ends = held.finish().await;
    assert!(ends.iter().flatten().all(|end| end.expired && !end.lasted()), "{ends:?}");
    assert_eq!((ends.len(), records.open().len()), (3, 0));
    assert_eq!(stand.deployment().balancer(|_| {}).mode, "full");
}

#[tokio::test]
async fn a_caller_that_is_dropped_leaves_no_lock() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    let member = stand.member(0);
    drop(lock(&stand, &request(), &Arc::default()).await.expect("it is locked"));
    member.until(|state| state.locks == 0).await;
    // Dropped while the lock is still being taken.
    member.change(|state| state.fault = Some(Fault::HoldLock));
    let (wanted, records) = (request(), Arc::default());
    tokio::select! {
        _ = lock(&stand, &wanted, &records) => panic!("it is not locked yet"),
        () = member.until(|state| !state.waiting.is_empty()) => {}
    }
    member.change(|state| state.fault = None);
    member.until(|state| state.locks == 0 && state.asked == (2, 2)).await;
}

#[tokio::test]
async fn all_logins_are_over_before_a_member_is_locked() {
    let peculiarities =
        Peculiarities { login: Some(("ark".to_owned(), "hunter2".to_owned())), ..Default::default() };
    let stand = Stand::replica_set(&[Role::Data; 3], peculiarities).await;
    let login = crate::login(&stand).await.with_password("ark", "hunter2", None);
    let held = ark::mongo::lock(&login, &request(), Arc::<Records>::default()).await.expect("it is locked");
    assert!(held.finish().await[0].is_ok());
    assert_eq!(stand.member(1).state().late_logins, 0);
}

#[tokio::test]
async fn a_server_that_does_not_know_the_bound_is_locked_without() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    stand.member(0).change(|state| state.fault = Some(Fault::UnknownField));
    let held = lock(&stand, &request(), &Arc::default()).await.expect("it is locked");
    assert!(held.finish().await[0].is_ok());
}

#[tokio::test]
async fn a_secondary_stays_locked_while_the_primary_steps_down() {
    let stand = Stand::replica_set(&[Role::Data; 3], Peculiarities::default()).await;
    let held = lock(&stand, &request(), &Arc::default()).await.expect("it is locked");
    stand.member(0).change(|state| state.primary = false);
    stand.member(0).cut();
    stand.member(1).change(|state| state.primary = true);
    stand.member(1).cut();
    let ends = held.finish().await;
    assert!(ends[0].as_ref().is_ok_and(ark::mongo::LockEnd::lasted), "{ends:?}");
    assert_eq!(stand.locks(), 0);
}

#[tokio::test]
async fn a_restarted_member_has_lost_its_lock_and_that_is_told() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    let records = Arc::<Records>::default();
    let held = lock(&stand, &request(), &records).await.expect("it is locked");
    stand.member(0).restart();
    let ends = held.finish().await;
    assert!(ends[0].as_ref().is_ok_and(|end| end.unlocked == Unlocked::Gone && !end.lasted()), "{ends:?}");
    assert_eq!((stand.member(0).state().asked, records.open().len()), ((1, 0), 0));
}
