//! Tries, pauses and failures, against a scripted API server.

use std::time::Duration;

use tokio::time::Instant;

use super::super::script::{Answer, answer, broken, failure, kind, script, serve};
use crate::cluster::{Cluster, ClusterError, Moment, Patch, Propagation, Written};
use crate::model::{Category, causes};

async fn refusal(code: u16, reason: &str, message: &str) -> ClusterError {
    let (reason, message) = (reason.to_owned(), message.to_owned());
    let (cluster, _) = serve(move |_, _| failure(code, &reason, &message, r#""details":{"name":"web"}"#));
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
    let tries = requests.lock().unwrap().len();
    assert!((16..=24).contains(&tries), "{tries}");
    assert!(started.elapsed().as_secs() <= 60);
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
    let text = causes(&error);
    assert!(text.starts_with(
        "cannot reach the API server at https://scripted to read the version: connection reset by peer; check"
    ));
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_told_from_forbidden_kinds() {
    let error = refusal(401, "Unauthorized", "Unauthorized").await;
    assert!(error.is_about_the_connection() && error.to_string().contains("expired"), "{error}");
    let error =
        refusal(403, "Forbidden", r#"pods is forbidden: User \"ann\" cannot create resource \"pods\""#).await;
    assert!(!error.is_about_the_connection());
    assert_eq!(error.category(), Category::Forbidden);
}

#[tokio::test(start_paused = true)]
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
    let (cluster, _) = script(vec![answer(403, format!("<html>bad gateway{}", "x".repeat(5000)))]);
    let text = cluster.get(&kind("pods"), None, "web").await.unwrap_err().to_string();
    assert!(text.contains("<html>bad gateway") && text.len() < 300, "{text}");
}

#[tokio::test]
async fn writes_are_what_the_api_server_expects() {
    let (cluster, requests) = serve(|_, _| answer(200, "{}"));
    let pods = kind("pods");
    let patch = Patch::Json(r#"[{"op":"test"}]"#.into());
    let roles = kind("clusterroles.rbac.authorization.k8s.io");
    let apply = Patch::Apply { object: "{}".into(), manager: "demo" };
    cluster.patch(&roles, None, "system:controller:x", &apply).await.unwrap();
    cluster.patch(&roles, None, "a/b%", &Patch::Status("{}".into())).await.unwrap();
    cluster.delete(&pods, Some("shop"), "web", Some("u-1"), Propagation::Orphan).await.unwrap();
    cluster.create(&pods, Some("shop"), "{}").await.unwrap();
    cluster.replace(&pods, Some("shop"), "web", "{}").await.unwrap();
    cluster.patch(&pods, Some("shop"), "web", &patch).await.unwrap();
    let requests = requests.lock().unwrap();
    let base = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    assert_eq!(
        requests[0].uri,
        format!("{base}/system:controller:x?fieldManager=demo&force=true&fieldValidation=Warn")
    );
    assert_eq!(requests[0].content, "application/apply-patch+yaml");
    assert_eq!(requests[1].uri, format!("{base}/a%2Fb%25/status?fieldManager=ark&fieldValidation=Warn"));
    assert_eq!(requests[1].content, "application/merge-patch+json");
    assert_eq!(requests[2].uri, "/api/v1/namespaces/shop/pods/web");
    assert!(requests[2].body.contains(r#""uid":"u-1""#) && requests[2].body.contains("Orphan"));
    let path = "/api/v1/namespaces/shop/pods";
    assert_eq!(requests[3].uri, format!("{path}?fieldManager=ark&fieldValidation=Warn"));
    assert!(requests[3].accept.starts_with("application/json;as=PartialObjectMetadata;"));
    assert_eq!(requests[4].uri, format!("{path}/web?fieldManager=ark&fieldValidation=Warn"));
    assert_eq!(requests[5].content, "application/json-patch+json");
    let methods: Vec<&str> = requests.iter().map(|asked| asked.method.as_str()).collect();
    assert_eq!(methods, ["PATCH", "PATCH", "DELETE", "POST", "PUT", "PATCH"]);
}

#[tokio::test]
async fn what_is_not_there_is_no_error_where_that_is_the_question() {
    let (cluster, _) = serve(|_, _| failure(404, "NotFound", "not found", ""));
    assert_eq!(cluster.get(&kind("pods"), Some("shop"), "web").await.unwrap(), None);
    cluster.delete(&kind("pods"), Some("shop"), "web", None, Propagation::Background).await.unwrap();
}

async fn get(cluster: &Cluster) -> Result<Option<bytes::Bytes>, ClusterError> {
    cluster.get(&kind("pods"), Some("shop"), "web").await
}

/// Returns a server that gives such answers for so many seconds, and then good ones.
fn away(seconds: u64, absent: impl Fn() -> Answer + Send + 'static) -> Cluster {
    let started = Instant::now();
    let away = Duration::from_secs(seconds);
    serve(move |_, _| if started.elapsed() < away { absent() } else { answer(200, "{}") }).0
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_for_minutes_is_waited_for_and_named() {
    let ways: [fn() -> Answer; 2] = [broken, || answer(502, "<html>bad gateway")];
    for absent in ways {
        let cluster = away(280, absent);
        let read = async { get(&cluster).await.unwrap() };
        let write = async { cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap() };
        let told = async {
            assert_eq!(cluster.waiting(), Vec::<String>::new(), "nothing is known yet");
            tokio::time::sleep(Duration::from_secs(100)).await;
            cluster.waiting()
        };
        let (_, _, told) = tokio::join!(read, write, told);
        assert!(told.len() == 1 && told[0].starts_with("the API server at https://scripted to"), "{told:?}");
        assert_eq!(cluster.waiting(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_comes_back_ends_the_run_after_minutes_and_the_next_call_at_once() {
    let ways: [fn() -> Answer; 2] = [broken, || answer(503, "no backend is up")];
    for absent in ways {
        let cluster = away(10_000, absent);
        let started = Instant::now();
        let error = get(&cluster).await.unwrap_err();
        let waited = started.elapsed().as_secs();
        assert!((290..=300).contains(&waited), "{waited}");
        assert!(error.is_about_the_connection(), "{error}");
        let started = Instant::now();
        assert!(get(&cluster).await.is_err());
        assert!(started.elapsed().as_secs() < 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_alone_is_given_up_alone() {
    let (cluster, _) = serve(|_, asked| if asked.uri.contains("web") { broken() } else { answer(200, "{}") });
    let others = async {
        loop {
            cluster.get(&kind("pods"), Some("shop"), "other").await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let started = Instant::now();
    let error = tokio::select! {
        () = others => unreachable!(),
        outcome = get(&cluster) => outcome.unwrap_err(),
    };
    assert!(started.elapsed().as_secs() <= 70);
    assert!(matches!(error, ClusterError::Broken { .. }) && !error.is_about_the_connection(), "{error}");
    assert!(error.passes());
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_server_itself_is_tried_again_and_a_webhooks_is_not() {
    let leader = || failure(500, "", "etcdserver: leader changed", "");
    let (cluster, _) =
        script(vec![leader(), answer(200, "{}"), failure(500, "", "odd", ""), answer(200, "{}")]);
    get(&cluster).await.unwrap();
    get(&cluster).await.unwrap();
    let exists = || failure(409, "AlreadyExists", "is there", "");
    for lost in
        [leader(), answer(502, "bad gateway"), failure(504, "Timeout", "request did not complete", "")]
    {
        let (cluster, _) = script(vec![lost, exists()]);
        let error = cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap_err();
        assert!(error.may_be_own(), "{error}");
    }
    // A write that names the revision that it changes has its effect once, however often it is
    // sent.
    let (cluster, requests) = script(vec![failure(500, "InternalError", "odd", ""), answer(200, "{}")]);
    let patch = Patch::Merge("{}".to_owned());
    cluster.patch(&kind("pods"), Some("shop"), "web", &patch).await.unwrap();
    assert_eq!(requests.lock().unwrap().len(), 2);
    let hook = r#"failed calling webhook \"a\": failed to call webhook: context deadline exceeded"#;
    let (cluster, requests) = script(vec![failure(500, "InternalError", hook, "")]);
    let error = cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap_err();
    assert!(error.passes() && error.may_be_there(), "{error}");
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_race_of_quotas_and_a_kind_that_one_server_does_not_know_yet_are_tried_again() {
    for refused in
        [failure(409, "Conflict", "the object has been modified", ""), answer(404, "404 page not found")]
    {
        let (cluster, _) = script(vec![refused, answer(201, r#"{"metadata":{"uid":"u-1"}}"#)]);
        let written = cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap();
        assert_eq!(written.uid, "u-1");
    }
    let (cluster, requests) = serve(|_, _| failure(409, "Conflict", "the object has been modified", ""));
    cluster.replace(&kind("pods"), Some("shop"), "web", "{}").await.unwrap_err();
    assert_eq!(requests.lock().unwrap().len(), 1, "somebody else's change is not written over");
}

#[tokio::test(start_paused = true)]
async fn credentials_count_as_refused_after_some_seconds_and_at_first_at_once() {
    let refused = || failure(401, "Unauthorized", "Unauthorized", "");
    let (cluster, _) = script(vec![refused(), refused(), answer(200, "{}")]);
    get(&cluster).await.unwrap();
    let (cluster, requests) = serve(move |_, _| refused());
    let started = Instant::now();
    assert!(matches!(cluster.identity().await, Err(ClusterError::Credentials { .. })));
    assert_eq!((started.elapsed().as_secs(), requests.lock().unwrap().len()), (0, 1));
    assert!(matches!(get(&cluster).await, Err(ClusterError::Credentials { .. })));
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_tried_again_behind_a_closed_fence() {
    let (cluster, requests) = serve(|_, _| broken());
    cluster.fence().open_until(Moment::now(), Duration::ZERO);
    let error = cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap_err();
    assert!(error.is_about_the_connection());
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_write_tells_uid_revision_and_warnings() {
    let mut made =
        answer(201, r#"{"kind":"PartialObjectMetadata","metadata":{"uid":"u-1","resourceVersion":"7"}}"#);
    made.headers.push(("warning", r#"299 - "unknown field \"spec.x\"""#));
    let (cluster, _) = script(vec![made, answer(201, r#"{"kind":"Status"}"#)]);
    let written = cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap();
    let warnings = vec![r#"unknown field "spec.x""#.to_owned()];
    assert_eq!(written, Written { uid: "u-1".into(), resource_version: "7".into(), warnings });
    let written = cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap();
    assert_eq!(written, Written::default(), "a success that is no object is one");
}

#[tokio::test(start_paused = true)]
async fn messages_are_cut_when_they_enter() {
    let error = refusal(422, "Invalid", &"ü".repeat(5000)).await;
    let message = &error.api().unwrap().message;
    assert!(message.len() < 2100 && message.ends_with("ü…"), "{}", message.len());
}

#[tokio::test(start_paused = true)]
async fn what_passes_by_itself_is_told_from_what_does_not() {
    for (code, reason, message, passes, may_be_there) in [
        (500, "InternalError", r#"failed calling webhook \"a\": connection refused"#, true, true),
        (500, "InternalError", "conversion webhook for x/v1, Kind=X failed: no endpoints", true, true),
        (409, "Conflict", "the object has been modified", true, true),
        (409, "AlreadyExists", "pods web already exists", false, true),
        (403, "Forbidden", "status unknown for quota: small, resources: pods", true, true),
        (403, "Forbidden", "exceeded quota: small", false, true),
        (403, "Forbidden", r#"error looking up service account shop/web: \"web\" not found"#, true, true),
        (
            403,
            "Forbidden",
            "unable to create new content in namespace shop because it is being terminated",
            true,
            true,
        ),
        (422, "Invalid", "provided port is already allocated", false, true),
        (404, "NotFound", r#"priorityclasses \"high\" not found"#, false, false),
        (404, "NotFound", r#"namespaces \"shop\" not found"#, true, false),
        (429, "TooManyRequests", "slow down", true, false),
        (413, "RequestEntityTooLarge", "Request entity too large", false, false),
        (500, "", "etcdserver: request is too large", false, false),
    ] {
        let error = refusal(code, reason, message).await;
        assert_eq!((error.passes(), error.may_be_there()), (passes, may_be_there), "{message}");
    }
    let (cluster, _) = serve(|_, _| failure(404, "NotFound", "could not find the requested resource", ""));
    let error = cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap_err();
    assert!(error.passes(), "a kind that is not served yet");
}

#[tokio::test(start_paused = true)]
async fn permits_follow_what_the_server_bears() {
    let (cluster, _) =
        serve(|count, _| if count == 16 { failure(429, "", "slow", "") } else { answer(201, "{}") });
    let pace = cluster.pace(64);
    let mut permits = Vec::new();
    for _ in 0..16 {
        permits.push(pace.permit().await);
    }
    assert!(tokio::time::timeout(Duration::from_secs(9), pace.permit()).await.is_err(), "no more at first");
    for _ in 0..16 {
        cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap();
    }
    assert_eq!(pace.limit(), 32);
    permits.push(pace.permit().await);
    cluster.create(&kind("pods"), Some("shop"), "{}").await.unwrap();
    assert_eq!(pace.limit(), 16);
    permits.truncate(16);
    assert!(tokio::time::timeout(Duration::from_secs(9), pace.permit()).await.is_err(), "one is owed");
    permits.truncate(15);
    pace.permit().await;
}
