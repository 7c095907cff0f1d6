//! Namespaces that a custom resource owns, and one that hangs in Terminating.

use serde_json::{Value, json};

use super::manifests::{self, labelled};
use super::{Case, owners, uid};
use crate::process::Running;
use crate::restore::{count, destroy};
use crate::support::{Interceptor, eventually, unique};

const OWNED: &str = include_str!("data/07-owned-namespace.yaml");
const TENANT: &str = include_str!("data/07-owned-namespace-then.yaml");
const HANGING: &str = include_str!("data/22-hanging-namespace.yaml");

/// Case 07: a namespace that the cluster-scoped Tenant `oil` owns.
struct Tenancy {
    case: Case,
    namespace: String,
    tenant: String,
    home: String,
}

impl Tenancy {
    async fn create() -> Self {
        let mut case = Case::get("c07", OWNED).await;
        let tenant = case.more(TENANT);
        case.objects.extend(tenant);
        case.create().await;
        let (namespace, tenant) =
            (format!("{}-oil", case.id), format!("/apis/{}.example.com/v1/tenants/oil", case.id));
        let home = format!("/api/v1/namespaces/{namespace}");
        let owner = case.a().read(&tenant).await.expect("created");
        case.a().own(&home, &owner).await;
        Self { case, namespace, tenant, home }
    }

    /// The namespace and the Tenant, without the rest of the cluster.
    fn back_up(&self) {
        let kinds = format!("namespaces,configmaps,tenants.{}.example.com", self.case.id);
        let flags = ["--include-namespaces", &self.namespace, "--include-cluster-resources=true"];
        self.case.back_up_by(&[&flags[..], &["--include-resources", &kinds]].concat());
    }
}

/// A namespace has a cluster-scoped owner, as of Capsule: it is owned by the one of that name that
/// is there, under its uid of now.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_namespace_belongs_to_the_tenant_that_is_in_the_cluster() {
    let own = Tenancy::create().await;
    let (case, a, b) = (&own.case, own.case.a(), own.case.b());
    own.back_up();
    case.restore_cleanly(b, &[]);
    assert_eq!(owners(b, &own.home).await, [uid(b, &own.tenant).await]);
    case.second_changes_nothing(b, &[]).await;

    // In place the Tenant never went: whether it is selected or not, it is the owner.
    for flags in [
        &[][..],
        &["--include-namespaces", &own.namespace],
        &["--include-namespaces", &own.namespace, "--include-resources", "namespaces,configmaps"],
    ] {
        destroy(a, &own.namespace).await;
        case.restore_cleanly(a, flags);
        assert_eq!(owners(a, &own.home).await, [uid(a, &own.tenant).await], "{flags:?}");
        case.second_changes_nothing(a, flags).await;
    }
    // Made anew by hand it is the owner under its new uid.
    destroy(a, &own.namespace).await;
    a.remove(&own.tenant).await;
    a.create_all(&case.more(TENANT)).await;
    case.restore_cleanly(a, &["--include-namespaces", &own.namespace]);
    assert_eq!(owners(a, &own.home).await, [uid(a, &own.tenant).await]);
}

/// With policy None each is a warning; Update puts them back.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn references_and_finalizers_that_were_taken_off_are_told_and_repaired() {
    let own = Tenancy::create().await;
    let (case, a) = (&own.case, own.case.a());
    let settings = format!("{}/configmaps/settings", own.home);
    a.merge(&settings, &json!({"metadata": {"finalizers": ["example.com/hold"]}})).await;
    own.back_up();
    let without = json!({"metadata": {"ownerReferences": null, "finalizers": null}});
    for path in [&own.home, &settings] {
        a.merge(path, &without).await;
    }
    // References are no part of the hash, which an item keeps in another life, under other uids.
    let diff = case.diff(a);
    assert!(diff.contains("configmaps"), "{diff}");
    let left = case.restore(a, &[], 0);
    assert_eq!(count(&left.status, "warnings"), 2, "{}", left.said);
    let update = ["--existing-resource-policy", "update"];
    case.restore_cleanly(a, &update);
    assert_eq!(owners(a, &own.home).await, [uid(a, &own.tenant).await]);
    let repaired = a.read(&settings).await.expect("there");
    assert_eq!(repaired["metadata"]["finalizers"], json!(["example.com/hold"]));
    case.second_changes_nothing(a, &update).await;
    a.merge(&settings, &json!({"metadata": {"finalizers": null}})).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_child_of_an_owner_that_is_not_selected_is_its_child_again() {
    let child = labelled(manifests::config_map("c07", "child", "mother"), "what", "child");
    let objects = [manifests::namespace("c07"), manifests::config_map("c07", "mother", "nobody"), child];
    let case = Case::of("c07", &objects).await;
    case.create().await;
    let (mother, child) = (case.core_path("configmaps/mother"), case.core_path("configmaps/child"));
    let owner = case.a().read(&mother).await.expect("created");
    case.a().own(&child, &owner).await;
    case.back_up();
    case.a().remove(&child).await;
    let flags = ["-l", "what=child"];
    case.restore_cleanly(case.a(), &flags);
    assert_eq!(owners(case.a(), &child).await, [uid(case.a(), &mother).await]);
    case.second_changes_nothing(case.a(), &flags).await;
}

/// A finalizer holds the namespace in Terminating when the restore begins, and is taken off
/// meanwhile.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_namespace_that_goes_late_is_waited_for_and_comes_back() {
    let case = Case::get("c22", HANGING).await;
    case.create().await;
    let other = format!("{}-other", case.id);
    case.back_up_by(&["--include-namespaces", &format!("{},{other}", case.id)]);
    let (home, held) = (format!("/api/v1/namespaces/{}", case.id), case.core_path("configmaps/held"));
    case.a().delete(&home).await;
    destroy(case.a(), &other).await;

    let api = Interceptor::of_cluster(case.a()).await;
    let kubeconfig = api.kubeconfig();
    let name = unique("late");
    let kubeconfig = kubeconfig.path().to_str().expect("text");
    let arguments = [
        "-v",
        "restore",
        "run",
        &name,
        "--location",
        &case.bucket,
        "--from-backup",
        "one",
        "--kubeconfig",
        kubeconfig,
    ];
    let running = Running::start(&mut case.a().ark(arguments));
    // It has looked at the namespace and goes on looking: it waits.
    let mut looks = 0;
    eventually("the restore waits for the namespace", async || {
        looks += api.take_seen().iter().filter(|asked| asked.path == home).count();
        (looks >= 2).then_some(())
    })
    .await;
    case.a().merge(&held, &json!({"metadata": {"finalizers": null}})).await;
    let ended = tokio::task::spawn_blocking(move || running.wait().expect_code(0)).await.expect("it ends");
    assert!(ended.stderr.contains(&case.id), "it says for what it waits: {}", ended.stderr);
    for (path, key) in [(held.clone(), "k"), (format!("/api/v1/namespaces/{other}/configmaps/free"), "k")] {
        let map = case.a().read(&path).await.unwrap_or_else(|| panic!("{path} is not there"));
        assert_eq!(map["data"][key], "v");
    }
    case.second_changes_nothing(case.a(), &[]).await;
    case.a().merge(&held, &json!({"metadata": {"finalizers": Value::Null}})).await;
    case.a().delete(&format!("/api/v1/namespaces/{other}")).await;
}
