//! Definitions from other times and of other versions, and resources that must come back as they
//! were to the last digit.

use serde_json::{Value, json};

use super::{Case, definition, manifests, open_schema};
use crate::restore::count;
use crate::support::{Busy, DEFINITIONS, path_of};

const OLD: &str = include_str!("data/18-v1beta1-definition.yaml");
const STORED: &str = include_str!("data/18-v1beta1-definition-stored.json");

/// A definition as API servers took it at the time of v1beta1; `versions` take the place of those
/// in the example.
fn old(case: &Case, plural: &str, kind: &str, change: impl FnOnce(&mut Value)) -> Value {
    let text = STORED.replace("c18.", &format!("{}.", case.id)).replace("things", plural);
    let text = text.replace("thing", &plural[..plural.len() - 1]).replace("Thing", kind);
    let mut definition: Value = serde_json::from_str(&text).expect("JSON");
    definition["metadata"]["uid"] = json!(uuid::Uuid::new_v4().to_string());
    change(&mut definition);
    definition
}

/// Definitions as etcd has them from API servers of years ago: without schema, with
/// `preserveUnknownFields`, with versions of which one has no schema.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn definitions_of_v1beta1_come_back_as_v1_with_every_field_of_their_resources() {
    let mut case = Case::get("c18", OLD).await;
    let group = format!("{}.example.com", case.id);
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "object"}}}}}}});
    let definitions = [
        old(&case, "things", "Thing", |_| {}),
        old(&case, "schemads", "Schemad", |of| of["spec"]["validation"] = schema.clone()),
        old(&case, "twos", "Two", |of| {
            of["spec"]["versions"] = json!([{"name": "v1", "served": true, "storage": true, "schema": schema},
                {"name": "v2", "served": true, "storage": false}]);
        }),
    ];
    for definition in &definitions {
        let name = definition["metadata"]["name"].as_str().expect("a name");
        case.a()
            .store(&format!("/registry/apiextensions.k8s.io/customresourcedefinitions/{name}"), definition);
        let plural = &definition["spec"]["names"]["plural"];
        case.a().serves(&format!("/apis/{group}/v1/{}", plural.as_str().expect("a plural"))).await;
    }
    let resource = |kind: &str| {
        json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": "one", "namespace": case.id},
        "outside": {"kept": true}, "spec": {"anything": {"goes": [1, "two"]}, "list": [{"unknown": {"deep": [{"er": 1}]}}]}})
    };
    let resources = ["Schemad", "Two"].map(resource);
    case.objects.extend(resources);
    case.create().await;
    case.back_up();
    let restored = case.restore(case.b(), &[], 0);
    assert_eq!(count(&restored.status, "errors"), 0, "{}", restored.said);
    for object in &case.objects[1..] {
        let path = path_of(object);
        let live =
            case.b().read(&path).await.unwrap_or_else(|| panic!("{path} is not there: {}", restored.said));
        for field in ["spec", "outside"] {
            assert_eq!(live.get(field), object.get(field), "{path}");
        }
    }
    for definition in &definitions {
        let path = format!("{DEFINITIONS}/{}", definition["metadata"]["name"].as_str().expect("a name"));
        assert!(case.b().read(&path).await.is_some(), "{path}");
    }
    case.second_changes_nothing(case.b(), &[]).await;
}

/// Floating point numbers of a custom resource are compared as text.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn numbers_keep_their_digits_through_a_restore_and_a_modifier() {
    let mut case = Case::of("c06", &[manifests::namespace("c06")]).await;
    let group = format!("{}.example.com", case.id);
    case.objects.push(definition(&group, &open_schema(), &json!({"status": {}})));
    case.create().await;
    // As text: what reads it into a number on the way shows in the digits.
    let numbers = "[44.440400000000004,3.6479999999999997,9007199254740991,-9223372036854775808,0.1,1e-7,1.7976931348623157e308,5e-324]";
    let text = format!(
        r#"{{"apiVersion":"{group}/v1","kind":"Widget","metadata":{{"name":"one"}},"spec":{{"numbers":{numbers}}}}}"#
    );
    let path = case.group_path(&format!("{group}/v1"), "widgets");
    let send = async |request: http::Request<Vec<u8>>| {
        case.a().client.request_text(request).await.expect("answered")
    };
    let create =
        http::Request::post(&path).header("Content-Type", "application/json").body(text.into_bytes());
    send(create.expect("a request")).await;
    let read = async || {
        let answer =
            send(http::Request::get(format!("{path}/one")).body(Vec::new()).expect("a request")).await;
        let from = answer.find("\"numbers\":").expect("they are there");
        answer[from..][..answer[from..].find(']').expect("a list")].to_owned()
    };
    let before = read().await;
    assert!(before.contains("44.440400000000004") && before.contains("3.6479999999999997"), "{before}");
    case.back_up();
    let rules = tempfile::NamedTempFile::new().expect("a file");
    let text = format!(
        "- conditions: {{groupResource: widgets.{group}}}\n  patches:\n  - {{operation: add, path: /spec/changed, value: 'yes'}}\n"
    );
    std::fs::write(rules.path(), text).expect("written");
    let rules = rules.path().to_str().expect("text");
    for flags in [&[][..], &["--resource-modifiers", rules]] {
        case.a().remove(&format!("{path}/one")).await;
        case.restore_cleanly(case.a(), flags);
        assert_eq!(read().await, before, "{flags:?}");
        case.second_changes_nothing(case.a(), flags).await;
    }
    assert_eq!(
        case.diff(case.a()).lines().filter(|line| line.contains("widgets")).count(),
        1,
        "the modifier's change"
    );
}

/// The target has an older definition, whose schema lacks a field: the API server prunes it.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_field_that_the_target_does_not_know_is_told() {
    let mut case = Case::of("c08", &[manifests::namespace("c08")]).await;
    let group = format!("{}.example.com", case.id);
    let schema = |fields: Value| json!({"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}});
    let text = json!({"type": "string"});
    let new = definition(&group, &schema(json!({"old": text, "fresh": text})), &json!({}));
    case.objects.push(new);
    case.objects.push(json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "one", "namespace": case.id}, "spec": {"old": "1", "fresh": "2"}}));
    case.create().await;
    case.back_up();
    // An older chart has brought an older definition there.
    case.b().create_all(&[definition(&group, &schema(json!({"old": text})), &json!({}))]).await;
    let restored = case.restore(case.b(), &[], 0);
    let told = restored.said.lines().any(|line| line.contains("/one") && line.contains("fresh"));
    assert!(told, "{}", restored.said);
    let live =
        case.b().read(&case.group_path(&format!("{group}/v1"), "widgets/one")).await.expect("restored");
    assert_eq!(live["spec"], json!({"old": "1"}));
}

/// The definition has a second version since the backup; Update and Recreate leave it.
#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_definition_that_comes_along_is_never_brought_back_to_what_it_was() {
    let mut case = Case::of("c08", &[manifests::namespace("c08")]).await;
    let group = format!("{}.example.com", case.id);
    let first = definition(&group, &open_schema(), &json!({}));
    case.objects.push(first.clone());
    case.objects.push(json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "one", "namespace": case.id}, "spec": {}}));
    case.create().await;
    case.back_up();
    // The operator is upgraded since.
    let path = path_of(&first);
    let mut versions = first["spec"]["versions"].clone();
    let mut second = versions[0].clone();
    second["name"] = json!("v2");
    second["storage"] = json!(false);
    versions.as_array_mut().expect("a list").push(second);
    case.a().merge(&path, &json!({"spec": {"versions": versions}})).await;
    let generation = case.a().read(&path).await.expect("there")["metadata"]["generation"].clone();
    let names = format!("customresourcedefinitions,widgets.{group}");
    for policy in ["update", "recreate"] {
        let policy = ["--existing-resource-policy", policy];
        for scope in [&["--include-namespaces", &*case.id][..], &["--include-resources", &names]] {
            case.restore(case.a(), &[&policy[..], scope].concat(), 0);
            let live = case.a().read(&path).await.expect("there");
            assert_eq!(live["metadata"]["generation"], generation, "{policy:?} {scope:?}: {}", live["spec"]);
            assert_eq!(live["spec"]["versions"].as_array().expect("a list").len(), 2);
        }
    }
}

/// A schema as large as operators have them: the API server works for a second and more until it
/// serves such a kind.
fn large_schema() -> Value {
    let text = json!({"type": "string", "maxLength": 1000, "description": "What a person who reads the reference of this field wants to know about it."});
    let fields: serde_json::Map<String, Value> =
        (0..40).map(|number| (format!("field{number}"), text.clone())).collect();
    let group = json!({"type": "object", "properties": fields});
    let groups: serde_json::Map<String, Value> =
        (0..16).map(|number| (format!("group{number}"), group.clone())).collect();
    json!({"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": groups}, "status": open_schema()}})
}

#[tokio::test]
#[ignore = "needs the lab: run hack/test.sh"]
async fn sixty_definitions_with_resources_come_into_a_busy_cluster_without_an_error() {
    const MANY: usize = 60;
    let case = Case::alone("c60", "apiVersion: v1\nkind: Namespace\nmetadata: {name: c60}\n").await;
    let names: Vec<String> = (0..MANY).map(|number| format!("w{number}")).collect();
    let group = format!("{}.example.com", case.id);
    let schema = large_schema();
    let definitions: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut each = definition(&group, &schema, &json!({"status": {}}));
            let plural = format!("{name}s");
            each["metadata"]["name"] = json!(format!("{plural}.{group}"));
            each["spec"]["names"] = json!({"plural": plural, "singular": name, "kind": name.to_uppercase()});
            each
        })
        .collect();
    case.create().await;
    super::create_many(case.a(), definitions.iter().cloned()).await;
    let mut resources = Vec::new();
    for name in &names {
        case.a().serves(&format!("/apis/{group}/v1/{name}s")).await;
        resources.push(json!({"apiVersion": format!("{group}/v1"), "kind": name.to_uppercase(), "metadata": {"name": "one", "namespace": case.id}, "spec": {"k": "v"}}));
    }
    super::create_many(case.a(), resources).await;
    case.back_up();
    let restored = {
        let _busy = Busy::start();
        let began = std::time::Instant::now();
        let restored = case.restore_cleanly(case.b(), &[]);
        println!("{MANY} definitions into a busy cluster: {:?}", began.elapsed());
        restored
    };
    assert!(
        count(&restored.status, "created") >= 2 * u64::try_from(MANY).expect("few"),
        "{}",
        restored.status
    );
    case.second_changes_nothing(case.b(), &[]).await;
    for cluster in [case.a(), case.b()] {
        for definition in &definitions {
            cluster.delete(&path_of(definition)).await;
        }
        for definition in &definitions {
            cluster.remove_definition(definition["metadata"]["name"].as_str().expect("a name")).await;
        }
    }
}
