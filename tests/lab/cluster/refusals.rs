//! What real API servers refuse, and how Ark tells it.

use ark::cluster::{Cluster, ClusterError, ConnectOptions, Patch, Propagation};
use ark::model::Category;
use kube::config::Kubeconfig;
use serde_json::{Value, json};

use super::{create, find, open};
use crate::support::{self, Lab, TestNamespace, eventually, unique};

/// Connects with a kubeconfig that differs from the lab's.
async fn open_with(lab: &support::Cluster, change: impl FnOnce(&mut Value)) -> Result<Cluster, ClusterError> {
    let kubeconfig = Kubeconfig::read_from(&lab.kubeconfig).expect("the lab's kubeconfig is good");
    let mut kubeconfig = serde_json::to_value(kubeconfig).expect("a kubeconfig is JSON");
    change(&mut kubeconfig);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config");
    std::fs::write(&path, kubeconfig.to_string()).expect("writable");
    Cluster::connect(&ConnectOptions { kubeconfig: Some(path), ..ConnectOptions::default() }).await
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn wrong_credentials_and_untrusted_servers_are_told_apart() {
    let lab = Lab::get().await;
    let cluster =
        open_with(&lab.a, |config| config["users"][0]["user"] = json!({ "token": "expired" })).await;
    let error = cluster.expect("nothing is sent yet").identity().await.expect_err("401");
    assert!(matches!(error, ClusterError::Credentials { .. }), "{error}");
    assert!(error.to_string().contains("sign in again"), "{error}");

    let cluster = open_with(&lab.a, |config| {
        config["clusters"][0]["cluster"] = json!({ "server": config["clusters"][0]["cluster"]["server"] });
    });
    let error = cluster.await.expect("nothing is sent yet").identity().await.expect_err("not trusted");
    assert!(matches!(error, ClusterError::Untrusted { .. }), "{error}");
    assert!(error.to_string().contains("certificate-authority"), "{error}");
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_forbidden_kind_is_a_failure_of_that_kind() {
    let lab = Lab::get().await;
    let cluster = open_with(&lab.a, |config| {
        config["users"][0]["user"]["as"] = json!("nobody");
        config["users"][0]["user"]["as-groups"] = json!(["system:authenticated"]);
    });
    let cluster = cluster.await.expect("nothing is sent yet");
    let catalog = cluster.catalog().await.expect("everybody may discover");
    let query =
        ark::cluster::ListQuery { kind: find(&catalog, "secrets"), namespace: None, labels: None, cut: None };
    let error = cluster.lister(query).next().await.expect_err("nobody may list secrets");
    assert_eq!(error.category(), Category::Forbidden);
    assert!(
        !error.is_about_the_connection() && error.to_string().starts_with("cannot list secrets: "),
        "{error}"
    );
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_is_too_large_or_there_already_has_its_category() {
    let lab = Lab::get().await;
    let cluster = open(&lab.a).await;
    let catalog = cluster.catalog().await.expect("a catalog");
    let own = TestNamespace::create(&lab.a, "refusals").await;
    let endpoints = find(&catalog, "endpoints");
    // The first is more than etcd takes, 1.5 MiB; the second more than the API server reads, 3 MiB.
    for count in [30_000, 60_000] {
        let address =
            |n| json!({ "ip": format!("10.1.{}.{}", n / 250, n % 250), "hostname": "a".repeat(60) });
        let addresses: Vec<_> = (0..count).map(address).collect();
        let subset = json!({ "addresses": addresses, "ports": [{ "port": 1 }] });
        let body = json!({ "apiVersion": "v1", "kind": "Endpoints", "metadata": { "name": "large" }, "subsets": [subset] });
        let error = cluster.create(endpoints, Some(&own.name), body.to_string()).await.err();
        let error = error.expect("it is too large");
        assert_eq!(error.category(), Category::TooLarge, "{error}");
    }

    let maps = find(&catalog, "configmaps");
    create(&cluster, maps, Some(&own.name), "twice", json!({})).await;
    let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "twice" } });
    let error = cluster.create(maps, Some(&own.name), body.to_string()).await.expect_err("it is there");
    assert!(error.is_already_exists() && !error.may_be_own(), "{error}");
    let apply = Patch::Apply { object: body.to_string(), manager: "ark" };
    let applied = cluster.patch(maps, Some(&own.name), "twice", &apply).await.expect("applies");
    let wrong = cluster
        .delete(maps, Some(&own.name), "twice", Some("another-uid"), Propagation::Background)
        .await
        .expect_err("another object");
    assert!(wrong.is_conflict(), "{wrong}");
    let uid = Some(&*applied.uid);
    cluster
        .delete(maps, Some(&own.name), "twice", uid, Propagation::Background)
        .await
        .expect("that very object");
    assert_eq!(cluster.get(maps, Some(&own.name), "twice").await.expect("readable"), None);
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_webhook_that_refuses_is_told_from_a_server_that_fails() {
    let lab = Lab::alone().await;
    let cluster = open(&lab.a).await;
    let catalog = cluster.catalog().await.expect("a catalog");
    let own = TestNamespace::create(&lab.a, "webhook").await;
    let webhooks = find(&catalog, "validatingwebhookconfigurations.admissionregistration.k8s.io");
    let name = unique("webhook");
    let webhook = json!({
        "name": "deny.example.com", "clientConfig": { "url": "https://127.0.0.1:1/" }, "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": own.name } },
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"] }],
    });
    create(&cluster, webhooks, None, &name, json!({ "webhooks": [webhook] })).await;
    let maps = find(&catalog, "configmaps");
    let error = eventually("the webhook is in effect", async || {
        let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "generateName": "a-" } });
        cluster.create(maps, Some(&own.name), body.to_string()).await.err()
    })
    .await;
    cluster.delete(webhooks, None, &name, None, Propagation::Background).await.expect("deletable");
    assert_eq!(error.category(), Category::Refused, "{error}");
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_aggregated_api_that_does_not_answer_fails_alone() {
    let lab = Lab::alone().await;
    let cluster = open(&lab.a).await;
    let catalog = cluster.catalog().await.expect("a catalog");
    let services = find(&catalog, "apiservices.apiregistration.k8s.io");
    let group = format!("{}.example.com", unique("absent"));
    let name = format!("v1.{group}");
    let spec = json!({
        "group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10,
        "service": { "name": "absent", "namespace": "default" }, "insecureSkipTLSVerify": true,
    });
    create(&cluster, services, None, &name, json!({ "spec": spec })).await;
    let found = eventually("discovery knows of the absent API", async || {
        let found = cluster.catalog().await.expect("the catalog of the rest");
        found.failures.iter().any(|failure| failure.group_version == format!("{group}/v1")).then_some(found)
    })
    .await;
    cluster.delete(services, None, &name, None, Propagation::Background).await.expect("deletable");
    // Other tests would have findings of it.
    eventually("discovery has forgotten the absent API", async || {
        cluster.catalog().await.expect("a catalog").failures.is_empty().then_some(())
    })
    .await;
    assert_eq!(found.failures.len(), 1, "{:?}", found.failures);
    assert!(found.find(&find(&catalog, "deployments.apps").resource).is_some());
}
