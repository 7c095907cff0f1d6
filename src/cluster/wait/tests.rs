//! Waits that end well, and waits that say what was missing, against a scripted API server.

use std::time::Duration;

use super::super::script::{answer, failure, kind, serve};
use crate::cluster::ClusterError;
use crate::model::Category;

const DEADLINE: Duration = Duration::from_secs(5);

fn crd(conditions: &str) -> String {
    format!(
        r#"{{"spec":{{"group":"example.com","names":{{"plural":"widgets"}},"versions":[{{"name":"v1","served":true}},{{"name":"v0","served":false}}]}},
            "status":{{"conditions":{conditions}}}}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn a_crd_is_ready_when_it_is_established_and_served() {
    let (cluster, requests) = serve(|count, asked| match (count, &*asked.uri) {
        (0, _) => answer(200, crd("null")),
        (2, _) => failure(404, "NotFound", "not found", ""),
        (_, "/apis/example.com/v1") => answer(200, r#"{"resources":[{"name":"widgets"}]}"#),
        _ => answer(200, crd(r#"[{"type":"Established","status":"True"}]"#)),
    });
    cluster.crd_established("widgets.example.com", DEADLINE).await.unwrap();
    assert_eq!(requests.lock().unwrap().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_crd_that_never_is_established_says_why() {
    let condition = r#"[{"type":"NamesAccepted","status":"False","reason":"PluralConflict","message":"widgets is taken"}]"#;
    let (cluster, _) = serve(move |_, _| answer(200, crd(condition)));
    let started = tokio::time::Instant::now();
    let error = cluster.crd_established("widgets.example.com", DEADLINE).await.unwrap_err();
    assert!(started.elapsed() <= DEADLINE);
    assert_eq!(error.category(), Category::NotReady);
    assert_eq!(
        error.to_string(),
        "the CustomResourceDefinition widgets.example.com did not become Established within 5 s: \
         NamesAccepted is False (PluralConflict): widgets is taken"
    );
}

#[tokio::test(start_paused = true)]
async fn a_namespace_is_waited_for_until_it_is_active() {
    let (cluster, _) = serve(|count, _| match count {
        0 => failure(404, "NotFound", "not found", ""),
        1 => answer(200, r#"{"metadata":{"deletionTimestamp":"x"},"status":{"phase":"Terminating"}}"#),
        _ => answer(200, r#"{"status":{"phase":"Active"}}"#),
    });
    cluster.namespace_active("shop", DEADLINE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_go_away_is_told_with_its_finalizers_whatever_its_status_is() {
    let (cluster, _) = serve(|_, _| {
        answer(
            200,
            r#"{"metadata":{"deletionTimestamp":"x","finalizers":["example.com/hold"]},"status":"odd"}"#,
        )
    });
    let error = cluster.gone(&kind("pods"), Some("shop"), "web", DEADLINE).await.unwrap_err();
    let ClusterError::NotReady { last, .. } = &error else { panic!("{error}") };
    assert_eq!(last, "it is being deleted and waits for its finalizers example.com/hold");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_may_not_look_ends_at_once() {
    let (cluster, _) = serve(|_, _| failure(403, "Forbidden", "User cannot get", ""));
    let error = cluster.namespace_active("shop", DEADLINE).await.unwrap_err();
    assert_eq!(error.category(), Category::Forbidden);
}
