//! The custom resource definitions in a real API server: it takes them, loses nothing of what the
//! types hold, and refuses what the rules say.

mod changes;
mod refusals;
mod samples;

use std::collections::BTreeSet;

use kube::api::{Api, DynamicObject, PostParams};
use kube::core::ApiResource;
use serde_json::{Value, json};

use crate::support::{Cluster, Lab, TestNamespace};
use changes::{CHANGES, Change};
use refusals::{REFUSALS, Refusal};

fn objects(cluster: &Cluster, namespace: &TestNamespace, kind: &str) -> Api<DynamicObject> {
    let definition = ark::api::crds().into_iter().find(|definition| definition.spec.names.kind == kind);
    let definition = definition.unwrap_or_else(|| panic!("no definition of {kind}"));
    let resource = ApiResource {
        group: ark::api::GROUP.to_owned(),
        version: ark::api::VERSION.to_owned(),
        api_version: format!("{}/{}", ark::api::GROUP, ark::api::VERSION),
        kind: kind.to_owned(),
        plural: definition.spec.names.plural,
    };
    Api::namespaced_with(cluster.client.clone(), &namespace.name, &resource)
}

fn object(kind: &str, name: &str, spec: &Value) -> DynamicObject {
    let whole = json!({
        "apiVersion": format!("{}/{}", ark::api::GROUP, ark::api::VERSION),
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    });
    serde_json::from_value(whole).expect("an object")
}

/// Every message of a rule anywhere in a schema.
fn rule_messages(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for rule in fields.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten()
            {
                found.insert(rule["message"].as_str().expect("every rule has a message").to_owned());
            }
            fields.values().for_each(|value| rule_messages(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| rule_messages(value, found)),
        _ => {}
    }
}

async fn refuse(cluster: &Cluster, namespace: &TestNamespace, refusal: &Refusal) -> String {
    let Refusal { kind, name, spec, says } = refusal;
    let spec: Value = serde_json::from_str(spec).unwrap_or_else(|error| panic!("{spec}: {error}"));
    let name = if name.is_empty() { "sample".to_owned() } else { name.repeat(239) };
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let answer = objects(cluster, namespace, kind).create(&params, &object(kind, &name, &spec)).await;
    let message = answer.expect_err(&format!("{kind} {spec} is taken, though {says}")).to_string();
    assert!(message.contains(says), "{kind} {spec} is refused for another reason than {says}: {message}");
    message
}

async fn refuse_change(cluster: &Cluster, namespace: &TestNamespace, at: usize, change: &Change) -> String {
    let Change { kind, spec, phase, changed, says } = change;
    let [spec, changed]: [Value; 2] = [spec, changed].map(|text| serde_json::from_str(text).expect("JSON"));
    let (api, name) = (objects(cluster, namespace, kind), format!("change-{at}"));
    let mut kept =
        api.create(&PostParams::default(), &object(kind, &name, &spec)).await.expect("taken at first");
    if let Some(phase) = phase {
        kept.data["status"] = json!({"phase": phase, "warnings": 0, "errors": 0});
        kept = api.replace_status(&name, &PostParams::default(), &kept).await.expect("a status is taken");
    }
    let mut unchanged = kept.clone();
    unchanged.metadata.labels = Some([("touched".to_owned(), "yes".to_owned())].into());
    let mut kept = api.replace(&name, &PostParams::default(), &unchanged).await.expect("a label may change");
    kept.data["spec"] = changed;
    let answer = api.replace(&name, &PostParams::default(), &kept).await;
    let message =
        answer.expect_err(&format!("{kind}: the change to {} is taken", kept.data["spec"])).to_string();
    assert!(message.contains(says), "{kind}: refused for another reason than {says}: {message}");
    message
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn definitions_install_keep_every_field_and_refuse_what_each_rule_says() {
    let lab = Lab::alone().await;
    lab.b.install_definitions().await;
    let namespace = TestNamespace::create(&lab.b, "crds").await;
    samples::keep_everything(&lab.b, &namespace).await;

    let mut refused = Vec::new();
    for refusal in REFUSALS {
        refused.push(refuse(&lab.b, &namespace, refusal).await);
    }
    for (at, change) in CHANGES.iter().enumerate() {
        refused.push(refuse_change(&lab.b, &namespace, at, change).await);
    }
    let mut messages = BTreeSet::new();
    let definitions = serde_json::to_value(ark::api::crds()).expect("definitions are JSON");
    rule_messages(&definitions, &mut messages);
    assert!(messages.len() > 20, "the definitions hold fewer rules than they did: {messages:#?}");
    let untried: Vec<_> =
        messages.iter().filter(|message| !refused.iter().any(|text| text.contains(*message))).collect();
    assert!(untried.is_empty(), "rules that no case here breaks: {untried:#?}");
}
