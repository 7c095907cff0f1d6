//! Removes what the API server sets (identity, versions, times, deletion, field owners), and sets
//! the status aside. Pure.

use serde_json::Value;

use super::shape;

/// Fields of `metadata` that the API server sets on each object anew.
const SERVER_SET: [&str; 9] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
    "generateName",
];

/// Finalizers that only a deletion under way sets; other finalizers belong to controllers and
/// stay.
const OF_DELETION: [&str; 2] = ["foregroundDeletion", "orphan"];

/// Takes the status out of the item.
pub(super) fn take_status(item: &mut Value) -> Option<Value> {
    item.as_object_mut()?.remove("status")
}

/// Removes what the API server sets in `metadata`.
pub(super) fn rewrite(item: &mut Value) {
    if let Some(metadata) = shape::object_mut(item, &["metadata"]) {
        for field in SERVER_SET {
            metadata.remove(field);
        }
    }
    shape::retain(item, &["metadata", "finalizers"], |finalizer| {
        !finalizer.as_str().is_some_and(|name| OF_DELETION.contains(&name))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_the_person_wrote_remains() {
        let mut item = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"uid": "kept"}, "metadata": {
            "name": "a", "namespace": "shop", "generateName": "a-", "uid": "1", "resourceVersion": "2", "generation": 3,
            "creationTimestamp": "2026-11-21T04:00:00Z", "deletionTimestamp": "2026-11-21T04:00:00Z",
            "deletionGracePeriodSeconds": 30, "selfLink": "/x", "managedFields": [{}], "labels": {"uid": "kept"},
            "finalizers": ["foregroundDeletion", "example.com/hold"]}});
        rewrite(&mut item);
        assert_eq!(
            item,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"uid": "kept"}, "metadata": {
                "name": "a", "namespace": "shop", "labels": {"uid": "kept"}, "finalizers": ["example.com/hold"]}})
        );
    }

    #[test]
    fn the_status_is_kept_aside() {
        let mut item = json!({"spec": {}, "status": {"phase": "Bound"}});
        assert_eq!(take_status(&mut item), Some(json!({"phase": "Bound"})));
        assert_eq!(item, json!({"spec": {}}));
        assert_eq!(take_status(&mut json!([1])), None);
    }
}
