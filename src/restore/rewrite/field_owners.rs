//! Makes the field owners that are given back after the create, because server-side applies to
//! come rest on them. Pure.
//!
//! The API server records whoever creates an object as the owner of all its fields. The next apply
//! of Flux, Argo CD or a controller would then meet conflicts, and fields that it leaves out would
//! stay.

use serde_json::Value;

use super::chosen::OURSELVES;
use super::shape;

/// Returns the list to write back, or `None` if nothing rests on it. `chosen` says that the item
/// keeps a value that a person chose, which only the field owners tell.
pub(super) fn given_back(item: &Value, chosen: bool) -> Option<Value> {
    let entries: Vec<Value> =
        shape::elements(item, &["metadata", "managedFields"]).filter_map(without_what_changes).collect();
    let applied = entries.iter().any(|entry: &Value| shape::text(entry, &["operation"]) == Some("Apply"));
    ((applied || chosen) && !entries.is_empty()).then(|| entries.into())
}

/// Returns the entry without what is new in the new object: the status, which its controllers
/// write, and the owners' uids; `None` if nothing is left.
fn without_what_changes(entry: &Value) -> Option<Value> {
    let text = |key: &str| shape::text(entry, &[key]);
    if text("manager") == Some(OURSELVES) || text("subresource") == Some("status") {
        return None;
    }
    let mut entry = entry.clone();
    shape::remove_keys(&mut entry, &["fieldsV1", "f:metadata"], &["f:ownerReferences"]);
    let fields = shape::at(&entry, &["fieldsV1"]).and_then(Value::as_object)?;
    (!fields.is_empty()).then_some(entry)
}

/// Returns whether the field owners were not given back: Ark owns fields beside the metadata of an
/// object, as the API server sent it, and one of the stored owners owns none.
pub fn are_ours(stored: &Value, live: &Value) -> bool {
    let manager = |entry: &Value| entry.get("manager").cloned();
    let there: Vec<_> = shape::elements(live, &["metadata", "managedFields"]).map(manager).collect();
    if stored.as_array().into_iter().flatten().all(|entry| there.contains(&manager(entry))) {
        return false;
    }
    let ours = shape::elements(live, &["metadata", "managedFields"])
        .filter(|entry| shape::text(entry, &["manager"]) == Some(OURSELVES));
    let mut fields = ours.filter_map(|entry| entry.get("fieldsV1")?.as_object()).flat_map(|map| map.keys());
    fields.any(|field| field != "f:metadata")
}

/// Returns the list to write back to an object that others have written to since the create: they
/// own what they wrote.
pub fn merge_field_owners(stored: &Value, live: &Value) -> Value {
    let list = |entries: &Value| entries.as_array().cloned().unwrap_or_default();
    let identity = |entry: &Value| ["manager", "operation", "subresource"].map(|key| entry.get(key).cloned());
    let mut merged: Vec<Value> =
        list(live).into_iter().filter(|entry| shape::text(entry, &["manager"]) != Some(OURSELVES)).collect();
    for entry in list(stored) {
        if !merged.iter().any(|other| identity(other) == identity(&entry)) {
            merged.push(entry);
        }
    }
    merged.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "time": "2026-11-21T04:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn item(entries: &[Value]) -> Value {
        json!({"metadata": {"managedFields": entries}})
    }

    #[test]
    fn fields_are_ours_until_they_are_given_back() {
        let label = json!({"f:metadata": {"f:labels": {}}});
        let data = json!({"f:data": {}});
        let stored = json!([entry("flux", "Apply", &data)]);
        let (ours, flux) = (entry("ark", "Update", &data), entry("flux", "Apply", &data));
        assert!(are_ours(&stored, &item(std::slice::from_ref(&ours))));
        // A controller wrote meanwhile, so that both have their part.
        assert!(!are_ours(&stored, &item(&[ours, flux.clone()])));
        assert!(!are_ours(&stored, &item(&[entry("ark", "Update", &label), flux])));
    }

    #[test]
    fn all_owners_come_back_where_one_applies_server_side() {
        let data = json!({"f:data": {"f:a": {}}});
        let mut status = entry("controller", "Update", &json!({"f:status": {}}));
        status["subresource"] = json!("status");
        let mut scaled = entry("autoscaler", "Update", &json!({"f:spec": {"f:replicas": {}}}));
        scaled["subresource"] = json!("scale");
        let owned = |fields: Value| json!({"f:metadata": fields, "f:data": {}});
        let entries = [
            entry("flux", "Apply", &owned(json!({"f:labels": {}, "f:ownerReferences": {}}))),
            entry("kubectl-edit", "Update", &data),
            entry("ark", "Update", &data),
            entry("operator", "Update", &json!({"f:metadata": {"f:ownerReferences": {}}})),
            status,
            scaled.clone(),
        ];
        let expected = json!([
            entry("flux", "Apply", &owned(json!({"f:labels": {}}))),
            entry("kubectl-edit", "Update", &data),
            scaled
        ]);
        assert_eq!(given_back(&item(&entries), false), Some(expected));
    }

    #[test]
    fn where_nobody_applies_the_owners_come_back_only_to_tell_what_was_chosen() {
        let entries = [entry("kubectl-create", "Update", &json!({"f:spec": {"f:clusterIP": {}}}))];
        assert_eq!(given_back(&item(&entries), false), None);
        assert_eq!(given_back(&item(&entries), true), Some(json!(entries)));
        let ours = [entry("ark", "Apply", &json!({"f:spec": {}}))];
        assert_eq!(given_back(&item(&ours), true), None);
        assert_eq!(given_back(&json!({}), true), None);
    }

    #[test]
    fn the_rules_of_an_aggregated_role_can_be_pruned_again() {
        let entries = [
            entry("clusterrole-aggregation-controller", "Apply", &json!({"f:rules": {}})),
            entry("kubectl-client-side-apply", "Update", &json!({"f:aggregationRule": {}})),
        ];
        assert_eq!(given_back(&item(&entries), false), Some(json!(entries)));
    }

    #[test]
    fn whoever_wrote_since_the_create_owns_what_was_written() {
        let (flux, edit) = (json!({"f:data": {"f:a": {}}}), json!({"f:data": {"f:b": {}}}));
        let stored = json!([entry("flux", "Apply", &flux), entry("kubectl-edit", "Update", &edit)]);
        let live = json!([entry("ark", "Update", &flux), entry("flux", "Apply", &edit)]);
        let merged = json!([entry("flux", "Apply", &edit), entry("kubectl-edit", "Update", &edit)]);
        assert_eq!(merge_field_owners(&stored, &live), merged);
    }
}
