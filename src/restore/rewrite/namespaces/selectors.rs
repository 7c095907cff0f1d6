//! Maps label selectors on `kubernetes.io/metadata.name`, which select namespaces by name,
//! wherever they are. Pure.

use serde_json::Value;

use super::NamespaceMap;

/// The label that every namespace carries, with its name as the value.
pub(super) const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Maps the values of every such selector in the item: NetworkPolicies, webhooks, affinities,
/// gateways, custom resources.
pub(super) fn rewrite(value: &mut Value, map: &NamespaceMap) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| rewrite(element, map)),
        Value::Object(object) => {
            if let Some(name) = object.get_mut("matchLabels").and_then(|labels| labels.get_mut(NAME_LABEL)) {
                map.replace(name);
            }
            if let Some(Value::Array(expressions)) = object.get_mut("matchExpressions") {
                expressions.iter_mut().for_each(|expression| rewrite_expression(expression, map));
            }
            object.values_mut().for_each(|inner| rewrite(inner, map));
        }
        _ => {}
    }
}

fn rewrite_expression(expression: &mut Value, map: &NamespaceMap) {
    if expression.get("key").and_then(Value::as_str) == Some(NAME_LABEL)
        && let Some(Value::Array(values)) = expression.get_mut("values")
    {
        values.iter_mut().for_each(|value| map.replace(value));
    }
}
