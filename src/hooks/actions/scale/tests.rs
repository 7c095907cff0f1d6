//! Workloads scaled down and up by an action, with others who change them meanwhile.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::api::REPLICAS_BEFORE;
use crate::cluster::Cluster;
use crate::hooks::scripted::{Meanwhile, Scripted, ScriptedState, action, cluster, context, pod, touch, web};

const LIMIT: Duration = Duration::from_secs(30);

fn by_name() -> BackupAction {
    action(json!({"scale": {"workloads": [{"resource": "Deployment", "name": "web"}]}}))
}

fn with(web: Value, pods: Vec<Value>, meanwhile: Meanwhile) -> (Cluster, Scripted) {
    cluster(ScriptedState { web, pods, ..Default::default() }, meanwhile)
}

fn nobody() -> Meanwhile {
    Box::new(|_, _| {})
}

async fn scaled_down(context: &ActionContext<'_>, action: &BackupAction) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    let scale = action.scale.as_ref().unwrap();
    let ended = down(context, action, scale, Instant::now() + LIMIT, &mut lines).await;
    ended.map(|()| lines).map_err(|failure| failure.to_string())
}

async fn scaled_up(context: &ActionContext<'_>, action: &BackupAction) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    let scale = action.scale.as_ref().unwrap();
    let ended = up(context, action, scale, Instant::now() + LIMIT, &mut lines).await;
    ended.map(|()| lines).map_err(|failure| failure.to_string())
}

fn replicas(state: &Scripted) -> Value {
    state.lock().unwrap().web["spec"]["replicas"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_workload_goes_to_zero_is_waited_for_and_comes_back() {
    let mut looks = 0;
    let going = move |state: &mut ScriptedState, asked: &crate::cluster::script::Asked| {
        looks += usize::from(asked.uri.contains("/pods?"));
        if looks > 2 {
            state.pods.truncate(1);
        }
    };
    let pods = vec![pod("report", "Job", "Running"), pod("web-1", "ReplicaSet", "Running")];
    let (cluster, state) = with(web(3, json!({})), pods, Box::new(going));
    let (context, action) = (context(&cluster), by_name());
    let lines = scaled_down(&context, &action).await.unwrap();
    assert_eq!(lines, ["deployments.apps shop/web was scaled from 3 to zero"]);
    assert_eq!(replicas(&state), 0);
    assert_eq!(state.lock().unwrap().web["metadata"]["annotations"][REPLICAS_BEFORE], "3");
    assert_eq!(context.ledger.open().len(), 1);
    let lines = scaled_up(&context, &action).await.unwrap();
    assert_eq!(lines, ["deployments.apps shop/web was scaled back to 3"]);
    assert_eq!((replicas(&state), context.ledger.open()), (json!(3), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn pods_that_stay_are_named() {
    let mut stuck = pod("web-1", "ReplicaSet", "Running");
    stuck["metadata"]["deletionTimestamp"] = json!("2026-11-28T10:00:00Z");
    stuck["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let (cluster, _) = with(web(3, json!({})), vec![stuck], nobody());
    let context = context(&cluster);
    let said = scaled_down(&context, &by_name()).await.unwrap_err();
    assert!(said.contains("the pods of deployments.apps shop/web did not become gone within 30 s"), "{said}");
    assert!(
        said.contains("the pod web-1 is being deleted and waits for its finalizers example.com/hold"),
        "{said}"
    );
    assert_eq!(context.ledger.open().len(), 1, "it is to be scaled back");
}

#[tokio::test(start_paused = true)]
async fn who_scales_it_back_at_once_is_told_of() {
    let operator = |state: &mut ScriptedState, asked: &crate::cluster::script::Asked| {
        if asked.uri.contains("/pods?") && state.web["spec"]["replicas"] == 0 {
            state.web["spec"]["replicas"] = json!(3);
        }
    };
    let pods = vec![pod("web-1", "ReplicaSet", "Running")];
    let (cluster, state) = with(web(3, json!({})), pods, Box::new(operator));
    let (context, action) = (context(&cluster), by_name());
    let said = scaled_down(&context, &action).await.unwrap_err();
    assert!(said.contains("was scaled to 3 while it was to be at zero: an autoscaler"), "{said}");
    let said = scaled_up(&context, &action).await.unwrap_err();
    assert!(said.contains("Their number stays"), "{said}");
    assert_eq!((replicas(&state), context.ledger.open()), (json!(3), Vec::new()));
    assert_eq!(state.lock().unwrap().web["metadata"]["annotations"], json!({}));
}

/// The workload lost its annotation with its zero, so that nothing in it tells of either.
#[tokio::test(start_paused = true)]
async fn who_scales_it_back_with_its_annotation_before_the_instant_is_told_of() {
    let (cluster, state) = with(web(3, json!({})), Vec::new(), nobody());
    let (context, action) = (context(&cluster), by_name());
    scaled_down(&context, &action).await.unwrap();
    state.lock().unwrap().web = web(3, json!({}));
    let said = scaled_up(&context, &action).await.unwrap_err();
    assert!(said.contains("Their number stays"), "{said}");
    assert_eq!((replicas(&state), context.ledger.open()), (json!(3), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_scales_to_zero_meanwhile_stays_there_and_nothing_of_it_is_recorded() {
    let person = |state: &mut ScriptedState, asked: &crate::cluster::script::Asked| {
        if asked.method == http::Method::PATCH {
            state.web["spec"]["replicas"] = json!(0);
            touch(&mut state.web);
        }
    };
    let (cluster, state) = with(web(3, json!({})), Vec::new(), Box::new(person));
    let (context, action) = (context(&cluster), by_name());
    let lines = scaled_down(&context, &action).await.unwrap();
    assert_eq!(lines, ["deployments.apps shop/web was at zero before, and stays there"]);
    assert_eq!((replicas(&state), context.ledger.open()), (json!(0), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn what_was_at_zero_before_stays_there_and_is_not_recorded() {
    let (cluster, state) = with(web(0, json!({})), Vec::new(), nobody());
    let context = context(&cluster);
    let lines = scaled_down(&context, &by_name()).await.unwrap();
    assert_eq!(lines, ["deployments.apps shop/web was at zero before, and stays there"]);
    assert_eq!((context.ledger.open(), state.lock().unwrap().writes.len()), (Vec::new(), 0));
}

/// What a run that is lost with all its records left.
#[tokio::test(start_paused = true)]
async fn what_an_earlier_backup_left_at_zero_gets_its_number_back() {
    let (cluster, state) = with(web(0, json!({ REPLICAS_BEFORE: "3" })), Vec::new(), nobody());
    let (context, action) = (context(&cluster), by_name());
    scaled_down(&context, &action).await.unwrap();
    scaled_up(&context, &action).await.unwrap();
    assert_eq!(replicas(&state), 3);
}

#[tokio::test(start_paused = true)]
async fn a_selector_takes_what_has_the_labels_and_says_if_nothing_has() {
    let selected = |kinds: Value| {
        action(json!({"scale": {"labelSelector": {"matchLabels": {"app": "web"}}, "resources": kinds}}))
    };
    let mut asked_for = web(2, json!({}));
    asked_for["metadata"]["labels"] = json!({"app": "web"});
    let (cluster, state) = with(asked_for, Vec::new(), nobody());
    scaled_down(&context(&cluster), &selected(json!(["Deployment"]))).await.unwrap();
    assert_eq!(replicas(&state), 0);
    let owner = json!([{"kind": "Deployment", "name": "web", "uid": "x", "controller": true}]);
    let mut set = web(2, json!({}));
    set["metadata"]["ownerReferences"] = owner;
    let (cluster, state) = with(set, Vec::new(), nobody());
    let said = scaled_down(&context(&cluster), &selected(json!(["Deployment"]))).await.unwrap_err();
    assert!(said.contains("labelSelector selects no workload in the namespace shop"), "{said}");
    assert_eq!(state.lock().unwrap().writes, []);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_or_would_lose_its_claims_is_told_and_not_touched() {
    let missing = action(json!({"scale": {"workloads": [{"resource": "pools.example.com", "name": "a"}]}}));
    let mut losing = web(2, json!({}));
    losing["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenScaled": "Delete"});
    for (object, action, says) in [
        (web(2, json!({})), missing, "the cluster serves no kind `pools.example.com`"),
        (Value::Null, by_name(), "there is no deployments.apps shop/web"),
        (losing, by_name(), "would be deleted"),
    ] {
        let (cluster, state) = with(object, Vec::new(), nobody());
        let context = context(&cluster);
        let said = scaled_down(&context, &action).await.unwrap_err();
        assert!(said.contains(says), "{said}");
        assert_eq!((context.ledger.open(), state.lock().unwrap().writes.len()), (Vec::new(), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_waits_goes_on_only_once_the_workloads_are_ready() {
    let mut looks = 0;
    let starting = move |state: &mut ScriptedState, asked: &crate::cluster::script::Asked| {
        looks += usize::from(asked.uri.ends_with("/deployments/web") && state.web["spec"]["replicas"] == 3);
        state.web["status"]["readyReplicas"] = json!(looks);
    };
    let (cluster, state) = with(web(3, json!({})), Vec::new(), Box::new(starting));
    let context = context(&cluster);
    let workloads = json!([{"resource": "deployments", "name": "web"}]);
    let action = action(json!({"scale": {"workloads": workloads, "waitReady": true}}));
    scaled_down(&context, &action).await.unwrap();
    scaled_up(&context, &action).await.unwrap();
    assert!(state.lock().unwrap().web["status"]["readyReplicas"].as_u64() >= Some(3));
}
