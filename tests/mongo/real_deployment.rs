//! The deployment that `MONGO_URI` names: it is locked for moments.

use ark::mongo::MongoLogin;

use crate::any_deployment::{lock_and_release, lock_and_undo};

async fn login() -> MongoLogin {
    let uri = std::env::var("MONGO_URI").expect("MONGO_URI names a deployment that may be locked");
    MongoLogin::from_uri(&uri).await.expect("MONGO_URI is valid")
}

#[tokio::test]
#[ignore = "needs MONGO_URI"]
async fn a_deployment_is_locked_and_released_and_undone_from_records() {
    let login = login().await;
    lock_and_release(&login).await;
    lock_and_undo(&login).await;
}
