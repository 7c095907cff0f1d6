//! Tests of what the pods of restored items are waited for.

use serde_json::json;

use super::*;
use crate::model::GroupResource;

fn item(kind: &str, name: &str, hooks: Value) -> HookedItem {
    let hooks = serde_json::from_value(json!({"resources": [{"name": "all", "postHooks": hooks}]})).unwrap();
    let selection = RestoreHookSelection::new(Some(&hooks));
    let resource = GroupResource::parse(kind);
    let kinds = [("pods", "Pod"), ("deployments.apps", "Deployment"), ("statefulsets.apps", "StatefulSet")];
    let kinds = kinds.into_iter().chain([("daemonsets.apps", "DaemonSet"), ("jobs.batch", "Job")]);
    let camel = kinds.into_iter().find(|(plural, _)| *plural == kind).unwrap().1;
    let info = ResourceInfo { kind: camel.to_owned(), ..crate::cluster::script::kind(kind) };
    let body =
        json!({"metadata": {"name": name}, "spec": {"template": {"metadata": {"labels": {"app": name}}}}});
    HookedItem::read(&selection, &ItemKey::namespaced(resource, "shop", name), &info, &body).unwrap()
}

fn run(wait: &str) -> Value {
    json!([{"exec": {"command": ["fix"], "waitTimeout": wait}}])
}

fn pod(name: &str, owner: Value, state: Value) -> Pod {
    let status =
        json!({"name": "db", "state": state, "image": "i", "imageID": "", "ready": false, "restartCount": 0});
    serde_json::from_value(json!({
        "metadata": {"name": name, "uid": format!("uid of {name}"), "labels": {"pod-template-hash": "7f"}, "ownerReferences": [owner]},
        "spec": {"containers": [{"name": "db"}]},
        "status": {"phase": "Pending", "containerStatuses": [status], "initContainerStatuses": [status]},
    }))
    .unwrap()
}

fn owned(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": true})
}

fn judge(item: &HookedItem, pods: &[Pod], live: Value, waited: u64, begun: &mut HashSet<String>) -> Judged {
    let waited = Duration::from_secs(waited);
    item.judge(&SeenItem { pods, item: Some(&live).filter(|live| !live.is_null()), waited }, begun)
}

#[test]
fn hooks_are_due_in_each_pod_of_a_workload_once_its_container_runs() {
    let set = item("statefulsets.apps", "db", run("1m"));
    let waiting = || json!({"waiting": {"reason": "ContainerCreating"}});
    let running = || json!({"running": {}});
    let live = || json!({"spec": {"replicas": 2}});
    let mut begun = HashSet::new();
    let of_another = pod("other-0", owned("StatefulSet", "other"), running());
    let pods = [pod("db-0", owned("StatefulSet", "db"), waiting()), of_another];
    let judged = judge(&set, &pods, live(), 1, &mut begun);
    assert!(judged.due.is_empty() && judged.waits_for.unwrap().contains("ContainerCreating"));
    let pods = [pod("db-0", owned("StatefulSet", "db"), running())];
    let judged = judge(&set, &pods, live(), 2, &mut begun);
    assert_eq!(judged.due, [("db-0".to_owned(), "uid of db-0".to_owned())]);
    assert_eq!(judged.waits_for.unwrap(), "1 of 2 pods are there");
    let pods = [pods[0].clone(), pod("db-1", owned("StatefulSet", "db"), running())];
    let judged = judge(&set, &pods, live(), 3, &mut begun);
    assert_eq!((judged.due.len(), judged.waits_for), (1, None), "each pod once");
}

#[test]
fn a_wait_ends_with_what_was_seen_last() {
    let set = item("statefulsets.apps", "db", run("1m"));
    let mut begun = HashSet::new();
    let pods = [pod("db-0", owned("StatefulSet", "db"), json!({"waiting": {}}))];
    let judged = judge(&set, &pods, json!({"spec": {"replicas": 3}}), 60, &mut begun);
    assert_eq!(judged.due.len(), 1, "its own end tells of the container");
    let says =
        "they were not run in all of its pods: 1 of 3 pods are there, 1m after the items were restored";
    assert_eq!((judged.given_up, judged.waits_for), (vec![says.to_owned()], None));
    let judged = judge(&item("pods", "web", run("1m")), &[], Value::Null, 61, &mut begun);
    assert!(judged.given_up[0].contains("0 of 1 pods are there"), "{judged:?}");
}

#[test]
fn every_workload_knows_its_pods_and_their_number() {
    let running = || json!({"running": {}});
    for (kind, name, owner, live, wanted) in [
        ("deployments.apps", "web", owned("ReplicaSet", "web-7f"), json!({"spec": {}}), Some(1)),
        ("deployments.apps", "web", owned("ReplicaSet", "web-7f"), json!({"spec": {"replicas": 0}}), Some(0)),
        (
            "daemonsets.apps",
            "agent",
            owned("DaemonSet", "agent"),
            json!({"status": {"desiredNumberScheduled": 0}}),
            None,
        ),
        (
            "daemonsets.apps",
            "agent",
            owned("DaemonSet", "agent"),
            json!({"status": {"desiredNumberScheduled": 3, "observedGeneration": 1}}),
            Some(3),
        ),
        (
            "jobs.batch",
            "seed",
            owned("Job", "seed"),
            json!({"spec": {"parallelism": 4, "completions": 2}}),
            Some(2),
        ),
        (
            "jobs.batch",
            "seed",
            owned("Job", "seed"),
            json!({"spec": {"parallelism": 4, "suspend": true}}),
            Some(0),
        ),
        ("statefulsets.apps", "db", owned("StatefulSet", "db"), Value::Null, None),
    ] {
        let item = item(kind, name, run("1m"));
        assert_eq!(item.wanted(Some(&live).filter(|live| !live.is_null())), wanted, "{kind} {live}");
        assert!(item.has(&pod("some", owner, running())), "{kind}");
        for other in [owned("ReplicaSet", "web-shop-7f"), owned("ReplicaSet", "web"), owned("Other", name)] {
            assert!(!item.has(&pod("some", other, running())), "{kind}");
        }
    }
    let mut leaving = pod("db", owned("StatefulSet", "db"), running());
    leaving.metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    assert!(!item("statefulsets.apps", "db", run("1m")).has(&leaving), "a pod that is being deleted");
}

#[test]
fn no_hook_runs_in_a_pod_that_is_from_before_its_workload_was_made_anew() {
    let aged = |name: &str, owner: Value, at: &str| {
        let mut pod = pod(name, owner, json!({"running": {}}));
        pod.metadata.creation_timestamp = Some(serde_json::from_value(json!(at)).unwrap());
        pod
    };
    let live = |spec: Value| json!({"metadata": {"creationTimestamp": "2026-01-01T00:10:00Z"}, "spec": spec});
    let set = item("statefulsets.apps", "db", run("1m"));
    let owner = || owned("StatefulSet", "db");
    let (old, new) =
        (aged("db-0", owner(), "2026-01-01T00:09:00Z"), aged("db-1", owner(), "2026-01-01T00:09:59Z"));
    let mut begun = HashSet::new();
    let judged = judge(&set, &[old.clone(), new], live(json!({"replicas": 2})), 1, &mut begun);
    assert_eq!(judged.due, [("db-1".to_owned(), "uid of db-1".to_owned())]);
    let says =
        "they were not run in 1 of its pods, which are from before it was made anew; run them there by hand";
    assert_eq!((judged.given_up, judged.waits_for), (vec![says.to_owned()], None));
    let judged = judge(&set, &[old], live(json!({"replicas": 1})), 2, &mut begun);
    assert!(judged.given_up.is_empty() && judged.waits_for.is_none(), "told once");
    // A Job's pods go with it, and its successor makes its own.
    let old = [aged("seed-x", owned("Job", "seed"), "2026-01-01T00:09:00Z")];
    let judged = judge(&item("jobs.batch", "seed", run("1m")), &old, live(json!({})), 1, &mut HashSet::new());
    assert!(judged.due.is_empty() && judged.given_up.is_empty(), "{judged:?}");
    assert_eq!(judged.waits_for.unwrap(), "0 of 1 pods are there");
}

#[test]
fn a_hook_that_wants_a_ready_container_waits_for_that() {
    let ready = json!([{"exec": {"command": ["fix"], "waitForReady": true}}]);
    let hook = item("pods", "db", ready).hooks.post[0].clone();
    let mut seen = pod("db", owned("Node", "n"), json!({"running": {}}));
    let standing = |seen: &Pod| standing(Some(seen), "uid of db", &hook);
    assert_eq!(standing(&seen), Standing::NotYet("its container `db` runs and is not ready".to_owned()));
    seen.status.as_mut().unwrap().container_statuses.as_mut().unwrap()[0].ready = true;
    assert_eq!(standing(&seen), Standing::Fit);
    seen.status.as_mut().unwrap().phase = Some("Failed".into());
    assert!(matches!(standing(&seen), Standing::Hopeless(why) if why.contains("has ended")));
}

#[test]
fn an_init_container_with_a_timeout_must_end_well_within_it() {
    let init = json!([{"init": {"initContainers": [{"name": "db", "image": "i"}], "timeout": "1m"}}]);
    let item = item("pods", "web", init);
    let ended = |code: u8| [pod("web", owned("Node", "n"), json!({"terminated": {"exitCode": code}}))];
    let judged = |pods: &[Pod], waited| judge(&item, pods, Value::Null, waited, &mut HashSet::new());
    let waits = judged(&ended(1), 1);
    assert_eq!(waits.waits_for.as_deref(), Some("its init container `db` ended with exit code 1"));
    assert!(waits.given_up.is_empty());
    assert!(judged(&ended(1), 60).given_up[0].ends_with("exit code 1, 1m after the items were restored"));
    let well = judged(&ended(0), 1);
    assert!(well.given_up.is_empty() && well.waits_for.is_none());
    let mut failed = ended(2);
    failed[0].status.as_mut().unwrap().phase = Some("Failed".into());
    assert!(judged(&failed, 1).given_up[0].contains("the pod has failed"));
}
