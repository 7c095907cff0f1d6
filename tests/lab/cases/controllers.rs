//! Kinds that tell of one cluster at one time, and what its controller does not make again.

use std::process::Command;

use serde_json::{Value, json};

use super::{Case, owners, uid};
use crate::restore::restored;
use crate::support::{Cluster, eventually, path_of};

const OF_ONE_CLUSTER: &str = include_str!("data/30-kinds-of-one-cluster.yaml");
const PAUSED: &str = include_str!("data/11-deployments.yaml");
/// What persons made of those kinds.
const BY_HAND: &str = r#"
apiVersion: networking.k8s.io/v1
kind: IPAddress
metadata: {name: 10.77.0.77}
spec: {parentRef: {group: gateway.networking.k8s.io, resource: gateways, namespace: c30, name: outside}}
"#;

/// A request to be signed, as a person makes it.
fn signing_request(name: &str) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    let arguments = [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=someone",
        "-keyout",
    ];
    let made = Command::new("openssl").args(arguments).arg(&key).output().expect("openssl can be started");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let request = k8s_openapi::ByteString(made.stdout);
    json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
        "spec": {"request": request, "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}})
}

/// Leases, ResourceSlices, CSIStorageCapacities and signing requests stay; a DeviceClass, a
/// ServiceCIDR and an IPAddress that a person made are restored.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_tells_of_one_cluster_stays_there_and_what_a_person_made_comes() {
    let mut case = Case::alone("c30", OF_ONE_CLUSTER).await;
    let by_hand = case.more(BY_HAND);
    case.objects.extend(by_hand);
    let request = signing_request(&case.id);
    case.objects.push(request);
    case.create().await;
    let kinds = "namespaces,services,leases,csistoragecapacities.storage.k8s.io,deviceclasses.resource.k8s.io,resourceslices.resource.k8s.io,\
        servicecidrs.networking.k8s.io,ipaddresses.networking.k8s.io,certificatesigningrequests.certificates.k8s.io";
    let flags =
        ["--include-namespaces", &*case.id, "--include-cluster-resources=true", "--include-resources", kinds];
    crate::backup::back_up(case.a(), &case.bucket, "one", &flags, 0);
    let status = restored(case.b(), &case.bucket, "one", &[], 0);
    assert_eq!(status["errors"], 0, "{status}");
    let comes = ["DeviceClass", "ServiceCIDR", "IPAddress", "Namespace", "Service"];
    for object in &case.objects {
        let kind = object["kind"].as_str().expect("a kind");
        let there = case.b().read(&path_of(object)).await.is_some();
        assert_eq!(there, comes.contains(&kind), "{kind}");
    }
    let web = case.a().read(&case.core_path("services/web")).await.expect("there");
    let allotted = web["spec"]["clusterIP"].as_str().expect("an address");
    let elsewhere = case.b().read(&format!("/apis/networking.k8s.io/v1/ipaddresses/{allotted}")).await;
    assert!(
        elsewhere.is_none_or(|address| address["spec"]["parentRef"]["namespace"] != json!(case.id)
            || address["metadata"]["labels"]["ipaddress.kubernetes.io/managed-by"].is_string()),
        "an address that was allotted is nobody's elsewhere"
    );
    case.second_changes_nothing(case.b(), &[]).await;
}

/// The images that run: of each Deployment of case 11, once it has as many pods as it had.
async fn images(case: &Case, cluster: &Cluster, app: &str) -> Vec<String> {
    eventually(&format!("{app} has two pods"), async || {
        let pods = cluster.list(&case.core_path("pods")).await;
        let of: Vec<_> = pods.iter().filter(|pod| pod["metadata"]["labels"]["app"] == app).collect();
        let image = |pod: &&Value| pod["spec"]["containers"][0]["image"].as_str().map(str::to_owned);
        (of.len() == 2).then(|| of.iter().filter_map(image).collect())
    })
    .await
}

/// A Deployment is paused and its template changed: after the restore the pods have the image that
/// ran, not that of the template.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_paused_deployment_runs_on_with_the_image_that_ran() {
    let case = Case::get("c11", PAUSED).await;
    case.create().await;
    let deployment = |name: &str| case.group_path("apps/v1", &format!("deployments/{name}"));
    for app in ["web", "changed"] {
        assert_eq!(images(&case, case.a(), app).await, ["example.test/web:1"; 2]);
        case.a().merge(&deployment(app), &json!({"spec": {"paused": true}})).await;
    }
    let next = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "example.test/web:2"}]}}}});
    case.a().merge(&deployment("changed"), &next).await;
    case.back_up();
    case.restore_cleanly(case.b(), &[]);
    for app in ["web", "changed"] {
        assert_eq!(images(&case, case.b(), app).await, ["example.test/web:1"; 2], "{app}");
    }
    let sets = case.b().list(&case.group_path("apps/v1", "replicasets")).await;
    assert_eq!(sets.len(), 2, "{sets:?}");
    case.second_changes_nothing(case.b(), &[]).await;
    assert_eq!(case.b().list(&case.group_path("apps/v1", "replicasets")).await.len(), 2);
}

/// Case 16: a CronJob that runs never, a Job that a person started of it, a ConfigMap that a
/// controller's mark makes nobody's.
const JOBS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: c16}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: c16}
spec:
  schedule: "0 0 1 1 *"
  suspend: true
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: "example.test/main:1"}]}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: by-hand, namespace: c16, annotations: {cronjob.kubernetes.io/instantiate: manual}}
spec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: main, image: "example.test/main:1"}]}}}
"#;

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_job_that_a_person_started_of_a_cron_job_comes_back_as_its_child() {
    let case = Case::get("c16", JOBS).await;
    case.create().await;
    let (cron, job) =
        (case.group_path("batch/v1", "cronjobs/nightly"), case.group_path("batch/v1", "jobs/by-hand"));
    let owner = case.a().read(&cron).await.expect("created");
    case.a().own(&job, &owner).await;
    case.back_up();
    case.restore_cleanly(case.b(), &[]);
    assert_eq!(owners(case.b(), &job).await, [uid(case.b(), &cron).await]);
    case.second_changes_nothing(case.b(), &[]).await;
}

/// Case 42: a StatefulSet whose pods nobody deletes for a new revision.
const CANARY: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: c42}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: c42}
spec:
  replicas: 2
  podManagementPolicy: Parallel
  updateStrategy: {type: OnDelete}
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: "example.test/db:1"}]}}
"#;

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn pods_that_an_update_strategy_kept_at_an_older_revision_are_told() {
    let case = Case::get("c42", CANARY).await;
    case.create().await;
    let set = case.group_path("apps/v1", "statefulsets/db");
    assert_eq!(images(&case, case.a(), "db").await, ["example.test/db:1"; 2]);
    let next = json!({"spec": {"template": {"spec": {"containers": [{"name": "db", "image": "example.test/db:2"}]}}}});
    case.a().merge(&set, &next).await;
    eventually("the controller knows the new revision", async || {
        let status = case.a().read(&set).await?["status"].clone();
        (status["replicas"] == 2 && status["currentRevision"] != status["updateRevision"]).then_some(())
    })
    .await;
    case.back_up();
    let restored = case.restore(case.b(), &[], 0);
    assert!(restored.said.contains("2 of its 2 pods ran an older revision"), "{}", restored.said);
    assert_eq!(images(&case, case.b(), "db").await, ["example.test/db:2"; 2]);
    case.second_changes_nothing(case.b(), &[]).await;
}
