//! A restore by label or kind brings what its items need, as one by namespace does; and a name that
//! stands twice counts once.

use serde_json::json;

use super::{Case, bound, manifests};
use crate::backup::{back_up, contents};
use crate::process::run;
use crate::restore::{destroy, restore};
use crate::support::eventually;

const LABELLED: &str = include_str!("data/26-labelled-claims.yaml");
/// Case 26: a class, and a pod that names it.
const CLASS: &str = r#"
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: c26-high}
value: 10
"#;
const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: c26, labels: {app: prio}}
spec: {priorityClassName: c26-high, containers: [{name: main, image: "example.test/main:1"}]}
"#;

/// Out of a backup by namespace and one by label: the claim that a labelled Deployment names, its
/// volume, and the class of a pod.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_label_or_a_kind_over_all_namespaces_brings_volumes_and_classes_along() {
    let mut case = Case::get("c26", LABELLED).await;
    let (class, pod) = (case.more(CLASS), case.more(POD));
    case.objects.extend(class);
    case.create().await;
    // The API server learns of the class a moment later.
    let pods = case.core_path("pods");
    eventually("the pod may name its class", async || case.a().try_create(&pods, &pod[0]).await.ok()).await;
    case.objects.extend(pod);
    let claim = |name: &str| case.core_path(&format!("persistentvolumeclaims/{name}"));
    for name in ["labelled", "bare"] {
        bound(case.a(), &claim(name)).await;
    }
    case.back_up();
    back_up(case.a(), &case.bucket, "by-label", &["-l", "app=one", "--include-namespaces", &case.id], 0);
    let class = format!("/apis/scheduling.k8s.io/v1/priorityclasses/{}-high", case.id);
    let lose = async || {
        destroy(case.a(), &case.id).await;
        for name in ["labelled", "bare"] {
            case.a().remove(&format!("/api/v1/persistentvolumes/{}-{name}", case.id)).await;
        }
        case.a().remove(&class).await;
    };
    for (backup, flags) in [
        ("one", &["-l", "app=one"][..]),
        ("by-label", &[]),
        ("one", &["--include-resources", "persistentvolumeclaims"]),
    ] {
        lose().await;
        let restored = case.restore_from(backup, case.a(), flags, 0);
        assert_eq!(restored.status["warnings"], 0, "{flags:?} {}", restored.said);
        // The Deployment that is labelled, too, names the claim that is not.
        for name in ["labelled", "bare"] {
            let back = bound(case.a(), &claim(name)).await;
            assert_eq!(back["spec"]["volumeName"], json!(format!("{}-{name}", case.id)), "{flags:?}");
        }
        let again = case.restore_from(backup, case.a(), flags, 0);
        assert_eq!(
            (&again.status["created"], &again.status["updated"]),
            (&json!(0), &json!(0)),
            "{}",
            again.said
        );
    }
    lose().await;
    let flags = ["-l", "app=prio"];
    case.restore_cleanly(case.a(), &flags);
    assert!(case.a().read(&class).await.is_some(), "the class of the pod came along");
    assert!(case.a().read(&case.core_path("pods/p")).await.is_some());
    case.second_changes_nothing(case.a(), &flags).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_namespace_that_is_named_twice_is_backed_up_once_and_the_backup_opens() {
    let case = Case::of("c26", &[manifests::namespace("c26"), manifests::config_map("c26", "m", "v")]).await;
    case.create().await;
    let twice = format!("{0},{0}", case.id);
    case.back_up_by(&["--include-namespaces", &twice, "--include-namespaces", &case.id]);
    run(&mut case.a().ark(["backup", "verify", "one", "--location", &case.bucket])).expect_code(0);
    let items = contents(case.a(), &case.bucket, "one");
    assert_eq!(items.iter().filter(|item| item.ends_with(&format!("{}/m", case.id))).count(), 1, "{items:?}");
    destroy(case.a(), &case.id).await;
    restore(case.a(), &case.bucket, "one", &["--include-namespaces", &twice], 0);
    assert!(case.a().read(&case.core_path("configmaps/m")).await.is_some());
    case.second_changes_nothing(case.a(), &[]).await;
}
