//! Paging, drift and ends of lists, against a scripted API server.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::super::script::{Answer, answer, failure, kind, script, serve, uris};
use super::*;

/// A page of items `shop/<name>`.
fn page(revision: &str, token: &str, names: &[&str]) -> Answer {
    let items: Vec<_> = names
        .iter()
        .map(|name| format!(r#"{{"metadata":{{"namespace":"shop","name":"{name}"}}}}"#))
        .collect();
    let items = items.join(",");
    answer(
        200,
        format!(
            r#"{{"metadata":{{"resourceVersion":"{revision}","continue":"{token}"}},"items":[{items}]}}"#
        ),
    )
}

fn gone(more: &str) -> Answer {
    failure(410, "Expired", "too old", more)
}

/// Lists at revision 7 to the end; returns names and drift.
async fn list(cluster: &Cluster) -> Result<(Vec<String>, Option<Drift>), ClusterError> {
    let kind = kind("widgets.example.com");
    let mut lister = cluster.lister(ListQuery { kind: &kind, namespace: None, labels: None, cut: Some("7") });
    let mut names = Vec::new();
    while let Some(page) = lister.next().await? {
        for index in 0..page.items.len() {
            names.push(page.place(index).unwrap());
        }
    }
    Ok((names, lister.drifted().cloned()))
}

#[tokio::test]
async fn a_list_follows_its_pages_at_the_cut() {
    let (cluster, requests) = script(vec![page("7", "t/1", &["a", "b"]), page("7", "", &["c"])]);
    assert_eq!(
        list(&cluster).await.unwrap(),
        (vec!["shop/a".into(), "shop/b".into(), "shop/c".into()], None)
    );
    let path = "/apis/example.com/v1/widgets";
    let first = format!("{path}?limit=50&resourceVersion=7&resourceVersionMatch=Exact");
    assert_eq!(uris(&requests), [first, format!("{path}?limit=2000&continue=t%2F1")]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_page_is_asked_for_again() {
    let garbled = || answer(200, "<html>gateway</html>");
    let cut_short = answer(200, r#"{"metadata":{"resourceVersion":"7"},"items":[{"metad"#);
    let (cluster, requests) = script(vec![garbled(), cut_short, page("7", "", &["a"])]);
    assert_eq!(list(&cluster).await.unwrap(), (vec!["shop/a".into()], None));
    assert_eq!(uris(&requests).len(), 3);
    let (cluster, _) = serve(move |_, _| answer(200, "<html>gateway</html>"));
    assert!(matches!(list(&cluster).await, Err(ClusterError::Answer { .. })));
}

#[tokio::test]
async fn a_namespace_and_labels_are_asked_for() {
    let (cluster, requests) = script(vec![page("9", "", &[])]);
    let kind = kind("pods");
    let query =
        ListQuery { kind: &kind, namespace: Some("shop"), labels: Some("app in (a,b),!old"), cut: None };
    let mut lister = cluster.lister(query);
    assert!(lister.next().await.unwrap().is_some_and(|page| page.items.is_empty()));
    assert!(lister.next().await.unwrap().is_none());
    let asked = "/api/v1/namespaces/shop/pods?limit=50&labelSelector=app+in+%28a%2Cb%29%2C%21old";
    assert_eq!(uris(&requests), [asked]);
    assert_eq!(lister.drifted(), None, "without a cut there is nothing to drift from");
}

#[tokio::test]
async fn pages_are_asked_for_by_the_size_of_the_items_seen() {
    let large = "x".repeat(20_000);
    let (cluster, requests) = script(vec![page("7", "t", &[&large, &large]), page("7", "", &[])]);
    list(&cluster).await.unwrap();
    assert!(uris(&requests)[1].contains("limit=26&"), "{:?}", uris(&requests));
}

/// A cluster whose second page ends only when the third one has been asked for.
fn coming_slowly() -> Cluster {
    let third = Arc::new(Notify::new());
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let third = Arc::clone(&third);
        async move {
            let uri = request.uri().to_string();
            let (token, waits) = match uri.split_once("continue=").map(|(_, token)| token) {
                None => ("t2", false),
                Some("t2") => ("t3", true),
                Some(_) => {
                    third.notify_one();
                    ("", false)
                }
            };
            let head = format!(r#"{{"metadata":{{"resourceVersion":"7","continue":"{token}"}},"#);
            let rest = async move {
                if waits {
                    third.notified().await;
                }
                r#""items":[{"metadata":{"name":"a"}}]}"#.to_owned()
            };
            let frames = stream::iter([head]).chain(stream::once(rest));
            let frames = frames.map(|part| Ok::<_, std::io::Error>(Frame::data(Bytes::from(part)))).boxed();
            Ok::<_, std::io::Error>(http::Response::new(StreamBody::new(frames)))
        }
    });
    Cluster::from_client(kube::Client::new(service, "default"), "https://scripted")
}

#[tokio::test(start_paused = true)]
async fn the_next_page_is_asked_for_while_one_comes_where_there_is_room_for_both() {
    let kind = kind("pods");
    let query = ListQuery { kind: &kind, namespace: None, labels: None, cut: None };
    let mut lister = coming_slowly().lister(query);
    lister.run_ahead(true);
    let mut pages = 0;
    while timeout(PAGE_DEADLINE / 2, lister.next()).await.expect("nobody waits").unwrap().is_some() {
        pages += 1;
    }
    assert_eq!(pages, 3);
    let mut lister = coming_slowly().lister(query);
    assert!(lister.next().await.unwrap().is_some());
    assert!(timeout(PAGE_DEADLINE / 2, lister.next()).await.is_err(), "nothing is asked for without room");
}

#[tokio::test]
async fn a_compacted_cut_gives_way_to_a_second_one_for_this_kind_and_the_later_ones_and_each_says_so() {
    let (cluster, requests) = script(vec![
        gone(""),
        page("9", "", &["any"]),
        page("9", "t", &["a"]),
        page("9", "", &["b"]),
        gone(""),
        page("9", "", &["c"]),
    ]);
    let compacted = Drift::Compacted { revision: "9".into() };
    let both = vec!["shop/a".into(), "shop/b".into()];
    assert_eq!(list(&cluster).await.unwrap(), (both, Some(compacted.clone())));
    assert_eq!(list(&cluster).await.unwrap(), (vec!["shop/c".into()], Some(compacted)));
    let uris = uris(&requests);
    assert!(uris[1].starts_with("/api/v1/namespaces?"));
    assert!(uris[2].contains("resourceVersion=9&") && uris[5].contains("resourceVersion=9&"), "{uris:?}");
}

#[tokio::test]
async fn a_server_to_which_a_revision_of_this_moment_is_gone_has_others_and_is_listed_plainly() {
    let (cluster, requests) = script(vec![gone(""), page("9", "", &[]), gone(""), page("3", "", &["a"])]);
    let (names, drift) = list(&cluster).await.unwrap();
    assert_eq!(names, ["shop/a"]);
    assert_eq!(drift, Some(Drift::Unsupported { why: "too old".into() }));
    assert!(!uris(&requests)[3].contains("resourceVersion"));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_takes_a_server_too_long_is_asked_for_again_in_part() {
    for slow in [failure(504, "Timeout", "request did not complete", ""), answer(504, "gateway timeout")] {
        let (cluster, requests) = script(vec![slow, page("7", "", &["a"])]);
        assert_eq!(list(&cluster).await.unwrap(), (vec!["shop/a".into()], None));
        assert!(uris(&requests)[1].contains("limit=12&"));
    }
}

#[tokio::test]
async fn a_server_that_refuses_an_exact_revision_is_listed_plainly() {
    for code in [400, 422, 501] {
        let (cluster, _) =
            script(vec![failure(code, "Invalid", "forbidden: Exact", ""), page("3", "", &["a"])]);
        let (names, drift) = list(&cluster).await.unwrap();
        assert_eq!(names, ["shop/a"]);
        assert_eq!(drift, Some(Drift::Unsupported { why: "forbidden: Exact".into() }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_revisions_are_behind_the_cut_is_listed_plainly() {
    let cause = r#""details":{"causes":[{"reason":"ResourceVersionTooLarge"}],"retryAfterSeconds":1}"#;
    let behind = || failure(504, "Timeout", "Too large resource version: 7, current: 3", cause);
    let (cluster, _) = script(vec![behind(), behind(), behind(), page("3", "", &["a"])]);
    let (names, drift) = list(&cluster).await.unwrap();
    assert_eq!(names, ["shop/a"]);
    assert!(matches!(drift, Some(Drift::Unsupported { .. })), "{drift:?}");
}

#[tokio::test]
async fn another_revision_than_the_cut_is_drift() {
    let (cluster, _) = script(vec![page("8", "", &["a"])]);
    assert_eq!(list(&cluster).await.unwrap().1, Some(Drift::OtherRevision { revision: "8".into() }));
    let (cluster, _) = script(vec![page("7", "t", &["a"]), page("8", "", &["b"])]);
    assert_eq!(list(&cluster).await.unwrap().1, Some(Drift::OtherRevision { revision: "8".into() }));
}

#[tokio::test]
async fn an_expired_token_goes_on_with_the_one_that_the_server_offers() {
    let offer = gone(r#""metadata":{"continue":"later"}"#);
    let (cluster, requests) =
        script(vec![page("7", "t", &["a"]), offer, page("9", "u", &["b"]), page("9", "", &["c"])]);
    let (names, drift) = list(&cluster).await.unwrap();
    assert_eq!((names.len(), drift), (3, Some(Drift::Expired)));
    assert!(uris(&requests)[2].ends_with("continue=later"));
}

#[tokio::test]
async fn an_expired_token_without_an_offer_lists_anew_and_takes_nothing_twice() {
    let (cluster, requests) = script(vec![
        page("7", "t", &["b", "d"]),
        gone(""),
        page("9", "u", &["a", "b"]),
        page("9", "v", &["c", "d", "e"]),
        page("9", "", &["f"]),
    ]);
    let (names, drift) = list(&cluster).await.unwrap();
    assert_eq!(names, ["shop/b", "shop/d", "shop/e", "shop/f"]);
    assert_eq!(drift, Some(Drift::Expired));
    assert!(uris(&requests)[2].ends_with("widgets?limit=2000"), "{:?}", uris(&requests));
}

#[tokio::test]
async fn a_list_that_keeps_expiring_is_an_error() {
    let (cluster, requests) =
        serve(
            |count, _| {
                if count == 0 { page("7", "t", &["a"]) } else { gone(r#""metadata":{"continue":"t"}"#) }
            },
        );
    assert_eq!(list(&cluster).await.unwrap_err().api().map(|failure| failure.code), Some(410));
    assert_eq!(requests.lock().unwrap().len(), 12);
}

#[tokio::test]
async fn the_same_token_twice_is_an_error_instead_of_an_endless_list() {
    let (cluster, _) = serve(|_, _| page("7", "t", &["a"]));
    assert!(matches!(list(&cluster).await, Err(ClusterError::Endless { .. })));
}

#[tokio::test]
async fn ever_more_empty_pages_are_an_error_instead_of_an_endless_list() {
    let (cluster, _) = serve(|count, _| page("7", &format!("t{count}"), &[]));
    assert!(matches!(list(&cluster).await, Err(ClusterError::Endless { .. })));
}

#[tokio::test]
async fn a_page_too_large_for_memory_is_asked_for_again_in_part() {
    let (cluster, requests) =
        serve(
            |count, _| {
                if count == 0 { answer(200, " ".repeat(PAGE_MOST + 1)) } else { page("7", "", &["a"]) }
            },
        );
    assert_eq!(list(&cluster).await.unwrap().0, ["shop/a"]);
    assert!(uris(&requests)[1].contains("limit=12&"));
}

#[tokio::test]
async fn a_forbidden_kind_fails_at_once() {
    let (cluster, requests) = script(vec![failure(403, "Forbidden", "User cannot list", "")]);
    let text = list(&cluster).await.unwrap_err().to_string();
    assert_eq!(text, "cannot list widgets.example.com: User cannot list (403 Forbidden)");
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_current_revision_is_the_one_of_a_plain_list() {
    let (cluster, _) = script(vec![page("42", "t", &["a"]), answer(200, r#"{"items":[]}"#)]);
    assert_eq!(cluster.current_revision().await.unwrap(), "42");
    assert!(cluster.current_revision().await.is_err());
}

#[tokio::test]
async fn large_items_one_after_the_other_are_all_listed() {
    const LARGE: usize = 20;
    let at = |uri: &str, name: &str| {
        let value = uri.split_once(&format!("{name}=")).map(|(_, rest)| rest.split('&').next().unwrap());
        value.and_then(|value| value.parse::<usize>().ok())
    };
    // Every fourth item leaves no room for another one in its page.
    let (cluster, requests) = serve(move |_, asked| {
        let (start, limit) = (at(&asked.uri, "continue").unwrap_or(0), at(&asked.uri, "limit").unwrap());
        let end = (start + limit).min(4 * LARGE);
        if limit > 1 && (start..end).any(|item| item % 4 == 0) {
            return answer(200, " ".repeat(PAGE_MOST + 1));
        }
        let names: Vec<_> = (start..end).map(|item| format!("{item:03}")).collect();
        let token = if end == 4 * LARGE { String::new() } else { end.to_string() };
        page("7", &token, &names.iter().map(String::as_str).collect::<Vec<_>>())
    });
    assert_eq!(list(&cluster).await.unwrap().0.len(), 4 * LARGE);
    assert!(requests.lock().unwrap().len() < 12 * LARGE, "{}", requests.lock().unwrap().len());
}
