//! Workloads on their way back, with others who change them meanwhile.

use serde_json::{Value, json};

use super::*;
use crate::api::REPLICAS_BEFORE;
use crate::hooks::scripted::{Meanwhile, Scripted, ScriptedState, cluster, touch, web};

const WEB: ScaledWorkload<'_> =
    ScaledWorkload { resource: "deployments.apps", namespace: "shop", name: "web", uid: "u", replicas: 3 };

async fn back_from(object: Value, meanwhile: Meanwhile) -> (ScaleBack, Scripted) {
    let (cluster, state) = cluster(ScriptedState { web: object, ..Default::default() }, meanwhile);
    (back(&cluster, &WEB).await.unwrap(), state)
}

fn nobody() -> Meanwhile {
    Box::new(|_, _| {})
}

fn marked() -> Value {
    json!({ REPLICAS_BEFORE: "3" })
}

fn state_of(state: &Scripted) -> (Value, Value) {
    let state = state.lock().unwrap();
    (state.web["spec"]["replicas"].clone(), state.web["metadata"]["annotations"].clone())
}

#[tokio::test]
async fn a_workload_at_zero_gets_its_number_back_and_a_second_time_changes_nothing() {
    let (end, state) = back_from(web(0, marked()), nobody()).await;
    assert_eq!((end, state_of(&state)), (ScaleBack::Done, (json!(3), json!({}))));
    let again = state.lock().unwrap().web.clone();
    let (end, state) = back_from(again, nobody()).await;
    assert_eq!((end, state_of(&state)), (ScaleBack::Untouched, (json!(3), json!({}))));
}

#[tokio::test]
async fn the_number_that_somebody_else_has_set_stays() {
    let (end, state) = back_from(web(5, marked()), nobody()).await;
    assert_eq!((end, state_of(&state)), (ScaleBack::Taken, (json!(5), json!({}))));
    let (end, state) = back_from(web(0, json!({})), nobody()).await;
    assert_eq!((end, state.lock().unwrap().writes.len()), (ScaleBack::Taken, 0), "it is theirs");
}

#[tokio::test]
async fn another_workload_of_the_name_and_one_that_is_gone_are_left_alone() {
    let mut other = web(0, json!({}));
    other["metadata"]["uid"] = json!("other");
    for object in [other, Value::Null] {
        let (end, state) = back_from(object, nobody()).await;
        assert_eq!(end, ScaleBack::Gone);
        assert_eq!(state.lock().unwrap().writes, []);
    }
}

#[tokio::test]
async fn a_workload_that_its_controller_changes_meanwhile_comes_back_all_the_same() {
    let mut changes = 3;
    let controller = move |state: &mut ScriptedState, asked: &crate::cluster::script::Asked| {
        if asked.method == http::Method::PATCH && changes > 0 {
            changes -= 1;
            touch(&mut state.web);
        }
    };
    let (end, state) = back_from(web(0, marked()), Box::new(controller)).await;
    assert_eq!((end, state_of(&state).0), (ScaleBack::Done, json!(3)));
}

/// The write of a process that was killed: it left before the workload was looked at, and arrives
/// after.
#[tokio::test]
async fn a_write_to_zero_that_is_still_on_its_way_does_not_outlive_the_way_back() {
    let (end, state) = back_from(web(3, json!({})), nobody()).await;
    assert_eq!(end, ScaleBack::Untouched);
    let late: FoundWorkload = serde_json::from_value(web(3, json!({}))).unwrap();
    let crate::cluster::Patch::Merge(late) = late.to_zero(3) else { panic!("a merge patch") };
    let late: Value = serde_json::from_str(&late).unwrap();
    let now = state.lock().unwrap().web["metadata"]["resourceVersion"].clone();
    assert_ne!(late["metadata"]["resourceVersion"], now, "the late write would be taken");
    assert_eq!(state_of(&state), (json!(3), json!({})));
}

#[tokio::test]
async fn a_kind_that_is_not_served_any_more_has_no_workloads() {
    let (cluster, _) = cluster(ScriptedState::default(), nobody());
    let pool = ScaledWorkload { resource: "pools.example.com", ..WEB };
    assert_eq!(back(&cluster, &pool).await.unwrap(), ScaleBack::Gone);
}

#[tokio::test]
async fn a_refusal_says_what_could_not_be_scaled_back_to_what() {
    let refuse = |_: usize, asked: &crate::cluster::script::Asked| match asked.uri.as_str() {
        uri if uri.starts_with("/api") && !uri.contains("namespaces") => crate::cluster::script::answer(
            200,
            r#"{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"apps"},"versions":[{"version":"v1","resources":[{"resource":"deployments","responseKind":{"kind":"Deployment"},"scope":"Namespaced","singularResource":"deployment","verbs":["get"]}]}]}]}"#,
        ),
        _ => crate::cluster::script::failure(403, "Forbidden", "no", ""),
    };
    let (cluster, _) = crate::cluster::script::serve(refuse);
    let said = crate::model::causes(&back(&cluster, &WEB).await.unwrap_err());
    assert!(said.contains("scaling deployments.apps shop/web back to 3"), "{said}");
}
