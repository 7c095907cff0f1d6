//! Installing: what `ark install` prints, the Helm chart and the samples, taken by a real API
//! server; and that the rights which they grant suffice for all that a server does.

mod chart_values;
mod hook_permissions;
pub mod manifests;
mod permissions;
mod samples;

use serde_json::{Value, json};

use crate::process;
use crate::support::{Cluster, Lab, TestNamespace, eventually, unique};
pub use manifests::apply_all;
use manifests::{apply, chart, essence, file, files, helm, path, read};

const IMAGE: &str = "registry.example/ark:0.1.0";

/// What `ark install` prints for a namespace.
pub fn printed(namespace: &str, more: &[&str]) -> Vec<Value> {
    let arguments =
        ["install", "--namespace", namespace, "--image", IMAGE].into_iter().chain(more.iter().copied());
    let run = process::run(&mut process::ark(arguments)).expect_code(0);
    read(&run.stdout)
}

/// Removes what belongs to no namespace, so that nothing of a test stays; definitions are left to
/// the other tests.
pub async fn remove_roles(cluster: &Cluster, objects: &[Value]) {
    for object in objects {
        let kind = object["kind"].as_str().unwrap_or_default();
        if kind.starts_with("ClusterRole") || kind == "FlowSchema" {
            cluster.delete(&path(object)).await;
        }
    }
}

/// A pod of the Deployment is what the strictest of Kubernetes' own policies lets in.
async fn expect_restricted_pods(cluster: &Cluster, objects: &[Value]) {
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").expect("a Deployment");
    let mut pod = deployment["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("one");
    pod["metadata"]["namespace"] = deployment["metadata"]["namespace"].clone();
    apply(cluster, &pod, true).await.unwrap_or_else(|refusal| panic!("{refusal}"));
    // The label works: what is less strict is refused.
    pod["spec"]["containers"][0]["securityContext"] = json!({});
    let refusal = apply(cluster, &pod, true).await.expect_err("an unrestricted pod is let in");
    assert!(refusal.contains("restricted"), "{refusal}");
}

async fn expect_idempotent(cluster: &Cluster, objects: &[Value]) {
    let first = apply_all(cluster, objects).await;
    let second = apply_all(cluster, objects).await;
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(essence(first), essence(second), "a second apply changes it");
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_install_prints_is_taken_and_applying_it_twice_changes_nothing() {
    let lab = Lab::get().await;
    lab.b.install_definitions().await;
    let namespace = TestNamespace::reserve(&lab.b, "install");
    let credentials = tempfile::NamedTempFile::new().expect("a file");
    let text = "[default]\naws_access_key_id = a\naws_secret_access_key = b\n";
    std::fs::write(credentials.path(), text).expect("writable");
    let credentials = credentials.path().display().to_string();
    let location = "s3://backups/east?region=eu-central-1";
    let objects = printed(&namespace.name, &["--location", location, "--credentials-file", &credentials]);
    expect_idempotent(&lab.b, &objects).await;
    expect_restricted_pods(&lab.b, &objects).await;
    remove_roles(&lab.b, &objects).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_chart_is_taken_with_every_file_of_values() {
    let lab = Lab::get().await;
    lab.b.install_definitions().await;
    for values in files("charts/ark/ci", "-values.yaml") {
        let namespace = TestNamespace::reserve(&lab.b, "chart");
        let home = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace.name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        });
        let mut objects = vec![home];
        objects.extend(chart(&namespace.name, &values, &[]));
        expect_idempotent(&lab.b, &objects).await;
        expect_restricted_pods(&lab.b, &objects).await;
        remove_roles(&lab.b, &objects).await;
    }
}

/// What a manifest says, without labels (the chart's are more) and with the image's pull policy as
/// it is by default.
fn sense(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"] =
        json!({ "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"] });
    if object["kind"] == "Deployment"
        && let Some(container) = object["spec"]["template"]["spec"]["containers"][0].as_object_mut()
    {
        container.remove("imagePullPolicy");
    }
    object
}

#[test]
#[ignore = "needs the lab: run hack/test.sh"]
fn the_chart_installs_what_install_prints() {
    let modes: [(&[&str], &[&str]); 3] = [
        (&[], &[]),
        (&["--restore-only", "--replicas", "1"], &["--set", "restoreOnly=true,replicas=1"]),
        (
            &["--disable-restores", "--disable-schedules", "--disable-hooks"],
            &["--set", "disableRestores=true,disableSchedules=true,disableHooks=true"],
        ),
    ];
    for (flags, values) in modes {
        let ordered = |objects: Vec<Value>| {
            let ours = objects.iter().filter(|object| {
                !["Namespace", "CustomResourceDefinition"]
                    .contains(&object["kind"].as_str().unwrap_or_default())
            });
            let mut ours: Vec<_> = ours.map(|object| (path(object), sense(object))).collect();
            ours.sort_by(|one, other| one.0.cmp(&other.0));
            ours
        };
        let charted = chart("heptio-ark", &file("charts/ark/ci/smallest-values.yaml"), values);
        let (printed, charted) = (ordered(printed("heptio-ark", flags)), ordered(charted));
        let paths =
            |objects: &[(String, Value)]| objects.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(&printed), paths(&charted), "{flags:?}");
        for ((path, printed), (_, charted)) in printed.iter().zip(&charted) {
            assert_eq!(printed, charted, "{path} {flags:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn helm_installs_and_what_it_removes_again_is_not_what_holds_backups() {
    let lab = Lab::get().await;
    lab.b.install_definitions().await;
    let namespace = TestNamespace::reserve(&lab.b, "helm");
    let release = unique("ark");
    let [chart, values] =
        ["charts/ark", "charts/ark/ci/everything-values.yaml"].map(|path| file(path).display().to_string());
    let kubeconfig = lab.b.kubeconfig.display().to_string();
    let target = ["--kubeconfig", &kubeconfig, "--namespace", &namespace.name];
    let install = ["install", &release, &chart, "--create-namespace", "--values", &values];
    helm(&[&install[..], &target].concat());

    let ours = format!("/apis/ark.heptio.com/v1/namespaces/{}", namespace.name);
    let deployment = format!("/apis/apps/v1/namespaces/{}/deployments/ark", namespace.name);
    assert!(lab.b.read(&deployment).await.is_some());
    let location =
        lab.b.read(&format!("{ours}/backupstoragelocations/main")).await.expect("it has a location");
    assert_eq!(location["spec"]["credential"]["name"], "bucket-credentials");
    assert!(lab.b.read(&format!("{ours}/schedules/nightly")).await.is_some());
    let backup = json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup", "metadata": {"name": "kept"}, "spec": {}});
    let made = lab.b.create(&format!("{ours}/backups"), &backup).await;
    helm(&[&["upgrade", &release, &chart, "--values", &values, "--set", "replicas=1"][..], &target].concat());
    let budget = format!("/apis/policy/v1/namespaces/{}/poddisruptionbudgets/ark", namespace.name);
    assert!(lab.b.read(&budget).await.is_none(), "one replica has no budget");

    helm(&[&["uninstall", &release][..], &target].concat());
    eventually("the server is gone", async || lab.b.read(&deployment).await.is_none().then_some(())).await;
    let role = format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{}:restore", namespace.name);
    assert!(lab.b.read(&role).await.is_none(), "its rights are gone");
    let kept = lab.b.read(&format!("{ours}/backups/kept")).await.expect("backups and their definition stay");
    assert_eq!(kept["metadata"]["uid"], made["metadata"]["uid"]);
}
