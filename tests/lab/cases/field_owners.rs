//! Who owns which field: whoever applies server-side goes on after a restore as if there had been
//! none.

use serde_json::{Value, json};

use super::Case;
use super::manifests::{self, labelled};
use crate::restore::destroy;
use crate::support::{Cluster, eventually, objects};

const APPLIED: &str = include_str!("data/36-server-side-applied.yaml");
/// Flux applies the next version, without `drop`, with another `change`, without the variable;
/// nobody is in its way.
async fn next_version(case: &Case, cluster: &Cluster) {
    let text = APPLIED.replace(", drop: \"1\", change: \"1\"", ", change: \"2\"");
    let text = text.replace(", env: [{name: DROP, value: \"1\"}]", "").replace("c36", &case.id);
    for object in objects(&text) {
        cluster.apply_as("flux", &object).await.unwrap_or_else(|conflict| panic!("{conflict}"));
    }
    let map = cluster.read(&case.core_path("configmaps/settings")).await.expect("there");
    assert_eq!(map["data"], json!({"keep": "1", "change": "2"}));
    let web = cluster.read(&case.group_path("apps/v1", "deployments/web")).await.expect("there");
    assert_eq!(web["spec"]["template"]["spec"]["containers"][0].get("env"), None::<&Value>, "{web}");
}

/// After a restore, Flux applies the next version of its manifests: no conflict, and fields that it
/// no longer names are removed.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn who_applies_server_side_meets_no_conflict_and_prunes_what_it_should() {
    let case = Case::get("c36", APPLIED).await;
    let apply = async || {
        for object in &case.objects {
            case.a().apply_as("flux", object).await.unwrap_or_else(|conflict| panic!("{conflict}"));
        }
    };
    apply().await;
    case.back_up();
    destroy(case.a(), &case.id).await;
    case.restore_cleanly(case.a(), &[]);
    case.second_changes_nothing(case.a(), &[]).await;
    next_version(&case, case.a()).await;
    case.restore_cleanly(case.b(), &[]);
    next_version(&case, case.b()).await;

    // What Update brings back is flux's again, too.
    apply().await;
    let change = json!({"data": {"keep": "by hand", "added": "by hand"}});
    case.a().merge(&case.core_path("configmaps/settings"), &change).await;
    let update = ["--existing-resource-policy", "update"];
    case.restore_cleanly(case.a(), &update);
    case.second_changes_nothing(case.a(), &update).await;
    next_version(&case, case.a()).await;
}

/// A restored aggregated ClusterRole belongs to its controller, which takes the rules back when the
/// part is deleted.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_rules_of_an_aggregated_role_go_with_its_last_part() {
    let part = labelled(manifests::role("c36-part", "configmaps"), "part-of", "c36");
    let whole = labelled(manifests::gathering_role("c36-whole", "part-of", "c36"), "part-of-test", "c36");
    let case = Case::of("c36", &[part, whole]).await;
    case.create().await;
    let [part, whole] = ["part", "whole"]
        .map(|name| format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{}-{name}", case.id));
    let rules = async |wanted: usize| {
        eventually(&format!("the role has {wanted} rules"), async || {
            let rules = case.a().read(&whole).await?["rules"].as_array().map_or(0, Vec::len);
            (rules == wanted).then_some(())
        })
        .await;
    };
    rules(1).await;
    let selector = format!("part-of={0} or part-of-test={0}", case.id);
    case.back_up_by(&["--include-resources", "clusterroles", "--or-selector", &selector]);
    // Its controller writes the whole when the part has gone, and would make a whole anew that went
    // meanwhile.
    case.a().remove(&part).await;
    rules(0).await;
    case.a().remove(&whole).await;
    case.restore_cleanly(case.a(), &[]);
    rules(1).await;
    case.second_changes_nothing(case.a(), &[]).await;
    case.a().remove(&part).await;
    rules(0).await;
}
