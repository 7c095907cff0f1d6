//! Tests of two servers and one record, kept by an API server that checks resource versions. Time
//! is tokio's, and passes at once.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::cluster::script::{Answer, answer, broken, failure, serve};
use std::time::Duration;

/// State of the API server: the Lease, its version, and whether the server answers.
#[derive(Default)]
struct Record {
    lease: Option<Value>,
    version: u64,
    silent: bool,
}

type Shared = Arc<Mutex<Record>>;

fn conflict() -> Answer {
    failure(409, "Conflict", "the object has been modified", "")
}

/// Answers as the API server does for a Lease: reads, creates once, and replaces only what has not
/// changed since it was read.
fn ask(record: &mut Record, body: &str) -> Answer {
    if record.silent {
        return broken();
    }
    if body.is_empty() {
        return match &record.lease {
            Some(lease) => answer(200, lease.to_string()),
            None => failure(404, "NotFound", "not found", ""),
        };
    }
    let mut written: Value = serde_json::from_str(body).unwrap();
    let expected = written["metadata"]["resourceVersion"].clone();
    let present =
        record.lease.as_ref().map_or(Value::Null, |lease| lease["metadata"]["resourceVersion"].clone());
    if expected != present {
        return conflict();
    }
    record.version += 1;
    written["metadata"]["resourceVersion"] = json!(record.version.to_string());
    record.lease = Some(written.clone());
    answer(200, written.to_string())
}

/// Changes the record as somebody else would.
fn write(record: &Shared, change: impl FnOnce(&mut Value)) {
    let mut record = record.lock().unwrap();
    record.version += 1;
    let version = record.version.to_string();
    let lease = record.lease.as_mut().unwrap();
    change(lease);
    lease["metadata"]["resourceVersion"] = json!(version);
}

fn server(record: &Shared) -> Cluster {
    let record = Arc::clone(record);
    serve(move |_, asked| ask(&mut record.lock().unwrap(), &asked.body)).0
}

fn election(record: &Shared, holder: &str) -> Election {
    Election::new(&server(record), "heptio-ark", holder)
}

fn holder_of(record: &Shared) -> String {
    let record = record.lock().unwrap();
    record
        .lease
        .as_ref()
        .and_then(|lease| lease["spec"]["holderIdentity"].as_str())
        .unwrap_or_default()
        .to_owned()
}

async fn won(record: &Shared, holder: &str) -> Held {
    election(record, holder).win(&CancellationToken::new()).await.unwrap().unwrap()
}

fn keep(held: Held) -> (CancellationToken, tokio::task::JoinHandle<Result<(), ControllerError>>) {
    let done = CancellationToken::new();
    let until = done.clone();
    (done, tokio::spawn(async move { held.keep(&until).await }))
}

#[tokio::test(start_paused = true)]
async fn the_first_takes_the_lease_and_the_second_waits_while_it_is_renewed() {
    let record = Shared::default();
    let (done, first) = keep(won(&record, "a").await);
    let stop = CancellationToken::new();
    let second = election(&record, "b");
    let waiting = tokio::time::timeout(Duration::from_secs(300), second.win(&stop));
    assert!(waiting.await.is_err(), "it was renewed for five minutes");
    assert!(holder_of(&record).starts_with("a/"));
    done.cancel();
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_changes_hands_at_once() {
    let record = Shared::default();
    let (done, first) = keep(won(&record, "a").await);
    let heir = tokio::spawn({
        let record = Arc::clone(&record);
        async move { won(&record, "b").await }
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    let released = Instant::now();
    done.cancel();
    first.await.unwrap().unwrap();
    heir.await.unwrap();
    assert!(released.elapsed() <= LOOK_EVERY, "{:?}", released.elapsed());
    assert!(holder_of(&record).starts_with("b/"));
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_dead_server_is_taken_when_it_has_ended_and_not_before() {
    let record = Shared::default();
    let dead = won(&record, "a").await;
    let died = Instant::now();
    drop(dead);
    won(&record, "b").await;
    assert!(died.elapsed() >= VALID_FOR && died.elapsed() <= VALID_FOR + LOOK_EVERY, "{:?}", died.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_stops_before_another_may_begin() {
    let record = Shared::default();
    let held = won(&record, "a").await;
    let renewed = held.renewed;
    let (_done, first) = keep(held);
    record.lock().unwrap().silent = true;
    let error = first.await.unwrap().unwrap_err();
    assert!(matches!(error, ControllerError::LeaseLost { .. }), "{error}");
    assert!(renewed.elapsed() <= GIVE_UP_AFTER, "{:?}", renewed.elapsed());
    record.lock().unwrap().silent = false;
    won(&record, "b").await;
    assert!(renewed.elapsed() >= GIVE_UP_AFTER + LAST_WORDS, "{:?}", renewed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_for_some_seconds_costs_nothing() {
    let record = Shared::default();
    let (done, first) = keep(won(&record, "a").await);
    for _ in 0..10 {
        record.lock().unwrap().silent = true;
        tokio::time::sleep(Duration::from_secs(6)).await;
        record.lock().unwrap().silent = false;
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
    assert!(!first.is_finished());
    done.cancel();
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_finds_another_s_name_in_the_record_stops_at_the_next_renewal() {
    let record = Shared::default();
    let (_done, first) = keep(won(&record, "a").await);
    write(&record, |lease| lease["spec"]["holderIdentity"] = json!("b/1"));
    let taken = Instant::now();
    let error = causes(&first.await.unwrap().unwrap_err());
    assert!(error.contains("`b/") && error.contains("holds the lease"), "{error}");
    assert!(taken.elapsed() <= RENEW_EVERY);
    assert!(holder_of(&record).starts_with("b/"));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_a_person_annotated_or_deleted_stays_with_its_holder() {
    let record = Shared::default();
    let (done, first) = keep(won(&record, "a").await);
    write(&record, |lease| lease["metadata"]["annotations"] = json!({"by": "a person"}));
    tokio::time::sleep(Duration::from_secs(30)).await;
    record.lock().unwrap().lease = None;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(holder_of(&record).starts_with("a/"));
    done.cancel();
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_starts_when_the_record_is_deleted_leaves_it_to_its_holder() {
    let record = Shared::default();
    let (done, first) = keep(won(&record, "a").await);
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        record.lock().unwrap().lease = None;
        let stop = CancellationToken::new();
        let newcomer = election(&record, "b");
        let waiting = tokio::time::timeout(Duration::from_secs(10), newcomer.win(&stop));
        assert!(waiting.await.is_err(), "its holder has written it again");
    }
    assert!(holder_of(&record).starts_with("a/"));
    done.cancel();
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_may_not_read_leases_is_told_at_once_and_who_stands_by_can_be_stopped() {
    let (cluster, _) = serve(|_, _| failure(403, "Forbidden", "leases is forbidden", ""));
    let election = Election::new(&cluster, "heptio-ark", "a");
    assert!(election.win(&CancellationToken::new()).await.is_err_and(|error| error.is_status(403)));
    let record = Shared::default();
    let _held = won(&record, "a").await;
    let stop = CancellationToken::new();
    stop.cancel();
    assert!(super::Election::new(&server(&record), "n", "b").win(&stop).await.unwrap().is_none());
}

#[test]
fn a_restarted_pod_is_not_taken_for_its_predecessor() {
    let record = Shared::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    assert_ne!(election(&record, "pod").me, election(&record, "pod").me);
}

#[test]
fn the_record_counts_changes_of_hands_and_not_renewals() {
    let first = claimed(Lease::default(), "a");
    let again = claimed(first.clone(), "a");
    let other = claimed(again.clone(), "b");
    let spec = |lease: &Lease| lease.spec.clone().unwrap();
    assert_eq!(spec(&first).lease_transitions, Some(1));
    assert_eq!(spec(&again).lease_transitions, Some(1));
    assert_eq!(spec(&again).acquire_time, spec(&first).acquire_time);
    assert_eq!(spec(&other).lease_transitions, Some(2));
}
