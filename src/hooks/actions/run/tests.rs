//! Runs that are cut short: what they began is ended.

use serde_json::json;

use super::*;
use crate::hooks::scripted::{ScriptedState, action, cluster, context, pod, web};

/// Prepares until a wait has lasted for a while, and then as a run does that is to end.
async fn cut_short(run: &mut ActionRun<'_>) -> Vec<(ActionStep, Option<String>)> {
    let cut = tokio::time::timeout(Duration::from_secs(5), run.prepare(|_| {})).await;
    assert!(cut.is_err(), "it waits");
    let ends = run.conclude(|_| {}).await;
    ends.into_iter().map(|end| (end.step, end.failure.map(|failure| failure.to_string()))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cut_short_scales_back_what_it_scaled_down() {
    let state = ScriptedState {
        web: web(3, json!({})),
        pods: vec![pod("web-1", "ReplicaSet", "Running")],
        ..Default::default()
    };
    let (cluster, state) = cluster(state, Box::new(|_, _| {}));
    let actions = [action(json!({"scale": {"workloads": [{"resource": "deployments", "name": "web"}]}}))];
    let ends = cut_short(&mut ActionRun::new(context(&cluster), &actions)).await;
    assert_eq!(ends, [(ActionStep::ScaleUp, None)]);
    assert_eq!(state.lock().unwrap().web["spec"]["replicas"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cut_short_deletes_the_job_that_it_waits_for() {
    let (cluster, state) = cluster(ScriptedState::default(), Box::new(|_, _| {}));
    let actions = [action(json!({"job": {"template": {"spec": {}}}}))];
    let ends = cut_short(&mut ActionRun::new(context(&cluster), &actions)).await;
    assert_eq!(ends, [(ActionStep::Pre, None)]);
    let state = state.lock().unwrap();
    assert!(state.jobs.is_empty() && state.writes.len() == 2, "{:?}", state.writes);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_scaled_down_is_not_said_to_be_scaled_back() {
    let (cluster, _) =
        cluster(ScriptedState { web: web(0, json!({})), ..Default::default() }, Box::new(|_, _| {}));
    let actions = [action(json!({"scale": {"workloads": [{"resource": "deployments", "name": "web"}]}}))];
    let mut run = ActionRun::new(context(&cluster), &actions);
    assert_eq!(run.prepare(|_| {}).await.len(), 1);
    assert_eq!(run.conclude(|_| {}).await.len(), 0);
}
