//! Which fields of Ark's kinds an API server would drop, since its definitions are older than this server. Pure.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

use crate::api::VERSION;

/// Under these a schema says what may be below a field.
const INNER: [&str; 2] = ["items", "additionalProperties"];

/// The fields of `definition` that the document `served` of its group and version lacks, the outermost of each: `schedules
/// status.counting`. None for a kind of which the document says nothing.
pub fn missing_fields(definition: &CustomResourceDefinition, served: &Value) -> Vec<String> {
    let names = &definition.spec.names;
    let schemas = served["components"]["schemas"].as_object();
    let is_of = |schema: &&Value| {
        let kinds = schema["x-kubernetes-group-version-kind"].as_array();
        kinds.into_iter().flatten().any(|one| one["kind"] == *names.kind && one["version"] == VERSION)
    };
    let version = definition.spec.versions.iter().find(|version| version.name == VERSION);
    let ours = version.and_then(|version| serde_json::to_value(version.schema.as_ref()?).ok());
    let (Some(ours), Some(served)) = (ours, schemas.and_then(|all| all.values().find(is_of))) else {
        return Vec::new();
    };
    let mut missing = Vec::new();
    for part in ["spec", "status"] {
        let (ours, served) = (&ours["openAPIV3Schema"]["properties"][part], &served["properties"][part]);
        if !ours.is_null() {
            compare(ours, served, &format!("{} {part}", names.plural), &mut missing);
        }
    }
    missing
}

fn compare(ours: &Value, served: &Value, path: &str, missing: &mut Vec<String>) {
    if served.is_null() {
        missing.push(path.to_owned());
        return;
    }
    if served["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    for (field, schema) in ours["properties"].as_object().into_iter().flatten() {
        compare(schema, &served["properties"][field], &format!("{path}.{field}"), missing);
    }
    for inner in INNER {
        if ours[inner].is_object() && served[inner].is_object() {
            compare(&ours[inner], &served[inner], path, missing);
        }
    }
}

/// For tests: the document of an API server that has these definitions.
#[cfg(test)]
pub fn document(definitions: &[CustomResourceDefinition]) -> Value {
    let schemas = definitions.iter().map(|definition| {
        let kind = &definition.spec.names.kind;
        let mut schema =
            serde_json::to_value(&definition.spec.versions[0].schema).unwrap()["openAPIV3Schema"].take();
        schema["x-kubernetes-group-version-kind"] =
            serde_json::json!([{"group": crate::api::GROUP, "kind": kind, "version": VERSION}]);
        (format!("com.heptio.ark.v1.{kind}"), schema)
    });
    serde_json::json!({"components": {"schemas": schemas.collect::<serde_json::Map<_, _>>()}})
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::crds;

    fn missing(served: &Value) -> Vec<String> {
        crds().iter().flat_map(|definition| missing_fields(definition, served)).collect()
    }

    #[test]
    fn fields_that_older_definitions_lack_are_found_wherever_they_are_and_newer_ones_are_no_matter() {
        let mut served = document(&crds());
        assert_eq!(missing(&served), Vec::<String>::new());
        let schemas = &mut served["components"]["schemas"];
        schemas["com.heptio.ark.v1.Backup"]["properties"]["spec"]["properties"]["later"] =
            json!({"type": "string"});
        let schedule = &mut schemas["com.heptio.ark.v1.Schedule"]["properties"];
        schedule["status"]["properties"].as_object_mut().unwrap().remove("counting");
        schedule["spec"]["properties"]["template"]["properties"].as_object_mut().unwrap().remove("ttl");
        assert_eq!(missing(&served), ["schedules spec.template.ttl", "schedules status.counting"]);
    }

    #[test]
    fn a_field_in_a_list_is_a_field_and_what_a_server_keeps_whole_lacks_none() {
        let ours = json!({"properties": {"list": {"items": {"properties": {"a": {}, "b": {}}}}, "any": {"properties": {"c": {}}}}});
        let served = json!({"properties": {"list": {"items": {"properties": {"a": {}}}}, "any": {"x-kubernetes-preserve-unknown-fields": true}}});
        let mut missing = Vec::new();
        compare(&ours, &served, "things spec", &mut missing);
        assert_eq!(missing, ["things spec.list.b"]);
    }

    #[test]
    fn what_a_server_does_not_show_is_not_missed() {
        assert_eq!(missing(&json!({})), Vec::<String>::new());
        assert_eq!(missing(&json!({"components": {"schemas": {"X": {}}}})), Vec::<String>::new());
    }
}
