//! An item of the cluster, as it was read and compared. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::compare::Difference;

/// An item of the cluster, compared with the one that a restore would make.
pub struct LiveItem {
    /// The item's uid.
    pub uid: String,
    /// The item's resourceVersion.
    pub version: String,
    /// Whether the item is being deleted.
    pub deleting: bool,
    /// Whether an earlier try or attempt of this restore made the item.
    pub restored: bool,
    /// The differences from the item to be made.
    pub difference: Difference,
    /// The whole object, as the API server sent it.
    pub object: Value,
    /// The item to be made, if the object in the cluster changes what is wanted (the default
    /// ServiceAccount); else `None`.
    pub(super) wanted: Option<Value>,
}

/// Returns the owner references of an object.
pub fn references(object: &Value) -> Vec<Value> {
    let references = object.get("metadata").and_then(|metadata| metadata.get("ownerReferences")?.as_array());
    references.cloned().unwrap_or_default()
}

/// Returns the labels of an object.
pub fn labels(object: &Value) -> BTreeMap<String, String> {
    let labels = object.get("metadata").and_then(|metadata| metadata.get("labels")?.as_object());
    let text = |(label, value): (&String, &Value)| Some((label.clone(), value.as_str()?.to_owned()));
    labels.into_iter().flatten().filter_map(text).collect()
}
