//! Waits that end well, and waits that say what was missing, against a scripted API server.

use std::time::Duration;

use tokio::time::Instant;

use super::super::script::{answer, broken, failure, kind, serve};
use crate::cluster::{Bound, ClusterError, Lag};
use crate::model::Category;

const DEADLINE: Duration = Duration::from_secs(5);

fn bound() -> Bound {
    Bound::new(DEADLINE, DEADLINE)
}

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
    cluster.crd_established("widgets.example.com", &bound()).await.unwrap();
    assert_eq!(requests.lock().unwrap().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_crd_that_never_is_established_says_why() {
    let condition = r#"[{"type":"NamesAccepted","status":"False","reason":"PluralConflict","message":"widgets is taken"}]"#;
    let (cluster, _) = serve(move |_, _| answer(200, crd(condition)));
    let started = tokio::time::Instant::now();
    let error = cluster.crd_established("widgets.example.com", &bound()).await.unwrap_err();
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
    cluster.namespace_active("shop", &bound()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_go_away_is_told_with_its_finalizers_whatever_its_status_is() {
    let (cluster, _) = serve(|_, _| {
        answer(
            200,
            r#"{"metadata":{"deletionTimestamp":"x","finalizers":["example.com/hold"]},"status":"odd"}"#,
        )
    });
    let error = cluster.gone(&kind("pods"), Some("shop"), "web", None, &bound()).await.unwrap_err();
    let ClusterError::NotReady { last, .. } = &error else { panic!("{error}") };
    assert_eq!(last, "it is being deleted and waits for its finalizers example.com/hold");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_may_not_look_ends_at_once() {
    let (cluster, _) = serve(|_, _| failure(403, "Forbidden", "User cannot get", ""));
    let error = cluster.namespace_active("shop", &bound()).await.unwrap_err();
    assert_eq!(error.category(), Category::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn a_wait_goes_on_over_what_passes() {
    let (cluster, _) = serve(|count, _| match count {
        0 => failure(500, "InternalError", "panic", ""),
        1..7 => failure(500, "InternalError", "conversion webhook for x failed", ""),
        7 => broken(),
        _ => answer(200, r#"{"status":{"phase":"Active"}}"#),
    });
    let bound = Bound::new(Duration::from_secs(30), Duration::from_secs(30));
    cluster.namespace_active("shop", &bound).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_time_that_the_server_is_away_does_not_count() {
    let started = Instant::now();
    let (cluster, _) = serve(move |_, _| match started.elapsed().as_secs() {
        0..200 => broken(),
        200..204 => answer(200, r#"{"status":{"phase":"Odd"}}"#),
        _ => answer(200, r#"{"status":{"phase":"Active"}}"#),
    });
    cluster.namespace_active("shop", &Bound::new(DEADLINE, Duration::from_secs(300))).await.unwrap();
    assert!(started.elapsed().as_secs() >= 204);
}

#[tokio::test(start_paused = true)]
async fn waits_of_a_group_have_time_as_long_as_one_after_the_other_gets_done() {
    let started = Instant::now();
    // One namespace is Active every three seconds.
    let (cluster, _) = serve(move |_, asked| {
        let number: u64 = asked.uri.rsplit('-').next().unwrap().parse().unwrap();
        let phase = if started.elapsed().as_secs() >= number * 3 { "Active" } else { "Odd" };
        answer(200, format!(r#"{{"status":{{"phase":"{phase}"}}}}"#))
    });
    let bound = Bound::new(DEADLINE, Duration::from_secs(3600));
    let names: Vec<_> = (0..20).map(|number| format!("shop-{number}")).collect();
    let waits = names.iter().map(|name| cluster.namespace_active(name, &bound));
    assert!(futures::future::join_all(waits).await.iter().all(Result::is_ok));
    let error = cluster.namespace_active("shop-1000", &bound).await.unwrap_err();
    assert_eq!(error.to_string(), "the namespace shop-1000 did not become Active within 5 s: it is Odd");
}

#[tokio::test(start_paused = true)]
async fn another_object_of_the_same_name_is_not_waited_for() {
    let (cluster, _) = serve(|_, _| answer(200, r#"{"metadata":{"uid":"new"}}"#));
    let pods = kind("pods");
    cluster.gone(&pods, Some("shop"), "web", Some("old"), &bound()).await.unwrap();
    cluster.gone(&pods, Some("shop"), "web", Some("new"), &bound()).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_not_bound_says_what_the_last_event_says() {
    let event = |time: &str, reason: &str, message: &str| {
        format!(r#"{{"lastTimestamp":"{time}","reason":"{reason}","message":"{message}"}}"#)
    };
    let events = [
        event("2026-01-01T00:00:02Z", "FailedBinding", "no volume has the size"),
        event("2026-01-01T00:00:01Z", "ProvisioningFailed", "earlier"),
        event("2026-01-01T00:00:03Z", "Other", "unrelated"),
    ]
    .join(",");
    let (cluster, _) = serve(move |_, asked| match asked.uri.contains("/events?") {
        true => answer(200, format!(r#"{{"items":[{events}]}}"#)),
        false => answer(200, r#"{"status":{"phase":"Pending"}}"#),
    });
    let error = cluster.bound("shop", "data", &bound()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the claim shop/data did not become Bound within 5 s: it is Pending: no volume has the size"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_waited_for_is_known_by_name() {
    let (cluster, _) = serve(|_, _| answer(200, r#"{"status":{"phase":"Odd"}}"#));
    let names: Vec<_> = (0..5).map(|number| format!("n{number}")).collect();
    let bound = bound();
    let waits = futures::future::join_all(names.iter().map(|name| cluster.namespace_active(name, &bound)));
    let told = async {
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(cluster.waiting(), Vec::<String>::new(), "too soon to tell");
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.waiting()
    };
    let (_, told) = tokio::join!(waits, told);
    assert_eq!(told[0], "the namespace n0 to be Active: it is Odd");
    assert_eq!((told.len(), &*told[3]), (4, "2 more"));
    assert_eq!(cluster.waiting(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_comes_one_by_one_is_waited_for_while_some_of_it_comes() {
    let second = Duration::from_secs(1);
    let mut lag = Lag::new(second * 5, second * 30);
    let mut over = Vec::new();
    // One of twenty comes every three seconds; from the fifth on none, though the number goes up
    // and down.
    for missing in [20, 19, 18, 17, 16, 17, 16] {
        over.push(lag.is_over(missing));
        tokio::time::advance(second * 3).await;
    }
    assert_eq!(over, [false, false, false, false, false, false, true]);
    assert!(Lag::new(second, second).is_over(0));
    let mut slow = Lag::new(second * 5, second * 30);
    let looks = (0..100).rev().take_while(|missing| !slow.is_over(missing + 1)).count();
    assert_eq!(looks, 100, "no time goes by");
    tokio::time::advance(second * 30).await;
    assert!(slow.is_over(0) && slow.is_over(1), "and in any case after so long");
}
