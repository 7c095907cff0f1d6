//! What is there already, although the API server refuses its create for another reason: ports and
//! defaults that it holds itself.

use serde_json::{Value, json};

use super::{Case, uid};
use crate::restore::{count, restore};
use crate::support::{Cluster, TestNamespace, eventually, kind_path, unique};

const SERVICES: &str = include_str!("data/01-chosen-ports.yaml");
const DEFAULT: &str = include_str!("data/02-default-priority-class.yaml");
const KEEP: [&str; 1] = ["--preserve-nodeports"];

/// Case 01 with ports of its own, out of those that are allotted last.
struct Ports {
    case: Case,
    port: u32,
    health: u32,
}

impl Ports {
    /// Alone, since ports that are kept must be free when they come back: nobody else is allotted
    /// them.
    async fn create(number: u32) -> Self {
        let port = 30_000 + number * 10 + std::process::id() % 4 * 2;
        let health = port + 1;
        let yaml = SERVICES.replace("30581", &port.to_string()).replace("30582", &health.to_string());
        let case = Case::alone("c01", &yaml).await;
        case.create().await;
        case.back_up();
        Self { case, port, health }
    }

    async fn service(&self, cluster: &Cluster, name: &str) -> Value {
        let path = self.case.core_path(&format!("services/{name}"));
        cluster.read(&path).await.unwrap_or_else(|| panic!("{path} is not there"))["spec"].clone()
    }

    async fn expect_chosen(&self, cluster: &Cluster) {
        assert_eq!(self.service(cluster, "web").await["ports"][0]["nodePort"], self.port);
        assert_eq!(self.service(cluster, "lb").await["healthCheckNodePort"], self.health);
    }
}

/// The API server refuses the create of a Service that is there because its own port is taken; the
/// restore finds that it is there, and follows the policy.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn services_that_hold_the_ports_they_ask_for_are_met_and_not_refused() {
    let ports = Ports::create(0).await;
    let (case, a) = (&ports.case, ports.case.a());
    for flags in [&[][..], &KEEP] {
        case.restore_cleanly(a, flags);
        case.second_changes_nothing(a, flags).await;
    }
    let web = case.core_path("services/web");
    let change = json!({"spec": {"selector": {"app": "other"}}});
    a.merge(&web, &change).await;
    assert_eq!(count(&case.restore(a, &[], 0).status, "warnings"), 1, "it differs and is left");
    for policy in ["update", "recreate"] {
        a.merge(&web, &change).await;
        let flags = ["--existing-resource-policy", policy];
        assert_eq!(count(&case.restore_cleanly(a, &flags).status, "updated"), 1, "{policy}");
        assert_eq!(ports.service(a, "web").await["selector"], json!({"app": "web"}), "{policy}");
        ports.expect_chosen(a).await;
        case.second_changes_nothing(a, &flags).await;
    }
    // Only one is lost.
    a.remove(&web).await;
    let restored = case.restore_cleanly(a, &[]);
    assert_eq!(count(&restored.status, "created"), 1);
    ports.expect_chosen(a).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn chosen_ports_come_back_in_another_cluster_and_others_where_they_are_kept() {
    let ports = Ports::create(1).await;
    let (case, b) = (&ports.case, ports.case.b());
    let stored = ports.service(case.a(), "auto").await;
    for flags in [&[][..], &KEEP] {
        crate::restore::destroy(b, &case.id).await;
        case.restore_cleanly(b, flags);
        ports.expect_chosen(b).await;
        let auto = ports.service(b, "auto").await;
        let same = (0..2).all(|port| auto["ports"][port]["nodePort"] == stored["ports"][port]["nodePort"]);
        assert_eq!(same, !flags.is_empty(), "{stored} {auto}");
        case.second_changes_nothing(b, flags).await;
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_chosen_port_that_another_holds_is_an_error_that_names_it_and_the_rest_comes() {
    let ports = Ports::create(2).await;
    let (case, a) = (&ports.case, ports.case.a());
    let copy = TestNamespace::reserve(a, "c01-copy");
    let mapping = format!("{}:{}", case.id, copy.name);
    let refused = case.restore(a, &["--namespace-mappings", &mapping], 3);
    for port in [ports.port, ports.health] {
        assert!(refused.said.contains(&port.to_string()), "{}", refused.said);
    }
    assert!(refused.said.contains(&format!("{}/web", case.id)), "it says who holds it: {}", refused.said);
    assert!(a.read(&format!("/api/v1/namespaces/{}/services/auto", copy.name)).await.is_some());
    ports.expect_chosen(a).await;
}

/// A PriorityClass with `globalDefault` is refused where there is one already, be it itself.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_default_class_that_is_there_is_met_and_follows_the_policy() {
    let case = Case::alone("c02", DEFAULT).await;
    case.create().await;
    let kind = kind_path(&case.objects[0]);
    let (class, name) = (format!("{kind}/{}-standard", case.id), format!("{}-standard", case.id));
    let kinds = ["--include-resources", "priorityclasses"];
    case.back_up_by(&kinds);
    case.restore_cleanly(case.a(), &kinds);
    case.second_changes_nothing(case.a(), &kinds).await;
    let first = uid(case.a(), &class).await;
    let describe = json!({"description": "changed"});
    case.a().merge(&class, &describe).await;
    let left = case.restore(case.a(), &kinds, 0);
    assert!(left.said.contains(&name) && count(&left.status, "warnings") == 1, "{}", left.said);
    for policy in ["update", "recreate"] {
        case.a().merge(&class, &describe).await;
        let flags = [&kinds[..], &["--existing-resource-policy", policy]].concat();
        assert_eq!(count(&case.restore_cleanly(case.a(), &flags).status, "updated"), 1, "{policy}");
        let live = case.a().read(&class).await.expect("there");
        assert_eq!(live["description"], "what every pod gets", "{policy}");
        assert_eq!(live["metadata"]["uid"] == first, policy == "update", "{policy}");
        case.second_changes_nothing(case.a(), &flags).await;
    }
    // Another default is in the way: an error that says so. The API server's admission learns of
    // either a moment later.
    let spoken_for = unique("c02-other");
    case.a().remove(&class).await;
    let other = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": spoken_for}, "value": 1, "globalDefault": true});
    eventually("there is no default", async || case.a().try_create(&kind, &other).await.ok()).await;
    let probe = format!("{kind}?dryRun=All");
    eventually("a second default is refused", async || {
        case.a().try_create(&probe, &case.objects[0]).await.err()
    })
    .await;
    let refused = restore(case.a(), &case.bucket, "one", &kinds, 3);
    case.a().delete(&format!("{kind}/{spoken_for}")).await;
    assert!(refused.stderr.contains(&name) && refused.stderr.contains("default"), "{}", refused.stderr);
}
