//! What a backup of a part takes along, what it keeps that looks like a controller's, and that no
//! failure of it is silent.

use serde_json::{Value, json};

use super::{back_up, contents, document};
use crate::process::run;
use crate::support::{Act, Cluster, DEFINITIONS, Interceptor, Lab, TestNamespace, eventually, unique};

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
const CLASSES: &str = "/apis/storage.k8s.io/v1/storageclasses";
const VOLUMES: &str = "/api/v1/persistentvolumes";

/// Creates cluster-scoped objects. Returns their paths, for [`remove_all`].
async fn create_all(cluster: &Cluster, objects: &[(&str, Value)]) -> Vec<String> {
    let mut made = Vec::new();
    for (path, object) in objects {
        cluster.create(path, object).await;
        made.push(format!("{path}/{}", object["metadata"]["name"].as_str().expect("named")));
    }
    made
}

async fn remove_all(cluster: &Cluster, made: Vec<String>) {
    for path in made {
        cluster.delete(&path).await;
    }
}

/// A volume of a class, and a labelled claim that names it.
async fn claim_with_volume(cluster: &Cluster, home: &str, tag: &str) -> Vec<String> {
    let made = create_all(
        cluster,
        &[
            (CLASSES, json!({"metadata": {"name": tag}, "provisioner": "example.com/none"})),
            (
                VOLUMES,
                json!({"metadata": {"name": tag}, "spec": {"capacity": {"storage": "1Mi"}, "storageClassName": tag,
                    "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/tmp/none"}}}),
            ),
        ],
    )
    .await;
    let claim = json!({"metadata": {"name": "data", "labels": {"app": tag}}, "spec": {"accessModes": ["ReadWriteOnce"],
        "storageClassName": tag, "volumeName": tag, "resources": {"requests": {"storage": "1Mi"}}}});
    cluster.create(&format!("/api/v1/namespaces/{home}/persistentvolumeclaims"), &claim).await;
    made
}

/// The claim alone is selected; with `--include-cluster-resources=false` it comes alone.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn by_label_or_by_kind_a_claim_comes_with_its_volume_and_the_class_of_it() {
    let lab = Lab::get().await;
    let (bucket, tag) = (lab.bucket(), unique("needed"));
    let namespace = TestNamespace::create(&lab.a, "needed").await;
    let home = &*namespace.name;
    let made = claim_with_volume(&lab.a, home, &tag).await;
    let label = format!("app={tag}");
    back_up(&lab.a, &bucket, "label", &["-l", &label], 0);
    back_up(&lab.a, &bucket, "kind", &["--include-namespaces", home, "--include-resources", "pvc"], 0);
    let flags =
        ["--include-namespaces", home, "--include-resources", "pvc", "--include-cluster-resources=false"];
    back_up(&lab.a, &bucket, "none", &flags, 0);
    remove_all(&lab.a, made).await;
    let all = [
        format!("namespaces {home}"),
        format!("storageclasses.storage.k8s.io {tag}"),
        format!("persistentvolumes {tag}"),
        format!("persistentvolumeclaims {home}/data"),
    ];
    assert_eq!(contents(&lab.a, &bucket, "label"), all);
    assert_eq!(contents(&lab.a, &bucket, "kind"), all);
    assert_eq!(contents(&lab.a, &bucket, "none"), [&*all[0], &*all[3]]);
}

/// A Deployment without replicas names a claim, and a StatefulSet without replicas has made some;
/// the claims do not have the label.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_claims_of_labelled_workloads_come_with_them_unless_somebody_leaves_claims_out() {
    let lab = Lab::get().await;
    let (bucket, tag) = (lab.bucket(), unique("mounted"));
    let namespace = TestNamespace::create(&lab.a, "mounted").await;
    let home = &*namespace.name;
    let claims = format!("/api/v1/namespaces/{home}/persistentvolumeclaims");
    let made = claim_with_volume(&lab.a, home, &tag).await;
    lab.a.change(&format!("{claims}/data"), &json!([{"op": "remove", "path": "/metadata/labels"}])).await;
    let spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": tag, "resources": {"requests": {"storage": "1Mi"}}});
    for (name, labels) in [
        ("data-db-0", json!({})),
        ("data-db-7", json!({})),
        ("bystander", json!({})),
        ("data-db-8", json!({"velero.io/exclude-from-backup": "true"})),
    ] {
        lab.a.create(&claims, &json!({"metadata": {"name": name, "labels": labels}, "spec": spec})).await;
    }
    // No pods: what a Deployment of none names, and a StatefulSet of none has made, is needed once
    // they grow again.
    let apps = format!("/apis/apps/v1/namespaces/{home}");
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    let workload = |name: &str, volumes: Value| {
        let labels = json!({"of": name});
        let containers = json!([{"name": "main", "image": "example.test/main:1"}]);
        json!({"metadata": {"name": name, "labels": {"app": tag}}, "spec": {"replicas": 0, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers, "volumes": volumes}}}})
    };
    lab.a.create(&format!("{apps}/deployments"), &workload("web", volumes)).await;
    let mut set = workload("db", json!([]));
    set["spec"]["serviceName"] = "db".into();
    set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": spec}]);
    lab.a.create(&format!("{apps}/statefulsets"), &set).await;

    let label = format!("app={tag}");
    let run = back_up(&lab.a, &bucket, "label", &["-l", &label], 0);
    // Namespaces of other tests may be told of: they go at the same time.
    let own = |line: &&str| line.contains("warning") && (line.contains(home) || line.contains(&tag));
    assert_eq!(run.stderr.lines().filter(own).collect::<Vec<_>>(), [""; 0]);
    let either = format!("app={tag} or app=nothing-of-{tag}");
    back_up(&lab.a, &bucket, "either", &["--or-selector", &either, "--include-namespaces", home], 0);
    back_up(&lab.a, &bucket, "without", &["-l", &label, "--exclude-resources", "pvc"], 0);
    back_up(&lab.a, &bucket, "only", &["-l", &label, "--include-resources", "deploy,sts"], 0);
    remove_all(&lab.a, made).await;
    let claim = |name: &str| format!("persistentvolumeclaims {home}/{name}");
    let workloads = [format!("deployments.apps {home}/web"), format!("statefulsets.apps {home}/db")];
    let class = format!("storageclasses.storage.k8s.io {tag}");
    let all = [
        format!("namespaces {home}"),
        class.clone(),
        format!("persistentvolumes {tag}"),
        claim("data"),
        claim("data-db-0"),
        claim("data-db-7"),
        workloads[0].clone(),
        workloads[1].clone(),
    ];
    assert_eq!(contents(&lab.a, &bucket, "label"), all);
    assert_eq!(contents(&lab.a, &bucket, "either"), all);
    let status = &document(&lab.a, &bucket, "label")["status"];
    assert_eq!(status["errors"], 0, "{status}");
    // The StatefulSet names the class itself.
    let bare = [all[0].clone(), class, workloads[0].clone(), workloads[1].clone()];
    assert_eq!(contents(&lab.a, &bucket, "without"), bare);
    assert_eq!(contents(&lab.a, &bucket, "only"), bare);
}

/// Bindings name an account as ServiceAccount, User or Group; an aggregated role brings its parts.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn roles_come_by_every_form_of_subject_and_with_the_roles_that_they_gather() {
    let lab = Lab::get().await;
    let (bucket, tag) = (lab.bucket(), unique("roles"));
    let namespace = TestNamespace::create(&lab.a, "roles").await;
    let home = &*namespace.name;
    let name = |part: &str| format!("{tag}-{part}");
    let gathers = json!({"clusterRoleSelectors": [{"matchLabels": {"gathered-by": tag}}]});
    let role = |part: &str| (ROLES, json!({"metadata": {"name": name(part)}, "rules": []}));
    let bound = |part: &str, subject: Value| {
        let reference =
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name(part)});
        (BINDINGS, json!({"metadata": {"name": name(part)}, "roleRef": reference, "subjects": [subject]}))
    };
    let group = "rbac.authorization.k8s.io";
    let objects = [
        role("user"),
        role("group"),
        role("everybody"),
        (ROLES, json!({"metadata": {"name": name("top")}, "aggregationRule": gathers, "rules": []})),
        (ROLES, json!({"metadata": {"name": name("part"), "labels": {"gathered-by": tag}}, "rules": []})),
        bound(
            "user",
            json!({"kind": "User", "apiGroup": group, "name": format!("system:serviceaccount:{home}:default")}),
        ),
        bound(
            "group",
            json!({"kind": "Group", "apiGroup": group, "name": format!("system:serviceaccounts:{home}")}),
        ),
        bound("everybody", json!({"kind": "Group", "apiGroup": group, "name": "system:serviceaccounts"})),
    ];
    let made = create_all(&lab.a, &objects).await;
    let reference = json!({"apiGroup": group, "kind": "ClusterRole", "name": name("top")});
    let binding = json!({"metadata": {"name": "top"}, "roleRef": reference, "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": home}]});
    lab.a.create(&format!("/apis/{group}/v1/namespaces/{home}/rolebindings"), &binding).await;
    back_up(&lab.a, &bucket, "roles", &["--include-namespaces", home], 0);
    remove_all(&lab.a, made).await;
    let items = contents(&lab.a, &bucket, "roles");
    let ours: Vec<&str> =
        items.iter().map(String::as_str).filter(|item| item.contains(&format!(" {tag}-"))).collect();
    let kind = |resource: &str, part: &str| format!("{resource}.{group} {}", name(part));
    let expected = [
        kind("clusterroles", "group"),
        kind("clusterroles", "part"),
        kind("clusterroles", "top"),
        kind("clusterroles", "user"),
        kind("clusterrolebindings", "group"),
        kind("clusterrolebindings", "user"),
    ];
    assert_eq!(ours, expected, "{items:?}");
}

/// Whether a person keeps Endpoints and EndpointSlices is told by the Service, which has no
/// selector then.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn endpoints_that_a_person_keeps_are_in_the_backup_and_those_of_a_selector_are_not() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "endpoints").await;
    let home = &*namespace.name;
    let core = format!("/api/v1/namespaces/{home}");
    let slices = format!("/apis/discovery.k8s.io/v1/namespaces/{home}/endpointslices");
    let port = json!([{"name": "http", "port": 80}]);
    let service = |name: &str, selector: Value| json!({"metadata": {"name": name}, "spec": {"ports": port, "selector": selector}});
    for (name, selector) in
        [("web", json!({"app": "web"})), ("ext", json!({"app": "ext"})), ("by-hand", Value::Null)]
    {
        lab.a.create(&format!("{core}/services"), &service(name, selector)).await;
    }
    let subsets = json!([{"addresses": [{"ip": "192.0.2.10"}], "ports": port}]);
    let by_hand = json!({"metadata": {"name": "by-hand"}, "subsets": subsets});
    lab.a.create(&format!("{core}/endpoints"), &by_hand).await;
    let slice = json!({"metadata": {"name": "mine", "labels": {"kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "staff"}},
        "addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.11"]}], "ports": port});
    lab.a.create(&slices, &slice).await;
    for name in ["web", "ext"] {
        let path = format!("{core}/endpoints/{name}");
        eventually("the controller makes endpoints", async || lab.a.read(&path).await).await;
    }
    // It loses its selector; its endpoints, marks and all, are kept by hand from then on.
    let path = format!("{core}/services/ext");
    eventually("the selector is taken off", async || {
        let mut ext = lab.a.read(&path).await.expect("it is there");
        ext["spec"].as_object_mut().expect("a spec").remove("selector");
        lab.a.try_replace(&path, &ext).await.then_some(())
    })
    .await;
    let path = format!("{core}/endpoints/ext");
    eventually("the endpoints are changed", async || {
        let mut ext = lab.a.read(&path).await.expect("they are there");
        ext["subsets"] = subsets.clone();
        lab.a.try_replace(&path, &ext).await.then_some(())
    })
    .await;

    back_up(&lab.a, &bucket, "whole", &["--include-namespaces", home], 0);
    let flags = ["--include-namespaces", home, "--include-resources", "endpoints,endpointslices"];
    back_up(&lab.a, &bucket, "kinds", &flags, 0);
    for name in ["whole", "kinds"] {
        let items = contents(&lab.a, &bucket, name);
        let ours = |kind: &str| -> Vec<&str> {
            items.iter().filter_map(|item| item.strip_prefix(&format!("{kind} {home}/"))).collect()
        };
        assert_eq!(ours("endpoints"), ["by-hand", "ext"], "{name}: {items:?}");
        let slices = ours("endpointslices.discovery.k8s.io");
        assert!(slices.contains(&"mine"), "{name}: {slices:?}");
        assert!(slices.iter().all(|slice| !slice.starts_with("web-")), "{name}: {slices:?}");
    }
    // The API server keeps its own in every cluster.
    back_up(&lab.a, &bucket, "own", &["--include-namespaces", "default"], 0);
    let items = contents(&lab.a, &bucket, "own");
    let own = ["endpoints default/kubernetes", "endpointslices.discovery.k8s.io default/kubernetes"];
    assert!(items.iter().all(|item| !own.contains(&item.as_str())), "{items:?}");
}

/// The list of claims, by which volumes come along, is answered with 500 or 502 once: the volume is
/// in the backup, or the backup is PartiallyFailed.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_look_that_fails_once_loses_nothing_or_says_so() {
    let lab = Lab::get().await;
    let (bucket, tag) = (lab.bucket(), unique("looked"));
    let namespace = TestNamespace::create(&lab.a, "looked").await;
    let home = &*namespace.name;
    let made = claim_with_volume(&lab.a, home, &tag).await;
    let proxy = Interceptor::of_cluster(&lab.a).await;
    let kubeconfig = proxy.kubeconfig();
    let path = kubeconfig.path().to_str().expect("text").to_owned();
    for code in [500, 502] {
        let mut failed = false;
        proxy.set(move |asked| {
            let fails = !failed && asked.path.ends_with("/persistentvolumeclaims");
            failed |= fails;
            if fails { Act::Answer(code) } else { Act::Pass }
        });
        let name = format!("looked-{code}");
        let arguments = ["backup", "run", &name, "--location", &bucket, "--include-namespaces", home];
        let mut command = lab.a.ark(arguments.into_iter().chain(["--kubeconfig", &path]));
        let done = tokio::task::spawn_blocking(move || run(&mut command)).await.expect("runs");
        let items = contents(&lab.a, &bucket, &name);
        let whole = items.contains(&format!("persistentvolumes {tag}"));
        assert!(whole || done.code == Some(3), "{code}: {done:?} {items:?}");
        let phase = document(&lab.a, &bucket, &name)["status"]["phase"].clone();
        assert!(whole || phase == "PartiallyFailed", "{code}: {phase}");
    }
    remove_all(&lab.a, made).await;
}

/// The status of a kind without the subresource `status` is changed: `backup diff --live` shows it.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_status_that_is_a_plain_field_is_compared() {
    let lab = Lab::get().await;
    let (bucket, group) = (lab.bucket(), format!("{}.example.com", unique("status")));
    let namespace = TestNamespace::create(&lab.a, "status").await;
    let home = &*namespace.name;
    let name = format!("notes.{group}");
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let definition = json!({"metadata": {"name": name}, "spec": {"group": group, "scope": "Namespaced",
        "names": {"plural": "notes", "kind": "Note"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}});
    // It stays: its end would disturb the backups of other tests.
    lab.a.create(DEFINITIONS, &definition).await;
    let path = format!("/apis/{group}/v1/namespaces/{home}/notes");
    let note = |phase: &str| json!({"apiVersion": format!("{group}/v1"), "kind": "Note", "metadata": {"name": "n"}, "spec": {}, "status": {"phase": phase}});
    eventually("the kind is served", async || lab.a.try_create(&path, &note("Open")).await.ok()).await;
    back_up(&lab.a, &bucket, "status", &["--include-namespaces", home], 0);
    let diff = || {
        let arguments = ["backup", "diff", "status", "--live", "--location", &bucket];
        let done = run(&mut lab.a.ark(arguments)).expect_code(0);
        format!("{}{}", done.stdout, done.stderr)
    };
    let said = diff();
    assert!(said.contains("0 changed"), "nothing has changed yet: {said}");
    let item = format!("{path}/n");
    let mut changed = lab.a.read(&item).await.expect("it is there");
    changed["status"]["phase"] = "Closed".into();
    lab.a.replace(&item, &changed).await;
    let said = diff();
    assert!(said.contains(&format!("~ {name} {home}/n")) && said.contains("1 changed"), "{said}");
}
