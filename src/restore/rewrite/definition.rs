//! A CustomResourceDefinition from the time of v1beta1 is put in the form that v1 takes. Pure.

use serde_json::Value;

use super::shape;
use crate::model::Kind;

/// `preserveUnknownFields: true` can be kept but not created in v1: the schemas say it instead.
pub(super) fn rewrite(kind: &Kind, item: &mut Value) {
    let preserves = shape::at(item, &["spec", "preserveUnknownFields"]) == Some(&Value::Bool(true));
    if kind.as_str() != "customresourcedefinitions.apiextensions.k8s.io" || !preserves {
        return;
    }
    shape::remove_keys(item, &["spec"], &["preserveUnknownFields"]);
    shape::each(item, "spec.versions[].schema.openAPIV3Schema", &mut |schema| {
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("x-kubernetes-preserve-unknown-fields".to_owned(), Value::Bool(true));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_fields_are_preserved_by_the_schemas() {
        let kind = Kind::parse("customresourcedefinitions.apiextensions.k8s.io");
        let mut item = json!({"spec": {"group": "example.com", "preserveUnknownFields": true, "versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
        rewrite(&kind, &mut item);
        let after = json!({"spec": {"group": "example.com", "versions": [{"name": "v1",
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
        assert_eq!(item, after);
        rewrite(&kind, &mut item);
        assert_eq!(item, after);
    }
}
