//! A status that is no subresource is a field like any other.

use serde_json::{Value, json};

use super::{Case, manifests};
use crate::restore::count;
use crate::support::Cluster;

const PLAIN: &str = include_str!("data/05-status-without-subresource.yaml");
/// The same kind, cluster-scoped.
const GEARS: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gears.c05.example.com}
spec:
  group: c05.example.com
  scope: Cluster
  names: {plural: gears, singular: gear, kind: Gear}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: c05.example.com/v1
kind: Gear
metadata: {name: two}
spec: {size: 4}
status: {phase: Provisioned, externalID: ext-4712}
"#;

/// Case 05, one kind of each scope, in a backup; the paths of both resources.
async fn stored() -> (Case, [String; 2]) {
    let mut case = Case::get("c05", PLAIN).await;
    let gears = case.more(GEARS);
    case.objects.extend(gears);
    case.create().await;
    let version = format!("{}.example.com/v1", case.id);
    let kinds = format!("widgets.{0}.example.com,gears.{0}.example.com", case.id);
    case.back_up_by(&["--include-resources", &kinds]);
    let paths = [case.group_path(&version, "widgets/one"), format!("/apis/{version}/gears/two")];
    (case, paths)
}

async fn expect_status(case: &Case, cluster: &Cluster, paths: &[String; 2]) {
    for (path, id) in paths.iter().zip(["ext-4711", "ext-4712"]) {
        let live = cluster.read(path).await.unwrap_or_else(|| panic!("{path} is not there"));
        assert_eq!(live["status"], json!({"phase": "Provisioned", "externalID": id}), "{} {path}", case.id);
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_status_that_is_a_plain_field_comes_back_asked_for_or_not() {
    let (case, paths) = stored().await;
    let kinds = format!("widgets.{0}.example.com,gears.{0}.example.com", case.id);
    let asked = ["--status-include-resources", &kinds];
    for flags in [&[][..], &asked] {
        for path in &paths {
            if case.b().read(path).await.is_some() {
                case.b().remove(path).await;
            }
        }
        case.restore_cleanly(case.b(), flags);
        expect_status(&case, case.b(), &paths).await;
        case.second_changes_nothing(case.b(), flags).await;
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_plain_status_that_was_changed_is_a_difference_and_follows_the_policy() {
    let (case, paths) = stored().await;
    let change = json!({"status": {"phase": "Lost"}});
    for path in &paths {
        case.a().merge(path, &change).await;
    }
    let diff = case.diff(case.a());
    for name in ["one", "two"] {
        let told = diff.lines().any(|line| line.starts_with('~') && line.contains(name));
        assert!(told, "{diff}");
    }
    let left = case.restore(case.a(), &[], 0);
    assert_eq!(count(&left.status, "warnings"), 2, "{}", left.said);
    for policy in ["update", "recreate"] {
        for path in &paths {
            case.a().merge(path, &change).await;
        }
        let flags = ["--existing-resource-policy", policy];
        let restored = case.restore_cleanly(case.a(), &flags);
        assert_eq!(count(&restored.status, "updated"), 2, "{policy} {}", restored.said);
        expect_status(&case, case.a(), &paths).await;
        case.second_changes_nothing(case.a(), &flags).await;
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_status_that_is_a_subresource_is_compared_and_written_where_it_is_asked_for() {
    let mut case = Case::of("c05", &[manifests::namespace("c05")]).await;
    let group = format!("{}.example.com", case.id);
    case.objects.push(super::definition(&group, &super::open_schema(), &json!({"status": {}})));
    let widget = json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "one", "namespace": case.id}, "spec": {}});
    case.objects.push(widget);
    case.create().await;
    let path = case.group_path(&format!("{group}/v1"), "widgets/one");
    let status = format!("{path}/status");
    case.a().merge(&status, &json!({"status": {"phase": "Ready"}})).await;
    case.back_up();
    case.a().merge(&status, &json!({"status": {"phase": "Lost"}})).await;
    case.restore_cleanly(case.a(), &[]);
    let phase =
        async |cluster: &Cluster| cluster.read(&path).await.expect("there")["status"]["phase"].clone();
    assert_eq!(phase(case.a()).await, "Lost", "nobody asked for it");
    let asked =
        ["--status-include-resources", &format!("widgets.{group}"), "--existing-resource-policy", "update"];
    case.restore_cleanly(case.a(), &asked);
    assert_eq!(phase(case.a()).await, "Ready");
    let before: Value = case.a().read(&path).await.expect("there");
    case.second_changes_nothing(case.a(), &asked).await;
    assert_eq!(case.a().read(&path).await, Some(before), "nothing was written");
}
