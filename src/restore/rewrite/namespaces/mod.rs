//! Maps namespaces, all at once, in every place of a known kind that names one. Pure.
//!
//! The mapping is a simultaneous substitution: with `{a: b, b: c}` what was in `a` is in `b` and
//! never in `c`, because every place is visited once. Known places are the table in [`places`],
//! the subjects of bindings, rules about namespaces by name, references to Secrets in parameters,
//! and any label selector on `kubernetes.io/metadata.name`, wherever it is. Free text (host names
//! in arguments, URLs) and unknown fields of custom resources are not guessed at: a resource
//! modifier changes those.

mod map;
mod places;
mod selectors;
mod subjects;

pub(super) use map::NamespaceMap;

use serde_json::Value;

use super::{LAST_APPLIED, shape};
use crate::model::GroupResource;

/// Maps the item, and the configuration that kubectl last applied, so that a later `kubectl apply`
/// finds its own.
pub(super) fn rewrite(
    kind: &GroupResource,
    item: &mut Value,
    map: &NamespaceMap,
    warnings: &mut Vec<String>,
) {
    if map.is_empty() {
        return;
    }
    rewrite_object(kind, item, map);
    let Some(annotation) = shape::at_mut(item, &["metadata", "annotations", LAST_APPLIED]) else { return };
    let Some(text) = annotation.as_str() else { return };
    let Ok(mut applied) = serde_json::from_str::<Value>(text) else {
        warnings.push(format!(
            "its annotation {LAST_APPLIED} is not JSON, so that the namespaces in it were not mapped"
        ));
        return;
    };
    let before = applied.clone();
    rewrite_object(kind, &mut applied, map);
    if applied != before {
        // kubectl ends the text with a line feed.
        *annotation = Value::String(format!("{applied}\n"));
    }
}

fn rewrite_object(kind: &GroupResource, item: &mut Value, map: &NamespaceMap) {
    let mut replace = |place: &mut Value| map.replace(place);
    shape::each(item, "metadata.namespace", &mut replace);
    if kind.as_str() == "namespaces" {
        shape::each(item, "metadata.name", &mut replace);
        if let Some(label) = shape::at_mut(item, &["metadata", "labels", selectors::NAME_LABEL]) {
            replace(label);
        }
    }
    places::rewrite(kind, item, map);
    subjects::rewrite(kind, item, map);
    selectors::rewrite(item, map);
}

#[cfg(test)]
mod tests;
