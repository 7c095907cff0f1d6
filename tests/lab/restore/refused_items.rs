//! Items that the cluster does not take, and runs that are stopped: nothing else is lost.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::selection_and_mapping::{await_gadgets, definition};
use super::{count, data, destroy, read, restore, restored};
use crate::backup::{back_up, config_map, kubeconfig_with_token};
use crate::process::{Running, run};
use crate::support::{
    Act, DEFINITIONS, Interceptor, Lab, Right, TestNamespace, eventually, interrupt, unique,
};

const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";

/// Another definition has the same Kind in the group, so that the names are not accepted.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_definition_that_is_never_established_takes_only_its_resources_with_it() {
    let lab = Lab::alone().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "never").await;
    let group = format!("{}.example.com", unique("g"));
    lab.a.create(DEFINITIONS, &definition(&group)).await;
    await_gadgets(&lab.a, &group).await;
    let gadgets = format!("/apis/{group}/v1/namespaces/{}/gadgets", namespace.name);
    let object = json!({"apiVersion": format!("{group}/v1"), "kind": "Gadget", "metadata": {"name": "one"}});
    lab.a.create(&gadgets, &object).await;
    config_map(&lab.a, &namespace.name, "other", &json!({"k": "v"})).await;
    back_up(&lab.a, &bucket, "never", &["--include-namespaces", &namespace.name], 0);
    destroy(&lab.a, &namespace.name).await;
    lab.a.remove_definition(&format!("gadgets.{group}")).await;
    // Another definition has the Kind's name, so that this one is never accepted.
    let mut rival = definition(&group);
    rival["metadata"]["name"] = json!(format!("gizmos.{group}"));
    rival["spec"]["names"] = json!({"plural": "gizmos", "singular": "gizmo", "kind": "Gadget"});
    lab.a.create(DEFINITIONS, &rival).await;
    lab.a.serves(&format!("/apis/{group}/v1/gizmos")).await;

    let run = restore(&lab.a, &bucket, "never", &[], 3);
    assert!(run.stderr.contains("Established"), "{}", run.stderr);
    let item = format!("gadgets.{group} {}/one: its definition is not served", namespace.name);
    assert!(run.stderr.contains(&item), "{}", run.stderr);
    assert_eq!(data(&lab.a, &namespace.name, "other").await, Some(json!({"k": "v"})));
    for plural in ["gadgets", "gizmos"] {
        lab.a.remove_definition(&format!("{plural}.{group}")).await;
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_admission_refuses_is_told_and_the_rest_comes_back() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "refuse").await;
    for name in ["good", "bad"] {
        config_map(&lab.a, &namespace.name, name, &json!({"k": "v"})).await;
    }
    back_up(&lab.a, &bucket, "refuse", &["--include-namespaces", &namespace.name], 0);
    let path = |name: &str| format!("/api/v1/namespaces/{}/configmaps/{name}", namespace.name);
    for name in ["good", "bad"] {
        lab.a.delete(&path(name)).await;
    }
    let policy = unique("refuse");
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]);
    let home = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace.name}});
    let validations =
        json!([{"expression": "!object.metadata.name.startsWith('bad')", "message": "no bad names here"}]);
    let spec = json!({"failurePolicy": "Fail", "matchConstraints": {"namespaceSelector": home, "resourceRules": rules}, "validations": validations});
    lab.a
        .create(
            &format!("{ADMISSION}/validatingadmissionpolicies"),
            &json!({"metadata": {"name": policy}, "spec": spec}),
        )
        .await;
    let binding =
        json!({"metadata": {"name": policy}, "spec": {"policyName": policy, "validationActions": ["Deny"]}});
    lab.a.create(&format!("{ADMISSION}/validatingadmissionpolicybindings"), &binding).await;
    let probe = |number: usize| json!({"metadata": {"name": format!("bad-probe-{number}"), "namespace": namespace.name}});
    let mut number = 0;
    eventually("the policy is in force", async || {
        number += 1;
        let maps = kube::Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(
            lab.a.client.clone(),
            &namespace.name,
        );
        let map = serde_json::from_value(probe(number)).expect("a ConfigMap");
        maps.create(&kube::api::PostParams::default(), &map).await.err().map(|_| ())
    })
    .await;

    let run = restore(&lab.a, &bucket, "refuse", &[], 3);
    assert!(run.stderr.contains("no bad names here"), "{}", run.stderr);
    let listed: Value =
        serde_json::from_str(&restore(&lab.a, &bucket, "refuse", &["-o", "json"], 3).stdout).expect("JSON");
    assert_eq!(listed["status"]["errors"], 1, "{listed}");
    assert_eq!(data(&lab.a, &namespace.name, "good").await, Some(json!({"k": "v"})));
    assert_eq!(data(&lab.a, &namespace.name, "bad").await, None);
    lab.a.delete(&format!("{ADMISSION}/validatingadmissionpolicybindings/{policy}")).await;
    lab.a.delete(&format!("{ADMISSION}/validatingadmissionpolicies/{policy}")).await;
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_kind_that_the_cluster_does_not_serve_fails_alone() {
    let lab = Lab::alone().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "unserved").await;
    let group = format!("{}.example.com", unique("g"));
    lab.a.create(DEFINITIONS, &definition(&group)).await;
    await_gadgets(&lab.a, &group).await;
    let object = json!({"apiVersion": format!("{group}/v1"), "kind": "Gadget", "metadata": {"name": "one"}});
    lab.a.create(&format!("/apis/{group}/v1/namespaces/{}/gadgets", namespace.name), &object).await;
    config_map(&lab.a, &namespace.name, "other", &json!({"k": "v"})).await;
    back_up(&lab.a, &bucket, "unserved", &["--include-namespaces", &namespace.name], 0);
    lab.a.remove_definition(&format!("gadgets.{group}")).await;
    let target = TestNamespace::reserve(&lab.b, "unserved");
    let mapping = format!("{}:{}", namespace.name, target.name);
    let flags = ["--namespace-mappings", &mapping, "--exclude-resources", "customresourcedefinitions"];
    let run = restore(&lab.b, &bucket, "unserved", &flags, 3);
    assert!(run.stderr.contains(&format!("the cluster does not serve gadgets.{group}")), "{}", run.stderr);
    assert_eq!(data(&lab.b, &target.name, "other").await, Some(json!({"k": "v"})));
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_namespace_that_is_going_away_is_waited_for() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "going").await;
    config_map(&lab.a, &namespace.name, "settings", &json!({"k": "v"})).await;
    back_up(&lab.a, &bucket, "going", &["--include-namespaces", &namespace.name], 0);
    lab.a.delete(&format!("/api/v1/namespaces/{}", namespace.name)).await;
    restore(&lab.a, &bucket, "going", &[], 0);
    assert_eq!(data(&lab.a, &namespace.name, "settings").await, Some(json!({"k": "v"})));
}

/// SIGINT in the middle: the document says Failed and how much was created; another restore creates
/// the rest.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_stopped_restore_is_recorded_and_another_goes_on() {
    const ITEMS: usize = 300;
    const MADE: usize = 20;
    let lab = Lab::get().await;
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = format!("file://{}", folder.path().display());
    let namespace = TestNamespace::create(&lab.a, "stop").await;
    for number in 0..ITEMS {
        config_map(&lab.a, &namespace.name, &format!("m{number:03}"), &json!({"k": "v"})).await;
    }
    back_up(&lab.a, &bucket, "stop", &["--include-namespaces", &namespace.name], 0);
    destroy(&lab.a, &namespace.name).await;
    let arguments =
        ["restore", "run", "halfway", "--location", &bucket, "--from-backup", "stop", "--parallel", "1"];
    // Some creates are answered, and no further one, so that it cannot end by itself.
    let (api, never, held) =
        (Interceptor::of_cluster(&lab.a).await, CancellationToken::new(), CancellationToken::new());
    let (mut asked_for, is_held) = (0, held.clone());
    api.set(move |asked| {
        asked_for += usize::from(asked.method == "POST" && asked.path.ends_with("/configmaps"));
        if asked_for <= MADE {
            return Act::Pass;
        }
        is_held.cancel();
        Act::Held(never.clone())
    });
    let kubeconfig = api.kubeconfig();
    let running = Running::start(lab.a.ark(arguments).arg("--kubeconfig").arg(kubeconfig.path()));
    held.cancelled().await;
    interrupt(&running);
    let stopped = tokio::task::spawn_blocking(|| running.wait()).await.expect("it ends").expect_code(1);
    assert!(stopped.stderr.contains("another restore goes on where this one stopped"), "{}", stopped.stderr);
    let text =
        std::fs::read_to_string(folder.path().join("restores/halfway/ark-restore.json")).expect("recorded");
    let record: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(record["status"]["phase"], "Failed", "{record}");
    let created = count(&record["status"], "created");
    assert!(created > 0 && created < ITEMS as u64, "{record}");

    let status = restored(&lab.a, &bucket, "stop", &[], 0);
    assert_eq!(status["phase"], "Completed");
    assert!(count(&status, "created") < ITEMS as u64, "{status}");
    assert!(read(&lab.a, &namespace.name, "configmaps", &format!("m{:03}", ITEMS - 1)).await.is_some());
    // A name is used once.
    let again = run(&mut lab.a.ark(arguments)).expect_code(1);
    assert!(again.stderr.contains("halfway"), "{}", again.stderr);
}

/// SIGINT between the deletion of an item and its create: the item is an error.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_restore_that_is_stopped_while_it_makes_an_item_anew_says_so() {
    let lab = Lab::get().await;
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = format!("file://{}", folder.path().display());
    let namespace = TestNamespace::create(&lab.a, "anew").await;
    config_map(&lab.a, &namespace.name, "held", &json!({"k": "v"})).await;
    back_up(&lab.a, &bucket, "anew", &["--include-namespaces", &namespace.name], 0);
    let path = format!("/api/v1/namespaces/{}/configmaps/held", namespace.name);
    let mut held = lab.a.read(&path).await.expect("there");
    held["data"]["k"] = json!("changed");
    lab.a.replace(&path, &held).await;
    // Once it is deleted, nobody makes it again.
    let (api, never, held) =
        (Interceptor::of_cluster(&lab.a).await, CancellationToken::new(), CancellationToken::new());
    let (mut deleted, is_held) = (false, held.clone());
    api.set(move |asked| {
        deleted |= asked.method == "DELETE";
        if !(deleted && asked.method == "POST" && asked.path.ends_with("/configmaps")) {
            return Act::Pass;
        }
        is_held.cancel();
        Act::Held(never.clone())
    });
    let kubeconfig = api.kubeconfig();
    let mut restore = lab.a.ark(["restore", "run", "anew", "--location", &bucket, "--from-backup", "anew"]);
    restore.args(["--existing-resource-policy", "recreate", "--kubeconfig"]).arg(kubeconfig.path());
    let running = Running::start(&mut restore);
    held.cancelled().await;
    assert_eq!(lab.a.read(&path).await, None, "it is deleted before it is made anew");
    interrupt(&running);
    tokio::task::spawn_blocking(|| running.wait()).await.expect("it ends").expect_code(1);
    // Nothing was created or updated, and still the cluster is not as it was.
    let text =
        std::fs::read_to_string(folder.path().join("restores/anew/ark-restore.json")).expect("recorded");
    let record: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&record["status"]["phase"], count(&record["status"], "errors")),
        (&json!("Failed"), 1),
        "{record}"
    );
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_the_credentials_do_not_allow_fails_alone() {
    let lab = Lab::get().await;
    let bucket = lab.bucket();
    let namespace = TestNamespace::create(&lab.a, "denied").await;
    let name = &*namespace.name;
    config_map(&lab.a, name, "allowed", &json!({"k": "v"})).await;
    let secrets = format!("/api/v1/namespaces/{name}/secrets");
    lab.a.create(&secrets, &json!({"metadata": {"name": "denied"}})).await;
    back_up(&lab.a, &bucket, "denied", &["--include-namespaces", name], 0);
    lab.a.delete(&format!("/api/v1/namespaces/{name}/configmaps/allowed")).await;
    lab.a.delete(&format!("{secrets}/denied")).await;
    let (roles, role) = ("/apis/rbac.authorization.k8s.io/v1", unique("writer"));
    let rules =
        json!([{"apiGroups": [""], "resources": ["configmaps", "namespaces"], "verbs": ["get", "create"]}]);
    lab.a
        .create(&format!("{roles}/clusterroles"), &json!({"metadata": {"name": role}, "rules": rules}))
        .await;
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role});
    let subject = json!({"kind": "ServiceAccount", "name": "default", "namespace": name});
    let binding = json!({"metadata": {"name": role}, "roleRef": reference, "subjects": [subject]});
    lab.a.create(&format!("{roles}/clusterrolebindings"), &binding).await;
    let creates = Right { namespace: name, verb: "create", group: "", resource: "configmaps", name: "" };
    eventually("the account may create ConfigMaps", async || {
        lab.a.allows((name, "default"), &creates).await.then_some(())
    })
    .await;
    let path = format!("/api/v1/namespaces/{name}/serviceaccounts/default/token");
    let token = lab.a.create(&path, &json!({"spec": {"expirationSeconds": 3600}})).await;
    let kubeconfig = kubeconfig_with_token(&lab.a, token["status"]["token"].as_str().expect("a token"));
    let kubeconfig = kubeconfig.path().to_str().expect("text");

    let flags = ["--include-resources", "configmaps,secrets", "--kubeconfig", kubeconfig];
    let run = restore(&lab.a, &bucket, "denied", &flags, 3);
    let line = run.stderr.lines().find(|line| line.contains(&format!("secrets {name}/denied")));
    assert!(line.is_some_and(|line| line.contains("forbidden")), "{}", run.stderr);
    assert_eq!(data(&lab.a, name, "allowed").await, Some(json!({"k": "v"})));
    lab.a.delete(&format!("{roles}/clusterrolebindings/{role}")).await;
    lab.a.delete(&format!("{roles}/clusterroles/{role}")).await;
}
