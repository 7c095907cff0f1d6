//! Locks and unlocks of which nobody knows whether they happened: they count as held until the
//! server says otherwise, also for another process.

use std::sync::Arc;
use std::time::Duration;

use ark::mongo::{LockRequest, MongoError, MongoLogin, MongoUndo, Unlocked, undo};
use tokio::runtime::Runtime;

use crate::records::Records;
use crate::stand::{Fault, Peculiarities, Stand};
use crate::{impatient, ledger, lock, login, request};

#[tokio::test]
async fn a_connection_that_is_cut_after_the_lock_leaves_no_lock() {
    // While the server is locked, nobody can log in: only a connection that was open before helps.
    let user = Some(("ark".to_owned(), "hunter2".to_owned()));
    let stand = Stand::standalone(Peculiarities { login: user, ..Default::default() }).await;
    let login = login(&stand).await.with_password("ark", "hunter2", None);
    let records = Arc::<Records>::default();
    for (fault, unlocks) in [(Fault::CutAfterLock, 1), (Fault::CutBeforeLock, 1)] {
        stand.member(0).change(|state| state.fault = Some(fault));
        let locked = ark::mongo::lock(&login, &request(), ledger(&records)).await;
        let error = locked.expect_err("the connection was cut");
        assert!(matches!(error, MongoError::Unreachable { .. }), "{error}");
        assert_eq!((stand.locks(), records.open().len()), (0, 0), "{fault:?}");
        assert_eq!(stand.member(0).state().asked.1, unlocks, "{fault:?}");
    }
    assert_eq!(stand.member(0).state().asked.0, 2, "no lock is sent twice");
}

#[tokio::test]
async fn a_lock_that_is_taken_after_its_deadline_is_released() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    let member = stand.member(0);
    member.change(|state| state.fault = Some(Fault::HoldLock));
    let records = Arc::<Records>::default();
    let brief = impatient();
    let mut locking = std::pin::pin!(lock(&stand, &brief, &records));
    tokio::select! {
        locked = &mut locking => panic!("the lock still waits: {locked:?}"),
        // The client gives up and looks, again and again, while its lock still waits.
        () = member.until(|state| state.looks_while_waiting > 2) => {}
    }
    assert_eq!(records.open().len(), 1);
    member.change(|state| state.fault = None);
    let locked = locking.await;
    assert!(matches!(locked, Err(MongoError::Late { .. })), "{locked:?}");
    assert_eq!((stand.locks(), member.state().asked, records.open().len()), (0, (1, 1), 0));
}

#[tokio::test]
async fn an_unlock_whose_answer_is_lost_is_not_sent_again() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    let held = lock(&stand, &request(), &Arc::default()).await.expect("it is locked");
    stand.member(0).change(|state| state.fault = Some(Fault::CutAfterUnlock));
    assert!(held.finish().await[0].is_ok());
    assert_eq!((stand.locks(), stand.member(0).state().asked), (0, (1, 1)));
}

#[tokio::test]
async fn a_network_that_is_cut_between_lock_and_unlock_is_waited_for() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    let member = stand.member(0);
    let records = Arc::<Records>::default();
    let held = lock(&stand, &request(), &records).await.expect("it is locked");
    member.change(|state| state.down = true);
    let back = async {
        member.until(|state| state.turned_away > 2).await;
        assert_eq!(records.open().len(), 1);
        member.change(|state| state.down = false);
    };
    let (ends, ()) = tokio::join!(held.finish(), back);
    assert!(ends[0].as_ref().is_ok_and(|end| end.unlocked == Unlocked::Released), "{ends:?}");
    assert_eq!((stand.locks(), records.open().len()), (0, 0));
}

/// Locks in a process that ends at once, and returns what it leaves behind.
fn lock_and_die(stand: &Stand, login: &MongoLogin, request: &LockRequest) -> Vec<MongoUndo> {
    let records = Arc::<Records>::default();
    let (other, login, request) = (Runtime::new().expect("a runtime"), login.clone(), request.clone());
    let lost = Arc::<Records>::clone(&records);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let held = other.block_on(ark::mongo::lock(&login, &request, lost)).expect("it is locked");
            other.shutdown_background();
            drop(held);
        });
    });
    assert!(stand.locks() > 0);
    records.open()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_undoes_what_is_recorded() {
    let stand = Stand::sharded(Peculiarities::default()).await;
    let login = login(&stand).await;
    let left = lock_and_die(&stand, &login, &request());
    assert_eq!((left.len(), stand.locks(), stand.deployment().balancer(|_| {}).mode), (4, 3, "off"));
    for record in left.iter().rev() {
        assert!(undo(&login, record).await.expect("it is undone"));
        assert!(!undo(&login, record).await.expect("there is nothing left to undo"));
    }
    assert_eq!((stand.locks(), stand.deployment().balancer(|_| {}).mode), (0, "full"));
}

/// At each command that changes something, once before it is done and once after: what a process
/// has sent is done although it is dead by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_at_any_moment_leaves_nothing_that_its_records_do_not_undo() {
    let mut step = 1;
    loop {
        let stand = Stand::sharded(Peculiarities::default()).await;
        let (deployment, login, records) =
            (stand.deployment(), login(&stand).await, Arc::<Records>::default());
        deployment.stop_at(step);
        let process = Runtime::new().expect("a runtime");
        let (by, wanted, theirs) = (login.clone(), request(), ledger(&records));
        let life = process.spawn(async move {
            let held = ark::mongo::lock(&by, &wanted, theirs).await.expect("it is locked");
            held.finish().await
        });
        let killed = tokio::select! {
            () = deployment.stopped() => true,
            ends = life => ends.expect("nothing panics").iter().any(Result::is_err),
        };
        process.shutdown_background();
        deployment.go_on().await;
        for record in records.open().iter().rev() {
            undo(&login, record).await.expect("it is undone");
        }
        let mode = deployment.balancer(|_| {}).mode;
        assert_eq!((stand.locks(), mode), (0, "full"), "step {step}: {:?}", deployment.events());
        if !killed {
            break;
        }
        step += 1;
    }
    assert!(step > 18, "nine commands change something, and there were {step} steps");
}

#[tokio::test(flavor = "multi_thread")]
async fn undoing_releases_one_lock_and_leaves_that_of_somebody_else() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    let login = login(&stand).await;
    let left = lock_and_die(&stand, &login, &request());
    stand.member(0).change(|state| state.locks += 1);
    assert!(undo(&login, &left[0]).await.expect("it is undone"));
    assert_eq!((stand.locks(), stand.member(0).state().asked), (1, (1, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_still_waits_is_waited_for_before_it_is_undone() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    let (member, login) = (stand.member(0), login(&stand).await);
    let comment = request().comment;
    let record = MongoUndo::Unlock { host: member.address.clone(), comment: comment.clone() };
    member.change(|state| state.fault = Some(Fault::HoldLock));
    let late = async {
        member.until(|state| state.looks_while_waiting > 1).await;
        member.change(|state| state.fault = None);
    };
    let (_, undone, ()) = tokio::join!(member.lock(comment), undo(&login, &record), late);
    assert!(undone.expect("it is undone"));
    assert_eq!(stand.locks(), 0);
}

#[tokio::test]
async fn a_record_whose_member_is_away_cannot_be_undone_yet() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    let record = MongoUndo::Unlock { host: stand.member(0).address.clone(), comment: String::new() };
    stand.member(0).change(|state| state.down = true);
    let undone = tokio::time::timeout(Duration::from_secs(60), undo(&login(&stand).await, &record)).await;
    assert!(undone.expect("undo ends").is_err());
}
