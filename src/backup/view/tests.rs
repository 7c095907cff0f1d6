//! Tests of a view of a scripted API server that lags, fails, or holds what the selection only
//! needs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::api::Filter as Fields;
use crate::backup::filter::FilterVerdict;
use crate::cluster::script::{Answer, Asked, answer, failure, serve};
use crate::model::Severity;

const WIDGETS: &str = "widgets.example.com";

/// Returns the aggregated discovery of some kinds, each written `name GroupResource scope`.
fn discovery(root: &str, kinds: &[&str]) -> Answer {
    let mut groups: std::collections::BTreeMap<String, Vec<Value>> = std::collections::BTreeMap::new();
    for line in kinds {
        let words: Vec<&str> = line.split(' ').collect();
        let kind = GroupResource::parse(words[0]);
        let scope = if words[2] == "n" { "Namespaced" } else { "Cluster" };
        groups.entry(kind.group().to_owned()).or_default().push(json!({
            "resource": kind.resource(), "responseKind": {"kind": words[1]}, "scope": scope,
            "singularResource": words[1].to_lowercase(), "verbs": ["create", "get", "list"],
            "subresources": [{"subresource": "status"}],
        }));
    }
    let wanted = |group: &str| group.is_empty() == (root == "/api");
    let items: Vec<Value> = groups
        .into_iter()
        .filter(|(group, _)| wanted(group))
        .map(|(group, resources)| json!({"metadata": {"name": group}, "versions": [{"version": "v1", "resources": resources}]}))
        .collect();
    answer(200, json!({"kind": "APIGroupDiscoveryList", "items": items}).to_string())
}

fn list(items: &[Value]) -> Answer {
    answer(200, json!({"metadata": {"resourceVersion": "7"}, "items": items}).to_string())
}

fn definition(kind: &str) -> Value {
    json!({
        "metadata": {"name": kind}, "spec": {"scope": "Namespaced", "names": {"kind": "Widget", "singular": "widget"}, "versions": [{"served": true}]},
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    })
}

const KINDS: &[&str] = &[
    "namespaces Namespace c",
    "persistentvolumeclaims PersistentVolumeClaim n",
    "persistentvolumes PersistentVolume c",
    "services Service n",
    "endpoints Endpoints n",
    "storageclasses.storage.k8s.io StorageClass c",
    "customresourcedefinitions.apiextensions.k8s.io CustomResourceDefinition c",
    "clusterroles.rbac.authorization.k8s.io ClusterRole c",
];

/// Returns the cluster of these tests; `first` is given the path and may answer before it.
fn cluster(mut first: impl FnMut(&str) -> Option<Answer> + Send + 'static) -> Cluster {
    cluster_of(move |asked| first(path_of(asked)))
}

fn path_of(asked: &Asked) -> &str {
    asked.uri.split('?').next().unwrap_or_default()
}

fn cluster_of(mut first: impl FnMut(&Asked) -> Option<Answer> + Send + 'static) -> Cluster {
    let answer = move |_: usize, asked: &Asked| {
        let path = path_of(asked).to_owned();
        if let Some(answer) = first(asked) {
            return answer;
        }
        match path.rsplit('/').next().unwrap_or_default() {
            "api" | "apis" => discovery(&path, KINDS),
            "namespaces" => list(&[json!({"metadata": {"name": "shop"}})]),
            "persistentvolumeclaims" => list(&[json!({
                "metadata": {"name": "data", "namespace": "shop", "labels": {"app": "one"}}, "spec": {"volumeName": "disk"},
            })]),
            "persistentvolumes" => list(&[
                json!({"metadata": {"name": "disk"}, "spec": {"storageClassName": "fast"}}),
                json!({"metadata": {"name": "other"}, "spec": {"storageClassName": "slow"}}),
            ]),
            "services" => list(&[
                json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"app": "web"}}}),
            ]),
            "customresourcedefinitions" => list(&[definition(WIDGETS)]),
            _ => list(&[]),
        }
    };
    serve(answer).0
}

async fn view<'a>(cluster: &Cluster, selection: &'a CompiledSelection) -> ClusterView<'a> {
    ClusterView::open(cluster, selection).await.unwrap()
}

fn needed(view: &ClusterView<'_>) -> BTreeSet<String> {
    view.survey.iter().flat_map(|survey| &survey.needs.found).map(ToString::to_string).collect()
}

fn with_widgets(path: &str) -> Option<Answer> {
    let kinds: Vec<&str> = KINDS.iter().copied().chain(["widgets.example.com Widget n"]).collect();
    matches!(path, "/api" | "/apis").then(|| discovery(path, &kinds))
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_defined_at_the_cut_is_waited_for_until_discovery_knows_it() {
    let selection = Fields::default().compile().unwrap();
    let mut asked = 0;
    let lagging = cluster(move |path| {
        asked += usize::from(path == "/apis");
        if asked > 3 { with_widgets(path) } else { None }
    });
    let view = view(&lagging, &selection).await;
    assert!(view.findings.is_empty(), "{:?}", view.findings);
    assert!(view.plan.kinds.iter().any(|info| info.resource.as_str() == WIDGETS));
}

#[tokio::test(start_paused = true)]
async fn kinds_that_discovery_learns_of_one_by_one_are_all_waited_for() {
    let names: Vec<String> = (0..4).map(|number| format!("widgets.example{number}.com")).collect();
    let began = tokio::time::Instant::now();
    let lagging = cluster(move |path| match path {
        // Each one ten seconds after the one before.
        "/api" | "/apis" => {
            let known = (began.elapsed().as_secs() / 10).min(4) as usize;
            let own = names[..known].iter().map(|name| format!("{name} Widget n"));
            let kinds: Vec<String> = KINDS.iter().map(ToString::to_string).chain(own).collect();
            Some(discovery(path, &kinds.iter().map(String::as_str).collect::<Vec<_>>()))
        }
        path if path.ends_with("customresourcedefinitions") => {
            Some(list(&names.iter().map(|name| definition(name)).collect::<Vec<_>>()))
        }
        _ => None,
    });
    let selection = Fields::default().compile().unwrap();
    let view = view(&lagging, &selection).await;
    assert!(view.findings.is_empty(), "{:?}", view.findings);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_defined_and_never_served_is_an_error() {
    let selection = Fields::default().compile().unwrap();
    let view = view(&cluster(|_| None), &selection).await;
    let found: Vec<(Severity, Option<&GroupResource>)> =
        view.findings.iter().map(|finding| (finding.severity, finding.kind.as_ref())).collect();
    assert_eq!(found, [(Severity::Error, Some(&GroupResource::parse(WIDGETS)))]);
    // A kind that is not selected is not waited for.
    let claims = Fields {
        included_resources: vec!["pvc".into(), "persistentvolumeclaims".into()],
        ..Fields::default()
    };
    let claims = claims.compile().unwrap();
    assert!(super::tests::view(&cluster(|_| None), &claims).await.findings.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_kind_of_which_no_version_is_served_is_a_warning() {
    let selection = Fields::default().compile().unwrap();
    let half_gone = cluster(|path| {
        let mut widgets = definition(WIDGETS);
        widgets["spec"]["versions"][0]["served"] = false.into();
        path.ends_with("/customresourcedefinitions").then(|| list(&[widgets]))
    });
    let view = view(&half_gone, &selection).await;
    let found: Vec<(Severity, Option<&GroupResource>)> =
        view.findings.iter().map(|finding| (finding.severity, finding.kind.as_ref())).collect();
    assert_eq!(found, [(Severity::Warning, Some(&GroupResource::parse(WIDGETS)))]);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_cannot_be_looked_through_is_an_error() {
    let selection =
        Fields { included_namespaces: vec!["shop".into()], ..Fields::default() }.compile().unwrap();
    let view = view(
        &cluster(|path| match path {
            "/api/v1/namespaces/shop/persistentvolumeclaims" => Some(failure(403, "Forbidden", "no", "")),
            path => with_widgets(path),
        }),
        &selection,
    )
    .await;
    let kinds: Vec<&str> =
        view.findings.iter().filter_map(|finding| Some(finding.kind.as_ref()?.as_str())).collect();
    assert_eq!(kinds, ["persistentvolumeclaims"]);
    assert_eq!(view.findings[0].severity, Severity::Error);
}

#[tokio::test(start_paused = true)]
async fn what_items_need_comes_under_every_selection() {
    let labels = Fields {
        label_selector: Some(serde_json::from_value(json!({"matchLabels": {"app": "one"}})).unwrap()),
        ..Fields::default()
    };
    let kinds = Fields { included_resources: vec!["persistentvolumeclaims".into()], ..Fields::default() };
    let namespaces = Fields { included_namespaces: vec!["shop".into()], ..Fields::default() };
    for fields in [labels, kinds, namespaces] {
        let selection = fields.compile().unwrap();
        let view = view(&cluster(with_widgets), &selection).await;
        assert!(view.findings.is_empty(), "{:?}", view.findings);
        let expected = ["persistentvolumes disk", "storageclasses.storage.k8s.io fast"].map(String::from);
        assert_eq!(needed(&view), BTreeSet::from(expected), "{fields:?}");
        let listed = |kind: &str| view.plan.kinds.iter().any(|info| info.resource.as_str() == kind);
        assert!(listed("persistentvolumes") && listed("storageclasses.storage.k8s.io"), "{fields:?}");
    }
}

/// Returns a labelled StatefulSet, three PVCs without labels, and a server that obeys label
/// selectors.
fn with_workload(asked: &Asked) -> Option<Answer> {
    let kinds: Vec<&str> = KINDS
        .iter()
        .copied()
        .chain(["widgets.example.com Widget n", "statefulsets.apps StatefulSet n"])
        .collect();
    let claim = |name: &str, volume: &str, labels: Value| json!({"metadata": {"name": name, "namespace": "shop", "labels": labels}, "spec": {"volumeName": volume}});
    let labelled = asked.uri.contains("labelSelector=");
    let left_out = json!({"velero.io/exclude-from-backup": "true"});
    match path_of(asked).rsplit('/').next().unwrap_or_default() {
        "api" | "apis" => Some(discovery(path_of(asked), &kinds)),
        "statefulsets" => Some(list(&[json!({
            "metadata": {"name": "db", "namespace": "shop", "labels": {"app": "one"}},
            "spec": {
                "template": {"spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "private"}}]}},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
            },
        })])),
        "persistentvolumeclaims" if labelled => Some(list(&[])),
        "persistentvolumeclaims" => Some(list(&[
            claim("data-db-0", "disk", Value::Null),
            claim("bystander", "other", Value::Null),
            claim("private", "secret", left_out),
        ])),
        "persistentvolumes" => Some(list(
            &["disk", "other", "secret"].map(|name| json!({"metadata": {"name": name}, "spec": {}})),
        )),
        _ => None,
    }
}

/// Returns the items that a backup by this view would take.
async fn taken(cluster: &Cluster, view: &ClusterView<'_>) -> Vec<String> {
    let (filter, mut collection) = (view.filter(), view.collect(cluster));
    let mut taken = Vec::new();
    while let Some(mut listing) = collection.next() {
        while let Some(event) = listing.next().await {
            let Event::Page(page) = event else { panic!("{event:?}") };
            for item in page.bodies().map(|body| ItemView::read(body, false).unwrap()) {
                if filter.judge(&listing.info, &item) == FilterVerdict::Take {
                    taken.push(format!("{} {}", listing.info.resource, item.name));
                }
            }
        }
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn the_claims_of_a_labelled_workload_come_with_it_and_bring_their_volumes() {
    let labels = json!({"labelSelector": {"matchLabels": {"app": "one"}}});
    let without = json!({"labelSelector": {"matchLabels": {"app": "one"}}, "excludedResources": ["persistentvolumeclaims"]});
    let only =
        json!({"labelSelector": {"matchLabels": {"app": "one"}}, "includedResources": ["statefulsets"]});
    let none = json!({"labelSelector": {"matchLabels": {"app": "one"}}, "includeClusterResources": false});
    let several =
        json!({"orLabelSelectors": [{"matchLabels": {"app": "one"}}, {"matchLabels": {"app": "two"}}]});
    let (namespace, set) = ("namespaces shop", "statefulsets.apps db");
    let (claim, volume) = ("persistentvolumeclaims data-db-0", "persistentvolumes disk");
    for (fields, expected) in [
        (&labels, &[namespace, volume, claim, set][..]),
        (&several, &[namespace, volume, claim, set]),
        (&none, &[namespace, claim, set]),
        (&without, &[namespace, set]),
        (&only, &[namespace, set]),
    ] {
        let selection = serde_json::from_value::<Fields>(fields.clone()).unwrap().compile().unwrap();
        let cluster = cluster_of(with_workload);
        let view = view(&cluster, &selection).await;
        assert!(view.findings.is_empty(), "{:?}", view.findings);
        assert_eq!(taken(&cluster, &view).await, expected, "{fields}");
    }
}

#[tokio::test(start_paused = true)]
async fn selectors_are_known_where_the_selection_does_not_show_services() {
    let fields = Fields { included_resources: vec!["endpoints".into()], ..Fields::default() };
    let selection = fields.compile().unwrap();
    let view = view(&cluster(with_widgets), &selection).await;
    assert_eq!(view.filter().selecting, HashSet::from([("shop".to_owned(), "web".to_owned())]));
    // Nothing needs a volume or a class here.
    assert_eq!(
        view.plan.kinds.iter().map(|info| info.resource.as_str()).collect::<Vec<_>>(),
        ["namespaces", "endpoints"]
    );
}
