//! Lists at a cut, refusals and waits, by `ark::cluster` against real API servers.

mod refusals;
mod writes;

use std::collections::BTreeSet;
use std::time::Duration;

use ark::cluster::{
    Bound, Catalog, Cluster, ConnectOptions, Drift, ListQuery, Lister, Propagation, ResourceInfo,
};
use ark::model::GroupResource;
use serde_json::{Value, json};

use crate::support::{self, Lab, PATIENCE, TestNamespace, eventually, unique};

/// For what never comes: long enough for an API server that is busy with other tests to answer
/// once.
const NEVER: Duration = Duration::from_secs(30);

/// For what comes.
fn bound() -> Bound {
    Bound::new(PATIENCE, PATIENCE)
}

/// For what never comes.
fn never() -> Bound {
    Bound::new(NEVER, NEVER)
}

/// A cluster of the lab as Ark connects to it.
async fn open(cluster: &support::Cluster) -> Cluster {
    let options =
        ConnectOptions { kubeconfig: Some(cluster.kubeconfig.clone()), ..ConnectOptions::default() };
    Cluster::connect(&options).await.expect("the lab's kubeconfig is good")
}

fn find<'a>(catalog: &'a Catalog, kind: &str) -> &'a ResourceInfo {
    catalog.find(&GroupResource::parse(kind)).unwrap_or_else(|| panic!("{kind} is not in the catalog"))
}

async fn create(cluster: &Cluster, kind: &ResourceInfo, namespace: Option<&str>, name: &str, more: Value) {
    let mut object =
        json!({ "apiVersion": kind.api_version(), "kind": kind.kind, "metadata": { "name": name } });
    object.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    cluster.create(kind, namespace, object.to_string()).await.expect("creatable");
}

/// The names of the rest of a list; no name comes twice.
async fn drain(lister: &mut Lister, names: &mut BTreeSet<String>) {
    while let Some(page) = lister.next().await.expect("a page") {
        for body in page.bodies() {
            let item: Value = serde_json::from_slice(body).expect("an item is JSON");
            let name = item["metadata"]["name"].as_str().expect("an item has a name").to_owned();
            assert!(names.insert(name.clone()), "{name} comes twice");
        }
    }
}

async fn list(
    cluster: &Cluster,
    kind: &ResourceInfo,
    namespace: Option<&str>,
    cut: &str,
) -> (BTreeSet<String>, Option<Drift>) {
    let mut lister = cluster.lister(ListQuery { kind, namespace, labels: None, cut: Some(cut) });
    let mut names = BTreeSet::new();
    drain(&mut lister, &mut names).await;
    (names, lister.drifted().cloned())
}

/// Installs a kind of its own and waits for it, which is what a restore does.
async fn install_widgets(cluster: &Cluster) -> (String, ResourceInfo) {
    let group = format!("{}.example.com", unique("group"));
    let name = format!("widgets.{group}");
    let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let version =
        json!({ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } });
    let names = json!({ "plural": "widgets", "kind": "Widget" });
    let spec = json!({ "group": group, "names": names, "scope": "Namespaced", "versions": [version] });
    let catalog = cluster.catalog().await.expect("a catalog");
    let definitions = find(&catalog, "customresourcedefinitions.apiextensions.k8s.io");
    create(cluster, definitions, None, &name, json!({ "spec": spec })).await;
    cluster.crd_established(&name, &bound()).await.expect("it is established");
    // The list of all groups is put together in the background, up to a second later.
    let kind = eventually("discovery knows the new kind", async || {
        cluster.catalog().await.expect("a catalog").find(&GroupResource::parse(&name)).cloned()
    });
    (name.clone(), kind.await)
}

/// What was created after the cut is not listed, what was deleted after it is.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_list_at_the_cut_sees_nothing_later_of_any_kind() {
    let lab = Lab::alone().await;
    for lab in [&lab.a, &lab.b] {
        let cluster = open(lab).await;
        let (definition, widgets) = install_widgets(&cluster).await;
        let catalog = cluster.catalog().await.expect("a catalog");
        let own = TestNamespace::create(lab, "cut").await;
        let namespace = Some(&*own.name);
        let rules = json!({ "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }] });
        let kinds = [
            (find(&catalog, "configmaps"), json!({ "data": { "greeting": "grüße" } })),
            (find(&catalog, "secrets"), json!({})),
            (find(&catalog, "roles.rbac.authorization.k8s.io"), rules),
            (&widgets, json!({ "spec": { "size": 1 } })),
        ];
        for (kind, more) in &kinds {
            create(&cluster, kind, namespace, "before", more.clone()).await;
        }
        let cut = cluster.current_revision().await.expect("a revision");
        for (kind, more) in &kinds {
            create(&cluster, kind, namespace, "after", more.clone()).await;
            cluster
                .delete(kind, namespace, "before", None, Propagation::Background)
                .await
                .expect("deletable");
        }
        for (kind, _) in &kinds {
            let (names, drift) = list(&cluster, kind, namespace, &cut).await;
            assert!(names.contains("before"), "{}: {names:?}", kind.resource);
            assert!(!names.contains("after"), "{}: {names:?}", kind.resource);
            assert_eq!(drift, None, "{}", kind.resource);
        }
        lab.remove_definition(&definition).await;
    }
}

/// etcd is compacted before a list and in the middle of one: the list goes on at a later revision
/// and reports it as drift.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn lists_outlive_the_compaction_of_their_revision_and_say_so() {
    let lab = Lab::alone().await;
    for lab in [&lab.a, &lab.b] {
        let cluster = open(lab).await;
        let catalog = cluster.catalog().await.expect("a catalog");
        let maps = find(&catalog, "configmaps");
        let own = TestNamespace::create(lab, "compaction").await;
        let namespace = Some(&*own.name);
        for number in 0..250 {
            create(&cluster, maps, namespace, &format!("map-{number:03}"), json!({})).await;
        }
        let cut = cluster.current_revision().await.expect("a revision");
        let mut halfway = cluster.lister(ListQuery { kind: maps, namespace, labels: None, cut: Some(&cut) });
        let first = halfway.next().await.expect("a page").expect("the list is not empty");
        assert!(first.remaining && first.revision == cut, "the rest of the list is still to come");

        create(&cluster, maps, namespace, "zz-later", json!({})).await;
        lab.compact();
        let anew = eventually("the revision is gone", async || {
            let (names, drift) = list(&cluster, maps, namespace, &cut).await;
            matches!(drift, Some(Drift::Compacted { .. })).then_some(names)
        });
        assert!(anew.await.contains("zz-later"), "a cut that was compacted gives what is there now");

        let mut names = BTreeSet::new();
        for body in first.bodies() {
            let item: Value = serde_json::from_slice(body).expect("JSON");
            names.insert(item["metadata"]["name"].as_str().expect("a name").to_owned());
        }
        drain(&mut halfway, &mut names).await;
        assert_eq!(halfway.drifted(), Some(&Drift::Expired));
        let numbered = names.iter().filter(|name| name.starts_with("map-")).count();
        assert_eq!(numbered, 250, "nothing is lost");
        assert!(names.contains("zz-later"), "the rest is of a later revision");
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_namespace_is_waited_for_at_both_ends_of_its_life() {
    let lab = Lab::get().await;
    let cluster = open(&lab.a).await;
    let catalog = cluster.catalog().await.expect("a catalog");
    let namespaces = find(&catalog, "namespaces");
    let name = unique("waits");
    create(&cluster, namespaces, None, &name, json!({})).await;
    cluster.namespace_active(&name, &bound()).await.expect("it becomes active");
    cluster.delete(namespaces, None, &name, None, Propagation::Background).await.expect("deletable");
    cluster.gone(namespaces, None, &name, None, &bound()).await.expect("it goes");
    let error = cluster.namespace_active(&name, &never()).await.expect_err("it is gone");
    assert!(error.to_string().ends_with("it is not there"), "{error}");
}
