//! Both forms of discovery, against a scripted API server.

use super::super::script::{Answer, answer, failure, serve, uris};
use super::*;

fn core() -> Answer {
    answer(
        200,
        r#"{"kind":"APIGroupDiscoveryList","items":[{"metadata":{},"versions":[{"version":"v1","freshness":"Current","resources":[
            {"resource":"pods","responseKind":{"group":"","version":"","kind":"Pod"},"scope":"Namespaced","singularResource":"pod",
             "verbs":["create","list"],"shortNames":["po"],"subresources":[{"subresource":"log","verbs":["get"]},{"subresource":"status"}]},
            {"resource":"bindings","responseKind":{"kind":"Binding"},"scope":"Namespaced","singularResource":"binding","verbs":["create"]},
            {"resource":"orphans","scope":"Namespaced","subresources":[]}]}]}]}"#,
    )
}

fn groups() -> Answer {
    let widgets =
        r#"{"resource":"widgets","responseKind":{"kind":"Widget"},"scope":"Cluster","verbs":["list"]}"#;
    let bad = r#"{"resource":"../../etc","responseKind":{"kind":"Bad"},"scope":"Cluster","verbs":["list"]}"#;
    answer(
        200,
        format!(
            r#"{{"kind":"APIGroupDiscoveryList","items":[
              {{"metadata":{{"name":"example.com"}},"versions":[
                {{"version":"v2","freshness":"Current","resources":[{widgets},{bad}]}},
                {{"version":"v1","freshness":"Current","resources":[{widgets}]}}]}},
              {{"metadata":{{"name":"metrics.k8s.io"}},"versions":[{{"version":"v1beta1","freshness":"Stale"}}]}}]}}"#
        ),
    )
}

#[tokio::test]
async fn aggregated_discovery_takes_two_calls_and_says_what_failed() {
    let (cluster, requests) = serve(|_, asked| if asked.uri == "/api" { core() } else { groups() });
    let catalog = cluster.catalog().await.unwrap();
    assert_eq!(uris(&requests), ["/api", "/apis"]);
    assert!(requests.lock().unwrap()[0].accept.starts_with("application/json;g=apidiscovery.k8s.io;v=v2;"));
    let names: Vec<_> = catalog.kinds.iter().map(|info| info.resource.as_str()).collect();
    assert_eq!(names, ["pods", "bindings", "widgets.example.com"]);
    let pods = &catalog.kinds[0];
    assert!(pods.status && !catalog.kinds[1].status && !catalog.kinds[2].status);
    assert!(pods.namespaced && pods.can("create") && !pods.can("watch"));
    assert_eq!(pods.aliases().collect::<Vec<_>>(), ["Pod", "pod", "po"]);
    let widgets = catalog.find(&GroupResource::parse("widgets.example.com")).unwrap();
    assert_eq!(
        (&*widgets.api_version(), &*widgets.singular, widgets.namespaced),
        ("example.com/v2", "widget", false)
    );
    assert_eq!(widgets.other_versions, ["v1"]);
    assert_eq!(catalog.find_named("example.com/v1", "Widget"), Some(widgets), "whichever version");
    assert_eq!(catalog.find_named("v1", "Pod"), Some(pods));
    assert_eq!(catalog.find_named("example.com/v1", "Pod"), None);
    let failed: Vec<_> = catalog.failures.iter().map(|failure| &*failure.group_version).collect();
    assert_eq!(failed, ["example.com/v2", "metrics.k8s.io/v1beta1"]);
}

#[tokio::test(start_paused = true)]
async fn without_aggregated_discovery_each_group_is_asked_and_one_may_fail() {
    let list = |name: &str, kind: &str| {
        let resource = format!(
            r#"{{"name":"{name}","singularName":"","namespaced":true,"kind":"{kind}","verbs":["list"]}}"#
        );
        let status = format!(
            r#"{{"name":"{name}/status","singularName":"","namespaced":true,"kind":"{kind}","verbs":["get"]}}"#
        );
        answer(200, format!(r#"{{"kind":"APIResourceList","resources":[{resource},{status}]}}"#))
    };
    let (cluster, _) = serve(move |_, asked| match &*asked.uri {
        "/api" => answer(200, r#"{"kind":"APIVersions","versions":["v1"]}"#),
        "/api/v1" => list("pods", "Pod"),
        "/apis" => answer(
            200,
            r#"{"kind":"APIGroupList","groups":[
              {"name":"example.com","versions":[{"groupVersion":"example.com/v1","version":"v1"},{"groupVersion":"example.com/v2","version":"v2"}],
               "preferredVersion":{"groupVersion":"example.com/v2","version":"v2"}},
              {"name":"metrics.k8s.io","versions":[{"version":"v1beta1"}],"preferredVersion":{"version":"v1beta1"}}]}"#,
        ),
        "/apis/example.com/v1" | "/apis/example.com/v2" => list("widgets", "Widget"),
        _ => failure(503, "ServiceUnavailable", "no endpoints", ""),
    });
    let catalog = cluster.catalog().await.unwrap();
    let names: Vec<_> = catalog.kinds.iter().map(|info| info.resource.as_str()).collect();
    assert_eq!(names, ["pods", "widgets.example.com"]);
    assert_eq!(
        (&*catalog.kinds[1].version, &*catalog.kinds[1].other_versions),
        ("v2", &["v1".to_owned()][..])
    );
    assert!(catalog.kinds[1].status);
    assert_eq!(catalog.failures[0].group_version, "metrics.k8s.io/v1beta1");
    assert!(catalog.failures[0].message.contains("no endpoints"));
}

#[tokio::test]
async fn a_server_that_lists_no_groups_is_an_error() {
    let (cluster, _) = serve(|_, _| answer(200, "<html>sign in</html>"));
    assert!(cluster.catalog().await.is_err());
}
