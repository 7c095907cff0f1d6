//! What the chart makes of values: asserted on the rendered objects. Needs Helm, and but for `helm
//! test` no cluster.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::manifests::{chart, file, helm, helm_refuses, read};
use crate::process;
use crate::support::{Lab, TestNamespace};

const NAMESPACE: &str = "heptio-ark";
const POD: &str = "/spec/template/spec";

/// The objects with these values on top of the smallest that suffice.
fn rendered(values: &[&str]) -> Vec<Value> {
    let more: Vec<_> = values.iter().flat_map(|value| ["--set", value]).collect();
    chart(NAMESPACE, &file("charts/ark/ci/smallest-values.yaml"), &more)
}

/// The only one of its kind.
fn one<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let only = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    only
}

fn has(objects: &[Value], kind: &str) -> bool {
    objects.iter().any(|object| object["kind"] == kind)
}

#[test]
#[ignore = "needs the lab: run hack/test.sh"]
fn on_openshift_no_user_and_no_group_is_asked_for() {
    let fixed = ["runAsUser", "runAsGroup", "fsGroup"];
    let context = |values: &[&str]| {
        one(&rendered(values), "Deployment").pointer(POD).expect("a pod")["securityContext"].clone()
    };
    let whole = context(&[]);
    assert!(fixed.iter().all(|field| whole[field] == 65532), "{whole}");
    let given_out = context(&["openshift=true"]);
    assert_eq!(given_out, json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}));
    let chosen = context(&["podSecurityContext.runAsUser=null,podSecurityContext.fsGroup=7"]);
    assert!(chosen.get("runAsUser").is_none() && chosen["fsGroup"] == 7, "{chosen}");
}

#[test]
#[ignore = "needs the lab: run hack/test.sh"]
fn the_account_has_one_name_wherever_it_is_named_and_may_be_somebody_elses() {
    let objects = rendered(&["serviceAccount.create=false,serviceAccount.name=backups"]);
    assert!(!has(&objects, "ServiceAccount"));
    let deployment = one(&objects, "Deployment").pointer(POD).expect("a pod");
    assert_eq!(deployment["serviceAccountName"], "backups");
    let subjects = objects.iter().filter_map(|object| object.pointer("/subjects/0/name"));
    let subjects: Vec<_> = subjects.collect();
    assert!(subjects.len() >= 3 && subjects.iter().all(|name| *name == "backups"), "{subjects:?}");
    let flow = one(&objects, "FlowSchema").pointer("/spec/rules/0/subjects/0/serviceAccount/name");
    assert_eq!(flow, Some(&json!("backups")));
}

#[test]
#[ignore = "needs the lab: run hack/test.sh"]
fn what_everything_sets_arrives() {
    let objects = chart(NAMESPACE, &file("charts/ark/ci/everything-values.yaml"), &[]);
    let deployment = one(&objects, "Deployment");
    let pod = deployment.pointer(POD).expect("a pod");
    let container = &pod["containers"][0];
    let digest = format!("registry.example/ark:0.1.0@sha256:{}", "0123456789abcdef".repeat(4));
    for (found, expected) in [
        (&container["image"], json!(digest)),
        (&container["startupProbe"]["failureThreshold"], json!(30)),
        (&container["envFrom"][0]["configMapRef"]["name"], json!("proxy")),
        (&pod["containers"][1]["name"], json!("sidecar")),
        (&pod["initContainers"][0]["name"], json!("wait")),
        (&pod["hostAliases"][0]["ip"], json!("192.0.2.7")),
        (&pod["dnsPolicy"], json!("ClusterFirst")),
        (&pod["dnsConfig"]["options"][0]["name"], json!("ndots")),
        (&pod["terminationGracePeriodSeconds"], json!(60)),
        (&pod["topologySpreadConstraints"][0]["maxSkew"], json!(2)),
        (&pod["topologySpreadConstraints"][0]["labelSelector"], deployment["spec"]["selector"].clone()),
        (&deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], json!(1)),
        (&one(&objects, "PodDisruptionBudget")["spec"]["minAvailable"], json!(2)),
        (&one(&objects, "Service")["metadata"]["annotations"]["example.com/owner"], json!("platform")),
        (&one(&objects, "NetworkPolicy")["spec"]["policyTypes"], json!(["Ingress", "Egress"])),
    ] {
        assert_eq!(*found, expected);
    }
    assert!(container["args"].as_array().expect("arguments").contains(&json!("-v")), "{container}");
    let more = objects.iter().find(|object| object["metadata"]["name"] == "more").expect("an extra object");
    assert_eq!(
        (&more["data"]["release"], &more["metadata"]["namespace"]),
        (&json!("ark"), &json!(NAMESPACE))
    );
    let plain =
        objects.iter().filter(|object| object["metadata"]["labels"]["example.com/cost-center"] != "4711");
    assert_eq!(plain.collect::<Vec<_>>(), [more], "an object lacks the common labels");
}

/// YAML would read a name such as 123 as a number.
#[test]
#[ignore = "needs the lab: run hack/test.sh"]
fn a_name_of_digits_stays_a_name_and_each_location_is_made() {
    let objects = chart(NAMESPACE, &file("charts/ark/ci/everything-values.yaml"), &[]);
    let names = |kind: &str| -> BTreeSet<&str> {
        let found = objects.iter().filter(|object| object["kind"] == kind);
        found.map(|object| object["metadata"]["name"].as_str().expect("a name is a text")).collect()
    };
    assert_eq!(names("BackupStorageLocation"), BTreeSet::from(["123", "main"]));
    assert_eq!(names("Schedule"), BTreeSet::from(["456", "nightly"]));
}

#[test]
#[ignore = "needs the lab: run hack/test.sh"]
fn a_part_of_a_default_can_be_changed_and_each_object_left_out() {
    let objects = rendered(&[
        "livenessProbe.periodSeconds=30,readinessProbe=null,topologySpreadConstraints=null",
        "podDisruptionBudget.enabled=false,networkPolicy.enabled=false,flowSchema.enabled=false,rbac.create=false",
        "image.tag=null,image.digest=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ]);
    let pod = one(&objects, "Deployment").pointer(POD).expect("a pod");
    let container = &pod["containers"][0];
    let live = &container["livenessProbe"];
    assert_eq!((&live["periodSeconds"], &live["httpGet"]["path"]), (&json!(30), &json!("/healthz")));
    assert!(container.get("readinessProbe").is_none() && pod.get("topologySpreadConstraints").is_none());
    assert!(container["image"].as_str().expect("an image").starts_with("registry.example/ark@sha256:"));
    for kind in ["PodDisruptionBudget", "NetworkPolicy", "FlowSchema", "ClusterRole", "RoleBinding"] {
        assert!(!has(&objects, kind), "{kind}");
    }
}

#[test]
#[ignore = "needs the lab: run hack/test.sh"]
fn rules_and_dashboard_are_objects_behind_a_switch() {
    let usual = rendered(&[]);
    for kind in ["PrometheusRule", "ConfigMap", "ServiceMonitor"] {
        assert!(!has(&usual, kind), "{kind}");
    }
    let objects = rendered(&[
        "metrics.prometheusRule.enabled=true,metrics.prometheusRule.labels.release=prometheus",
        "metrics.dashboard.enabled=true,metrics.serviceMonitor.enabled=true",
    ]);
    let rule = one(&objects, "PrometheusRule");
    let alerts = std::fs::read_to_string(file("config/prometheus/alerts.yaml")).expect("readable");
    assert_eq!(rule["spec"], read(&alerts)[0]);
    assert_eq!(rule["metadata"]["labels"]["release"], "prometheus");
    let dashboard = one(&objects, "ConfigMap");
    let text = dashboard["data"]["ark.json"].as_str().expect("a text");
    let original = std::fs::read_to_string(file("config/grafana/ark.json")).expect("readable");
    assert_eq!(text.trim_end(), original.trim_end());
    assert_eq!(dashboard["metadata"]["labels"]["grafana_dashboard"], "1");
    let deployment = one(&objects, "Deployment");
    let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/scrape"], "false", "{annotations}");
}

#[test]
#[ignore = "needs the lab: run hack/test.sh"]
fn values_that_cannot_be_meant_are_refused_with_the_reason() {
    let smallest = file("charts/ark/ci/smallest-values.yaml").display().to_string();
    let chart = file("charts/ark").display().to_string();
    for (value, reason) in [
        ("podLabels.app\\.kubernetes\\.io/name=other", "/podLabels/app.kubernetes.io"),
        ("commonLabels.helm\\.sh/chart=other", "/commonLabels/helm.sh"),
        ("location.bucket=1", "/location/bucket"),
        ("locations.default.provider=s3,locations.default.bucket=b", "locations.default"),
        ("image.digest=sha256:abc", "digest"),
        ("restoreOnly=true,disableRestores=true", "nothing to do"),
        ("replica=3", "replica"),
        ("image.repository=", "image.repository is required"),
    ] {
        let said = helm_refuses(&["template", "ark", &chart, "--values", &smallest, "--set", value]);
        assert!(said.contains(reason), "{value}: {said}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn what_helm_test_runs_is_a_command_that_succeeds_and_no_service_sends_it_anything() {
    let lab = Lab::get().await;
    lab.b.install_definitions().await;
    let namespace = TestNamespace::create(&lab.b, "helm-test").await;
    let values = file("charts/ark/ci/openshift-values.yaml").display().to_string();
    let chart = file("charts/ark").display().to_string();
    let only = ["--show-only", "templates/tests/reach.yaml"];
    let command = ["template", "ark", &chart, "--namespace", &namespace.name, "--values", &values];
    let objects = read(&helm(&[&command[..], &only].concat()));
    let pod = one(&objects, "Pod");
    assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
    assert_ne!(pod["metadata"]["labels"]["app.kubernetes.io/name"], "ark");
    let arguments = pod["spec"]["containers"][0]["args"].as_array().expect("arguments");
    let arguments = arguments.iter().map(|argument| argument.as_str().expect("a text"));
    let mut ark = process::ark(arguments);
    process::run(ark.env("KUBECONFIG", &lab.b.kubeconfig)).expect_code(0);
}
