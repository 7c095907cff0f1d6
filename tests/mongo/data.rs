//! Clients of a database beside its lock: FerretDB holds the data, the fronts hold the writes.

use std::sync::Arc;

use mongodb::Client;
use mongodb::bson::{Document, doc};

use crate::records::Records;
use crate::stand::{FerretDb, Peculiarities, Role, Stand};
use crate::{lock, request};

async fn client(uri: &str) -> Client {
    Client::with_uri_str(uri).await.expect("the URI of a stand is valid")
}

#[tokio::test]
#[ignore = "needs FerretDB: run hack/test.sh"]
async fn writes_stall_for_the_time_of_the_lock_and_reads_do_not() {
    let ferret = FerretDb::start();
    let backend = Some(ferret.address.clone());
    let stand = Stand::standalone(Peculiarities { backend, ..Default::default() }).await;
    let orders = client(&stand.uri()).await.database("shop").collection::<Document>("orders");
    orders.insert_one(doc! { "_id": 1 }).await.expect("it is written");
    let held = lock(&stand, &request(), &Arc::<Records>::default()).await.expect("it is locked");
    let mut writing = tokio::spawn({
        let orders = orders.clone();
        async move { orders.insert_one(doc! { "_id": 2 }).await }
    });
    stand.member(0).until(|state| state.stalled == 1).await;
    assert_eq!(orders.count_documents(doc! {}).await.expect("reads are answered"), 1);
    assert!(futures::poll!(&mut writing).is_pending());
    assert!(held.finish().await[0].as_ref().is_ok_and(ark::mongo::LockEnd::lasted));
    writing.await.expect("the task ends").expect("it is written");
    assert_eq!(orders.count_documents(doc! {}).await.expect("reads are answered"), 2);
}

#[tokio::test]
#[ignore = "needs FerretDB: run hack/test.sh"]
async fn writes_go_on_at_the_primary_while_a_secondary_is_locked() {
    let ferret = FerretDb::start();
    let backend = Some(ferret.address.clone());
    let stand = Stand::replica_set(&[Role::Data; 3], Peculiarities { backend, ..Default::default() }).await;
    let orders = client(&stand.uri()).await.database("shop").collection::<Document>("orders");
    let held = lock(&stand, &request(), &Arc::<Records>::default()).await.expect("it is locked");
    orders.insert_one(doc! { "_id": 1 }).await.expect("it is written");
    assert!(held.finish().await[0].is_ok());
}
