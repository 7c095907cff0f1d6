//! Reads owner references, and merges those that an item has with those that it lacks. Pure.

use serde::Deserialize;
use serde_json::Value;

use super::rewrite::OwnerView;

/// The fields of an owner reference.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `name`.
    pub name: String,
    /// `uid`.
    pub uid: String,
}

impl OwnerReference {
    /// Reads a reference; what is missing in it is empty.
    pub fn read(reference: &Value) -> Self {
        Self::deserialize(reference).unwrap_or_default()
    }
}

/// Returns whether a reference is to the same object as another, made anew.
pub fn is_successor(one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (OwnerView::read(one), OwnerView::read(other)) else { return false };
    one.is_same_object(&other) && one.uid != other.uid
}

/// Returns the references that are there with those that are wanted; a reference to an earlier
/// life of the same owner is replaced. A second controller is not added: the API server accepts
/// one.
pub fn merge(there: &[Value], wanted: &[Value]) -> Vec<Value> {
    let mut merged = there.to_vec();
    for reference in wanted {
        let same = |other: &Value| {
            ["kind", "name"].iter().all(|field| other.get(*field) == reference.get(*field))
                && group(other) == group(reference)
        };
        let second = controls(reference) && merged.iter().any(controls);
        match merged.iter_mut().find(|other| same(other)) {
            Some(other) if other.get("uid") == reference.get("uid") => {}
            Some(other) => *other = reference.clone(),
            None if second => {}
            None => merged.push(reference.clone()),
        }
    }
    merged
}

/// Returns whether an item with these references lacks one of those that are `wanted`, whatever
/// uid its owner has.
pub fn lacks_owner(there: &[Value], wanted: &[Value]) -> bool {
    merge(there, wanted).len() > there.len()
}

fn group(reference: &Value) -> &str {
    let version = reference.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    version.split_once('/').map_or("", |(group, _)| group)
}

fn controls(reference: &Value) -> bool {
    reference.get("controller").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reference(name: &str, uid: &str, controller: bool) -> Value {
        json!({"apiVersion": "example.com/v1", "kind": "Zone", "name": name, "uid": uid, "controller": controller})
    }

    #[test]
    fn references_are_added_and_an_earlier_life_of_an_owner_is_replaced() {
        let (one, other) = ([reference("a", "1", true)], [reference("b", "2", false)]);
        let (both, renewed) = ([one.clone(), other.clone()].concat(), [reference("a", "9", true)]);
        assert_eq!(merge(&[], &one), one);
        assert_eq!(merge(&one, &both), both);
        assert_eq!(merge(&both, &renewed), [renewed.clone(), other].concat());
    }

    #[test]
    fn an_item_that_somebody_controls_gets_no_second_controller() {
        let (one, other) = (reference("a", "1", true), reference("b", "2", true));
        assert_eq!(merge(std::slice::from_ref(&one), &[other]), [one]);
    }
}
