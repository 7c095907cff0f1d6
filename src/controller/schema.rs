//! Fields of Ark's kinds that an API server would drop because its CRDs are older than this server.
//! Pure.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde::Deserialize;

use crate::api::VERSION;

/// The names of fields from the OpenAPI document of a group and version. Nothing else is parsed: a
/// server that has once read the whole document keeps its memory for good.
#[derive(Debug, Default, Deserialize)]
pub struct ServedFields {
    #[serde(default)]
    components: Components,
}

#[derive(Debug, Default, Deserialize)]
struct Components {
    #[serde(default)]
    schemas: BTreeMap<String, ServedKind>,
}

#[derive(Debug, Deserialize)]
struct ServedKind {
    #[serde(default, rename = "x-kubernetes-group-version-kind")]
    kinds: Vec<ServedVersion>,
    #[serde(default)]
    properties: BTreeMap<String, Fields>,
}

#[derive(Debug, Deserialize)]
struct ServedVersion {
    kind: String,
    version: String,
}

/// The fields below a field.
#[derive(Debug, Default, Deserialize)]
struct Fields {
    #[serde(default)]
    properties: BTreeMap<String, Fields>,
    items: Option<Box<Fields>>,
    #[serde(rename = "additionalProperties")]
    additional: Option<Additional>,
    #[serde(default, rename = "x-kubernetes-preserve-unknown-fields")]
    keeps_unknown: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Additional {
    Whether(#[expect(dead_code, reason = "names no field")] bool),
    Below(Box<Fields>),
}

/// Returns the fields of `definition` that the document `served` of its group and version lacks,
/// the outermost of each, as in `schedules status.counting`. Empty for a kind that the document
/// does not mention.
pub fn missing_fields(definition: &CustomResourceDefinition, served: &ServedFields) -> Vec<String> {
    let names = &definition.spec.names;
    let is_of = |schema: &&ServedKind| {
        schema.kinds.iter().any(|one| one.kind == names.kind && one.version == VERSION)
    };
    let version = definition.spec.versions.iter().find(|version| version.name == VERSION);
    let ours = version.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
    let (Some(ours), Some(served)) = (ours, served.components.schemas.values().find(is_of)) else {
        return Vec::new();
    };
    let mut missing = Vec::new();
    for part in ["spec", "status"] {
        if let Some(ours) = ours.properties.as_ref().and_then(|fields| fields.get(part)) {
            compare(ours, served.properties.get(part), &format!("{} {part}", names.plural), &mut missing);
        }
    }
    missing
}

/// Appends the paths of fields that `served` lacks, down to the outermost missing field.
fn compare(ours: &JSONSchemaProps, served: Option<&Fields>, path: &str, missing: &mut Vec<String>) {
    let Some(served) = served else {
        missing.push(path.to_owned());
        return;
    };
    if served.keeps_unknown {
        return;
    }
    for (field, schema) in ours.properties.iter().flatten() {
        compare(schema, served.properties.get(field), &format!("{path}.{field}"), missing);
    }
    if let (Some(JSONSchemaPropsOrArray::Schema(ours)), Some(served)) = (&ours.items, &served.items) {
        compare(ours, Some(served), path, missing);
    }
    if let (Some(JSONSchemaPropsOrBool::Schema(ours)), Some(Additional::Below(served))) =
        (&ours.additional_properties, &served.additional)
    {
        compare(ours, Some(served), path, missing);
    }
}

/// For tests: returns the document of an API server that has these definitions.
#[cfg(test)]
pub fn document(definitions: &[CustomResourceDefinition]) -> serde_json::Value {
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
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::api::crds;

    fn missing(served: &Value) -> Vec<String> {
        let served = from_value(served.clone()).unwrap();
        crds().iter().flat_map(|definition| missing_fields(definition, &served)).collect()
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
        let ours = json!({"properties": {
            "list": {"items": {"properties": {"a": {}, "b": {}}}},
            "map": {"additionalProperties": {"properties": {"a": {}, "b": {}}}},
            "any": {"properties": {"c": {}}},
            "words": {"additionalProperties": {"type": "string"}},
        }});
        let served = json!({"properties": {
            "list": {"items": {"properties": {"a": {}}}},
            "map": {"additionalProperties": {"properties": {"b": {}}}},
            "any": {"x-kubernetes-preserve-unknown-fields": true},
            "words": {"additionalProperties": true},
        }});
        let mut missing = Vec::new();
        let served = from_value(served).unwrap();
        compare(&from_value(ours).unwrap(), Some(&served), "things spec", &mut missing);
        assert_eq!(missing, ["things spec.list.b", "things spec.map.a"]);
    }

    #[test]
    fn what_a_server_does_not_show_is_not_missed() {
        assert_eq!(missing(&json!({})), Vec::<String>::new());
        assert_eq!(missing(&json!({"components": {"schemas": {"X": {}}}})), Vec::<String>::new());
    }
}
