//! What a part needs comes along where it is missing, by whatever names it; and what comes along is
//! never written over.

use serde_json::{Value, json};

use super::manifests::{self, labelled};
use super::{Case, bound, is_unwritten};
use crate::backup::back_up;
use crate::restore::{count, destroy, restore};
use crate::support::{Cluster, TestNamespace, eventually};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Case 13: a namespace whose rights are bound by each form of subject, and a role that is put
/// together of another.
async fn rights() -> Case {
    let group = "system:serviceaccounts:c13";
    let objects = [
        manifests::namespace("c13"),
        manifests::account("c13", "robot"),
        labelled(manifests::class("c13-class"), "of", "stored"),
        manifests::claim("c13", "data", "c13-class"),
        labelled(manifests::role("c13-part", "configmaps"), "part-of", "c13"),
        manifests::gathering_role("c13-whole", "part-of", "c13"),
        manifests::role("c13-group", "secrets"),
        manifests::role("c13-user", "pods"),
        manifests::binding("c13-account", "c13-whole", "c13", "robot"),
        manifests::binding_by_name("c13-group", "c13-group", "Group", group),
        manifests::binding_by_name("c13-user", "c13-user", "User", "system:serviceaccount:c13:robot"),
    ];
    let case = Case::of("c13", &objects).await;
    case.create().await;
    await_gathered(&case, case.a()).await;
    case
}

/// Waits until the role that is put together of another has its rules, which a controller writes.
async fn await_gathered(case: &Case, cluster: &Cluster) {
    let whole = right(case, "clusterroles", "whole");
    eventually("the role is put together", async || {
        let rules = cluster.read(&whole).await?["rules"].as_array().map_or(0, Vec::len);
        (rules == 1).then_some(())
    })
    .await;
}

/// Case 38: labelled workloads whose claims do not have the label, one of them beyond the replicas,
/// and a claim of nobody.
const MOUNTED: &str = include_str!("data/38-mounted-claims.yaml");

fn right(case: &Case, kind: &str, name: &str) -> String {
    format!("{RBAC}/{kind}/{}-{name}", case.id)
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn rights_come_along_whatever_form_their_subject_has_and_with_their_parts() {
    let case = rights().await;
    case.back_up();
    case.restore_cleanly(case.b(), &[]);
    for name in ["account", "group", "user"] {
        assert!(case.b().read(&right(&case, "clusterrolebindings", name)).await.is_some(), "{name}");
    }
    for name in ["part", "whole", "group", "user"] {
        assert!(case.b().read(&right(&case, "clusterroles", name)).await.is_some(), "{name}");
    }
    await_gathered(&case, case.b()).await;
    case.second_changes_nothing(case.b(), &[]).await;
}

/// Update and Recreate change what was selected; classes and roles that only come along are left,
/// with a warning, also where a copy under another name needs them.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_comes_along_is_left_as_it_is_under_every_policy() {
    let case = rights().await;
    case.back_up();
    let class = format!("/apis/storage.k8s.io/v1/storageclasses/{}-class", case.id);
    let (group, account) =
        (right(&case, "clusterroles", "group"), right(&case, "clusterrolebindings", "account"));
    let rules = json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]});
    case.a().merge(&group, &rules).await;
    case.a().merge(&class, &json!({"metadata": {"labels": {"of": "now"}}})).await;
    let live = async || {
        let mut read = Vec::new();
        for path in [&class, &group, &account] {
            let object = case.a().read(path).await.unwrap_or_else(|| panic!("{path} is not there"));
            read.push((object["metadata"]["uid"].clone(), object["metadata"]["resourceVersion"].clone()));
        }
        read
    };
    let before = live().await;
    let copy = TestNamespace::reserve(case.a(), "c13-copy");
    let mapping = format!("{}:{}", case.id, copy.name);
    for policy in ["update", "recreate"] {
        let flags = ["--include-namespaces", &*case.id, "--existing-resource-policy", policy];
        let told = case.restore(case.a(), &flags, 0).said;
        assert_eq!(live().await, before, "{policy}");
        for (name, differs) in [("class", "metadata.labels[of]"), ("group", "rules[0].verbs")] {
            let sentence = format!("{}-{name}: it is in the cluster already, differs in {differs}", case.id);
            assert_eq!(told.matches(&sentence).count(), 1, "{policy}: {sentence}: {told}");
        }
        // A copy in the same cluster takes nobody's rights away, and has none itself, which is
        // told.
        let told =
            case.restore(case.a(), &[&flags[..], &["--namespace-mappings", &mapping]].concat(), 0).said;
        assert_eq!(live().await, before, "{policy} of a copy");
        let sentence =
            format!("{}-account: it is in the cluster already, differs in subjects[0].namespace", case.id);
        assert!(told.contains(&sentence), "{policy}: {told}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn labelled_workloads_find_their_claims_and_these_their_volumes_though_no_label_is_on_them() {
    let case = Case::get("c38", MOUNTED).await;
    case.create().await;
    let claim = |name: &str| case.core_path(&format!("persistentvolumeclaims/{name}"));
    let mounted = ["files", "data-db-0", "data-db-1"];
    for name in mounted {
        bound(case.a(), &claim(name)).await;
    }
    case.back_up();
    let label = format!("app={}", case.id);
    back_up(case.a(), &case.bucket, "part", &["-l", &label], 0);
    for (backup, flags) in [("part", &[][..]), ("one", &["-l", &*label])] {
        let restored = case.restore_from(backup, case.b(), flags, 0);
        assert_eq!(count(&restored.status, "errors"), 0, "{backup}: {}", restored.said);
        for name in mounted {
            let back = bound(case.b(), &claim(name)).await;
            assert_eq!(back["spec"]["volumeName"], json!(format!("{}-{name}", case.id)), "{backup}");
            assert_eq!(back["metadata"]["labels"]["app"], Value::Null, "{backup}: it is the stored one");
        }
        for path in
            [case.group_path("apps/v1", "deployments/web"), case.group_path("apps/v1", "statefulsets/db")]
        {
            assert!(case.b().read(&path).await.is_some(), "{backup}: {path}");
        }
        let bystander = format!("/api/v1/persistentvolumes/{}-bystander", case.id);
        assert!(case.b().read(&claim("bystander")).await.is_none(), "{backup}: nothing named it");
        assert!(case.b().read(&bystander).await.is_none(), "{backup}: nothing named it");
        // What came along is not written over.
        let grey = json!({"metadata": {"labels": {"of": "now"}}});
        let changed = case.b().merge(&claim("files"), &grey).await;
        for policy in ["update", "recreate"] {
            let flags = [&["-l", &*label][..], &["--existing-resource-policy", policy]].concat();
            case.restore_from("one", case.b(), &flags, 0);
            let left = case.b().read(&claim("files")).await.expect("it is there");
            assert!(is_unwritten(&changed, &left), "{backup} {policy}: {changed}\n{left}");
        }
        destroy(case.b(), &case.id).await;
        for name in mounted {
            case.b().remove(&format!("/api/v1/persistentvolumes/{}-{name}", case.id)).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_claim_that_is_not_wanted_does_not_come_with_what_names_it() {
    let case = Case::get("c38", MOUNTED).await;
    case.create().await;
    case.back_up();
    let label = format!("app={}", case.id);
    for flags in [["--exclude-resources", "pvc"], ["--include-resources", "deploy,sts"]] {
        let restored = case.restore(case.b(), &[&["-l", &*label][..], &flags].concat(), 0);
        assert_eq!(count(&restored.status, "errors"), 0, "{flags:?}: {}", restored.said);
        assert!(case.b().read(&case.core_path("persistentvolumeclaims/files")).await.is_none(), "{flags:?}");
        assert!(case.b().read(&case.group_path("apps/v1", "deployments/web")).await.is_some(), "{flags:?}");
        destroy(case.b(), &case.id).await;
    }
    // Without cluster-scoped items the claims come, and their volumes do not.
    let flags = ["-l", &*label, "--include-cluster-resources=false"];
    let restored = case.restore(case.b(), &flags, 0);
    assert_eq!(count(&restored.status, "errors"), 0, "{}", restored.said);
    assert!(case.b().read(&case.core_path("persistentvolumeclaims/files")).await.is_some());
    let volume = format!("/api/v1/persistentvolumes/{}-files", case.id);
    assert!(case.b().read(&volume).await.is_none());
}

/// A ClusterRoleBinding of the original namespace would name the copy instead.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_binding_that_the_mapping_would_change_is_not_written_over() {
    let case = rights().await;
    let kinds = "namespaces,serviceaccounts,clusterrolebindings,clusterroles";
    let flags =
        ["--include-namespaces", &*case.id, "--include-cluster-resources=true", "--include-resources", kinds];
    case.back_up_by(&flags);
    let copy = TestNamespace::reserve(case.a(), "c13-copy");
    let mapping = format!("{}:{}", case.id, copy.name);
    let selected =
        ["--include-resources", kinds, "--include-cluster-resources=true", "--namespace-mappings", &mapping];
    for policy in ["none", "update", "recreate"] {
        let restored =
            case.restore(case.a(), &[&selected[..], &["--existing-resource-policy", policy]].concat(), 0);
        for (name, subject) in [("account", "namespace"), ("group", "name"), ("user", "name")] {
            let binding = case.a().read(&right(&case, "clusterrolebindings", name)).await.expect("there");
            let subject = binding["subjects"][0][subject].as_str().expect("a subject").to_owned();
            assert!(subject.contains(&case.id) && !subject.contains(&copy.name), "{policy} {binding}");
        }
        assert!(
            count(&restored.status, "warnings") > 0,
            "{policy}: the copy has no rights: {}",
            restored.said
        );
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn two_namespaces_are_not_restored_into_one() {
    let case = Case::of(
        "c14",
        &[
            manifests::namespace("c14"),
            manifests::namespace("c14-two"),
            manifests::config_map("c14", "whose", "one"),
            manifests::config_map("c14-two", "whose", "two"),
        ],
    )
    .await;
    case.create().await;
    let (one, two) = (case.id.clone(), format!("{}-two", case.id));
    case.back_up_by(&["--include-namespaces", &format!("{one},{two}")]);
    let target = TestNamespace::reserve(case.b(), "c14-target");
    for mapping in [format!("{one}:{0},{two}:{0}", target.name), format!("{one}:{two}")] {
        let name = crate::support::unique("refused");
        let arguments = [
            "restore",
            "run",
            &name,
            "--location",
            &case.bucket,
            "--from-backup",
            "one",
            "--namespace-mappings",
            &mapping,
        ];
        let run = crate::process::run(&mut case.b().ark(arguments));
        assert!(matches!(run.code, Some(1 | 2)), "{}", run.transcript());
        for name in [&one, &two] {
            assert!(run.stderr.contains(name.as_str()), "{}", run.stderr);
        }
    }
    for name in [&one, &two, &target.name] {
        assert!(case.b().read(&format!("/api/v1/namespaces/{name}")).await.is_none(), "{name} was touched");
    }
    // What is not restored besides is in nobody's way.
    let mapping = format!("{one}:{two}");
    restore(
        case.b(),
        &case.bucket,
        "one",
        &["--include-namespaces", &one, "--namespace-mappings", &mapping],
        0,
    );
    let of: Value =
        case.b().read(&format!("/api/v1/namespaces/{two}/configmaps/whose")).await.expect("restored");
    assert_eq!(of["data"]["of"], "one");
}

/// A StorageClass that was the default in the other cluster.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_default_class_that_comes_along_is_not_made_the_default() {
    let case = rights().await;
    let class = format!("/apis/storage.k8s.io/v1/storageclasses/{}-class", case.id);
    let mark = "storageclass.kubernetes.io/is-default-class";
    case.a().merge(&class, &json!({"metadata": {"annotations": {mark: "true"}}})).await;
    case.back_up();
    case.a().merge(&class, &json!({"metadata": {"annotations": {mark: null}}})).await;
    let restored = case.restore(case.b(), &["--include-namespaces", &case.id], 0);
    assert!(restored.said.contains("is not made the default"), "{}", restored.said);
    let there = case.b().read(&class).await.expect("came along");
    assert_eq!(there["metadata"]["annotations"].get(mark), None, "{there}");
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_came_along_into_a_backup_is_not_changed_by_a_restore_of_all_of_it() {
    let case = rights().await;
    case.back_up();
    let class = format!("/apis/storage.k8s.io/v1/storageclasses/{}-class", case.id);
    case.a().merge(&class, &json!({"metadata": {"labels": {"of": "now"}}})).await;
    for policy in ["update", "recreate"] {
        case.restore(case.a(), &["--existing-resource-policy", policy], 0);
        let there = case.a().read(&class).await.expect("there");
        assert_eq!(there["metadata"]["labels"]["of"], "now", "{policy}: others rest on it");
    }
}
