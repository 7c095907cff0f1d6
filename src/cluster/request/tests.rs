//! Tries, pauses and failures, against a scripted API server.

use super::super::script::{answer, broken, failure, kind, script, serve};
use crate::cluster::ClusterError;
use crate::model::Category;

async fn refusal(code: u16, reason: &str, message: &str) -> ClusterError {
    let (cluster, _) = script(vec![failure(code, reason, message, "")]);
    cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_429_is_tried_again_when_the_server_says_so() {
    let mut busy = failure(429, "TooManyRequests", "slow down", "");
    busy.headers.push(("retry-after", "7"));
    let (cluster, requests) = script(vec![busy, answer(200, "{}")]);
    let started = tokio::time::Instant::now();
    cluster.create(&kind("pods"), Some("shop"), r#"{"a":1}"#).await.unwrap();
    let waited = started.elapsed().as_secs_f64();
    assert!((7.0..8.0).contains(&waited), "{waited}");
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].body, requests[1].body);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_too_long_a_pause_is_not_waited_for() {
    let mut busy = failure(503, "ServiceUnavailable", "closed for today", "");
    busy.headers.push(("retry-after", "3600"));
    let (cluster, requests) = script(vec![busy]);
    let error = cluster.get(&kind("pods"), Some("shop"), "web").await.unwrap_err();
    assert_eq!(error.category(), Category::Unavailable);
    assert_eq!(error.to_string(), "cannot get pods shop/web: closed for today (503 ServiceUnavailable)");
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn tries_end() {
    let (cluster, requests) = serve(|_, _| failure(503, "ServiceUnavailable", "down", ""));
    let started = tokio::time::Instant::now();
    cluster.get(&kind("pods"), Some("shop"), "web").await.unwrap_err();
    assert_eq!(requests.lock().unwrap().len(), 8);
    assert!(started.elapsed().as_secs() <= 30);
}

#[tokio::test(start_paused = true)]
async fn after_a_broken_connection_a_conflict_may_be_with_oneself() {
    let exists = || failure(409, "AlreadyExists", "pods \\\"web\\\" already exists", "");
    let (cluster, _) = script(vec![broken(), exists(), exists()]);
    let error = cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap_err();
    assert!(error.may_be_own() && error.is_already_exists() && !error.is_conflict());
    let error = cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap_err();
    assert!(error.is_already_exists() && !error.may_be_own(), "the first try met another's object");
}

#[tokio::test(start_paused = true)]
async fn a_429_before_a_conflict_does_not_make_it_ones_own() {
    let (cluster, _) =
        script(vec![failure(429, "", "slow", ""), failure(409, "AlreadyExists", "is there", "")]);
    let error = cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap_err();
    assert!(error.is_already_exists() && !error.may_be_own());
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_server_is_named_with_what_to_check() {
    let (cluster, _) = serve(|_, _| broken());
    let error = cluster.identity().await.unwrap_err();
    assert!(error.is_about_the_connection());
    assert_eq!(error.category(), Category::Unavailable);
    let text = error.to_string();
    assert!(text.starts_with(
        "cannot reach the API server at https://scripted to read the version: connection reset by peer; check"
    ));
}

#[tokio::test]
async fn refused_credentials_are_told_from_forbidden_kinds() {
    let error = refusal(401, "Unauthorized", "Unauthorized").await;
    assert!(error.is_about_the_connection() && error.to_string().contains("expired"), "{error}");
    let error =
        refusal(403, "Forbidden", r#"pods is forbidden: User \"ann\" cannot create resource \"pods\""#).await;
    assert!(!error.is_about_the_connection());
    assert_eq!(error.category(), Category::Forbidden);
}

#[tokio::test]
async fn every_refusal_has_its_category() {
    for (code, reason, message, category) in [
        (
            400,
            "BadRequest",
            r#"admission webhook \"deny.example.com\" denied the request: no"#,
            Category::Refused,
        ),
        (500, "InternalError", r#"failed calling webhook \"a.example.com\": timeout"#, Category::Refused),
        (
            422,
            "Invalid",
            "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            Category::Refused,
        ),
        (403, "Forbidden", r#"pods \"web\" is forbidden: exceeded quota: small"#, Category::Refused),
        (
            403,
            "Forbidden",
            r#"pods \"web\" is forbidden: violates PodSecurity \"restricted:latest\""#,
            Category::Refused,
        ),
        (422, "Invalid", "spec.replicas: must be positive", Category::Invalid),
        (413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728", Category::TooLarge),
        (500, "", "etcdserver: request is too large", Category::TooLarge),
        (404, "NotFound", r#"namespaces \"shop\" not found"#, Category::NotFound),
        (409, "Conflict", "the object has been modified", Category::Conflict),
        (500, "InternalError", "panic", Category::Unavailable),
    ] {
        let error = refusal(code, reason, message).await;
        assert_eq!(error.category(), category, "{message}");
    }
}

#[tokio::test]
async fn a_terminating_namespace_is_known_by_its_cause() {
    let details = r#""details":{"causes":[{"reason":"NamespaceTerminating","field":"metadata.namespace"}]}"#;
    let (cluster, _) = script(vec![failure(403, "Forbidden", "being terminated", details)]);
    let error = cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap_err();
    assert!(error.is_namespace_terminating());
}

#[tokio::test]
async fn an_answer_that_is_no_status_is_quoted_in_part() {
    let (cluster, _) = script(vec![answer(502, format!("<html>bad gateway{}", "x".repeat(5000)))]);
    let text = cluster.get(&kind("pods"), None, "web").await.unwrap_err().to_string();
    assert!(text.contains("<html>bad gateway") && text.len() < 300, "{text}");
}

#[tokio::test]
async fn writes_are_what_the_api_server_expects() {
    let (cluster, requests) = serve(|_, _| answer(200, "{}"));
    let roles = kind("clusterroles.rbac.authorization.k8s.io");
    cluster.apply(&roles, None, "system:controller:x", "{}", "ark", true).await.unwrap();
    cluster.patch_status(&roles, None, "a/b%", "{}").await.unwrap();
    cluster.delete(&kind("pods"), Some("shop"), "web", Some("u-1")).await.unwrap();
    let requests = requests.lock().unwrap();
    let base = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    assert_eq!(requests[0].uri, format!("{base}/system:controller:x?fieldManager=ark&force=true"));
    assert_eq!(requests[0].content, "application/apply-patch+yaml");
    assert_eq!(requests[1].uri, format!("{base}/a%2Fb%25/status?fieldManager=ark"));
    assert_eq!(requests[2].uri, "/api/v1/namespaces/shop/pods/web");
    assert!(requests[2].body.contains(r#""uid":"u-1""#) && requests[2].body.contains("Background"));
}

#[tokio::test]
async fn what_is_not_there_is_no_error_where_that_is_the_question() {
    let (cluster, _) = serve(|_, _| failure(404, "NotFound", "not found", ""));
    assert_eq!(cluster.get(&kind("pods"), Some("shop"), "web").await.unwrap(), None);
    cluster.delete(&kind("pods"), Some("shop"), "web", None).await.unwrap();
}
