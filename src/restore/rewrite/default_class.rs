//! Keeps a default class from becoming the default of another cluster, where it only comes along
//! and a default may be there already. Pure.

use serde_json::Value;

use super::shape;
use crate::model::GroupResource;

/// The annotations that make a class the default of its kind.
const MARKS: [&str; 4] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
    "ingressclass.kubernetes.io/is-default-class",
    "snapshot.storage.kubernetes.io/is-default-class",
];

/// Removes the annotation or field that makes a class the default. Returns whether the class was
/// the default.
pub fn unmark_default(kind: &GroupResource, class: &mut Value) -> bool {
    if kind.as_str() == "priorityclasses.scheduling.k8s.io" {
        let was = class.get("globalDefault").and_then(Value::as_bool) == Some(true);
        shape::remove_keys(class, &[], &["globalDefault"]);
        return was;
    }
    let marked = |mark: &str| {
        shape::text(class, &["metadata", "annotations", mark]).is_some_and(|value| value == "true")
    };
    let was = MARKS.iter().any(|mark| marked(mark));
    if was {
        shape::remove_keys(class, &["metadata", "annotations"], &MARKS);
    }
    was
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_class_that_was_the_default_is_none_any_more() {
        let mut storage =
            json!({"metadata": {"name": "fast", "annotations": {MARKS[0]: "true", "note": "x"}}});
        assert!(unmark_default(&GroupResource::parse("storageclasses.storage.k8s.io"), &mut storage));
        assert_eq!(storage, json!({"metadata": {"name": "fast", "annotations": {"note": "x"}}}));
        let mut priority = json!({"metadata": {"name": "high"}, "globalDefault": true, "value": 7});
        assert!(unmark_default(&GroupResource::parse("priorityclasses.scheduling.k8s.io"), &mut priority));
        assert_eq!(priority, json!({"metadata": {"name": "high"}, "value": 7}));
        let mut plain = json!({"metadata": {"name": "slow", "annotations": {MARKS[0]: "false"}}});
        let before = plain.clone();
        assert!(!unmark_default(&GroupResource::parse("storageclasses.storage.k8s.io"), &mut plain));
        assert_eq!(plain, before);
    }
}
