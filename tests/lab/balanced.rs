//! A control plane of two API servers over one etcd, behind a balancer, of which one fails in
//! bursts, or lags in discovery, or is away. `hack/test.sh` gives cluster B a second API server for
//! these.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cases::api_server_outages::{discovery, each_once, expect_all, part, restore_through};
use crate::support::{Act, Cluster, Interceptor};

/// So long the second API server knows nothing of a kind that was defined by way of the first.
const LAG: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn two_servers_answer_for_one_cluster() {
    let lab = crate::support::Lab::get().await;
    let second = Cluster::second_of_b().await;
    assert_ne!(lab.b.address(), second.address());
    let system =
        async |cluster: &Cluster| cluster.read("/api/v1/namespaces/kube-system").await.expect("there");
    assert_eq!(system(&lab.b).await["metadata"]["uid"], system(&second).await["metadata"]["uid"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_kind_that_one_of_two_api_servers_does_not_know_yet_is_waited_for() {
    let case = part().await;
    case.back_up();
    let second = Cluster::second_of_b().await;
    let api = Interceptor::of_servers(&[case.b(), &second]).await;
    let stale = discovery(case.b()).await;
    let group = format!("/apis/{}.example.com/", case.id);
    let mut until = None;
    let mut bursts = each_once();
    api.set(move |asked| {
        if asked.method == "POST" && asked.path.ends_with("/customresourcedefinitions") {
            until.get_or_insert_with(|| Instant::now() + LAG);
        }
        if asked.side == 0 {
            return Act::Pass;
        }
        if until.is_some_and(|until| Instant::now() < until) {
            if let Some(answer) = stale.get(&asked.path) {
                return Act::Reply(200, answer.clone());
            }
            if asked.path.starts_with(&group) {
                let message = "the server could not find the requested resource";
                return Act::Reply(404, json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": message, "metadata": {}, "details": {}}));
            }
        }
        bursts(asked)
    });
    let restored = restore_through(&case, case.b(), &api).await;
    expect_all(&case, case.b(), &restored).await;
    expect_all(&case, &second, &restored).await;
    let again = restore_through(&case, case.b(), &api).await;
    assert_eq!(
        (&again.0["created"], &again.0["updated"], &again.0["errors"]),
        (&json!(0), &json!(0), &json!(0)),
        "{}",
        again.1
    );
    case.second_changes_nothing(case.b(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn one_of_two_api_servers_suffices() {
    let case = part().await;
    case.back_up();
    let second = Cluster::second_of_b().await;
    let api = Interceptor::of_servers(&[case.b(), &second]).await;
    api.set(|asked| if asked.side == 1 { Act::Before(Arc::new(|| {})) } else { Act::Pass });
    let restored = restore_through(&case, case.b(), &api).await;
    expect_all(&case, case.b(), &restored).await;
    case.second_changes_nothing(&second, &[]).await;
}
