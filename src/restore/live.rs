//! An item of the cluster, as it was looked at. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::compare::Difference;

/// An item of the cluster, as it compares.
pub struct LiveItem {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub version: String,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether an earlier attempt of this restore made it.
    pub restored: bool,
    /// How it differs from the item to be made.
    pub difference: Difference,
    /// The whole object.
    pub object: Value,
    /// The item to be made, where what is there has a say in it.
    pub(super) wanted: Option<Value>,
}

/// The owner references of an object.
pub fn references(object: &Value) -> Vec<Value> {
    let references = object.get("metadata").and_then(|metadata| metadata.get("ownerReferences")?.as_array());
    references.cloned().unwrap_or_default()
}

/// The labels of an object.
pub fn labels(object: &Value) -> BTreeMap<String, String> {
    let labels = object.get("metadata").and_then(|metadata| metadata.get("labels")?.as_object());
    let text = |(label, value): (&String, &Value)| Some((label.clone(), value.as_str()?.to_owned()));
    labels.into_iter().flatten().filter_map(text).collect()
}
