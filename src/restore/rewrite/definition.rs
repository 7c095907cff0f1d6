//! Brings a CRD from the time of v1beta1 into the form that v1 takes. Pure.
//!
//! Such CRDs live on in upgraded clusters: without schemas, or with `preserveUnknownFields: true`,
//! which v1 keeps but does not let anybody create. The schemas are made to say the same, or every
//! field that they do not name would be dropped.

use serde_json::{Map, Value, json};

use super::shape;
use crate::model::{CRDS, GroupResource};

/// The field by which an object keeps fields that its schema does not name; on that level only.
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

/// Gives every version a schema, and lets schemas preserve what `preserveUnknownFields` preserved.
pub(super) fn rewrite(kind: &GroupResource, item: &mut Value) {
    if kind.as_str() != CRDS {
        return;
    }
    let preserves = shape::at(item, &["spec", "preserveUnknownFields"]) == Some(&Value::Bool(true));
    shape::remove_keys(item, &["spec"], &["preserveUnknownFields"]);
    for version in shape::array_mut(item, &["spec", "versions"]).into_iter().flatten() {
        let Some(version) = version.as_object_mut() else { continue };
        if version.get("schema").and_then(|schema| schema.get("openAPIV3Schema")).is_none_or(Value::is_null) {
            version
                .insert("schema".to_owned(), json!({"openAPIV3Schema": {"type": "object", PRESERVE: true}}));
        } else if preserves && let Some(schema) = version.get_mut("schema") {
            shape::each(schema, "openAPIV3Schema", &mut |schema| preserve(schema, SchemaLevel::Root));
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum SchemaLevel {
    Root,
    Field,
}

/// Lets every object of a schema preserve fields that it does not name. The metadata of the root
/// and of embedded objects are defined by the API server, and conditions (`anyOf` and the like)
/// must not say anything about preserving.
fn preserve(schema: &mut Value, level: SchemaLevel) {
    let Some(schema) = schema.as_object_mut() else { return };
    if level == SchemaLevel::Root || schema.get("type").and_then(Value::as_str) == Some("object") {
        schema.insert(PRESERVE.to_owned(), Value::Bool(true));
        // `additionalProperties: true` allows any field, yet keeps none of its content.
        if schema.get("additionalProperties") == Some(&Value::Bool(true)) {
            schema.remove("additionalProperties");
        }
    }
    let embedded = schema.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true));
    let has_metadata = level == SchemaLevel::Root || embedded;
    for (name, property) in properties(schema) {
        if !(has_metadata && name == "metadata") {
            preserve(property, SchemaLevel::Field);
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(inner) {
            preserve(inner, SchemaLevel::Field);
        }
    }
}

fn properties(schema: &mut Map<String, Value>) -> impl Iterator<Item = (&String, &mut Value)> {
    schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(preserves: bool, versions: &Value) -> Value {
        let kind = GroupResource::parse(CRDS);
        let mut item = json!({"spec": {"group": "example.com", "versions": versions}});
        if preserves {
            item["spec"]["preserveUnknownFields"] = json!(true);
        }
        rewrite(&kind, &mut item);
        let once = item.clone();
        rewrite(&kind, &mut item);
        assert_eq!(item, once);
        assert_eq!(item["spec"].get("preserveUnknownFields"), None);
        item["spec"]["versions"].take()
    }

    #[test]
    fn a_version_without_a_schema_gets_one_that_keeps_everything() {
        let schema =
            json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}});
        let versions =
            json!([{"name": "v1"}, {"name": "v2", "schema": {}}, {"name": "v3", "schema": schema}]);
        let free = json!({"openAPIV3Schema": {"type": "object", PRESERVE: true}});
        assert_eq!(
            rewritten(false, &versions),
            json!([{"name": "v1", "schema": free}, {"name": "v2", "schema": free}, {"name": "v3", "schema": schema}])
        );
    }

    #[test]
    fn what_was_preserved_everywhere_is_preserved_by_every_object() {
        let metadata = json!({"type": "object", "properties": {"name": {"type": "string"}}});
        let schema = json!({"type": "object", "required": ["spec"], "anyOf": [{"properties": {"spec": {"required": ["a"]}}}], "properties": {
            "metadata": metadata,
            "spec": {"type": "object", "properties": {
                "list": {"type": "array", "items": {"type": "object", "properties": {"metadata": {"type": "object"}}}},
                "map": {"type": "object", "additionalProperties": {"type": "object"}},
                "anything": {"type": "object", "additionalProperties": true},
                "port": {"x-kubernetes-int-or-string": true},
                "template": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"metadata": metadata, "spec": {"type": "object"}}}}}}});
        let versions = rewritten(true, &json!([{"name": "v1", "schema": {"openAPIV3Schema": schema}}]));
        assert_eq!(
            versions[0]["schema"]["openAPIV3Schema"],
            json!({"type": "object", PRESERVE: true, "required": ["spec"], "anyOf": [{"properties": {"spec": {"required": ["a"]}}}], "properties": {
                "metadata": metadata,
                "spec": {"type": "object", PRESERVE: true, "properties": {
                    "list": {"type": "array", "items": {"type": "object", PRESERVE: true, "properties": {"metadata": {"type": "object", PRESERVE: true}}}},
                    "map": {"type": "object", PRESERVE: true, "additionalProperties": {"type": "object", PRESERVE: true}},
                    "anything": {"type": "object", PRESERVE: true},
                    "port": {"x-kubernetes-int-or-string": true},
                    "template": {"type": "object", PRESERVE: true, "x-kubernetes-embedded-resource": true,
                        "properties": {"metadata": metadata, "spec": {"type": "object", PRESERVE: true}}}}}}})
        );
    }
}
