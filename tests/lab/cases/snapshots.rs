//! VolumeSnapshots and their contents: a restore never asks for a new snapshot under an old name.

use serde_json::json;

use super::Case;

const BEFORE: &str = include_str!("data/21-volume-snapshots.yaml");
const THEN: &str = include_str!("data/21-volume-snapshots-then.yaml");
const GROUP: &str = "/apis/snapshot.storage.k8s.io/v1";

/// A VolumeSnapshot without its content would be taken anew: of the volume as it is now.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_snapshot_comes_back_with_what_it_holds_or_not_at_all() {
    let case = Case::alone("c21", BEFORE).await;
    case.create().await;
    let then = case.more(THEN);
    case.a().create_all(&then).await;
    let contents = format!("{GROUP}/volumesnapshotcontents/{}-content", case.id);
    let snapshots = format!("{GROUP}/namespaces/{}/volumesnapshots/monday", case.id);
    let handle = json!({"status": {"snapshotHandle": "snap-4711", "readyToUse": true}});
    case.a().merge(&format!("{contents}/status"), &handle).await;
    let name = format!("{}-content", case.id);
    let to = json!({"status": {"boundVolumeSnapshotContentName": name, "readyToUse": true}});
    case.a().merge(&format!("{snapshots}/status"), &to).await;
    case.back_up();

    // B does not know the kinds: their definitions come along.
    let restored = case.restore(case.b(), &[], 0);
    let pair = (case.b().read(&contents).await, case.b().read(&snapshots).await);
    let again = case.second_writes_nothing(case.b(), &[]).await;
    for cluster in [case.a(), case.b()] {
        for doomed in [&contents, &snapshots] {
            cluster.delete(doomed).await;
        }
        for object in case.objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition") {
            cluster.remove_definition(object["metadata"]["name"].as_str().expect("a name")).await;
        }
    }
    match pair {
        (Some(content), Some(snapshot)) => {
            assert_eq!(
                content["spec"]["source"],
                json!({"snapshotHandle": "snap-4711"}),
                "{}",
                restored.said
            );
            assert_eq!(content["spec"]["deletionPolicy"], "Retain");
            assert_eq!(content["spec"]["volumeSnapshotRef"]["name"], "monday");
            assert_eq!(snapshot["spec"]["source"], json!({"volumeSnapshotContentName": name}));
        }
        (None, None) => {
            assert!(restored.said.contains("monday") && restored.said.contains(&name), "{}", restored.said);
        }
        half => panic!("one without the other: {half:?}\n{}\n{}", restored.said, again.said),
    }
}
