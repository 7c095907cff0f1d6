//! Tests of conditions on replacing and deleting, against services that know them, ignore them, or
//! have not ended another write.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn ok() -> Scripted {
    ("200 OK", String::new())
}

fn tagged() -> Scripted {
    ("200 OK\r\netag: \"one\"", String::new())
}

fn changed() -> Scripted {
    fault("412 Precondition Failed", "PreconditionFailed", "no")
}

fn absent() -> Scripted {
    fault("404 Not Found", "NoSuchKey", "no")
}

/// Returns the answers to the probe of a service that honours the conditions.
fn trial() -> Vec<Scripted> {
    vec![ok(), tagged(), changed(), ok(), ok(), absent(), ok()]
}

async fn replace(store: &S3Store) -> Result<(), StoreError> {
    let etag = ETag("\"one\"".to_owned());
    store.put(&key(), Bytes::from_static(b"mine"), PutMode::Replace(etag)).await
}

#[tokio::test]
async fn a_replacement_names_the_tag_and_a_write_that_has_not_ended_is_waited_out() {
    let conflict = || fault("409 Conflict", "ConditionalRequestConflict", "no");
    let service = serve([trial(), vec![conflict(), ok(), changed(), absent()]].concat());
    let (_folder, store) = open(&service.endpoint).await;
    replace(&store).await.unwrap();
    assert!(service.requests.lock().unwrap().last().unwrap().contains("if-match: \"one\""));
    for _ in 0..2 {
        let error = replace(&store).await.unwrap_err();
        assert!(error.is_changed() && !error.is_retryable(), "{error:?}");
    }
}

#[tokio::test]
async fn a_replacement_whose_answer_was_lost_knows_its_own_object() {
    let busy = || fault("500 Internal Server Error", "InternalError", "no");
    for (found, ours) in [("mine", true), ("theirs", false)] {
        let service = serve([trial(), vec![busy(), changed(), ("200 OK", found.into())]].concat());
        let (_folder, store) = open(&service.endpoint).await;
        let replaced = replace(&store).await;
        assert_eq!(replaced.is_ok(), ours, "{replaced:?}");
        assert!(ours || replaced.unwrap_err().is_changed());
    }
}

#[tokio::test]
async fn a_service_that_ignores_the_tag_also_of_what_is_gone_is_found_out_and_looked_at_first() {
    let ignores = vec![ok(), tagged(), ok(), ok()];
    let resurrects = vec![ok(), tagged(), changed(), ok(), ok(), ok(), ok()];
    let refuses = vec![ok(), tagged(), fault("501 Not Implemented", "NotImplemented", "no"), ok()];
    for answers in [ignores, resurrects, refuses] {
        let looked = vec![tagged(), ok(), ("200 OK\r\netag: \"two\"", String::new())];
        let service = serve([answers, looked].concat());
        let (_folder, store) = open(&service.endpoint).await;
        assert!(!store.compare_and_swap().await.unwrap());
        replace(&store).await.unwrap();
        assert!(replace(&store).await.unwrap_err().is_changed());
        let requests = service.requests.lock().unwrap();
        let last: Vec<&str> =
            requests.iter().rev().take(3).filter_map(|request| request.split(' ').next()).collect();
        assert_eq!(last, ["HEAD", "PUT", "HEAD"]);
    }
}

#[tokio::test]
async fn a_deletion_names_the_tag_where_the_service_knows_conditions_on_deletes() {
    let unknown = || fault("501 Not Implemented", "NotImplemented", "no");
    let service = serve(vec![tagged(), ok(), tagged(), unknown(), ok(), tagged(), changed(), absent()]);
    let (_folder, store) = open(&service.endpoint).await;
    let etag = ETag("\"one\"".to_owned());
    store.delete_unchanged(&key(), &etag).await.unwrap();
    assert!(service.requests.lock().unwrap()[1].contains("if-match: \"one\""));
    store.delete_unchanged(&key(), &etag).await.unwrap();
    assert!(store.delete_unchanged(&key(), &etag).await.unwrap_err().is_changed());
    store.delete_unchanged(&key(), &etag).await.unwrap();
}

#[tokio::test]
async fn what_the_sdk_would_send_again_is_not_sent_once_the_gate_is_closed() {
    let busy = || fault("503 Slow Down", "SlowDown", "no");
    let service = serve(vec![busy(), ok(), ok()]);
    let (_folder, location) = location(&service.endpoint);
    // Open for the first try, and closed by the time of the second.
    let open = AtomicBool::new(true);
    let gate = Gate::new(move || open.swap(false, Ordering::Relaxed));
    let store = S3Store::open_behind(&location, &gate).await.unwrap();
    let error = store.put(&key(), Bytes::from_static(b"late"), PutMode::Overwrite).await.unwrap_err();
    assert!(matches!(error, StoreError::NotSent { .. }), "{error:?}");
    assert_eq!(service.requests.lock().unwrap().len(), 1, "it was tried once");
    assert!(store.delete(&[key()]).await.is_err());
    store.head(&key()).await.unwrap();
    assert!(service.requests.lock().unwrap()[1].starts_with("HEAD"), "who only looks does no harm");
}
