//! Restores into real clusters: what comes back is what was backed up, in place and elsewhere.

mod changed_items;
mod damaged_backups;
mod existing_resource_policies;
mod refused_items;
mod resumed_restores;
mod rewritten_items;
mod rollout_history;
mod selection_and_mapping;

use std::collections::BTreeMap;
use std::sync::Arc;

use ark::api::Origin;
use ark::bucket::Bucket;
use ark::cluster::ConnectOptions;
use ark::model::Progress;
use ark::restore::RestoreRequest;
use ark::store::{Location, Meter, ObjectStore};
use serde_json::{Value, json};

use crate::backup::{back_up, config_map};
use crate::process::{Run, run};
use crate::support::{Cluster, Lab, TestNamespace, eventually, unique};

/// Restores from `bucket` and expects this exit code.
pub fn restore(cluster: &Cluster, bucket: &str, backup: &str, flags: &[&str], code: i32) -> Run {
    let name = unique("restore");
    let arguments = ["restore", "run", &name, "--location", bucket, "--from-backup", backup];
    run(&mut cluster.ark(arguments.into_iter().chain(flags.iter().copied()))).expect_code(code)
}

/// The document that a restore prints.
pub fn restored(cluster: &Cluster, bucket: &str, backup: &str, flags: &[&str], code: i32) -> Value {
    let flags: Vec<&str> = flags.iter().copied().chain(["-o", "json"]).collect();
    let run = restore(cluster, bucket, backup, &flags, code);
    serde_json::from_str::<Value>(&run.stdout).expect("the document is JSON")["status"].clone()
}

/// Deletes a namespace and waits until it is gone.
pub async fn destroy(cluster: &Cluster, namespace: &str) {
    let path = format!("/api/v1/namespaces/{namespace}");
    cluster.delete(&path).await;
    eventually("the namespace is gone", async || cluster.read(&path).await.is_none().then_some(())).await;
}

/// An object of the core group in a namespace.
pub async fn read(cluster: &Cluster, namespace: &str, kind: &str, name: &str) -> Option<Value> {
    cluster.read(&format!("/api/v1/namespaces/{namespace}/{kind}/{name}")).await
}

/// The data of a ConfigMap.
pub async fn data(cluster: &Cluster, namespace: &str, name: &str) -> Option<Value> {
    read(cluster, namespace, "configmaps", name).await.map(|map| map["data"].clone())
}

/// A number in a restore's status.
pub fn count(status: &Value, field: &str) -> u64 {
    status[field].as_u64().unwrap_or_else(|| panic!("no {field} in {status}"))
}

/// The store behind a location, to look into or to damage.
pub async fn store(bucket: &str) -> Arc<dyn ObjectStore> {
    ark::store::open(&Location::from_url(bucket).expect("understood")).await.expect("opened")
}

/// The cluster as the engine sees it.
pub async fn connect(cluster: &Cluster) -> ark::cluster::Cluster {
    let options =
        ConnectOptions { kubeconfig: Some(cluster.kubeconfig.clone()), ..ConnectOptions::default() };
    ark::cluster::Cluster::connect(&options).await.expect("reachable")
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_destroyed_namespace_comes_back_and_a_second_run_changes_nothing() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "back").await;
    let home = format!("/api/v1/namespaces/{}", namespace.name);
    let greeting = json!({"greeting": "grüß dich — 你好 🚀"});
    config_map(&lab.a, &namespace.name, "settings", &greeting).await;
    let service = json!({"metadata": {"name": "web"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}});
    lab.a.create(&format!("{home}/services"), &service).await;
    let deployment = json!({"metadata": {"name": "web"}, "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}}}});
    lab.a.create(&format!("/apis/apps/v1/namespaces/{}/deployments", namespace.name), &deployment).await;
    let role = json!({"metadata": {"name": "system:dotted.role:x"}, "rules": []});
    let roles = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles", namespace.name);
    lab.a.create(&roles, &role).await;
    back_up(&lab.a, &bucket, "one", &["--include-namespaces", &namespace.name], 0);
    destroy(&lab.a, &namespace.name).await;

    let status = restored(&lab.a, &bucket, "one", &[], 0);
    assert_eq!(status["phase"], "Completed", "{status}");
    assert_eq!(data(&lab.a, &namespace.name, "settings").await, Some(greeting));
    assert!(lab.a.read(&format!("{roles}/system:dotted.role:x")).await.is_some());
    let settings = read(&lab.a, &namespace.name, "configmaps", "settings").await.expect("restored");
    assert_eq!(settings["metadata"]["labels"]["ark.heptio.com/backup-name"], "one");
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();

    let again = restored(&lab.a, &bucket, "one", &[], 0);
    assert_eq!(
        (count(&again, "created"), count(&again, "updated"), count(&again, "warnings")),
        (0, 0, 0),
        "{again}"
    );
    let same = read(&lab.a, &namespace.name, "configmaps", "settings").await.expect("still there");
    assert_eq!(version(&same), version(&settings), "nothing was written");
    let update = restored(&lab.a, &bucket, "one", &["--existing-resource-policy", "update"], 0);
    assert_eq!((count(&update, "created"), count(&update, "updated")), (0, 0), "{update}");
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_dry_run_tells_the_plan_and_touches_nothing() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "plan").await;
    for name in ["same", "other", "gone"] {
        config_map(&lab.a, &namespace.name, name, &json!({"k": "v"})).await;
    }
    back_up(&lab.a, &bucket, "plan", &["--include-namespaces", &namespace.name], 0);
    let path = |name: &str| format!("/api/v1/namespaces/{}/configmaps/{name}", namespace.name);
    lab.a.delete(&path("gone")).await;
    lab.a.replace(&path("other"), &json!({"metadata": {"name": "other"}, "data": {"k": "changed"}})).await;

    let plan = |flags: &[&str]| {
        let flags: Vec<&str> = flags.iter().copied().chain(["--dry-run"]).collect();
        restore(&lab.a, &bucket, "plan", &flags, 0).stdout
    };
    let told = plan(&[]);
    let item = |name: &str| format!("configmaps {}/{name}", namespace.name);
    let line = |told: &str, name: &str| {
        told.lines().find(|line| line.contains(&item(name))).map(str::to_owned).unwrap_or_default()
    };
    assert!(line(&told, "gone").starts_with("create "), "{told}");
    assert!(line(&told, "same").starts_with("skip (there already and equal)"), "{told}");
    assert!(line(&told, "other").starts_with("skip (there already and different)"), "{told}");
    assert!(line(&told, "other").ends_with("differs in data.k"), "{told}");
    assert!(line(&plan(&["--existing-resource-policy", "update"]), "other").starts_with("update "));
    assert!(line(&plan(&["--existing-resource-policy", "recreate"]), "other").starts_with("recreate "));
    let mapping = format!("{}:{}-copy", namespace.name, namespace.name);
    let mapped = plan(&["--namespace-mappings", &mapping]);
    assert!(line(&mapped, "same").starts_with("create "), "{mapped}");

    assert_eq!(data(&lab.a, &namespace.name, "other").await, Some(json!({"k": "changed"})));
    assert_eq!(data(&lab.a, &namespace.name, "gone").await, None);
    assert!(lab.a.read(&format!("/api/v1/namespaces/{}-copy", namespace.name)).await.is_none());
    let listed = run(&mut lab.a.ark(["bucket", "list", "--location", &bucket])).expect_code(0).stdout;
    assert!(!listed.contains("restore-"), "{listed}");
}

/// The bytes that a restore of one namespace reads are counted, the index among them.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn one_namespace_of_fifty_reads_a_tenth_of_the_tarball_at_most() {
    let lab = Lab::alone().await;
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = format!("file://{}", folder.path().display());
    let prefix = unique("many");
    let mut namespaces = Vec::new();
    let noise = |seed: u64| -> String {
        // Text that does not compress to nothing.
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut text = String::new();
        while text.len() < 12_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.push_str(&format!("{state:x}"));
        }
        text
    };
    for number in 0..50 {
        let namespace = TestNamespace::create(&lab.a, &format!("{prefix}-{number}")).await;
        for map in 0..8 {
            let data = json!({"noise": noise(number * 8 + map)});
            config_map(&lab.a, &namespace.name, &format!("m{map}"), &data).await;
        }
        namespaces.push(namespace);
    }
    back_up(&lab.a, &bucket, "fifty", &["--include-namespaces", &format!("{prefix}-*")], 0);
    let stored = Bucket::new(store(&bucket).await).open_backup(&"fifty".parse().expect("a name")).await;
    let tarball = folder.path().join(stored.expect("opened").parts().tarball().as_str());
    let tarball = std::fs::metadata(tarball).expect("there").len();
    let one = &namespaces[17].name;
    destroy(&lab.a, one).await;

    let meter = Arc::new(Meter::new(store(&bucket).await));
    let cluster = connect(&lab.a).await;
    let request = RestoreRequest {
        goes_on: false,
        name: unique("metered").parse().expect("a name"),
        spec: serde_json::from_value(json!({"backupName": "fifty", "includedNamespaces": [one]}))
            .expect("a spec"),
        backup: None,
        source: None,
        labels: BTreeMap::new(),
        uid: unique("uid"),
        namespace: None,
        began: None,
        origin: Origin::default(),
        holder: "test".to_owned(),
        cluster: cluster.identity().await.expect("it has one"),
        attempt: 1,
        server: None,
        record: true,
        runs_hooks: true,
        parallel: 8,
    };
    let counted = Bucket::new(Arc::clone(&meter) as Arc<dyn ObjectStore>);
    let progress = Progress::default();
    ark::restore::run(&cluster, &counted, &request, &progress, std::future::pending())
        .await
        .expect("restored");
    let bytes = meter.bytes_read();
    assert!(bytes * 10 < tarball, "{bytes} bytes were read, the index among them, of a tarball of {tarball}");
    assert_eq!(data(&lab.a, one, "m3").await, Some(json!({"noise": noise(17 * 8 + 3)})));
}
