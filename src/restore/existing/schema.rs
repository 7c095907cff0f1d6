//! Tells whether a CRD, written over the one in the cluster, would take fields away from the
//! resources of its kind. Pure.

use serde_json::Value;

/// The field of a schema that keeps fields which the schema does not name.
const KEEPS: &str = "x-kubernetes-preserve-unknown-fields";

/// Returns whether a version that both CRDs have would lose a property. A resource then loses the
/// property in every answer, and for good with its next write.
pub fn loses_properties(wanted: &Value, live: &Value) -> bool {
    let later = versions(wanted);
    versions(live).iter().any(|now| {
        let same = later.iter().find(|then| then["name"] == now["name"]);
        same.is_some_and(|then| loses(&then["schema"]["openAPIV3Schema"], &now["schema"]["openAPIV3Schema"]))
    })
}

fn versions(definition: &Value) -> &[Value] {
    definition["spec"]["versions"].as_array().map_or(&[], Vec::as_slice)
}

/// Returns whether a value that passes whole under `now` could lose a field under `then`.
fn loses(then: &Value, now: &Value) -> bool {
    if then[KEEPS] == true || *then == true {
        return false;
    }
    let is_schema = |schema: &&Value| schema.is_object() || **schema == true;
    let mut properties = now["properties"].as_object().into_iter().flatten();
    let lost = properties.any(|(name, now)| match then["properties"].get(name) {
        Some(then) => loses(then, now),
        // A schema of `additionalProperties` accepts any name.
        None => !is_schema(&&then["additionalProperties"]) || loses(&then["additionalProperties"], now),
    });
    let of_parts = ["items", "additionalProperties"].iter().any(|part| {
        let now = Some(&now[part]).filter(is_schema);
        now.is_some_and(|now| !is_schema(&&then[part]) || loses(&then[part], now))
    });
    now[KEEPS] == true || lost || of_parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_that_lets_less_pass_loses_what_resources_have_there() {
        let object = |properties: Value| json!({"type": "object", "properties": properties});
        let text = json!({"type": "string"});
        let spec = |properties: Value| object(json!({"spec": object(properties)}));
        let (less, more) = (spec(json!({"a": text})), spec(json!({"a": text, "b": text})));
        let list = |of: &Value| json!({"type": "array", "items": of});
        let map = |of: &Value| json!({"type": "object", "additionalProperties": of});
        let keeps = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        for (then, now, expected) in [
            (&less, &more, true),
            (&more, &less, false),
            (&more, &more, false),
            (&keeps, &more, false),
            (&less, &keeps, true),
            (&keeps, &keeps, false),
            (&list(&less), &list(&more), true),
            (&list(&more), &list(&less), false),
            (&map(&less), &map(&more), true),
            (&json!({"type": "object", "additionalProperties": true}), &more, false),
            (&less, &map(&text), true),
            (&json!({"type": "object"}), &less, true),
        ] {
            let definition = |schema: &Value| json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": object(json!({"x": schema}))}}]}});
            assert_eq!(loses_properties(&definition(then), &definition(now)), expected, "{then} for {now}");
        }
        // A version that the other CRD lacks is `has_fewer_versions`, not a lost property.
        let other = json!({"spec": {"versions": [{"name": "v2"}]}});
        let now = json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": more}}]}});
        assert!(!loses_properties(&other, &now));
    }
}
