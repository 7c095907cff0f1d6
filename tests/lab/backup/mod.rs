//! Backups of a real cluster into a real bucket.

mod failures;
mod interruptions;
mod large_objects_many_kinds;
mod related_items;
mod selection;

use std::path::Path;

pub use failures::kubeconfig_with_token;
pub use interruptions::{S3, fill};
use serde_json::{Value, json};

use crate::process::{Run, run};
use crate::support::{Cluster, Lab, TestNamespace};

/// Backs up into `bucket` and expects this exit code.
pub fn back_up(cluster: &Cluster, bucket: &str, name: &str, flags: &[&str], code: i32) -> Run {
    let arguments = ["backup", "run", name, "--location", bucket].into_iter().chain(flags.iter().copied());
    run(&mut cluster.ark(arguments)).expect_code(code)
}

/// The items of a backup, as `kind namespace/name` or `kind name`.
pub fn contents(cluster: &Cluster, bucket: &str, name: &str) -> Vec<String> {
    let listed = run(&mut cluster.ark(["backup", "contents", name, "--location", bucket, "-o", "name"]));
    listed.expect_code(0).stdout.lines().map(str::to_owned).collect()
}

/// The document of a backup.
pub fn document(cluster: &Cluster, bucket: &str, name: &str) -> Value {
    let described = run(&mut cluster.ark(["backup", "describe", name, "--location", bucket, "-o", "json"]));
    serde_json::from_str(&described.expect_code(0).stdout).expect("the document is JSON")
}

/// The names in a folder of a bucket; none if there is no such folder.
fn files_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// A ConfigMap in a namespace.
pub async fn config_map(cluster: &Cluster, namespace: &str, name: &str, data: &Value) {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data});
    cluster.create(&path, &object).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_holds_what_was_asked_for_verifies_and_opens_with_tar() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "whole").await;
    config_map(&lab.a, &namespace.name, "settings", &json!({"greeting": "grüß dich — 你好 🚀"})).await;
    let made = back_up(&lab.a, &bucket, "whole", &["--include-namespaces", &namespace.name], 0);
    assert!(made.stdout.contains("backup whole: Completed"), "{}", made.stdout);

    let items = contents(&lab.a, &bucket, "whole");
    assert!(items.contains(&format!("configmaps {}/settings", namespace.name)), "{items:?}");
    assert!(items.contains(&format!("namespaces {}", namespace.name)), "{items:?}");
    assert!(items.iter().all(|item| !item.contains("kube-root-ca.crt")), "{items:?}");
    assert!(items.iter().all(|item| !item.contains("kube-system/")), "{items:?}");

    let verified = run(&mut lab.a.ark(["backup", "verify", "whole", "--location", &bucket])).expect_code(0);
    assert!(verified.stdout.contains("is sound"), "{}", verified.stdout);
    let status = document(&lab.a, &bucket, "whole")["status"].clone();
    assert!(status["revision"].as_str().is_some_and(|revision| revision.parse::<u64>().is_ok()), "{status}");
    assert_eq!(status.get("kindsOutsideCut"), None, "{status}");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("whole.tar.zst");
    let to = file.to_str().expect("text");
    run(&mut lab.a.ark(["backup", "download", "whole", "--location", &bucket, "--to", to])).expect_code(0);
    let raw = zstd::decode_all(std::fs::File::open(&file).expect("saved")).expect("one zstd stream");
    let mut tar = tar::Archive::new(&*raw);
    let paths: Vec<String> = tar
        .entries()
        .expect("a tar")
        .map(|entry| entry.expect("an entry").path().expect("a path").to_string_lossy().into_owned())
        .collect();
    assert_eq!(paths.len(), items.len() + 2, "the items and two documents: {paths:?}");
    assert!(paths.contains(&format!("resources/configmaps/namespaces/{}/settings.json", namespace.name)));
}

/// Two objects of different kinds are counted up one after the other while five backups are made:
/// no backup has the second ahead of the first.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_backup_is_the_cluster_at_one_instant_while_it_changes() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "instant").await;
    let home = format!("/api/v1/namespaces/{}", namespace.name);
    let first = |count: u32| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "first"}, "data": {"count": count.to_string()}});
    let second = |count: u32| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "second"}, "stringData": {"count": count.to_string()}});
    lab.a.create(&format!("{home}/configmaps"), &first(0)).await;
    lab.a.create(&format!("{home}/secrets"), &second(0)).await;
    // At any instant the first is as high as the second, or one ahead.
    let counting = async {
        for count in 1.. {
            lab.a.replace(&format!("{home}/configmaps/first"), &first(count)).await;
            lab.a.replace(&format!("{home}/secrets/second"), &second(count)).await;
        }
    };
    let backups = async {
        for round in 0..5 {
            let name = format!("instant-{round}");
            let flags = ["--include-namespaces", &namespace.name];
            let arguments = ["backup", "run", &name, "--location", &bucket].into_iter().chain(flags);
            let mut command = lab.a.ark(arguments);
            tokio::task::spawn_blocking(move || run(&mut command).expect_code(0)).await.expect("runs");
        }
    };
    tokio::select! { () = counting => {}, () = backups => {} }
    for round in 0..5 {
        let (first, second) = counts(&lab.a, &bucket, &format!("instant-{round}"), &namespace.name);
        assert!(first == second || first == second + 1, "round {round}: {first} and {second}");
    }
}

/// The counts in the two objects of a backup, out of its tarball.
fn counts(cluster: &Cluster, bucket: &str, name: &str, namespace: &str) -> (u32, u32) {
    let read = |kind: &str, object: &str| -> Value {
        let path = format!("resources/{kind}/namespaces/{namespace}/{object}.json");
        serde_json::from_slice(&tarball_entry(cluster, bucket, name, &path)).expect("JSON")
    };
    let first =
        read("configmaps", "first")["data"]["count"].as_str().expect("text").parse().expect("a number");
    let encoded = read("secrets", "second")["data"]["count"].clone();
    let decoded: k8s_openapi::ByteString = serde_json::from_value(encoded).expect("base64");
    (first, String::from_utf8(decoded.0).expect("text").parse().expect("a number"))
}

/// One entry of a backup's tarball.
pub fn tarball_entry(cluster: &Cluster, bucket: &str, name: &str, path: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup.tar.zst");
    let to = file.to_str().expect("text");
    run(&mut cluster.ark(["backup", "download", name, "--location", bucket, "--to", to])).expect_code(0);
    let raw = zstd::decode_all(std::fs::File::open(&file).expect("saved")).expect("one zstd stream");
    let mut tar = tar::Archive::new(&*raw);
    for entry in tar.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        if entry.path().expect("a path").to_string_lossy() == path {
            let mut body = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut body).expect("a body");
            return body;
        }
    }
    panic!("{path} is not in {name}")
}
