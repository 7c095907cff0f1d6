//! Each topology: what is locked, in which order, and that all of it is undone.

use std::sync::Arc;
use std::time::Duration;

use ark::mongo::{MongoError, MongoLogin, Unlocked, wait_until_caught_up};

use crate::records::Records;
use crate::stand::{Fault, Peculiarities, Role, Stand};
use crate::{impatient, ledger, lock, login, request};

const THREE: [Role; 3] = [Role::Data; 3];

#[tokio::test]
async fn a_standalone_server_is_locked_and_released() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    let records = Arc::<Records>::default();
    let held = lock(&stand, &request(), &records).await.expect("it is locked");
    assert_eq!((held.parts(), stand.locks()), (&["standalone".to_owned()][..], 1));
    assert_eq!(records.open().len(), 1);
    let ends = held.finish().await;
    let end = ends[0].as_ref().expect("it is released");
    assert!(end.lasted() && end.unlocked == Unlocked::Released, "{end:?}");
    assert_eq!((stand.locks(), records.open().len(), ends.len()), (0, 0, 1));
}

#[tokio::test]
async fn of_a_replica_set_the_hidden_secondary_is_locked() {
    let stand = Stand::replica_set(&THREE, Peculiarities::default()).await;
    stand.member(2).change(|state| state.hidden = true);
    let records = Arc::<Records>::default();
    // The seeds name the primary alone: the others are known from the configuration.
    let seeds = [stand.member(0).address.clone()];
    let login = MongoLogin::from_hosts(&seeds).await.expect("an address");
    let held = ark::mongo::lock(&login, &request(), ledger(&records)).await.expect("it is locked");
    assert_eq!((held.parts(), stand.member(2).state().locks), (&["rs0".to_owned()][..], 1));
    assert!(held.finish().await[0].as_ref().is_ok_and(|end| end.host == stand.member(2).address));
    assert_eq!(stand.locks(), 0);
}

#[tokio::test]
async fn a_seed_that_is_down_does_not_matter() {
    let stand = Stand::replica_set(&[Role::Data; 5], Peculiarities::default()).await;
    stand.member(0).change(|state| state.primary = false);
    stand.member(0).change(|state| state.down = true);
    stand.member(1).change(|state| state.primary = true);
    let held = lock(&stand, &request(), &Arc::default()).await.expect("another seed answers");
    assert_eq!(stand.member(2).state().locks, 1);
    held.finish().await;
}

#[tokio::test]
async fn a_set_without_a_fit_member_is_refused_and_nothing_is_locked() {
    let stand = Stand::replica_set(&THREE, Peculiarities::default()).await;
    for at in [1, 2] {
        stand.member(at).change(|state| state.lag = Duration::from_secs(40));
    }
    let records = Arc::<Records>::default();
    let error = lock(&stand, &request(), &records).await.expect_err("they lag");
    assert!(error.to_string().contains("lags 40s behind"), "{error}");
    let allowed = ark::mongo::LockRequest { allow_primary: true, ..request() };
    let held = lock(&stand, &allowed, &records).await.expect("the primary is allowed");
    assert_eq!(stand.member(0).state().locks, 1);
    held.finish().await;
}

#[tokio::test]
async fn a_lock_that_would_cost_the_majority_is_refused() {
    let roles = [Role::Data, Role::Data, Role::Arbiter];
    let stand = Stand::replica_set(&roles, Peculiarities::default()).await;
    let error = lock(&stand, &request(), &Arc::default()).await.expect_err("the majority is lost");
    assert!(matches!(error, MongoError::MajorityLost { left: 1, majority: 2, .. }), "{error}");
    assert_eq!(stand.locks(), 0);
}

#[tokio::test]
async fn an_address_at_which_another_member_answers_is_refused() {
    let stand = Stand::replica_set(&THREE, Peculiarities::default()).await;
    for at in [1, 2] {
        stand.member(at).change(|state| state.name = "db-0:27017".to_owned());
    }
    let error = lock(&stand, &request(), &Arc::default()).await.expect_err("it is another");
    assert!(
        matches!(&error, MongoError::WrongMember { answered, .. } if answered == "db-0:27017"),
        "{error}"
    );
    assert_eq!(stand.locks(), 0);
}

#[tokio::test]
async fn a_sharded_cluster_is_locked_in_order_and_released_part_by_part() {
    let stand = Stand::sharded(Peculiarities::default()).await;
    stand.deployment().balancer(|balancer| balancer.round = 2);
    // The mark needs a while to reach the config server.
    stand.member(1).change(|state| state.mark.1 = 1);
    let records = Arc::<Records>::default();
    let held = lock(&stand, &request(), &records).await.expect("it is locked");
    assert_eq!(held.parts(), ["s1", "s0", "config"]);
    assert_eq!(records.open().len(), 4);
    held.release("s0").await.expect("it is released");
    assert!(matches!(held.release("s0").await, Err(MongoError::NotHeld { .. })));
    assert_eq!((stand.locks(), records.open().len()), (2, 3));
    assert!(held.finish().await.iter().all(Result::is_ok));
    let order = [
        "balancerStop",
        "mark",
        "lock config/1",
        "lock s0/1",
        "lock s1/1",
        "unlock s0/1",
        "unlock s1/1",
        "unlock config/1",
        "balancerStart",
    ];
    assert_eq!(stand.deployment().events(), order);
    assert_eq!((stand.locks(), records.open().len()), (0, 0));
}

#[tokio::test]
async fn a_balancer_that_was_off_stays_off() {
    let stand = Stand::sharded(Peculiarities::default()).await;
    stand.deployment().balancer(|balancer| balancer.mode = "off");
    let records = Arc::<Records>::default();
    let held = lock(&stand, &request(), &records).await.expect("it is locked");
    assert_eq!(records.open().len(), 3);
    held.finish().await;
    assert_eq!(stand.deployment().balancer(|_| {}).mode, "off");
}

#[tokio::test]
async fn a_balancer_that_somebody_started_meanwhile_is_told() {
    let stand = Stand::sharded(Peculiarities::default()).await;
    let held = lock(&stand, &request(), &Arc::default()).await.expect("it is locked");
    stand.deployment().balancer(|balancer| balancer.mode = "full");
    let ends = held.finish().await;
    assert!(matches!(ends[3], Err(MongoError::BalancerStarted { .. })), "{ends:?}");
    assert_eq!((stand.locks(), ends.len()), (0, 4));
}

#[tokio::test]
async fn a_shard_that_cannot_be_locked_leaves_nothing_locked_and_the_balancer_on() {
    let stand = Stand::sharded(Peculiarities::default()).await;
    stand.member(7).change(|state| state.fault = Some(Fault::RefuseLock));
    let records = Arc::<Records>::default();
    let error = lock(&stand, &request(), &records).await.expect_err("s1 refuses");
    assert!(matches!(error, MongoError::Refused { code: 72, .. }), "{error}");
    assert_eq!((stand.locks(), records.open().len()), (0, 0));
    assert_eq!(stand.deployment().balancer(|_| {}).mode, "full");
    // Nothing was locked for the shard whose members are chosen last, either.
    for at in [7, 8] {
        stand.member(at).change(|state| state.lag = Duration::from_secs(60));
    }
    lock(&stand, &impatient(), &records).await.expect_err("s1 lags");
    assert_eq!((stand.locks(), stand.deployment().balancer(|_| {}).mode), (0, "full"));
}

#[tokio::test]
async fn a_member_that_is_away_does_not_keep_the_others_locked() {
    let stand = Stand::sharded(Peculiarities::default()).await;
    let held = lock(&stand, &request(), &Arc::default()).await.expect("it is locked");
    stand.member(4).change(|state| state.down = true);
    let back = async {
        for at in [1, 7] {
            stand.member(at).until(|state| state.locks == 0).await;
        }
        stand.member(4).change(|state| state.down = false);
    };
    let (ends, ()) = tokio::join!(held.finish(), back);
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
    assert_eq!((stand.locks(), stand.deployment().balancer(|_| {}).mode), (0, "full"));
}

#[tokio::test]
async fn a_member_that_was_locked_is_waited_for_until_it_has_caught_up() {
    let stand = Stand::replica_set(&THREE, Peculiarities::default()).await;
    let member = stand.member(1);
    let wait = async |patience| {
        wait_until_caught_up(&login(&stand).await, &member.address, Duration::from_secs(1), patience).await
    };
    wait(Duration::ZERO).await.expect("it is there");
    member.change(|state| state.lag = Duration::from_secs(9));
    let behind = wait(Duration::ZERO).await;
    assert!(matches!(behind, Err(MongoError::StillBehind { .. })), "{behind:?}");
    let (waited, ()) = tokio::join!(wait(Duration::from_secs(60)), async {
        member.change(|state| state.lag = Duration::ZERO);
    });
    waited.expect("it has caught up");
}
