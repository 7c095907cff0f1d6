//! Logins that are refused, and what is told of them.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ark::mongo::{MongoError, MongoLogin};

use crate::records::Records;
use crate::request;
use crate::stand::{Peculiarities, Stand};

async fn guarded() -> Stand {
    let login = Some(("ark".to_owned(), "hunter2".to_owned()));
    Stand::standalone(Peculiarities { login, ..Default::default() }).await
}

async fn refused(login: &MongoLogin) -> MongoError {
    let locked = ark::mongo::lock(login, &request(), Arc::<Records>::default()).await;
    locked.expect_err("the login is refused")
}

#[tokio::test]
async fn a_wrong_password_is_told_without_the_password() {
    let stand = guarded().await;
    for (user, password) in [("ark", "hunter3"), ("nobody", "hunter3")] {
        let login = crate::login(&stand).await.with_password(user, password, Some("admin"));
        let error = refused(&login).await;
        assert!(matches!(error, MongoError::Credentials { .. }), "{error:?}");
        assert!(error.source().is_none());
        assert!(!format!("{error} {error:?} {login:?}").contains("hunter"), "{error:?}");
    }
}

#[tokio::test]
async fn who_gives_no_password_is_told_what_is_missing() {
    let error = refused(&crate::login(&guarded().await).await).await;
    assert!(matches!(error, MongoError::Refused { code: 13, .. }), "{error:?}");
    assert!(error.to_string().contains("clusterMonitor"), "{error}");
}

#[tokio::test]
async fn user_and_password_of_a_uri_are_used() {
    let stand = guarded().await;
    let uri = stand.uri().replace("mongodb://", "mongodb://ark:hunter2@");
    let login = MongoLogin::from_uri(&uri).await.expect("valid");
    let held = ark::mongo::lock(&login, &request(), Arc::<Records>::default()).await.expect("it is locked");
    assert!(held.finish().await[0].is_ok());
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_told_within_seconds() {
    let login = MongoLogin::from_hosts(&["localhost:1".to_owned()]).await.expect("an address");
    let begun = Instant::now();
    let error = refused(&login).await;
    assert!(matches!(&error, MongoError::Unreachable { host, .. } if host == "localhost:1"), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(30));
}
