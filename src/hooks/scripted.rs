//! For tests: a cluster with one Deployment, `shop/web`, its pods, and Jobs, that answers as an API
//! server does.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::actions::ActionContext;
use super::obligations::ObligationLedger;
use crate::api::BackupAction;
use crate::cluster::Cluster;
use crate::cluster::script::{Answer, Asked, answer, failure, serve};

/// What somebody else does before a request is answered.
pub type Meanwhile = Box<dyn FnMut(&mut ScriptedState, &Asked) + Send>;

/// What the server knows.
#[derive(Default)]
pub struct ScriptedState {
    /// The Deployment; null if there is none.
    pub web: Value,
    /// The pods of the namespace.
    pub pods: Vec<Value>,
    /// The Jobs of the namespace.
    pub jobs: Vec<Value>,
    /// The CronJob `nightly`; null if there is none.
    pub cron_job: Value,
    /// Paths of the requests that change something, with their bodies.
    pub writes: Vec<(String, Value)>,
}

pub type Scripted = Arc<Mutex<ScriptedState>>;

/// Creates a Deployment with this number of replicas and annotations.
pub fn web(replicas: i32, annotations: Value) -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "1", "annotations": annotations},
        "spec": {"replicas": replicas},
    })
}

/// Creates a pod of a ReplicaSet or Job in this phase.
pub fn pod(name: &str, owner: &str, phase: &str) -> Value {
    let owner = json!({"apiVersion": "v1", "kind": owner, "name": "x", "uid": "x", "controller": true});
    json!({"metadata": {"name": name, "ownerReferences": [owner]}, "status": {"phase": phase},
        "spec": {"containers": [{"name": "main"}]}})
}

/// Creates the action `rest` in the namespace `shop`.
pub fn action(what: Value) -> BackupAction {
    let mut action = json!({"name": "rest", "namespace": "shop"});
    json_patch::merge(&mut action, &what);
    serde_json::from_value(action).unwrap()
}

/// Creates what the actions of a server's backup `nightly` act on, with an empty ledger.
pub fn context(cluster: &Cluster) -> ActionContext<'_> {
    ActionContext {
        cluster,
        ledger: ObligationLedger::default(),
        backup: "nightly".to_owned(),
        is_server: true,
        comment: "ark nightly/1".to_owned(),
        zeros: Default::default(),
    }
}

/// Returns a cluster, and what it knows.
pub fn cluster(state: ScriptedState, mut meanwhile: Meanwhile) -> (Cluster, Scripted) {
    let state = Arc::new(Mutex::new(state));
    let shared = Arc::clone(&state);
    let (cluster, _) = serve(move |_, asked| {
        let mut state = shared.lock().unwrap();
        meanwhile(&mut state, asked);
        reply(&mut state, asked)
    });
    (cluster, state)
}

fn reply(state: &mut ScriptedState, asked: &Asked) -> Answer {
    let path = asked.uri.split('?').next().unwrap_or_default();
    let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
    if asked.method != http::Method::GET {
        state.writes.push((format!("{} {path}", asked.method), body.clone()));
    }
    let of_apps = path.strip_prefix("/apis/apps/v1/namespaces/shop/");
    let of_batch = path.strip_prefix("/apis/batch/v1/namespaces/shop/");
    match (asked.method.as_str(), path, of_apps, of_batch) {
        ("GET", "/api" | "/apis", ..) => discovery(path),
        ("GET", "/api/v1/namespaces/shop/pods", ..) => list(&state.pods),
        ("GET", "/api/v1/namespaces/shop/events", ..) => list(&[]),
        ("GET", _, Some("deployments"), _) => list(std::slice::from_ref(&state.web)),
        ("GET", _, Some("deployments/web"), _) if !state.web.is_null() => answer(200, state.web.to_string()),
        ("GET", _, Some("deployments/web/scale"), _) if !state.web.is_null() => {
            answer(200, json!({"status": {"replicas": 1, "selector": "app=web"}}).to_string())
        }
        ("PATCH", _, Some("deployments/web"), _) if !state.web.is_null() => patch(&mut state.web, &body),
        ("GET", _, _, Some("cronjobs/nightly")) if !state.cron_job.is_null() => {
            answer(200, state.cron_job.to_string())
        }
        ("GET", _, _, Some("jobs")) => list(&state.jobs),
        ("POST", _, _, Some("jobs")) => {
            state.jobs.push(body.clone());
            answer(201, body.to_string())
        }
        (method, _, _, Some(job)) if job.starts_with("jobs/") => {
            let at = state
                .jobs
                .iter()
                .position(|known| job == format!("jobs/{}", known["metadata"]["name"].as_str().unwrap()));
            match at {
                Some(at) if method == "DELETE" => answer(200, state.jobs.remove(at).to_string()),
                Some(at) => answer(200, state.jobs[at].to_string()),
                None => failure(404, "NotFound", "not found", ""),
            }
        }
        ("GET", log, ..) if log.ends_with("/log") => answer(200, "flushing\nflushed\n"),
        _ => failure(404, "NotFound", "not found", ""),
    }
}

/// Changes the object unless it is another, or was changed since it was read.
fn patch(object: &mut Value, body: &Value) -> Answer {
    for field in ["uid", "resourceVersion"] {
        if body["metadata"][field] != object["metadata"][field] {
            return failure(409, "Conflict", "the object has been modified", "");
        }
    }
    json_patch::merge(object, body);
    touch(object);
    answer(200, object.to_string())
}

/// Gives the object another resourceVersion.
pub fn touch(object: &mut Value) {
    let now: u32 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    object["metadata"]["resourceVersion"] = json!((now + 1).to_string());
}

fn list(items: &[Value]) -> Answer {
    answer(200, json!({"metadata": {"resourceVersion": "7"}, "items": items}).to_string())
}

fn discovery(root: &str) -> Answer {
    let kind = |plural: &str, kind: &str| {
        json!({"resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced",
            "singularResource": kind.to_lowercase(), "shortNames": [], "verbs": ["get", "list", "patch"]})
    };
    let (group, kinds) = match root {
        "/api" => ("", json!([kind("pods", "Pod")])),
        _ => (
            "apps",
            json!([
                kind("deployments", "Deployment"),
                kind("statefulsets", "StatefulSet"),
                kind("replicasets", "ReplicaSet")
            ]),
        ),
    };
    let items = json!([{"metadata": {"name": group}, "versions": [{"version": "v1", "resources": kinds}]}]);
    answer(200, json!({"kind": "APIGroupDiscoveryList", "items": items}).to_string())
}
