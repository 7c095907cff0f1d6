//! Backups that are damaged or do not hold what they say, and items of unusual size.

use std::path::Path;

use ark::api::{Backup, BackupPhase, BackupSpec, BackupStatus, ClusterReference};
use ark::archive::{IndexEncoder, IndexHeader, IndexLine, IndexedResource, ItemEntry, Packer, RawFrame};
use ark::bucket::{Bucket, Claim, Part};
use ark::model::{BackupName, GroupResource};
use futures::TryStreamExt as _;
use serde_json::{Value, json};

use super::selection_and_mapping::{await_gadgets, definition};
use super::{data, destroy, restore, restored, store};
use crate::backup::{back_up, config_map};
use crate::support::{DEFINITIONS, Lab, TestNamespace, unique};

/// Commits a backup of ConfigMaps in one namespace: name in the archive, and the body, whatever it
/// is.
async fn craft(bucket: &str, name: &str, namespace: &str, items: &[(&str, Value)]) {
    let kind = GroupResource::parse("configmaps");
    let info = IndexedResource {
        resource: kind.clone(),
        version: "v1".into(),
        kind: "ConfigMap".into(),
        singular: "configmap".into(),
        short_names: vec!["cm".into()],
        namespaced: true,
        status_is_data: false,
    };
    let header =
        IndexHeader { format: "2".into(), revision: None, cluster: "crafted".into(), kinds: vec![info] };
    let mut packer = Packer::new(0);
    packer.metadata("metadata/version", b"2.0.0\n").expect("packed");
    let mut frames: Vec<RawFrame> = Vec::new();
    for (name, body) in items {
        let body = body.to_string();
        let entry = ItemEntry {
            kind: &kind,
            namespace: Some(namespace),
            name,
            body: &[body.as_bytes()],
            uid: "",
            resource_version: "1",
            hash: 0,
            labels: None,
            owner: None,
            rollout: None,
        };
        frames.extend(packer.push(&entry).expect("packed"));
    }
    frames.extend(packer.finish());
    let bucket = Bucket::new(store(bucket).await);
    let name: BackupName = name.parse().expect("a name");
    let attempt = bucket.claim_backup(&name, &Claim::new("uid", "crafted", "test")).await.expect("claimed");
    let mut index = IndexEncoder::new(&header).expect("begun");
    let mut tarball = attempt.upload(Part::Tarball).await.expect("begun");
    for frame in frames {
        let sealed = frame.compress(3).expect("compressed");
        index.frame(&sealed, tarball.position()).expect("indexed");
        tarball.write(sealed.bytes.clone()).await.expect("written");
    }
    let objects = vec![
        tarball.finish().await.expect("written"),
        attempt.put(Part::Index, index.finish().expect("indexed")).await.expect("written"),
    ];
    let mut backup = Backup::new(name.as_str(), BackupSpec::default());
    backup.status = Some(BackupStatus {
        phase: Some(BackupPhase::Completed),
        format_version: Some("2".into()),
        cluster: Some(ClusterReference { uid: "crafted".into(), version: "v1".into() }),
        objects,
        ..BackupStatus::default()
    });
    attempt.commit(&backup).await.expect("committed");
}

fn map(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": {"k": "v"}})
}

/// An archive whose entries hold objects of another name or namespace than their paths.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_object_that_is_not_what_its_path_says_is_not_restored() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "crafted").await;
    let name = &*namespace.name;
    let items = [
        ("good", map(name, "good")),
        ("liar", map(name, "someone-else")),
        ("stray", map("kube-system", "stray")),
        ("unnamed", json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})),
    ];
    craft(&bucket, "crafted", name, &items).await;
    let run = restore(&lab.a, &bucket, "crafted", &[], 3);
    for (item, why) in [("liar", "its name is `someone-else`"), ("stray", "kube-system"), ("unnamed", "name")]
    {
        let line = run.stderr.lines().find(|line| line.contains(&format!("configmaps {name}/{item}")));
        assert!(line.is_some_and(|line| line.contains(why)), "{item}: {}", run.stderr);
    }
    assert_eq!(data(&lab.a, name, "good").await, Some(json!({"k": "v"})));
    assert_eq!(data(&lab.a, name, "someone-else").await, None);
    assert_eq!(data(&lab.a, "kube-system", "stray").await, None);
}

/// A ConfigMap of 5 MiB, more than the API server takes.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_is_too_large_for_the_cluster_fails_alone() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "large").await;
    let mut large = map(&namespace.name, "large");
    large["data"]["k"] = json!("x".repeat(5 << 20));
    craft(&bucket, "large", &namespace.name, &[("large", large), ("small", map(&namespace.name, "small"))])
        .await;
    let run = restore(&lab.a, &bucket, "large", &[], 3);
    assert!(run.stderr.contains(&format!("configmaps {}/large", namespace.name)), "{}", run.stderr);
    assert_eq!(data(&lab.a, &namespace.name, "small").await, Some(json!({"k": "v"})));
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_object_over_one_mebibyte_comes_back() {
    let lab = Lab::alone().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "mebibyte").await;
    let group = format!("{}.example.com", unique("g"));
    lab.a.create(DEFINITIONS, &definition(&group)).await;
    await_gadgets(&lab.a, &group).await;
    let gadgets = format!("/apis/{group}/v1/namespaces/{}/gadgets", namespace.name);
    let text = "grüß dich ".repeat(110_000);
    let object = json!({"apiVersion": format!("{group}/v1"), "kind": "Gadget", "metadata": {"name": "big"}, "spec": {"text": text}});
    lab.a.create(&gadgets, &object).await;
    back_up(&lab.a, &bucket, "big", &["--include-namespaces", &namespace.name], 0);
    destroy(&lab.a, &namespace.name).await;
    restored(&lab.a, &bucket, "big", &[], 0);
    let big = lab.a.read(&format!("{gadgets}/big")).await.expect("restored");
    assert!(big["spec"]["text"] == text.as_str(), "the text is the same");
    lab.a.remove_definition(&format!("gadgets.{group}")).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_damaged_frame_fails_its_items_and_no_others() {
    let lab = Lab::get().await;
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = format!("file://{}", folder.path().display());
    let namespace = TestNamespace::create(&lab.a, "damaged").await;
    let name = &*namespace.name;
    config_map(&lab.a, name, "lost", &json!({"k": "v"})).await;
    let secrets = format!("/api/v1/namespaces/{name}/secrets");
    lab.a.create(&secrets, &json!({"metadata": {"name": "kept"}})).await;
    back_up(&lab.a, &bucket, "damaged", &["--include-namespaces", name], 0);
    flip(folder.path(), &bucket, "damaged", "/lost.json").await;
    destroy(&lab.a, name).await;

    let run = restore(&lab.a, &bucket, "damaged", &[], 3);
    let line = run.stderr.lines().find(|line| line.contains(&format!("configmaps {name}/lost")));
    let line = line.unwrap_or_else(|| panic!("nothing is said of it: {}", run.stderr));
    assert!(line.contains("/damaged.tar.zst") && line.contains("frame"), "{line}");
    assert!(lab.a.read(&format!("{secrets}/kept")).await.is_some());
    assert_eq!(data(&lab.a, name, "lost").await, None);
}

/// Flips a bit in the middle of the frame that holds an item.
async fn flip(folder: &Path, bucket: &str, backup: &str, item: &str) {
    let opened = Bucket::new(store(bucket).await);
    let stored = opened.open_backup(&backup.parse().expect("a name")).await.expect("opened");
    let lines: Vec<IndexLine> = stored.index().await.expect("read").try_collect().await.expect("sound");
    let number = lines.iter().find_map(|line| match line {
        IndexLine::Item(found) if found.path.ends_with(item) => Some(found.frame),
        _ => None,
    });
    let middle = lines.iter().find_map(|line| match line {
        IndexLine::Frame(frame) if Some(frame.frame) == number => Some(frame.at + frame.len / 2),
        _ => None,
    });
    let path = folder.join(stored.parts().tarball().as_str());
    let mut bytes = std::fs::read(&path).expect("readable");
    bytes[usize::try_from(middle.expect("the frame is in the index")).expect("small")] ^= 0x10;
    std::fs::write(&path, bytes).expect("writable");
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_damaged_index_ends_the_restore_before_anything_is_touched() {
    let lab = Lab::get().await;
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = format!("file://{}", folder.path().display());
    let namespace = TestNamespace::create(&lab.a, "index").await;
    config_map(&lab.a, &namespace.name, "settings", &json!({"k": "v"})).await;
    back_up(&lab.a, &bucket, "index", &["--include-namespaces", &namespace.name], 0);
    lab.a.delete(&format!("/api/v1/namespaces/{}/configmaps/settings", namespace.name)).await;
    let opened = Bucket::new(store(&bucket).await).open_backup(&"index".parse().expect("a name")).await;
    let index = opened.expect("opened").parts().index().to_string();
    let path = folder.path().join(&index);
    let mut bytes = std::fs::read(&path).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&path, bytes).expect("writable");
    let run = restore(&lab.a, &bucket, "index", &[], 1);
    assert!(run.stderr.contains(&index), "{}", run.stderr);
    assert_eq!(data(&lab.a, &namespace.name, "settings").await, None);
    assert!(!folder.path().join("restores").join("restore").exists());
}
