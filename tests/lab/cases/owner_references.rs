//! What is owned comes before its owner's controller makes it anew, and belongs to the new owner.

use serde_json::{Value, json};

use super::{Case, bound, create_many, definition, manifests, open_schema, owners, uid};
use crate::restore::{count, destroy};
use crate::support::{Cluster, Operator, TestNamespace, eventually};

const CHAINS: &str = include_str!("data/25-chains-of-owners.yaml");
const CHAINS_THEN: &str = include_str!("data/25-chains-of-owners-then.yaml");
const CLAIMS: &str = include_str!("data/09-owned-claims.yaml");
/// As many as made a StatefulSet's controller faster than what followed it, each time.
const INGRESSES: usize = 150;

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn chains_of_owners_are_linked_to_the_new_ones() {
    let mut case = Case::get("c25", CHAINS).await;
    let then = case.more(CHAINS_THEN);
    case.objects.extend(then);
    case.create().await;
    let version = format!("{}.example.com/v1", case.id);
    let secret = |namespace: &str| format!("/api/v1/namespaces/{namespace}/secrets/cert");
    let of = |namespace: &str, rest: &str| format!("/apis/{version}/namespaces/{namespace}/{rest}");
    let own = |namespace: &str| {
        [
            (of(namespace, "mconfigs/web"), of(namespace, "zservices/web")),
            (of(namespace, "arevisions/web-1"), of(namespace, "mconfigs/web")),
            (secret(namespace), of(namespace, "arevisions/web-1")),
        ]
    };
    let circle = |namespace: &str| [of(namespace, "mconfigs/round-a"), of(namespace, "mconfigs/round-b")];
    for (child, owner) in own(&case.id) {
        let owner = case.a().read(&owner).await.expect("created");
        case.a().own(&child, &owner).await;
    }
    let [one, two] = circle(&case.id);
    for (child, owner) in [(&one, &two), (&two, &one)] {
        let owner = case.a().read(owner).await.expect("created");
        case.a().own(child, &owner).await;
    }
    case.back_up();

    let copy = TestNamespace::reserve(case.a(), "c25-copy");
    let mapping = format!("{}:{}", case.id, copy.name);
    let targets: [(&Cluster, &str, &[&str]); 2] =
        [(case.b(), &case.id, &[]), (case.a(), &copy.name, &["--namespace-mappings", &mapping])];
    for (cluster, namespace, flags) in targets {
        let restored = case.restore(cluster, flags, 0);
        for (child, owner) in own(namespace) {
            assert_eq!(
                owners(cluster, &child).await,
                [uid(cluster, &owner).await],
                "{child}\n{}",
                restored.said
            );
        }
        for member in circle(namespace) {
            assert!(cluster.read(&member).await.is_some(), "{member}\n{}", restored.said);
        }
        case.second_changes_nothing(cluster, flags).await;
    }
}

/// Both claims of case 09 are as they were, hold their volumes, and the one belongs to the
/// StatefulSet.
async fn expect_claims(case: &Case, cluster: &Cluster) {
    for name in ["db", "free"] {
        let path = case.core_path(&format!("persistentvolumeclaims/data-{name}-0"));
        let claim = bound(cluster, &path).await;
        assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "2Gi", "{claim}");
        assert_eq!(claim["metadata"]["labels"]["tier"], "gold", "{claim}");
        assert_eq!(claim["metadata"]["annotations"]["backup.example.com/pool"], "fast", "{claim}");
        assert_eq!(claim["spec"]["volumeName"], json!(format!("{}-{name}", case.id)));
        let volume = bound(cluster, &format!("/api/v1/persistentvolumes/{}-{name}", case.id)).await;
        assert_eq!(volume["spec"]["claimRef"]["uid"], claim["metadata"]["uid"]);
    }
    let set = uid(cluster, &case.group_path("apps/v1", "statefulsets/db")).await;
    let claim = case.core_path("persistentvolumeclaims/data-db-0");
    eventually("the claim belongs to its StatefulSet", async || {
        (owners(cluster, &claim).await == [set.clone()]).then_some(())
    })
    .await;
}

/// The StatefulSet owns its claims (`whenDeleted: Delete`), and so much follows it that its
/// controller could make empty ones first.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn claims_that_a_stateful_set_owns_come_back_and_no_empty_ones() {
    let case = Case::get("c09", CLAIMS).await;
    case.create().await;
    let ingresses = (0..INGRESSES).map(|number| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": format!("i{number}"), "namespace": case.id},
            "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}})
    });
    create_many(case.a(), ingresses).await;
    expect_claims(&case, case.a()).await;
    case.back_up();
    let restored = case.restore(case.b(), &[], 0);
    assert!(!restored.said.contains("data-db-0"), "{}", restored.said);
    expect_claims(&case, case.b()).await;
    case.second_writes_nothing(case.b(), &[]).await;

    case.destroy().await;
    case.restore_cleanly(case.a(), &[]);
    expect_claims(&case, case.a()).await;
    case.second_changes_nothing(case.a(), &[]).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn making_a_stateful_set_anew_does_not_take_its_claims_along() {
    let case = Case::get("c09", CLAIMS).await;
    case.create().await;
    expect_claims(&case, case.a()).await;
    case.back_up();
    let claim = case.core_path("persistentvolumeclaims/data-db-0");
    let before = uid(case.a(), &claim).await;
    let set = case.group_path("apps/v1", "statefulsets/db");
    case.a().merge(&set, &json!({"spec": {"minReadySeconds": 5}})).await;
    let flags = ["--existing-resource-policy", "recreate"];
    let first = uid(case.a(), &set).await;
    let restored = case.restore(case.a(), &flags, 0);
    // The set, and its claim and its revision where their controller was not faster to give them to
    // the new one.
    let updated = count(&restored.status, "updated");
    assert!((1..=3).contains(&updated), "{}\n{}", restored.status, restored.said);
    assert_ne!(uid(case.a(), &set).await, first, "it was made anew");
    expect_claims(&case, case.a()).await;
    assert_eq!(uid(case.a(), &claim).await, before, "its claim is the one that holds the data");
    case.second_changes_nothing(case.a(), &flags).await;
}

/// A namespace, the definition of `Widget`, and an operator's work of some time ago: a resource,
/// its password, its claim.
async fn operated() -> (Case, String) {
    let mut case = Case::of("c03", &[manifests::namespace("c03")]).await;
    let group = format!("{}.example.com", case.id);
    case.objects.push(definition(&group, &open_schema(), &json!({"status": {}})));
    let widget = json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "app", "namespace": case.id}, "spec": {"size": 1}});
    case.objects.push(widget);
    case.create().await;
    {
        let operator = Operator::start(case.a(), &group, "Widget", "widgets", &case.id);
        eventually("the operator made a Secret and a claim", async || (operator.made() == 2).then_some(()))
            .await;
    }
    let password = json!({"data": {"password": "c3RvcmVk"}, "metadata": {"labels": {"tier": "gold"}}});
    case.a().merge(&case.core_path("secrets/app-credentials"), &password).await;
    let label = json!({"metadata": {"labels": {"tier": "gold"}}});
    case.a().merge(&case.core_path("persistentvolumeclaims/app-data"), &label).await;
    case.back_up();
    (case, group)
}

/// An operator makes Secret and claim for a resource as soon as it sees it: both are restored
/// before.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_operator_that_reacts_at_once_finds_the_stored_password_and_the_stored_claim() {
    let (case, group) = operated().await;
    for cluster in [case.a(), case.b()] {
        destroy(cluster, &case.id).await;
        let operator = Operator::start(cluster, &group, "Widget", "widgets", &case.id);
        let restored = restore_elsewhere(&case, cluster).await;
        eventually("the operator has seen its resource", async || (operator.reacted() > 0).then_some(()))
            .await;
        let secret = cluster.read(&case.core_path("secrets/app-credentials")).await.expect("restored");
        assert_eq!(secret["data"]["password"], "c3RvcmVk", "the operator was faster");
        let claim = cluster.read(&case.core_path("persistentvolumeclaims/app-data")).await.expect("restored");
        assert_eq!(claim["metadata"]["labels"]["tier"], "gold", "the operator was faster");
        let widget = uid(cluster, &case.group_path(&format!("{group}/v1"), "widgets/app")).await;
        for path in ["secrets/app-credentials", "persistentvolumeclaims/app-data"] {
            assert_eq!(owners(cluster, &case.core_path(path)).await, std::slice::from_ref(&widget), "{path}");
        }
        assert_eq!(operator.made(), 0);
        assert_eq!(count(&restored, "warnings"), 0, "{restored}");
        case.second_changes_nothing(cluster, &[]).await;
    }
}

/// A restore that leaves the test's threads to the operator.
async fn restore_elsewhere(case: &Case, cluster: &Cluster) -> Value {
    let name = crate::support::unique("operated");
    let arguments =
        ["restore", "run", &name, "--location", &case.bucket, "--from-backup", "one", "-o", "json"];
    let mut command = cluster.ark(arguments);
    let run = tokio::task::spawn_blocking(move || crate::process::run(&mut command).expect_code(0)).await;
    let run = run.expect("it runs");
    serde_json::from_str::<Value>(&run.stdout).expect("the document is JSON")["status"].clone()
}

/// Recreate of a ConfigMap with ten children: they belong to the new one; and so do they if garbage
/// collection has begun to delete them.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_owner_that_is_made_anew_keeps_what_it_owned() {
    let settings = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "c48"}, "data": {"a": "1"}});
    let names: Vec<String> = (0..10).map(|number| format!("child-{number}")).collect();
    let mut objects = vec![manifests::namespace("c48"), settings("owner")];
    objects.extend(names.iter().map(|name| settings(name)));
    let case = Case::of("c48", &objects).await;
    case.create().await;
    let path = |name: &str| case.core_path(&format!("configmaps/{name}"));
    let owner = case.a().read(&path("owner")).await.expect("created");
    for name in &names {
        case.a().own(&path(name), &owner).await;
    }
    case.back_up();
    case.a().merge(&path("owner"), &json!({"data": {"a": "2"}})).await;
    case.restore(case.a(), &["--existing-resource-policy", "recreate"], 0);
    let now = uid(case.a(), &path("owner")).await;
    assert_ne!(now, owner["metadata"]["uid"], "made anew");
    for name in &names {
        assert_eq!(owners(case.a(), &path(name)).await, std::slice::from_ref(&now), "{name}");
    }
    case.second_changes_nothing(case.a(), &["--existing-resource-policy", "recreate"]).await;
    // What has gone with an owner that was deleted is not left to go with it.
    case.a().delete(&path("owner")).await;
    let restored = case.restore(case.a(), &[], 0);
    let now = uid(case.a(), &path("owner")).await;
    for name in &names {
        assert_eq!(
            owners(case.a(), &path(name)).await,
            std::slice::from_ref(&now),
            "{name}: {}",
            restored.said
        );
    }
}
