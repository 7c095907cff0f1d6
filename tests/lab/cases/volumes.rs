//! Volumes and claims: what a restore says is back is Bound.

use serde_json::{Value, json};

use super::{Case, bound, manifests, uid};
use crate::restore::count;
use crate::support::{Cluster, TestNamespace};

const RELEASED: &str = include_str!("data/37-released-volumes.yaml");
const SOURCES: &str = include_str!("data/20-gone-data-source.yaml");

fn volume(case: &Case, name: &str) -> String {
    format!("/api/v1/persistentvolumes/{}-{name}", case.id)
}

/// Both claims of case 37 are Bound to their volumes, and the volumes to them.
async fn expect_bound(case: &Case, cluster: &Cluster) {
    for name in ["a", "b"] {
        let claim = bound(cluster, &case.core_path(&format!("persistentvolumeclaims/{name}"))).await;
        assert_eq!(claim["spec"]["volumeName"], json!(format!("{}-{name}", case.id)));
        let of = bound(cluster, &volume(case, name)).await;
        assert_eq!(of["spec"]["claimRef"]["uid"], claim["metadata"]["uid"], "{of}");
    }
}

async fn released() -> Case {
    let case = Case::get("c37", RELEASED).await;
    case.create().await;
    expect_bound(&case, case.a()).await;
    case.back_up();
    case
}

async fn lose_claims(case: &Case) {
    case.destroy().await;
    for name in ["a", "b"] {
        let path = volume(case, name);
        crate::support::eventually("the volume is Released", async || {
            (case.a().read(&path).await?["status"]["phase"] == "Released").then_some(())
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_released_volume_is_bound_again_by_the_claim_that_comes_back() {
    let case = released().await;
    for flags in
        [&[][..], &["--existing-resource-policy", "update"], &["--existing-resource-policy", "recreate"]]
    {
        lose_claims(&case).await;
        let before = uid(case.a(), &volume(&case, "a")).await;
        case.restore_cleanly(case.a(), flags);
        expect_bound(&case, case.a()).await;
        assert_eq!(uid(case.a(), &volume(&case, "a")).await, before, "a volume is never made anew");
        case.second_changes_nothing(case.a(), flags).await;
    }
    // The same when the volumes are lost, too.
    lose_claims(&case).await;
    for name in ["a", "b"] {
        case.a().remove(&volume(&case, name)).await;
    }
    case.restore_cleanly(case.a(), &[]);
    expect_bound(&case, case.a()).await;
    case.second_changes_nothing(case.a(), &[]).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_claim_alone_frees_its_released_volume_and_a_copy_leaves_it_alone() {
    let case = released().await;
    lose_claims(&case).await;
    let flags = ["--include-namespaces", &case.id, "--include-resources", "persistentvolumeclaims"];
    case.restore(case.a(), &flags, 0);
    expect_bound(&case, case.a()).await;
    case.second_changes_nothing(case.a(), &flags).await;

    // Under another name the claims are others: the volumes stay with those that have them.
    let copy = TestNamespace::reserve(case.a(), "c37-copy");
    let mapping = format!("{}:{}", case.id, copy.name);
    let restored = case.restore(case.a(), &["--namespace-mappings", &mapping], 0);
    assert!(count(&restored.status, "warnings") > 0, "{}", restored.status);
    expect_bound(&case, case.a()).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_volume_of_another_cluster_is_claimed_there_and_that_both_use_it_is_said() {
    let case = released().await;
    let restored = case.restore(case.b(), &[], 0);
    assert!(restored.said.contains(&format!("{}-a", case.id)), "{}", restored.said);
    expect_bound(&case, case.b()).await;
    case.second_writes_nothing(case.b(), &[]).await;
}

/// The claim names a VolumeSnapshot that no longer exists as its `dataSource`.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_claim_whose_data_source_is_gone_is_bound_or_waits_for_nothing() {
    let case = Case::get("c20", SOURCES).await;
    case.create().await;
    let claim = |name: &str| case.core_path(&format!("persistentvolumeclaims/{name}"));
    for name in ["kept", "gone"] {
        bound(case.a(), &claim(name)).await;
    }
    case.back_up();
    let restored = case.restore(case.b(), &[], 0);
    let kept = bound(case.b(), &claim("kept")).await;
    assert_eq!(kept["spec"]["volumeName"], json!(format!("{}-kept", case.id)));
    let gone = case.b().read(&claim("gone")).await.expect("restored");
    let waits = gone["spec"].get("dataSource").is_some_and(|source| source != &Value::Null);
    assert!(!waits || restored.said.contains("long-gone"), "{gone}\n{}", restored.said);
    case.second_writes_nothing(case.b(), &[]).await;
}

/// A Released volume names the claim by an older uid: its data are not those of the backup.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_older_volume_that_the_claim_once_had_is_left_alone() {
    let case = released().await;
    let older = format!("{}-older", case.id);
    let spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": case.id, "hostPath": {"path": "/var/lib/lab/older"},
        "claimRef": {"namespace": case.id, "name": "a", "uid": "0fa1c1de-0000-4000-8000-000000000000"}});
    let object =
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": older}, "spec": spec});
    case.a().create("/api/v1/persistentvolumes", &object).await;
    lose_claims(&case).await;
    crate::support::eventually("the older volume is Released", async || {
        (case.a().read(&volume(&case, "older")).await?["status"]["phase"] == "Released").then_some(())
    })
    .await;
    case.restore_cleanly(case.a(), &[]);
    expect_bound(&case, case.a()).await;
    let there = case.a().read(&volume(&case, "older")).await.expect("there");
    assert_eq!(there["status"]["phase"], "Released", "its data are those of before: {there}");
    assert_eq!(there["spec"]["claimRef"]["uid"], object["spec"]["claimRef"]["uid"]);
    case.a().remove(&volume(&case, "older")).await;
}

/// The volume was deleted under its claim, which is Lost.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_claim_that_has_lost_its_volume_is_bound_to_it_again() {
    let case = released().await;
    let (path, claim) = (volume(&case, "a"), case.core_path("persistentvolumeclaims/a"));
    case.a().delete(&path).await;
    case.a().merge(&path, &json!({"metadata": {"finalizers": null}})).await;
    let lost = async || {
        crate::support::eventually("the claim is Lost", async || {
            (case.a().read(&claim).await?["status"]["phase"] == "Lost").then_some(())
        })
        .await;
    };
    lost().await;
    // Without its volume, a claim that is there and equal is not as it was.
    let without = ["--include-resources", "persistentvolumeclaims", "--include-cluster-resources=false"];
    let restored = case.restore(case.a(), &without, 0);
    assert!(restored.said.contains("has lost its volume"), "{}", restored.said);
    case.restore_cleanly(case.a(), &[]);
    expect_bound(&case, case.a()).await;
    case.second_changes_nothing(case.a(), &[]).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn volumes_that_are_not_wanted_are_left_alone_in_place_as_well() {
    let case = released().await;
    lose_claims(&case).await;
    let before = case.a().read(&volume(&case, "a")).await.expect("there");
    let restored = case.restore(case.a(), &["--restore-volumes=false"], 0);
    assert!(count(&restored.status, "warnings") >= 2, "{}", restored.said);
    let claim = case.a().read(&case.core_path("persistentvolumeclaims/a")).await.expect("restored");
    assert_eq!(claim["spec"].get("volumeName"), None, "{claim}");
    let now = case.a().read(&volume(&case, "a")).await.expect("there");
    assert_eq!(now["spec"]["claimRef"], before["spec"]["claimRef"], "{now}");
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_volume_of_the_name_with_other_storage_is_told_to_whoever_claims_it() {
    let case = released().await;
    let mut other = case.a().read(&volume(&case, "a")).await.expect("there");
    let name = other["metadata"]["name"].clone();
    other["metadata"] = json!({ "name": name });
    other["spec"]["claimRef"] = Value::Null;
    other["spec"]["hostPath"]["path"] = "/var/lib/lab/elsewhere".into();
    case.b().create("/api/v1/persistentvolumes", &other).await;
    let restored = case.restore(case.b(), &[], 0);
    assert!(restored.said.contains("with other storage than in the backup"), "{}", restored.said);
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_volume_that_had_outlived_its_claim_is_not_for_the_next_claim_of_the_name() {
    let volume = |name: &str, claim: &Value| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "c41-class",
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": format!("/var/lib/lab/{name}")}, "claimRef": claim}})
    };
    let gone = json!({"kind": "PersistentVolumeClaim", "namespace": "c41", "name": "data", "uid": "0fa1c1de-0000-4000-8000-000000000000"});
    let objects = [
        manifests::class("c41-class"),
        manifests::labelled(manifests::namespace("c41"), "of", "c41"),
        manifests::labelled(volume("c41-old", &gone), "of", "c41"),
    ];
    let mut case = Case::of("c41", &objects).await;
    let released = async |cluster: &Cluster| {
        crate::support::eventually("the volume is Released", async || {
            let old = cluster.read(&self::volume(&case, "old")).await?;
            (old["status"]["phase"] == "Released").then_some(())
        })
        .await;
    };
    case.create().await;
    released(case.a()).await;
    case.back_up_by(&["-l", &format!("of={}", case.id)]);
    case.restore(case.b(), &[], 0);
    released(case.b()).await;
    // The next claim of the name finds a free volume, and no data of a former life.
    let spare = volume("c41-spare", &Value::Null).to_string().replace("c41", &case.id);
    let spare: Value = serde_json::from_str(&spare).expect("it is JSON");
    case.b().create("/api/v1/persistentvolumes", &spare).await;
    let claim = manifests::claim(&case.id, "data", &format!("{}-class", case.id));
    case.b().create(&case.core_path("persistentvolumeclaims"), &claim).await;
    let claim = bound(case.b(), &case.core_path("persistentvolumeclaims/data")).await;
    assert_eq!(claim["spec"]["volumeName"], json!(format!("{}-spare", case.id)));
    case.second_writes_nothing(case.b(), &[]).await;
    case.objects.push(spare); // which goes with the rest
}
