//! API servers that fail for a moment: bursts of 500, 502 and 429, one 401, a discovery that lags,
//! a minute without an answer. None of it is a reason to miss anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Case, create_many, definition, manifests, open_schema};
use crate::backup::{back_up, contents};
use crate::process::{Run, run};
use crate::restore::{count, destroy};
use crate::support::{Act, Asked, Cluster, Interceptor, path_of, unique};

/// As a static pod takes to start again, and more than once were the end of a run.
const AWAY: Duration = Duration::from_secs(65);
const MAPS: usize = 40;

/// Case 45 in cluster A: what a part needs of the cluster, and so many items that a run takes a
/// while.
pub async fn part() -> Case {
    let mut case = Case::of(
        "c45",
        &[
            manifests::namespace("c45"),
            manifests::account("c45", "robot"),
            manifests::class("c45-class"),
            manifests::claim("c45", "data", "c45-class"),
            manifests::role("c45-role", "configmaps"),
            manifests::binding("c45-binding", "c45-role", "c45", "robot"),
        ],
    )
    .await;
    let group = format!("{}.example.com", case.id);
    case.objects.push(definition(&group, &open_schema(), &json!({"status": {}})));
    for number in 0..MAPS {
        let name = format!("m{number}");
        case.objects.push(manifests::config_map(&case.id, &name, "v"));
        let metadata = json!({"name": name, "namespace": case.id});
        case.objects.push(json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": metadata, "spec": {"k": "v"}}));
    }
    let (first, many) = case.objects.split_at(7);
    case.a().create_all(first).await;
    create_many(case.a(), many.iter().cloned()).await;
    case
}

/// Each request that was not made before fails once, each time in another way; a write now and then
/// after it was carried out.
pub fn each_once() -> impl FnMut(&Asked) -> Act + Send + 'static {
    let mut seen = BTreeSet::new();
    move |asked| {
        let name = asked.body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let request = (asked.method.clone(), asked.path.clone(), asked.query.clone(), name);
        if !seen.insert(request) {
            return Act::Pass;
        }
        match (seen.len() % 5, &*asked.method) {
            (0, _) => failure(500, "etcdserver: leader changed"),
            (1, _) => Act::Answer(502),
            (2, _) => failure(429, "too many requests, please try again later"),
            (3, "GET") => failure(500, "etcdserver: request timed out"),
            (3, _) => Act::Instead(500),
            (_, "GET") => Act::Pass,
            _ => Act::Instead(502),
        }
    }
}

fn failure(code: u16, message: &str) -> Act {
    let reason = if code == 429 { "TooManyRequests" } else { "InternalError" };
    Act::Reply(
        code,
        json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message, "metadata": {}}),
    )
}

/// Runs `ark ARGUMENTS…` by way of `api`, without holding up the threads that serve it.
pub async fn through(cluster: &Cluster, api: &Interceptor, arguments: &[&str], code: i32) -> Run {
    let kubeconfig = api.kubeconfig();
    let file = kubeconfig.path().display().to_string();
    let mut command = cluster.ark(arguments.iter().copied().chain(["--kubeconfig", &file]));
    let ran = tokio::task::spawn_blocking(move || run(&mut command)).await.expect("it runs");
    ran.expect_code(code)
}

async fn back_up_through(case: &Case, api: &Interceptor, name: &str) -> Run {
    let arguments = ["backup", "run", name, "--location", &case.bucket, "--include-namespaces", &case.id];
    through(case.a(), api, &arguments, 0).await
}

/// The status of a restore by way of `api`, and what it said.
pub async fn restore_through(case: &Case, cluster: &Cluster, api: &Interceptor) -> (Value, String) {
    let name = unique("through");
    let arguments =
        ["restore", "run", &name, "--location", &case.bucket, "--from-backup", "one", "-o", "json"];
    let run = through(cluster, api, &arguments, 0).await;
    let document: Value = serde_json::from_str(&run.stdout).expect("the document is JSON");
    (document["status"].clone(), run.stderr)
}

/// Nothing was said, and every object of the case is there.
pub async fn expect_all(case: &Case, cluster: &Cluster, (status, said): &(Value, String)) {
    assert_eq!((count(status, "warnings"), count(status, "errors")), (0, 0), "{status}\n{said}");
    for object in &case.objects {
        assert!(cluster.read(&path_of(object)).await.is_some(), "{} is not there\n{said}", path_of(object));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_part_that_is_backed_up_through_bursts_of_errors_lacks_nothing() {
    let case = part().await;
    case.back_up();
    let api = Interceptor::of_cluster(case.a()).await;
    api.set(each_once());
    back_up_through(&case, &api, "through").await;
    let [direct, through] = ["one", "through"].map(|name| contents(case.a(), &case.bucket, name));
    assert_eq!(direct, through);
    assert!(direct.len() > 2 * MAPS, "{direct:?}");
}

/// Each request fails once, writes partly after they were carried out: all items are there, and
/// each counts as created once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_restore_through_bursts_of_errors_makes_everything_once() {
    let case = part().await;
    case.back_up();
    let api = Interceptor::of_cluster(case.b()).await;
    api.set(each_once());
    let restored = restore_through(&case, case.b(), &api).await;
    expect_all(&case, case.b(), &restored).await;
    let direct = case.second_writes_nothing(case.b(), &[]).await;
    assert_eq!(count(&direct.status, "warnings"), 0, "{}", direct.said);
    // What was made, though its answer was lost, counts as made.
    let items = contents(case.a(), &case.bucket, "one").len();
    let (created, skipped) = (count(&restored.0, "created"), count(&restored.0, "skipped"));
    assert_eq!(created + skipped, u64::try_from(items).expect("few"), "{}", restored.0);
    assert!(created >= u64::try_from(case.objects.len()).expect("few"), "{}", restored.0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn one_401_ends_neither_a_backup_nor_a_restore() {
    let case = part().await;
    let once = |wanted: fn(&Asked) -> bool| {
        let mut left = 1;
        move |asked: &Asked| {
            if left > 0 && wanted(asked) {
                left -= 1;
                return Act::Reply(
                    401,
                    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 401, "reason": "Unauthorized", "message": "Unauthorized", "metadata": {}}),
                );
            }
            Act::Pass
        }
    };
    let api = Interceptor::of_cluster(case.a()).await;
    api.set(once(|asked| asked.path.ends_with("/configmaps")));
    back_up_through(&case, &api, "one").await;
    let items = contents(case.a(), &case.bucket, "one");
    assert_eq!(items.iter().filter(|item| item.starts_with("configmaps ")).count(), MAPS, "{items:?}");
    let api = Interceptor::of_cluster(case.b()).await;
    api.set(once(|asked| asked.method == "POST" && asked.path.ends_with("/configmaps")));
    let restored = restore_through(&case, case.b(), &api).await;
    expect_all(&case, case.b(), &restored).await;
}

/// From the first request that `begins`, no request is answered for [`AWAY`]: its connection ends.
fn away_from(
    begins: fn(&Asked) -> bool,
    came_back: &Arc<Mutex<Option<Instant>>>,
) -> impl FnMut(&Asked) -> Act + Send + 'static {
    let until = Arc::clone(came_back);
    move |asked| {
        let mut until = until.lock().expect("nobody panics with it");
        if until.is_none() && begins(asked) {
            *until = Some(Instant::now() + AWAY);
        }
        if until.is_some_and(|until| Instant::now() < until) {
            Act::Before(Arc::new(|| {}))
        } else {
            Act::Pass
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_api_server_that_is_away_for_a_minute_is_waited_for() {
    let case = part().await;
    case.back_up();
    let (source, target) = (Interceptor::of_cluster(case.a()).await, Interceptor::of_cluster(case.b()).await);
    let (left, came) = (Arc::default(), Arc::default());
    source.set(away_from(|asked| asked.path.ends_with("/configmaps"), &left));
    target.set(away_from(|asked| asked.method == "POST" && asked.path.ends_with("/configmaps"), &came));
    let (_, restored) =
        tokio::join!(back_up_through(&case, &source, "away"), restore_through(&case, case.b(), &target));
    for each in [left, came] {
        assert!(each.lock().expect("nobody panics with it").is_some(), "it was away meanwhile");
    }
    expect_all(&case, case.b(), &restored).await;
    let [direct, away] = ["one", "away"].map(|name| contents(case.a(), &case.bucket, name));
    assert_eq!(direct, away);
    case.second_changes_nothing(case.b(), &[]).await;
}

/// Discovery as a cluster answers it now, by path.
pub async fn discovery(cluster: &Cluster) -> BTreeMap<String, Value> {
    let mut answers = BTreeMap::new();
    for root in ["/api", "/apis"] {
        answers.insert(root.to_owned(), cluster.discovery(root).await);
    }
    answers
}

/// Discovery is answered as it was before a kind was defined: the backup has its resources, or says
/// that it lacks them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_whose_discovery_lags_does_not_miss_a_kind_in_silence() {
    let mut case = Case::of("c46", &[manifests::namespace("c46")]).await;
    case.create().await;
    let before = discovery(case.a()).await;
    let group = format!("{}.example.com", case.id);
    let widget = json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "one", "namespace": case.id}, "spec": {}});
    let late = [definition(&group, &open_schema(), &json!({})), widget];
    case.a().create_all(&late).await;
    case.objects.extend(late);
    let api = Interceptor::of_cluster(case.a()).await;
    api.set(move |asked| before.get(&asked.path).map_or(Act::Pass, |answer| Act::Reply(200, answer.clone())));
    let kubeconfig = api.kubeconfig();
    let file = kubeconfig.path().display().to_string();
    let arguments = [
        "backup",
        "run",
        "lags",
        "--location",
        &case.bucket,
        "--include-namespaces",
        &case.id,
        "--kubeconfig",
        &file,
    ];
    let mut command = case.a().ark(arguments);
    let made = tokio::task::spawn_blocking(move || run(&mut command)).await.expect("it runs");
    let items = contents(case.a(), &case.bucket, "lags");
    let has = items.iter().any(|item| item.starts_with(&format!("widgets.{group} ")));
    let told = made.code != Some(0) || made.stderr.contains(&group);
    assert!(has || told, "{items:?}\n{}", made.transcript());
    // Asked again, discovery knows of it.
    back_up(case.a(), &case.bucket, "one", &["--include-namespaces", &case.id], 0);
    destroy(case.a(), &case.id).await;
    case.restore_cleanly(case.a(), &[]);
    case.second_changes_nothing(case.a(), &[]).await;
}
