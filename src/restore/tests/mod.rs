//! Whole restores against a scripted API server: what real servers do too seldom, or for too long,
//! to be waited for.

mod afterwards;
mod anew;
mod lacking;
mod order;
mod owned;
mod plan;
mod rerun;
mod server;
mod told;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::api::{HookCounts, Origin, RestorePhase, RestoreStatus};
use crate::bucket::tests::{faulty_bucket, read, write_items};
use crate::cluster::ClusterIdentity;
use crate::cluster::script::{Answer, Asked, answer};
use crate::model::{Category, Finding, GroupResource, ItemKey, Severity};
use server::{Objects, keep};
use std::collections::BTreeMap;

type Items = Vec<(&'static str, Value)>;

/// The end of a restore: its document, its findings, its acts, and how long it took.
struct Came {
    phase: RestorePhase,
    findings: Vec<Finding>,
    acts: Vec<Act>,
    hooks: Option<HookCounts>,
    took: Duration,
}

impl Came {
    fn errors(&self) -> Vec<&Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).collect()
    }

    /// Returns the findings about an item, none of which is an error.
    fn warnings(&self, item: &ItemKey) -> Vec<&str> {
        assert!(self.errors().is_empty(), "{:?}", self.findings);
        let about = self.findings.iter().filter(|finding| finding.item.as_ref() == Some(item));
        about.map(|finding| finding.message.as_str()).collect()
    }

    fn act(&self, item: &ItemKey) -> &Act {
        self.acts.iter().find(|act| act.item == *item).unwrap_or_else(|| panic!("{item}: {:?}", self.acts))
    }
}

async fn restore_into(cluster: &Cluster, items: Items) -> Came {
    restore_as(cluster, items, json!({})).await
}

/// Runs the same restore with more in the specification.
async fn restore_as(cluster: &Cluster, items: Items, spec: Value) -> Came {
    let (_, bucket) = faulty_bucket();
    write_items(&bucket, "nightly", None, items).await;
    restore_from(&bucket, cluster, spec).await
}

/// The request for a restore of `nightly` by this specification.
fn request(mut spec: Value) -> RestoreRequest {
    spec["backupName"] = "nightly".into();
    RestoreRequest {
        name: "back".parse().unwrap(),
        spec: serde_json::from_value(spec).unwrap(),
        backup: None,
        source: None,
        labels: BTreeMap::new(),
        uid: "restore".into(),
        namespace: None,
        began: None,
        origin: Origin::default(),
        holder: "host/1".into(),
        cluster: ClusterIdentity { uid: "cluster-a".into(), version: "v1.35.4".into() },
        server: None,
        attempt: 1,
        goes_on: false,
        record: true,
        runs_hooks: true,
        parallel: 0,
    }
}

/// Runs a dry run.
async fn foresee(cluster: &Cluster, items: Items, spec: Value) -> Vec<Finding> {
    let (_, bucket) = faulty_bucket();
    write_items(&bucket, "nightly", None, items).await;
    preview(cluster, &bucket, &request(spec), &Progress::default()).await.unwrap().results.findings
}

async fn restore_from(bucket: &Bucket, cluster: &Cluster, spec: Value) -> Came {
    let request = request(spec);
    let began = Instant::now();
    let outcome = run(cluster, bucket, &request, &Progress::default(), std::future::pending()).await.unwrap();
    let took = began.elapsed();
    let stored = bucket.open_restore(&request.name).await.unwrap();
    let acts = acts(&read(bucket, stored.parts().index()).await);
    let RestoreStatus { phase, hooks, .. } = outcome.restore.status.unwrap();
    Came { phase: phase.unwrap(), findings: outcome.results.findings, acts, hooks, took }
}

/// Reads the lines about all items.
fn acts(lines: &[u8]) -> Vec<Act> {
    let lines = zstd::decode_all(lines).unwrap();
    serde_json::Deserializer::from_slice(&lines).into_iter().map(Result::unwrap).collect()
}

fn namespace(name: &str) -> (&'static str, Value) {
    let metadata = json!({"name": name, "uid": format!("old {name}")});
    ("namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
}

fn map(namespace: &str, name: &str, owners: &[Value]) -> (&'static str, Value) {
    let uid = format!("old {namespace}/{name}");
    let mut metadata = json!({"name": name, "namespace": namespace, "uid": uid});
    if !owners.is_empty() {
        metadata["ownerReferences"] = owners.into();
    }
    ("configmaps", json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": "v"}}))
}

fn item(kind: &str, namespace: &str, name: &str) -> ItemKey {
    ItemKey::namespaced(GroupResource::parse(kind), namespace, name)
}

/// A volume that is kept, and its PVC.
fn claim_and_volume() -> [(&'static str, Value); 2] {
    let claim =
        json!({"kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data", "uid": "old data"});
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-1", "uid": "old pv-1"},
        "spec": {"persistentVolumeReclaimPolicy": "Retain", "claimRef": claim}, "status": {"phase": "Bound"}});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "shop", "uid": "old data"},
        "spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}});
    [("persistentvolumes", volume), ("persistentvolumeclaims", claim)]
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_never_becomes_bound_is_an_error_with_its_last_event() {
    let event = |time: &str, message: &str| json!({"reason": "FailedBinding", "lastTimestamp": time, "message": message});
    let events = [
        event("2026-01-02T00:00:09Z", "volume \"pv-1\" already bound to a different claim."),
        event("2026-01-02T00:00:01Z", "waiting for the volume"),
    ];
    let events = json!({"items": events}).to_string();
    let cluster = keep(Objects::new(), move |asked, _| {
        asked.uri.starts_with("/api/v1/namespaces/shop/events?").then(|| answer(200, events.clone()))
    });
    let items = [vec![namespace("shop")], claim_and_volume().into(), vec![map("shop", "settings", &[])]];
    let came = restore_into(&cluster, items.concat()).await;
    assert_eq!(came.phase, RestorePhase::PartiallyFailed);
    let [error] = &*came.errors() else { panic!("{:?}", came.findings) };
    assert_eq!(error.item, Some(item("persistentvolumeclaims", "shop", "data")));
    assert_eq!(error.category, Category::NotReady);
    let last = "the claim shop/data did not become Bound within 60 s: it is Pending: volume \"pv-1\" already bound to a different claim.";
    assert!(error.message.contains(last), "{}", error.message);
    assert!((60..70).contains(&came.took.as_secs()), "{:?}", came.took);
    assert!(came.acts.iter().all(|act| act.action == ItemAction::Create), "{:?}", came.acts);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_bound_late_is_waited_for() {
    let began = Instant::now();
    let cluster = keep(Objects::new(), move |asked, objects| {
        let path = "/api/v1/namespaces/shop/persistentvolumeclaims/data";
        if asked.uri == path && began.elapsed().as_secs() >= 40 {
            objects.get_mut(path)?["status"]["phase"] = "Bound".into();
        }
        None
    });
    let came = restore_into(&cluster, [vec![namespace("shop")], claim_and_volume().into()].concat()).await;
    assert_eq!((came.phase, came.findings.len()), (RestorePhase::Completed, 0), "{:?}", came.findings);
    assert!((40..50).contains(&came.took.as_secs()), "{:?}", came.took);
}

/// The namespace `old`, which is being deleted and never goes; `left` says how many objects are
/// left in it at a time.
fn never_goes(left: impl Fn(u64) -> u64 + Send + 'static, asked: &Arc<Mutex<Vec<(u64, String)>>>) -> Cluster {
    let (began, made) = (Instant::now(), Arc::clone(asked));
    keep(Objects::new(), move |asked: &Asked, _: &mut Objects| -> Option<Answer> {
        let time = began.elapsed().as_secs();
        if asked.method == "POST" {
            made.lock().unwrap().push((time, asked.uri.clone()));
        }
        (asked.uri == "/api/v1/namespaces/old" && asked.method == "GET").then(|| {
            let condition = json!({"type": "NamespaceContentRemaining", "status": "True", "reason": "SomeResourcesRemain",
                "message": format!("{} resource instances left", left(time))});
            let metadata = json!({"name": "old", "uid": "doomed", "deletionTimestamp": "2026-01-02T00:00:00Z"});
            answer(200, json!({"metadata": metadata, "status": {"phase": "Terminating", "conditions": [condition]}}).to_string())
        })
    })
}

fn two_namespaces() -> Items {
    vec![namespace("old"), namespace("shop"), map("old", "settings", &[]), map("shop", "settings", &[])]
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_never_goes_costs_its_own_items_and_says_why() {
    let made = Arc::default();
    let cluster = never_goes(|time| 5 - (time / 20).min(4), &made);
    let came = restore_into(&cluster, two_namespaces()).await;
    assert_eq!(came.phase, RestorePhase::PartiallyFailed);
    let [error] = &*came.errors() else { panic!("{:?}", came.findings) };
    let old = ItemKey::cluster(GroupResource::parse("namespaces"), "old");
    assert_eq!((error.item.as_ref(), error.category), (Some(&old), Category::NotReady));
    let condition = "NamespaceContentRemaining is True (SomeResourcesRemain): 1 resource instances left";
    assert!(
        error.message.contains(condition) && error.message.contains("the namespace old"),
        "{}",
        error.message
    );
    for item in [old, item("configmaps", "old", "settings")] {
        let Act { action, reason, .. } = came.act(&item);
        let reason = reason.as_deref().unwrap_or_default();
        assert_eq!(*action, ItemAction::Fail, "{item}");
        assert!(reason.contains("the namespace old") && reason.contains(condition), "{item}: {reason}");
    }
    // The other namespaces wait for ten seconds only; the hanging one is given up a minute after
    // its conditions changed last.
    assert_eq!(came.act(&item("configmaps", "shop", "settings")).action, ItemAction::Create);
    let made = made.lock().unwrap();
    let others = made.iter().find(|(_, uri)| uri.contains("/namespaces/shop/configmaps")).unwrap();
    assert!((10..15).contains(&others.0) && !made.iter().any(|(_, uri)| uri.contains("/old/")), "{made:?}");
    assert!((140..210).contains(&came.took.as_secs()), "{:?}", came.took);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_whose_deletion_goes_on_and_on_is_given_up_after_ten_minutes() {
    let cluster = never_goes(|time| 100_000 - time, &Arc::default());
    let came = restore_into(&cluster, two_namespaces()).await;
    assert_eq!((came.phase, came.errors().len()), (RestorePhase::PartiallyFailed, 1), "{:?}", came.findings);
    assert!((600..680).contains(&came.took.as_secs()), "{:?}", came.took);
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_is_neither_restored_nor_in_the_cluster_is_told() {
    let owner = |version: &str, kind: &str, name: &str| json!({"apiVersion": version, "kind": kind, "name": name, "uid": format!("old {name}")});
    let (zone, gone, here) = (
        owner("example.com/v1", "Zone", "east"),
        owner("v1", "ConfigMap", "gone"),
        owner("v1", "ConfigMap", "here"),
    );
    let there = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "here", "namespace": "shop", "uid": "now"}});
    let objects = Objects::from([("/api/v1/namespaces/shop/configmaps/here".to_owned(), there)]);
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let patches = Arc::clone(&seen);
    let cluster = keep(objects, move |asked, _| {
        if asked.method == "PATCH" {
            patches.lock().unwrap().push(format!("{} {}", asked.uri, asked.body));
        }
        None
    });
    let owned = [map("shop", "a", &[zone]), map("shop", "b", &[gone]), map("shop", "c", &[here])];
    let came = restore_into(&cluster, [vec![namespace("shop")], owned.into()].concat()).await;
    assert_eq!(came.phase, RestorePhase::Completed, "{:?}", came.findings);
    let told: Vec<_> =
        came.findings.iter().map(|found| (found.severity, found.item.clone().unwrap())).collect();
    let [a, b] = ["a", "b"].map(|name| (Severity::Warning, item("configmaps", "shop", name)));
    assert!(told.len() == 2 && told.contains(&a) && told.contains(&b), "{:?}", came.findings);
    for (name, owner) in [("a", "Zone east"), ("b", "ConfigMap gone")] {
        let found = came.findings.iter().find(|found| found.item == Some(item("configmaps", "shop", name)));
        let sentence = format!("its owner, {owner}, is neither restored nor in the cluster");
        assert!(found.unwrap().message.starts_with(&sentence), "{found:?}");
    }
    let [linked] = &*seen.lock().unwrap().clone() else { panic!("{seen:?}") };
    assert!(linked.contains("/configmaps/c?") && linked.contains(r#""uid":"now""#), "{linked}");
}
