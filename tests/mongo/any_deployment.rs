//! What holds for every deployment, of whatever topology. `real_deployment` runs it against one
//! that is none of ours.

use std::sync::Arc;

use ark::mongo::{LockEnd, LockRequest, MongoLogin, undo};

use crate::records::Records;
use crate::stand::{Peculiarities, Role, Stand};
use crate::{ledger, request};

fn allowed() -> LockRequest {
    LockRequest { allow_primary: true, ..request() }
}

pub async fn lock_and_release(login: &MongoLogin) {
    let records = Arc::<Records>::default();
    for _ in 0..3 {
        let held = ark::mongo::lock(login, &allowed(), ledger(&records)).await.expect("it is locked");
        assert!(records.open().len() >= held.parts().len());
        let ends = held.finish().await;
        assert!(ends.iter().all(|end| end.as_ref().is_ok_and(LockEnd::lasted)), "{ends:?}");
        assert!(records.open().is_empty());
    }
}

pub async fn lock_and_undo(login: &MongoLogin) {
    let records = Arc::<Records>::default();
    let held = ark::mongo::lock(login, &allowed(), ledger(&records)).await.expect("it is locked");
    for record in records.open().iter().rev() {
        assert!(undo(login, record).await.expect("it is undone"));
    }
    let ends = held.finish().await;
    assert!(ends.iter().flatten().all(|end| !end.lasted()), "{ends:?}");
}

#[tokio::test]
async fn every_stand_is_locked_and_released_and_undone_from_records() {
    let peculiarities = Peculiarities::default;
    for stand in [
        Stand::standalone(peculiarities()).await,
        Stand::replica_set(&[Role::Data; 3], peculiarities()).await,
        Stand::sharded(peculiarities()).await,
    ] {
        let login = crate::login(&stand).await;
        lock_and_release(&login).await;
        lock_and_undo(&login).await;
        assert_eq!(stand.locks(), 0);
    }
}
