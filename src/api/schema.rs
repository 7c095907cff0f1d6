//! Schemas that the derive cannot express: bounded selectors, maps and free-form values, and the
//! last pass over all. Pure.
//!
//! The bounds let the API server compute the cost of each CEL rule, and refuse what would not fit
//! etcd.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// The longest label key: a prefix of 253, a slash, a name of 63.
const MAX_LABEL_KEY: usize = 317;
/// The most requirements of a selector; nobody types more.
const MAX_REQUIREMENTS: usize = 64;
/// The most values of a requirement.
const MAX_VALUES: usize = 128;
/// The most selectors of which any may hold; each is one more test for every item.
const MAX_SELECTORS: usize = 64;
/// The most pairs of a mapping.
const MAX_PAIRS: usize = 512;

fn selector() -> Value {
    let key = serde_json::json!({
        "description": "Key of the label, for example `app.kubernetes.io/name`.",
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_LABEL_KEY,
    });
    let value = serde_json::json!({"type": "string", "maxLength": 63});
    serde_json::json!({
        "type": "object",
        "properties": {
            "matchLabels": {
                "description": "Labels that an item must have, with exactly these values. Example: `{app: web}`.",
                "type": "object",
                "maxProperties": MAX_REQUIREMENTS,
                "additionalProperties": value,
            },
            "matchExpressions": {
                "description": "Requirements that must all hold, besides matchLabels. Example: `[{key: tier, operator: In, values: [web, api]}]`.",
                "type": "array",
                "maxItems": MAX_REQUIREMENTS,
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": key,
                        "operator": {
                            "description": "In: the label has one of `values`. NotIn: the label has none of `values`, or the item lacks it. \
                                Exists: the item has the label, whatever its value. DoesNotExist: the item lacks the label.",
                            "type": "string",
                            "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                        },
                        "values": {
                            "description": "Values of the label, for In and NotIn; Exists and DoesNotExist take none.",
                            "type": "array",
                            "maxItems": MAX_VALUES,
                            "items": value,
                        },
                    },
                    "x-kubernetes-validations": [{
                        "rule": "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
                        "message": "matchExpressions: In and NotIn need at least one of values, Exists and DoesNotExist take none",
                    }],
                },
            },
        },
    })
}

fn schema(value: Value) -> Schema {
    Schema::try_from(value).unwrap_or_default()
}

/// Returns the schema of a label selector with bounds.
pub(super) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    schema(selector())
}

/// Returns the schema of a list of label selectors of which any may hold.
pub(super) fn label_selectors(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "maxItems": MAX_SELECTORS, "items": selector()})
}

/// Returns the schema of a map from one non-empty name to another.
pub(super) fn mapping(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAX_PAIRS,
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 512},
    })
}

/// Returns the schema of labels by key.
pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAX_REQUIREMENTS,
        "additionalProperties": {"type": "string", "maxLength": 63},
    })
}

/// Returns the schema of Velero's order of resources: a kind, and its items with commas between.
pub(super) fn order(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAX_PAIRS,
        "additionalProperties": {"type": "string", "maxLength": 16384},
    })
}

/// Returns the schema of a map from namespace to namespace.
pub(super) fn namespace_mapping(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAX_PAIRS,
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 63},
        "x-kubernetes-validations": [{
            "rule": "self.all(name, name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$') && self[name].matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'))",
            "message": "namespaceMapping must map names of namespaces to names of namespaces: lower-case letters, digits and `-`",
        }],
    })
}

/// Returns the schema of any JSON value, null too.
pub(super) fn any_value(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-preserve-unknown-fields": true, "nullable": true})
}

/// Returns the schema of an object of unknown shape.
pub(super) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// Returns the schema of a list of objects of unknown shape.
pub(super) fn any_objects(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 1024,
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    })
}

/// Adapts a derived schema to what the API server expects: null means absent (the field is
/// pruned), and integers are signed.
pub(super) fn tidy(schema: &mut JSONSchemaProps) {
    if schema.type_.is_some() {
        schema.nullable = None;
    }
    if let Some(format) = &mut schema.format {
        match format.as_str() {
            "uint64" => "int64".clone_into(format),
            "uint32" => "int32".clone_into(format),
            _ => {}
        }
    }
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}
