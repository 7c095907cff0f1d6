//! Labels every restored item with the names of its Restore and its Backup. Pure.

use serde_json::{Map, Value};

use super::shape;
use crate::api::{BACKUP_NAME_LABEL, RESTORE_NAME_LABEL, label_value};

/// Sets both labels on the item itself, but not on its templates and selectors.
pub(super) fn rewrite(item: &mut Value, restore_name: &str, backup_name: &str) {
    let Some(metadata) = shape::object_mut(item, &["metadata"]) else { return };
    let labels = metadata.entry("labels").or_insert(Value::Null);
    if labels.is_null() {
        *labels = Value::Object(Map::new());
    }
    let Some(labels) = labels.as_object_mut() else { return };
    for (label, name) in [(RESTORE_NAME_LABEL, restore_name), (BACKUP_NAME_LABEL, backup_name)] {
        labels.insert(label.to_owned(), Value::String(label_value(name)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_are_set_beside_the_item_s_own_and_long_names_are_shortened() {
        let mut item = json!({"metadata": {"labels": {"app": "web", RESTORE_NAME_LABEL: "earlier"}}});
        rewrite(&mut item, "r", &"b".repeat(80));
        assert_eq!(item["metadata"]["labels"]["app"], "web");
        assert_eq!(item["metadata"]["labels"][RESTORE_NAME_LABEL], "r");
        assert_eq!(item["metadata"]["labels"][BACKUP_NAME_LABEL].as_str().unwrap().len(), 63);
    }

    #[test]
    fn an_item_without_labels_gets_them() {
        let mut item = json!({"metadata": {"labels": null}});
        rewrite(&mut item, "r", "b");
        assert_eq!(item, json!({"metadata": {"labels": {RESTORE_NAME_LABEL: "r", BACKUP_NAME_LABEL: "b"}}}));
    }
}
