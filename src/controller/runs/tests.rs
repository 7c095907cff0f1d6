//! Events that wake the reconciler of runs, and events that do not.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt as _;
use futures::channel::mpsc;
use kube::runtime::{reflector, watcher};
use serde_json::{Value, json};

use super::*;
use crate::api::SYNCED_FROM;
use crate::api::{Backup, BackupSpec, Restore};
use crate::bucket::RunIdentity;
use crate::cluster::script::{Requests, answer, serve};
use crate::controller::context::{filled, scripted, settings};
use crate::controller::restore::Chosen;
use std::time::Duration;

/// Longer than the controller takes, by the clock of the test, to look at an object.
const MOMENT: Duration = Duration::from_millis(100);

fn restore(changed: &Value) -> Restore {
    let mut object = json!({
        "metadata": {"name": "back", "namespace": "heptio-ark", "uid": "uid", "generation": 1},
        "spec": {"backupName": "nightly"}, "status": {"phase": "Completed"},
    });
    json_patch::merge(&mut object, changed);
    serde_json::from_value(object).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_controller_writes_into_a_status_wakes_it_not_again_and_what_is_over_not_at_all() {
    let context = filled(settings(), Vec::new()).await;
    let (store, mut writer) = reflector::store();
    for event in [watcher::Event::Init, watcher::Event::InitDone] {
        writer.apply_watcher_event(&event); // nothing is looked at before
    }
    let (says, events) = mpsc::unbounded();
    let looks = Arc::<AtomicUsize>::default();
    let (watched, counted) = (Watch { events: events.boxed(), cache: store }, Arc::clone(&looks));
    let driving = tokio::spawn(drive(context, watched, news::<Restore>, move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(Action::await_change()) }
    }));
    let mut looked = Vec::new();
    let deletion = json!({"metadata": {"annotations": {DELETION_REQUESTED: "now"}}});
    for changed in [
        json!({}),
        deletion.clone(),
        json!({}),
        deletion,
        json!({"status": {"phase": "InProgress"}}),
        json!({"status": {"phase": "InProgress", "conditions": [{"type": "Deletion", "status": "False", "reason": "Postponed",
            "message": "one", "lastTransitionTime": "2026-11-21T03:00:00Z"}]}, "metadata": {"resourceVersion": "2"}}),
        json!({"status": {"phase": "InProgress", "progress": {"itemsRestored": 1}}}),
        json!({"status": {"phase": "InProgress"}, "metadata": {"generation": 2}}),
        json!({"status": {"phase": "New"}}),
    ] {
        let object = restore(&changed);
        let event = watcher::Event::Apply(object);
        writer.apply_watcher_event(&event);
        says.unbounded_send(Ok(event)).unwrap();
        // Paused time advances only when nothing else goes on.
        tokio::time::sleep(MOMENT).await;
        looked.push(looks.load(Ordering::Relaxed));
    }
    driving.abort();
    assert_eq!(looked, [0, 1, 1, 2, 3, 3, 3, 4, 5]);
}

#[tokio::test]
async fn what_has_no_turn_yet_says_so_and_notes_with_which_run_it_waits() {
    let waiting = restore(&json!({"status": {"phase": "New"}}));
    let object = serde_json::to_string(&waiting).unwrap();
    let (cluster, asked) = serve(move |_, asked| match asked.method {
        http::Method::PUT => answer(200, asked.body.clone()),
        _ => answer(200, object.clone()),
    });
    let context = scripted(cluster);
    let mut backup = Backup::new("nightly", BackupSpec::default());
    backup.metadata.uid = Some("run".into());
    let run = RunIdentity::of_object(&backup);
    let plan = Chosen { backup: "nightly".parse().unwrap(), run, notes: Vec::new() };
    let turns = Arc::new(Semaphore::new(1));
    let turn = queue(&context, &waiting, Arc::clone(&turns), plan.clone()).await.unwrap().unwrap();
    assert!(asked.lock().unwrap().is_empty(), "there was a turn at once");
    let never = async { queue(&context, &waiting, Arc::clone(&turns), plan).await };
    tokio::select! {
        biased;
        _ = never => panic!("another has the turn"),
        () = said(&asked) => {}
    }
    drop(turn);
    let asked = asked.lock().unwrap();
    let written = asked.iter().find(|asked| asked.method == http::Method::PUT).unwrap();
    let status: Value = serde_json::from_str(&written.body).unwrap();
    let status = &status["status"];
    assert_eq!((&status["backupName"], &status["backupRun"]), (&json!("nightly"), &json!("run")));
    assert_eq!(status["conditions"][0]["reason"], "Queued");
}

/// Returns after a status was written.
async fn said(asked: &Requests) {
    while !asked.lock().unwrap().iter().any(|asked| asked.method == http::Method::PUT) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_says_that_it_came_out_of_a_bucket_that_no_location_has_is_refused_with_the_reason() {
    let (cluster, asked) = serve(|_, asked| answer(200, asked.body.clone()));
    let context = scripted(cluster);
    let turns = || Turns { looks: Arc::new(Semaphore::new(1)), runs: Arc::new(Semaphore::new(1)) };
    let marked = json!({"metadata": {"annotations": {SYNCED_FROM: "elsewhere"}}});
    let ended = Arc::new(restore(&marked));
    reconcile(ended, Arc::clone(&context), turns()).await.unwrap();
    assert!(asked.lock().unwrap().is_empty(), "what is over was proved then");
    let copy = restore(&json!({"metadata": marked["metadata"], "status": null}));
    reconcile(Arc::new(copy), context, turns()).await.unwrap();
    let written =
        asked.lock().unwrap().iter().find(|asked| asked.uri.contains("/restores/back/status")).cloned();
    let written: Restore = serde_json::from_str(&written.unwrap().body).unwrap();
    let status = written.status.unwrap();
    assert_eq!(status.phase, Some(crate::api::RestorePhase::FailedValidation));
    assert!(status.validation_errors[0].contains("create it without"), "{:?}", status.validation_errors);
}
