//! What the rewriting makes of an item, before API servers that say whether they take it and what
//! they keep of it.

use ark::model::{GroupResource, ItemKey};
use ark::restore::rewrite::{ItemShape, Owner, OwnerView, RewriteOptions, Rewriter, Rewritten};
use serde_json::{Value, json};

use super::selection_and_mapping::await_gadgets;
use super::{destroy, read, restore, restored};
use crate::backup::back_up;
use crate::install::manifests::helm;
use crate::support::{Cluster, DEFINITIONS, Lab, TestNamespace, unique};

const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";

/// Patches an object, or says why the API server did not take it.
async fn patch(cluster: &Cluster, path: &str, form: &str, body: &Value) -> Result<Value, String> {
    let request = http::Request::patch(path).header("Content-Type", form).body(body.to_string().into_bytes());
    cluster.client.request(request.expect("the path is a URI")).await.map_err(|error| error.to_string())
}

/// An item of the cluster as a restore would make it.
fn rewritten(kind: &str, item: &Value) -> Rewritten {
    let awaited = |_: &OwnerView<'_>| Owner::Awaited;
    let text = |key: &str| item["metadata"][key].as_str().map(str::to_owned);
    let kind = GroupResource::parse(kind);
    let key =
        ItemKey { resource: kind.clone(), namespace: text("namespace"), name: text("name").expect("a name") };
    let shape = ItemShape { owners: &awaited, status_is_data: false };
    let options = RewriteOptions { restore_name: "r".into(), backup_name: "b".into(), ..Default::default() };
    Rewriter::new(options).rewrite(&kind, &key, item.clone(), shape).expect("an item")
}

/// Makes an item anew as a restore does: the create, and the field owners by a patch.
async fn make_anew(cluster: &Cluster, kind: &str, list: &str, name: &str) -> Value {
    let path = format!("{list}/{name}");
    let stored = cluster.read(&path).await.expect("there");
    let rewritten = rewritten(kind, &stored);
    cluster.delete(&path).await;
    cluster.create(&format!("{list}?fieldManager=ark"), &rewritten.body).await;
    if let Some(owners) = rewritten.field_owners {
        let owners = json!({"metadata": {"managedFields": owners}});
        patch(cluster, &format!("{path}?fieldManager=ark"), MERGE, &owners).await.expect("taken");
    }
    cluster.read(&path).await.expect("made anew")
}

fn managers(object: &Value) -> Vec<&str> {
    let entries = object["metadata"]["managedFields"].as_array().expect("a list");
    entries.iter().map(|entry| entry["manager"].as_str().expect("a name")).collect()
}

/// The owners of fields (`managedFields`) are put back by a patch after the create.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn field_owners_that_are_given_back_let_the_next_apply_through_and_prune() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "owners").await;
    let list = format!("/apis/apps/v1/namespaces/{}/deployments", namespace.name);
    let deployment = |replicas: u32, env: &Value| {
        let containers = json!([{"name": "web", "image": "example.test/web:1", "env": env}]);
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}}})
    };
    let path = format!("{list}/web?fieldManager=flux");
    let drop = json!([{"name": "DROP", "value": "1"}]);
    patch(&lab.a, &path, APPLY, &deployment(0, &drop)).await.expect("applied");
    let made = make_anew(&lab.a, "deployments.apps", &list, "web").await;
    assert_eq!(made["spec"]["template"]["spec"]["containers"][0]["env"], drop);
    assert!(managers(&made).contains(&"flux") && !managers(&made).contains(&"ark"), "{:?}", managers(&made));

    let next = patch(&lab.a, &path, APPLY, &deployment(1, &json!([]))).await.expect("no conflict");
    assert_eq!(next["spec"]["replicas"], 1);
    assert_eq!(next["spec"]["template"]["spec"]["containers"][0].get("env"), None, "{next}");
}

/// Whether a person chose a node port is told by who owns the field: `ark`, or somebody else.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn ports_that_a_restore_kept_are_not_chosen_and_a_chosen_one_stays_so() {
    // Alone, since the port must be free when it comes back.
    let lab = Lab::alone().await;
    let namespace = TestNamespace::create(&lab.a, "chosen").await;
    let list = format!("/api/v1/namespaces/{}/services", namespace.name);
    let service = |name: &str| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}});
    let port = |service: &Value| service["spec"]["ports"][0].get("nodePort").cloned();
    let auto = lab.a.create(&list, &service("auto")).await;
    assert_eq!(port(&rewritten("services", &auto).body), None);
    // As --preserve-nodeports does.
    lab.a.delete(&format!("{list}/auto")).await;
    let mut kept = service("auto");
    kept["spec"]["ports"][0]["nodePort"] = port(&auto).expect("allotted");
    let kept = lab.a.create(&format!("{list}?fieldManager=ark"), &kept).await;
    assert_eq!(port(&rewritten("services", &kept).body), None);
    assert!(!rewritten("services", &kept).wants_fixed_address);

    lab.a.delete(&format!("{list}/auto")).await;
    let mut chosen = service("chosen");
    chosen["spec"]["ports"][0]["nodePort"] = port(&auto).expect("allotted");
    let first = lab.a.create(&list, &chosen).await;
    let second = make_anew(&lab.a, "services", &list, "chosen").await;
    assert!(rewritten("services", &second).wants_fixed_address, "{second}");
    assert_eq!(port(&rewritten("services", &second).body), port(&first));
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_address_that_somebody_chose_comes_back_and_others_are_allotted() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "address").await;
    let list = format!("/api/v1/namespaces/{}/services", namespace.name);
    let service = |name: &str| json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 53, "protocol": "UDP"}]}});
    let address = |service: &Value| service["spec"]["clusterIP"].clone();
    // An address that is free for certain: one that was given out and given back.
    let free = address(&lab.a.create(&list, &service("dns")).await);
    lab.a.delete(&format!("{list}/dns")).await;
    let mut dns = service("dns");
    dns["spec"]["clusterIP"] = free.clone();
    lab.a.create(&list, &dns).await;
    let auto = lab.a.create(&list, &service("auto")).await;
    assert_eq!(rewritten("services", &auto).body["spec"].get("clusterIP"), None);
    back_up(&lab.a, &bucket, "address", &["--include-namespaces", &namespace.name], 0);
    destroy(&lab.a, &namespace.name).await;
    restore(&lab.a, &bucket, "address", &[], 0);
    let dns = read(&lab.a, &namespace.name, "services", "dns").await.expect("restored");
    assert_eq!(address(&dns), free);
    assert!(read(&lab.a, &namespace.name, "services", "auto").await.is_some());
    let again = restored(&lab.a, &bucket, "address", &["--existing-resource-policy", "update"], 0);
    assert_eq!((&again["created"], &again["updated"], &again["warnings"]), (&json!(0), &json!(0), &json!(0)));
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn numbers_come_back_with_every_digit() {
    let lab = Lab::alone().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "numbers").await;
    let group = format!("{}.example.com", unique("g"));
    lab.a.create(DEFINITIONS, &super::selection_and_mapping::definition(&group)).await;
    await_gadgets(&lab.a, &group).await;
    let gadgets = format!("/apis/{group}/v1/namespaces/{}/gadgets", namespace.name);
    let spec: Value = serde_json::from_str(
        r#"{"a": 44.440400000000004, "b": 3.6479999999999997, "c": 9007199254740993, "d": 0.1}"#,
    )
    .expect("JSON");
    let object = json!({"apiVersion": format!("{group}/v1"), "kind": "Gadget", "metadata": {"name": "one"}, "spec": spec});
    lab.a.create(&gadgets, &object).await;
    let path = format!("{gadgets}/one");
    let text =
        async || lab.a.client.request_text(http::Request::get(&*path).body(vec![]).expect("a path")).await;
    let digits = async || {
        let text = text().await.expect("there");
        let spec = text.split(r#""spec":"#).nth(1).expect("a spec").split('}').next().map(str::to_owned);
        spec.expect("an object")
    };
    let before = digits().await;
    assert!(before.contains("44.440400000000004"), "{before}");
    back_up(&lab.a, &bucket, "numbers", &["--include-namespaces", &namespace.name], 0);
    lab.a.delete(&path).await;
    restore(&lab.a, &bucket, "numbers", &["--include-resources", "gadgets"], 0);
    assert_eq!(digits().await, before);
    lab.a.remove_definition(&format!("gadgets.{group}")).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn definitions_from_the_time_of_v1beta1_are_taken_by_v1_and_keep_every_field() {
    let lab = Lab::alone().await;
    let namespace = TestNamespace::create(&lab.b, "v1beta1").await;
    let group = format!("{}.example.com", unique("g"));
    let named = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let schema = json!({"type": "object", "properties": {"metadata": named, "spec": {"type": "object", "properties": {
        "list": {"type": "array", "items": {"type": "object"}}, "map": {"type": "object", "additionalProperties": {"type": "object"}},
        "any": {"type": "object", "additionalProperties": true}, "port": {"x-kubernetes-int-or-string": true},
        "template": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"metadata": {"type": "object"}}}}}}});
    let mut stored = super::selection_and_mapping::definition(&group);
    stored["spec"]["preserveUnknownFields"] = json!(true);
    stored["spec"]["versions"] = json!([
        {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}},
        {"name": "v1alpha1", "served": true, "storage": false}
    ]);
    assert!(lab.b.try_create(DEFINITIONS, &stored).await.is_err(), "v1 does not take it as it is stored");
    let rewritten = rewritten("customresourcedefinitions.apiextensions.k8s.io", &stored);
    lab.b.create(DEFINITIONS, &rewritten.body).await;
    await_gadgets(&lab.b, &group).await;
    let spec = json!({"free": {"a": {"b": 1}}, "list": [{"x": {"y": 1}}], "map": {"k": {"z": {"w": 1}}}, "any": {"thing": {"goes": [1]}}, "port": 80,
        "template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"x": 1}}});
    let object = json!({"apiVersion": format!("{group}/v1"), "kind": "Gadget", "metadata": {"name": "one"}, "spec": spec, "outside": {"kept": true}});
    let list = format!("/apis/{group}/v1/namespaces/{}/gadgets", namespace.name);
    let made = lab.b.create(&list, &object).await;
    assert_eq!((&made["spec"], &made["outside"]), (&object["spec"], &object["outside"]));
    lab.b.remove_definition(&format!("gadgets.{group}")).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn helm_finds_a_mapped_release_in_its_new_namespace_and_leaves_the_old_one_alone() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let (old, new) =
        (TestNamespace::create(&lab.a, "release").await, TestNamespace::reserve(&lab.a, "mapped"));
    let chart = tempfile::tempdir().expect("a folder");
    let template =
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n  namespace: {{ .Release.Namespace }}\n";
    std::fs::create_dir(chart.path().join("templates")).expect("a folder");
    std::fs::write(chart.path().join("templates/web.yaml"), template).expect("written");
    std::fs::write(chart.path().join("Chart.yaml"), "apiVersion: v2\nname: web\nversion: 1.0.0\n")
        .expect("written");
    let (chart, kubeconfig) = (chart.path().display().to_string(), lab.a.kubeconfig.display().to_string());
    let helm_in = |namespace: &TestNamespace, arguments: &[&str]| {
        helm(&[arguments, &["--kubeconfig", &kubeconfig, "--namespace", &namespace.name]].concat())
    };
    helm_in(&old, &["install", "web", &chart]);
    back_up(&lab.a, &bucket, "release", &["--include-namespaces", &old.name], 0);
    let mapping = format!("{}:{}", old.name, new.name);
    let status = restored(&lab.a, &bucket, "release", &["--namespace-mappings", &mapping], 0);
    assert_eq!(status["warnings"], json!(0), "{status}");

    let listed: Value = serde_json::from_str(&helm_in(&new, &["list", "-o", "json"])).expect("JSON");
    assert_eq!((&listed[0]["name"], &listed[0]["namespace"]), (&json!("web"), &json!(new.name)), "{listed}");
    let manifest = helm_in(&new, &["get", "manifest", "web"]);
    assert!(
        manifest.contains(&format!("namespace: {}\n", new.name)) && !manifest.contains(&old.name),
        "{manifest}"
    );
    helm_in(&new, &["upgrade", "web", &chart]);
    helm_in(&new, &["uninstall", "web"]);
    assert_eq!(read(&lab.a, &new.name, "configmaps", "web").await, None);
    assert!(read(&lab.a, &old.name, "configmaps", "web").await.is_some(), "the old release is whole");
}
