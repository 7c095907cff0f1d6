//! HTTP actions around a backup of the fake engine cluster, against a server that plays the replies
//! of Elasticsearch and OpenSearch.

mod search_server;
mod tls;

use std::collections::BTreeMap;

use ark::api::{Backup, BackupAction, BackupSpec, Origin};
use ark::backup::{BackupOutcome, BackupRequest};
use ark::bucket::Bucket;
use ark::cluster::{Cluster, ConnectOptions};
use ark::model::Progress;
use ark::store::Location;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::fake_engine_cluster::nobody;
use crate::fixture::Fixture;
use search_server::{Play, SearchServer};

const PASSWORD: &str = "hunter2 \"and\" more";

/// The action of the sample, which asks this server instead of the Service.
fn sample(url: &str) -> BackupAction {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/samples/backup-elasticsearch.yaml");
    let text = std::fs::read_to_string(path).expect("the sample is there");
    let backup: Backup = serde_saphyr::from_str(&text).expect("a Backup");
    let mut action = backup.spec.hooks.expect("hooks").actions.remove(0);
    action.namespace = "shop".to_owned();
    let http = action.http.as_mut().expect("an HTTP action");
    http.service = None;
    http.url = Some(url.to_owned());
    http.ca_cert_from = None;
    let poll = http.poll.as_mut().expect("it polls");
    poll.interval = Some("10ms".parse().expect("a duration"));
    action
}

/// An action of one request.
fn simple(url: &str, method: &str, more: Value) -> BackupAction {
    let mut http = json!({"url": url, "method": method, "path": "/flush"});
    for (field, value) in more.as_object().expect("fields") {
        http[field] = value.clone();
    }
    let action = json!({"name": "flush", "namespace": "shop", "timeout": "20s", "http": http});
    serde_json::from_value(action).expect("an action")
}

/// A backup with an action, and all that was told of it.
struct Made {
    phase: Value,
    /// Its errors, one a line.
    errors: String,
    log: String,
    /// All that is stored of it.
    document: String,
}

/// Makes the backup `quiet` with this action.
fn back_up(action: &BackupAction) -> Made {
    let fixture = Fixture::new();
    let secret = |text: &str| json!(ByteString(text.as_bytes().to_vec()));
    let data = json!({"elastic": secret(&format!("{PASSWORD}\n")), "key": secret("ApiKey bGV0bWVpbg==")});
    fixture.cluster.put("secrets", Some("shop"), "search-es-elastic-user", json!({"data": data}));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let BackupOutcome { backup, results } = runtime.block_on(run(&fixture, action));
    let log = fixture.run(&["backup", "logs", "quiet"]).expect_code(0).stdout;
    let document = serde_json::to_string(&backup).expect("JSON");
    let errors = results.findings.iter().map(|finding| format!("{finding}\n")).collect();
    let phase = json!(backup.status.expect("a status").phase);
    let made = Made { phase, errors, log, document };
    for told in [&made.errors, &made.log, &made.document] {
        let secrets = ["hunter2", "bGV0bWVpbg", "ZWxhc3RpYzpodW50ZXIy"];
        assert!(secrets.iter().all(|secret| !told.contains(secret)), "a secret is told: {told}");
    }
    made
}

async fn run(fixture: &Fixture, action: &BackupAction) -> BackupOutcome {
    let options =
        ConnectOptions { kubeconfig: Some(fixture.cluster.kubeconfig()), ..ConnectOptions::default() };
    let cluster = Cluster::connect(&options).await.expect("a good kubeconfig");
    let location = Location::from_url(&fixture.location).expect("a location");
    let bucket = Bucket::new(ark::store::open(&location).await.expect("a folder"));
    let mut spec = BackupSpec::default();
    spec.hooks.get_or_insert_default().actions.push(action.clone());
    let request = BackupRequest {
        name: "quiet".parse().expect("a name"),
        spec,
        labels: BTreeMap::new(),
        uid: "0fc8dd0a-6c1c-4c5e-9e4f-0a3a5cf0a0a1".to_owned(),
        namespace: None,
        origin: Origin::default(),
        holder: "test".to_owned(),
        cluster: cluster.identity().await.expect("it answers"),
        notes: None,
        runs_hooks: true,
        attempt: 1,
    };
    let never = std::future::pending();
    ark::backup::run(&cluster, &bucket, &request, &Progress::default(), never).await.expect("a backup")
}

#[track_caller]
fn assert_failed(made: &Made, says: &[&str]) {
    assert_eq!(made.phase, json!("PartiallyFailed"), "{}", made.log);
    assert!(says.iter().all(|text| made.errors.contains(text)), "{says:?} in {}", made.errors);
}

#[test]
fn a_snapshot_is_begun_and_waited_for_under_the_name_of_the_backup() {
    for success in ["elasticsearch-success", "opensearch-success"] {
        let plays = [
            Play::Reply("elasticsearch-accepted"),
            Play::Reply("elasticsearch-in-progress"),
            Play::Reply("elasticsearch-in-progress"),
            Play::Reply(success),
        ];
        let server = SearchServer::start(&plays);
        let made = back_up(&sample(&server.url));
        assert_eq!(made.phase, json!("Completed"), "{}", made.errors);
        let poll = "GET /_snapshot/nightly/quiet".to_owned();
        let begin = "PUT /_snapshot/nightly/quiet?wait_for_completion=false".to_owned();
        assert_eq!(server.lines(), [begin, poll.clone(), poll.clone(), poll]);
        let asked = &server.asked()[0];
        assert!(asked.contains("authorization: Basic ZWxhc3RpYzpodW50ZXIyICJhbmQiIG1vcmU="), "{asked}");
        assert!(asked.contains("content-type: application/json"), "{asked}");
        assert!(asked.ends_with(r#""backup":"quiet"}}"#), "{asked}");
        let states = made.log.matches("`/snapshots/0/state` is `IN_PROGRESS`").count();
        assert_eq!(states, 1, "a state is told once: {}", made.log);
        assert!(made.log.contains("was answered by 200 OK") && made.log.contains("SUCCESS"), "{}", made.log);
    }
}

/// What is prepared may take minutes, in which pods come and go.
#[test]
fn pods_with_hooks_are_looked_for_once_the_actions_before_the_instant_have_ended() {
    let fixture = Fixture::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let body = json!({"bodyFrom": {"name": "nobody", "key": "body"}});
    let begin = fixture.cluster.asked().len();
    runtime.block_on(run(&fixture, &simple("http://127.0.0.1:1", "POST", body)));
    let asked = fixture.cluster.asked().split_off(begin);
    let first = |part: &str| asked.iter().position(|asked| asked.contains(part));
    let order = [first("/secrets?").expect("the Secret is read"), first("/pods?").expect("they are listed")];
    assert!(order.is_sorted(), "{order:?} in {asked:#?}");
}

#[test]
fn a_snapshot_that_lacks_shards_or_failed_is_an_error() {
    for (end, says) in [
        ("elasticsearch-partial", "is `PARTIAL`"),
        ("elasticsearch-failed", "is `FAILED`"),
        ("opensearch-partial", "is `PARTIAL`"),
    ] {
        let server = SearchServer::start(&[Play::Reply("elasticsearch-accepted"), Play::Reply(end)]);
        let made = back_up(&sample(&server.url));
        assert_failed(&made, &["pre of action `snapshot` failed", "`/snapshots/0/state`", says]);
        assert!(made.log.contains("INTERNAL_SERVER_ERROR"), "the answer is in the log: {}", made.log);
    }
}

#[test]
fn what_passes_is_asked_again_and_what_does_not_is_told() {
    let server = SearchServer::start(&[
        Play::Reply("elasticsearch-busy"),
        Play::Reply("elasticsearch-accepted"),
        Play::Reply("elasticsearch-busy"),
        Play::Truncated("elasticsearch-success"),
        Play::Hangup,
        Play::Reply("elasticsearch-success"),
    ]);
    let made = back_up(&sample(&server.url));
    assert_eq!((made.phase, server.lines().len()), (json!("Completed"), 6), "{}", made.errors);
    for says in
        ["503 Service Unavailable; it is asked again", "broke off after", "the connection broke before"]
    {
        assert!(made.log.contains(says), "{says}: {}", made.log);
    }
    for (plays, says) in [
        (vec![Play::Truncated("elasticsearch-accepted")], "(200 OK) broke off after 16 bytes"),
        (vec![Play::Flood], "(200 OK) has more than 1048576 bytes"),
        (vec![Play::Reply("elasticsearch-name-taken")], "400 Bad Request: {\"error\""),
        (vec![Play::Hangup, Play::Reply("elasticsearch-name-taken")], "; an earlier try may have been done"),
        (vec![Play::Reply("elasticsearch-accepted"), Play::Text("200 OK", "<html>")], "is no JSON"),
        (vec![Play::Reply("elasticsearch-accepted"), Play::Text("404 Not Found", "{}")], "404 Not Found"),
    ] {
        let server = SearchServer::start(&plays);
        let made = back_up(&sample(&server.url));
        assert_failed(&made, &[says]);
        assert_eq!(server.lines().len(), plays.len(), "{:?}", server.lines());
    }
}

#[test]
fn what_must_not_be_done_twice_is_sent_once() {
    for (method, play, says) in [
        ("POST", Play::Reply("elasticsearch-busy"), "503 Service Unavailable"),
        ("POST", Play::Hangup, "nobody knows whether it was done"),
        ("PATCH", Play::Hangup, "nobody knows whether it was done"),
    ] {
        let server = SearchServer::start(&[play]);
        assert_failed(&back_up(&simple(&server.url, method, json!({}))), &[says]);
        assert_eq!(server.lines(), [format!("{method} /flush")]);
    }
}

#[test]
fn a_server_that_nobody_is_at_or_that_does_not_answer_is_asked_until_the_time_is_over() {
    let server = SearchServer::start(&[Play::Silence]);
    for (url, says) in [
        (format!("http://{}", nobody()), "cannot connect for POST http://127.0.0.1:1/flush"),
        (server.url, "it was not done after 1s"),
    ] {
        let mut action = simple(&url, "POST", json!({}));
        action.timeout = Some("1s".parse().expect("a duration"));
        assert_failed(&back_up(&action), &["it was not done after 1s", says]);
    }
}

#[test]
fn a_redirect_is_not_followed_and_named_with_where_it_leads() {
    let elsewhere = SearchServer::start(&[]);
    let to: &'static str = format!("{}/login?token=hunter2", elsewhere.url).leak();
    let server = SearchServer::start(&[Play::Redirect(to)]);
    let made = back_up(&sample(&server.url));
    let there = format!("redirect to {}/login (307 Temporary Redirect)", elsewhere.url);
    assert_failed(&made, &[&server.url, &there]);
    assert_eq!(elsewhere.lines(), [""; 0], "credentials go to nobody else");
}

#[test]
fn a_server_that_repeats_the_credentials_makes_nobody_tell_them() {
    let server = SearchServer::start(&[Play::Echo("elasticsearch-unauthorized")]);
    let made = back_up(&sample(&server.url));
    assert_failed(&made, &["401 Unauthorized: ", "unable to authenticate user [elastic]"]);
    assert!(made.log.contains("answer: authorization: ***"), "{}", made.log);
    let header = json!({"headers": [
        {"name": "Authorization", "valueFrom": {"name": "search-es-elastic-user", "key": "key"}},
        {"name": "X-Reason", "value": "backup"},
    ]});
    let server = SearchServer::start(&[Play::Echo("elasticsearch-unauthorized")]);
    let made = back_up(&simple(&server.url, "POST", header));
    assert_failed(&made, &["401 Unauthorized: "]);
    assert!(server.asked()[0].contains("authorization: ApiKey bGV0bWVpbg=="), "{:?}", server.asked());
}

#[test]
fn without_its_secret_nothing_is_sent() {
    let server = SearchServer::start(&[]);
    for (name, key, says) in [
        ("nobody", "key", "there is no Secret shop/nobody"),
        ("search-es-elastic-user", "other", "has no text under the key `other`"),
    ] {
        let token = json!({"bearerToken": {"name": name, "key": key}});
        assert_failed(&back_up(&simple(&server.url, "POST", token)), &["nothing was sent: ", says]);
    }
    assert_eq!(server.lines(), [""; 0]);
}
