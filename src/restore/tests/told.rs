//! Findings about a backup and a cluster that are not as a person expects.

use super::*;
use crate::api::BackupPhase;
use crate::bucket::tests::{document, write_backup};

/// Returns the findings about the run as a whole.
fn general(came: &Came) -> Vec<&str> {
    let about = came.findings.iter().filter(|finding| finding.item.is_none());
    about.map(|finding| finding.message.as_str()).collect()
}

fn put(objects: &mut Objects, path: &str, mut object: Value) {
    object["metadata"]["resourceVersion"] = "1".into();
    objects.insert(path.to_owned(), object);
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_lacks_something_is_told_when_it_is_restored() {
    let (_, bucket) = faulty_bucket();
    let mut backup = document("nightly", Vec::new());
    let status = backup.status.as_mut().unwrap();
    (status.phase, status.errors) = (Some(BackupPhase::PartiallyFailed), 3);
    write_backup(&bucket, &backup, None, vec![namespace("shop")]).await;
    let came = restore_from(&bucket, &keep(Objects::new(), |_, _| None), json!({})).await;
    assert_eq!(came.phase, RestorePhase::Completed);
    let [warning] = general(&came)[..] else { panic!("{:?}", came.findings) };
    assert!(warning.starts_with("the backup itself is PartiallyFailed, with 3 errors"), "{warning}");
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_selects_nothing_is_told() {
    let spec = json!({"labelSelector": {"matchLabels": {"app": "nobody"}}});
    let items = vec![namespace("shop"), map("shop", "settings", &[])];
    let came = restore_as(&keep(Objects::new(), |_, _| None), items, spec).await;
    assert_eq!((came.phase, came.acts.len()), (RestorePhase::Completed, 0), "{:?}", came.acts);
    let [warning] = general(&came)[..] else { panic!("{:?}", came.findings) };
    assert!(warning.starts_with("nothing in the backup is selected"), "{warning}");
}

#[tokio::test(start_paused = true)]
async fn a_content_of_a_snapshot_of_before_is_told_with_what_keeps_the_snapshot() {
    let group = "snapshot.storage.k8s.io";
    let (snapshots, contents) =
        ("volumesnapshots.snapshot.storage.k8s.io", "volumesnapshotcontents.snapshot.storage.k8s.io");
    let content = |policy: &str, uid: &str| {
        let snapshot =
            json!({"kind": "VolumeSnapshot", "namespace": "shop", "name": "monday", "uid": "old monday"});
        json!({"apiVersion": format!("{group}/v1"), "kind": "VolumeSnapshotContent", "metadata": {"name": "c", "uid": uid},
            "spec": {"driver": "d", "deletionPolicy": policy, "source": {"snapshotHandle": "snap-1"}, "volumeSnapshotRef": snapshot}})
    };
    let snapshot = json!({"apiVersion": format!("{group}/v1"), "kind": "VolumeSnapshot",
        "metadata": {"name": "monday", "namespace": "shop", "uid": "old monday"}, "spec": {"source": {"volumeSnapshotContentName": "c"}}});
    let of_before = ItemKey::cluster(GroupResource::parse(contents), "c");
    for (policy, there, advice) in [
        ("Retain", false, Some("delete this content, whose deletion policy Retain keeps")),
        ("Delete", false, Some("set its deletionPolicy to Retain, which keeps")),
        ("Retain", true, None),
    ] {
        let mut objects = Objects::new();
        put(&mut objects, &format!("/apis/{group}/v1/volumesnapshotcontents/c"), content(policy, "there"));
        if there {
            let path = format!("/apis/{group}/v1/namespaces/shop/volumesnapshots/monday");
            put(&mut objects, &path, snapshot.clone());
        }
        let items =
            vec![namespace("shop"), (contents, content("Retain", "old c")), (snapshots, snapshot.clone())];
        let came = restore_into(&keep(objects, |_, _| None), items).await;
        let warnings = came.warnings(&of_before);
        let about: Vec<&&str> =
            warnings.iter().filter(|text| text.contains("shop/monday of before")).collect();
        assert_eq!(about.len(), usize::from(advice.is_some()), "{policy} {there}: {warnings:?}");
        assert!(about.iter().all(|text| text.contains(advice.unwrap_or_default())), "{policy}: {about:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_bound_to_other_storage_is_told_at_every_run() {
    let [(volumes, mut volume), (claims, claim)] = claim_and_volume();
    let mut objects = Objects::new();
    let mut other = volume.clone();
    (volume["spec"]["hostPath"], other["spec"]["hostPath"]) =
        (json!({"path": "/one"}), json!({"path": "/other"}));
    put(&mut objects, "/api/v1/persistentvolumes/pv-1", other);
    put(&mut objects, "/api/v1/namespaces/shop/persistentvolumeclaims/data", claim.clone());
    let items = vec![namespace("shop"), (volumes, volume), (claims, claim)];
    // The cluster as a run before this one has left it.
    let came = restore_into(&keep(objects, |_, _| None), items).await;
    let warnings = came.warnings(&item("persistentvolumeclaims", "shop", "data"));
    let [warning] = warnings[..] else { panic!("{:?}", came.findings) };
    assert!(warning.starts_with("its volume `pv-1` is in the cluster with other storage"), "{warning}");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_gets_its_volume_now_is_not_said_to_lack_it() {
    let [(volumes, volume), (claims, claim)] = claim_and_volume();
    let (mut released, mut waiting) = (volume.clone(), claim.clone());
    released["status"]["phase"] = "Released".into();
    waiting["metadata"]["uid"] = "new data".into();
    waiting["spec"] = json!({});
    waiting["status"]["phase"] = "Pending".into();
    let mut objects = Objects::new();
    put(&mut objects, "/api/v1/persistentvolumes/pv-1", released);
    let path = "/api/v1/namespaces/shop/persistentvolumeclaims/data";
    put(&mut objects, path, waiting);
    let mut looks = 0;
    let cluster = keep(objects, move |asked, objects| {
        // The volume controller binds the PVCs after the first look at them.
        if asked.method == "GET" && asked.uri == path {
            looks += 1;
            if looks > 1 {
                let claim = objects.get_mut(path)?;
                claim["status"]["phase"] = "Bound".into();
                claim["spec"]["volumeName"] = "pv-1".into();
            }
        }
        let frees = asked.method == "PATCH" && asked.uri.starts_with("/api/v1/persistentvolumes/pv-1");
        frees.then(|| answer(200, "{}"))
    });
    let items = vec![namespace("shop"), (volumes, volume), (claims, claim)];
    let came = restore_into(&cluster, items).await;
    assert_eq!(
        came.warnings(&item("persistentvolumeclaims", "shop", "data")),
        [""; 0],
        "{:?}",
        came.findings
    );
    assert_eq!(came.phase, RestorePhase::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_changed_in_place_is_told_and_not_written_at_every_run() {
    let service = |spec: Value| {
        let metadata = json!({"name": "web", "namespace": "shop", "uid": "old web"});
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    };
    let mut objects = Objects::new();
    let headless = json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": [{"port": 80}]});
    put(&mut objects, "/api/v1/namespaces/shop/services/web", service(headless));
    let writes = Arc::<Mutex<Vec<String>>>::default();
    let written = Arc::clone(&writes);
    let cluster = keep(objects, move |asked, _| {
        if asked.method == "PUT" {
            written.lock().unwrap().push(asked.uri.clone());
        }
        None
    });
    let stored =
        service(json!({"clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"], "ports": [{"port": 80}]}));
    let items = vec![namespace("shop"), ("services", stored)];
    let came = restore_as(&cluster, items, json!({"existingResourcePolicy": "Update"})).await;
    let [warning] = came.warnings(&item("services", "shop", "web"))[..] else {
        panic!("{:?}", came.findings)
    };
    assert!(
        warning.contains("differs in spec.clusterIP") && warning.contains("changed in place"),
        "{warning}"
    );
    assert!(writes.lock().unwrap().is_empty(), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_and_fitted_nothing_is_told_by_name() {
    let [_, (claims, mut claim)] = claim_and_volume();
    claim["spec"] = json!({"storageClassName": "fast"});
    claim["status"]["phase"] = "Pending".into();
    let rule = |kind: &str| json!({"conditions": {"groupResource": kind}, "mergePatches": [{"patchData": "metadata: {labels: {a: b}}"}]});
    let spec = json!({"storageClassMapping": {"fast": "slow", "fsat": "slow"}, "imageMapping": {"old.test": "new.test"},
        "resourceModifiers": [rule("configmaps"), rule("configmap")]});
    let items = vec![namespace("shop"), (claims, claim), map("shop", "settings", &[])];
    let came = restore_as(&keep(Objects::new(), |_, _| None), items, spec).await;
    assert_eq!(came.phase, RestorePhase::Completed, "{:?}", came.findings);
    let told = general(&came);
    assert_eq!(told.len(), 3, "{told:?}");
    for part in
        ["storageClassMapping names `fsat`", "imageMapping names `old.test`", "resourceModifiers[1] fits"]
    {
        assert!(told.iter().any(|text| text.contains(part)), "{part}: {told:?}");
    }
}
