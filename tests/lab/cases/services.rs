//! Services: addresses and ports that a person chose, and Endpoints that nobody makes again.

use serde_json::{Value, json};

use super::Case;
use crate::backup::back_up;
use crate::restore::{count, destroy};
use crate::support::{Cluster, TestNamespace, eventually};

const CHOSEN: &str = include_str!("data/15-chosen-address.yaml");
const ENDPOINTS: &str = include_str!("data/17-endpoints-by-hand.yaml");

/// The address of case 15, one for each test and process: two tests would take it from each other.
/// The first 256 of the range are those that the API server allots last.
fn chosen(number: u32) -> String {
    format!("10.0.0.{}", 20 + number * 70 + std::process::id() % 70)
}

async fn with_address(number: u32) -> (Case, String) {
    let address = chosen(number);
    let yaml = CHOSEN.replace("10.0.77.10", &address);
    let case = Case::get("c15", &yaml).await;
    case.create().await;
    (case, address)
}

async fn address(cluster: &Cluster, path: &str) -> Value {
    cluster.read(path).await.unwrap_or_else(|| panic!("{path} is not there"))["spec"]["clusterIP"].clone()
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_address_that_was_chosen_comes_back_in_place_and_elsewhere() {
    let chosen_by_flux = chosen(1);
    let (case, chosen) = with_address(0).await;
    let applied = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "applied", "namespace": case.id},
        "spec": {"clusterIP": chosen_by_flux, "ports": [{"port": 80}]}});
    case.a().apply_as("flux", &applied).await.expect("taken");
    case.back_up();
    for cluster in [case.a(), case.b()] {
        destroy(cluster, &case.id).await;
        case.restore_cleanly(cluster, &[]);
        assert_eq!(address(cluster, &case.core_path("services/dns")).await, json!(chosen));
        assert_eq!(address(cluster, &case.core_path("services/applied")).await, applied["spec"]["clusterIP"]);
        assert_ne!(address(cluster, &case.core_path("services/auto")).await, Value::Null);
        case.second_changes_nothing(cluster, &[]).await;
        // Made anew, it has the address that kubelets tell every pod.
        let change = json!({"spec": {"selector": {"app": "other"}}});
        cluster.merge(&case.core_path("services/dns"), &change).await;
        let recreate = ["--existing-resource-policy", "recreate"];
        assert_eq!(count(&case.restore(cluster, &recreate, 0).status, "updated"), 1);
        assert_eq!(address(cluster, &case.core_path("services/dns")).await, json!(chosen));
        case.second_changes_nothing(cluster, &recreate).await;
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_chosen_address_that_is_taken_is_told_and_the_rest_comes() {
    let (case, chosen) = with_address(2).await;
    case.back_up();
    case.destroy().await;
    let other = TestNamespace::create(case.a(), "c15-other").await;
    let path = format!("/api/v1/namespaces/{}/services", other.name);
    let service =
        json!({"metadata": {"name": "first"}, "spec": {"clusterIP": chosen, "ports": [{"port": 80}]}});
    case.a().create(&path, &service).await;
    let flags = [
        "restore",
        "run",
        &crate::support::unique("taken"),
        "--location",
        &case.bucket,
        "--from-backup",
        "one",
    ];
    let run = crate::process::run(&mut case.a().ark(flags));
    assert!(matches!(run.code, Some(0 | 3)) && run.stderr.contains(&chosen), "{}", run.transcript());
    assert!(case.a().read(&case.core_path("services/auto")).await.is_some());
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn endpoints_and_slices_that_a_person_keeps_come_back() {
    let case = Case::get("c17", ENDPOINTS).await;
    case.create().await;
    let ext = case.core_path("endpoints/ext");
    eventually("the controller makes Endpoints", async || case.a().read(&ext).await).await;
    let take_off = json!([{"op": "remove", "path": "/spec/selector"}]);
    case.a().change(&case.core_path("services/ext"), &take_off).await;
    let by_hand =
        json!({"subsets": [{"addresses": [{"ip": "192.0.2.10"}], "ports": [{"name": "http", "port": 80}]}]});
    case.a().merge(&ext, &by_hand).await;
    case.back_up();
    case.destroy().await;
    for cluster in [case.a(), case.b()] {
        case.restore_cleanly(cluster, &[]);
        for (name, ip) in [("ext", "192.0.2.10"), ("by-hand", "192.0.2.20")] {
            let endpoints = cluster.read(&case.core_path(&format!("endpoints/{name}"))).await;
            let endpoints = endpoints.unwrap_or_else(|| panic!("Endpoints {name} are not there"));
            assert_eq!(endpoints["subsets"][0]["addresses"][0]["ip"], json!(ip), "{endpoints}");
        }
        let slices = case.group_path("discovery.k8s.io/v1", "endpointslices");
        let sliced = cluster.read(&format!("{slices}/sliced-1")).await.expect("the slice by hand is there");
        assert_eq!(sliced["endpoints"][0]["addresses"], json!(["192.0.2.30"]));
        // What kube-proxy reads are slices: each Service leads where it led.
        for (name, ip) in [("ext", "192.0.2.10"), ("by-hand", "192.0.2.20")] {
            eventually(&format!("a slice of {name} leads to {ip}"), async || {
                let slices = cluster.list(&slices).await;
                let mut of = slices
                    .iter()
                    .filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == name);
                of.any(|slice| slice["endpoints"][0]["addresses"][0] == ip).then_some(())
            })
            .await;
        }
        case.second_changes_nothing(cluster, &[]).await;
    }
}

/// `--preserve-nodeports` keeps a port that was allotted; a backup after that does not take it for
/// one that a person chose.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_port_that_was_kept_is_not_taken_for_chosen_by_the_next_restore() {
    let yaml = "apiVersion: v1\nkind: Namespace\nmetadata: {name: c36}\n---\napiVersion: v1\nkind: Service\n\
        metadata: {name: auto, namespace: c36}\nspec: {type: NodePort, ports: [{port: 80}]}\n";
    // Alone, since the port must be free when it comes back.
    let case = Case::alone("c36", yaml).await;
    case.create().await;
    let port = async |cluster: &Cluster| {
        let service = cluster.read(&case.core_path("services/auto")).await.expect("there");
        service["spec"]["ports"][0]["nodePort"].clone()
    };
    let first = port(case.a()).await;
    case.back_up();
    case.destroy().await;
    case.restore_cleanly(case.a(), &["--preserve-nodeports"]);
    assert_eq!(port(case.a()).await, first);
    case.second_changes_nothing(case.a(), &["--preserve-nodeports"]).await;

    back_up(case.a(), &case.bucket, "two", &["--include-namespaces", &case.id], 0);
    case.destroy().await;
    // The port is held meanwhile, so that no other is allotted by chance.
    let holder = TestNamespace::create(case.a(), "c36-holder").await;
    let service = json!({"metadata": {"name": "holder"},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": first}]}});
    case.a().create(&format!("/api/v1/namespaces/{}/services", holder.name), &service).await;
    let restored = case.restore_from("two", case.a(), &[], 0);
    assert_eq!(count(&restored.status, "errors"), 0, "{}", restored.status);
    assert_ne!(port(case.a()).await, first, "nobody chose it: another is allotted");
}
