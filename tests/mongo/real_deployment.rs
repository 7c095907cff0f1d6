//! The deployment that `MONGO_URI` names, of whatever topology: it is locked for a moment.

use std::sync::Arc;

use ark::mongo::{LockEnd, LockRequest, MongoLogin, undo};

use crate::records::Records;
use crate::{ledger, request};

async fn login() -> MongoLogin {
    let uri = std::env::var("MONGO_URI").expect("MONGO_URI names a deployment that may be locked");
    MongoLogin::from_uri(&uri).await.expect("MONGO_URI is valid")
}

fn allowed() -> LockRequest {
    LockRequest { allow_primary: true, ..request() }
}

#[tokio::test]
#[ignore = "needs MONGO_URI"]
async fn a_deployment_is_locked_and_released() {
    let (login, records) = (login().await, Arc::<Records>::default());
    for _ in 0..3 {
        let held = ark::mongo::lock(&login, &allowed(), ledger(&records)).await.expect("it is locked");
        assert_eq!(records.open().is_empty(), held.parts().is_empty());
        let ends = held.finish().await;
        assert!(ends.iter().all(|end| end.as_ref().is_ok_and(LockEnd::lasted)), "{ends:?}");
        assert!(records.open().is_empty());
    }
}

#[tokio::test]
#[ignore = "needs MONGO_URI"]
async fn records_of_a_held_lock_are_undone_by_who_finds_them() {
    let (login, records) = (login().await, Arc::<Records>::default());
    let held = ark::mongo::lock(&login, &allowed(), ledger(&records)).await.expect("it is locked");
    for record in records.open().iter().rev() {
        assert!(undo(&login, record).await.expect("it is undone"));
    }
    let ends = held.finish().await;
    assert!(ends.iter().flatten().all(|end| !end.lasted()), "{ends:?}");
}
