//! Killed while a Restore runs: the next server goes on, and nothing is there twice.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::intercepted::{InterceptedServer, KillPoint, api, s3, without_attempts};
use super::super::{BACKUP, RESTORE};
use super::{backups, cases};
use crate::backup::config_map;
use crate::support::{Act, Cluster, Lab, TestNamespace, eventually};

pub const KILL_POINTS: &[KillPoint] = &[
    api("Restore: labelled with its location", "PATCH", "/restores/{}", ""),
    api("Restore: status InProgress", "PUT", "/restores/{}/status", r#""phase":"InProgress""#),
    s3("Restore: claim", "PUT", "/restores/{}/claim.json"),
    api("Restore: namespace", "POST", "/api/v1/namespaces", r#""ark.heptio.com/restore-name":"{}""#),
    api(
        "Restore: item that the cluster makes itself",
        "PUT",
        ACCOUNT,
        r#""ark.heptio.com/restore-name":"{}""#,
    ),
    api("Restore: item", "POST", "/configmaps", r#""ark.heptio.com/restore-name":"{}""#),
    api("Restore: item with an owner", "POST", "/secrets", r#""ark.heptio.com/restore-name":"{}""#),
    api(
        "Restore: item that controllers act on",
        "POST",
        "/deployments",
        r#""ark.heptio.com/restore-name":"{}""#,
    ),
    api("Restore: references to an owner", "PATCH", "/secrets/owned", "ownerReferences"),
    s3("Restore: index", "PUT", "/restores/{}/*/index.ndjson.zst"),
    s3("Restore: results", "PUT", "/restores/{}/*/results.json.zst"),
    s3("Restore: log", "PUT", "/restores/{}/*/logs.ndjson.zst"),
    s3("Restore: document, the commit", "PUT", "/restores/{}/ark-restore.json"),
    s3("Restore: claim let go", "DELETE", "/restores/{}/claim.json"),
    api("Restore: status Completed", "PUT", "/restores/{}/status", r#""phase":"Completed""#),
];

/// The item that the cluster makes in each new namespace.
const ACCOUNT: &str = "/serviceaccounts/default";

const FILES: [&str; 4] = ["ark-restore.json", "index.ndjson.zst", "logs.ndjson.zst", "results.json.zst"];

/// What the restores bring back: one of each class.
async fn furnish(cluster: &Cluster, namespace: &str) {
    config_map(cluster, namespace, "settings", &json!({"k": "v"})).await;
    let core = format!("/api/v1/namespaces/{namespace}");
    let service = json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}});
    let service = cluster.create(&format!("{core}/services"), &service).await;
    // Services come after Secrets, so that the reference follows.
    let owner =
        json!({"apiVersion": "v1", "kind": "Service", "name": "web", "uid": service["metadata"]["uid"]});
    let owned = json!({"metadata": {"name": "owned", "ownerReferences": [owner]}, "stringData": {"k": "v"}});
    cluster.create(&format!("{core}/secrets"), &owned).await;
    let deployment = json!({"metadata": {"name": "web"}, "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}}}});
    cluster.create(&format!("/apis/apps/v1/namespaces/{namespace}/deployments"), &deployment).await;
    // Without a change of its own the account of the copy needs none either.
    let change = |account: &mut Value| account["imagePullSecrets"] = json!([{"name": "registry"}]);
    cluster.edit(&format!("{core}/serviceaccounts/default"), "", change).await;
}

/// The items of a namespace that a restore brought, with their uids.
async fn uids(cluster: &Cluster, namespace: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let core = format!("/api/v1/namespaces/{namespace}");
    let apps = format!("/apis/apps/v1/namespaces/{namespace}");
    for path in [
        core.clone(),
        format!("{core}/configmaps/settings"),
        format!("{core}/secrets/owned"),
        format!("{core}/services/web"),
        format!("{apps}/deployments/web"),
    ] {
        if let Some(object) = cluster.read(&path).await {
            found.insert(path, object["metadata"]["uid"].as_str().expect("a uid").to_owned());
        }
    }
    found
}

/// How many items were dealt with, and how many were brought; the same whether the run was
/// interrupted or not.
fn figures(status: &Value) -> (u64, u64, u64, u64) {
    let number = |field: &Value| field.as_u64().unwrap_or_default();
    let brought = number(&status["created"]) + number(&status["updated"]);
    (
        number(&status["progress"]["itemsRestored"]),
        brought,
        number(&status["warnings"]),
        number(&status["errors"]),
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_restore_goes_on_and_duplicates_nothing_wherever_the_server_is_killed() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "original").await;
    furnish(&lab.a, &namespace.name).await;
    let mut intercepted = InterceptedServer::start(&lab, "crash-restore").await;
    backups::begin(&intercepted.installation, "source", &namespace.name).await;
    intercepted.installation.reach(BACKUP, "source", "Completed").await;
    let begin = async |intercepted: &InterceptedServer<'_>, name: &str| {
        let copy = TestNamespace::reserve(&lab.a, "copy");
        let mapping = json!({&namespace.name: &copy.name});
        intercepted
            .installation
            .create(RESTORE, name, json!({"backupName": "source", "namespaceMapping": mapping}))
            .await;
        copy
    };
    let copy = begin(&intercepted, "undisturbed").await;
    let whole = figures(&intercepted.installation.reach(RESTORE, "undisturbed", "Completed").await["status"]);
    assert_eq!(uids(&lab.a, &copy.name).await.len(), 5);
    assert_eq!((whole.2, whole.3), (0, 0));

    for (point, moment, name) in cases(KILL_POINTS, "restore") {
        println!("{moment:?} `{}`: {name}", point.what);
        intercepted.kill_at(point, moment, &name);
        let is_made = CancellationToken::new();
        if point.path == ACCOUNT {
            let held = is_made.clone();
            intercepted.api.precede(move |asked| {
                let creates = asked.method == "POST" && asked.path.ends_with("/serviceaccounts");
                if creates { Act::Held(held.clone()) } else { Act::Pass }
            });
        }
        let copy = begin(&intercepted, &name).await;
        if point.path == ACCOUNT {
            let path = format!("/api/v1/namespaces/{}{ACCOUNT}", copy.name);
            eventually("the cluster makes the account", async || lab.a.read(&path).await).await;
            is_made.cancel();
        }
        intercepted.dies_at(point, moment).await;
        let document = format!("restores/{name}/ark-restore.json");
        let (early, before) = (intercepted.object(&document).await, uids(&lab.a, &copy.name).await);
        intercepted.start_next().await;
        let restore = intercepted.installation.reach(RESTORE, &name, "Completed").await;
        assert_eq!(figures(&restore["status"]), whole, "{restore}");
        let after = uids(&lab.a, &copy.name).await;
        assert_eq!(after.len(), 5, "{after:?}");
        for (path, uid) in &before {
            assert_eq!(after.get(path), Some(uid), "{path} was made anew");
        }
        let owned = format!("/api/v1/namespaces/{}/secrets/owned", copy.name);
        let owned = lab.a.read(&owned).await.expect("there");
        let service = &after[&format!("/api/v1/namespaces/{}/services/web", copy.name)];
        assert_eq!(owned["metadata"]["ownerReferences"][0]["uid"], **service, "{owned}");
        let committed = intercepted.object(&document).await.expect("committed");
        assert!(early.is_none_or(|early| early == committed), "what was committed was written again");
        assert_eq!(committed["metadata"]["uid"], restore["metadata"]["uid"]);
        let keys: Vec<String> = FILES.iter().map(|file| format!("restores/{name}/{file}")).collect();
        assert_eq!(without_attempts(intercepted.keys(&format!("restores/{name}/")).await), keys);
    }
}
