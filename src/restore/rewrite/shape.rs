//! Accessors for JSON of unknown shape: what is not shaped as expected is left alone, and is
//! neither an error nor a panic. Pure.

use serde_json::{Map, Value};

/// Returns the value at a path of object keys.
pub(super) fn at<'a>(item: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(item, |value, key| value.as_object()?.get(*key))
}

/// Returns the value at a path of object keys, to be changed.
pub(super) fn at_mut<'a>(item: &'a mut Value, path: &[&str]) -> Option<&'a mut Value> {
    path.iter().try_fold(item, |value, key| value.as_object_mut()?.get_mut(*key))
}

/// Returns the text at a path of object keys.
pub(super) fn text<'a>(item: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(item, path)?.as_str()
}

/// Returns the object at a path of object keys, to be changed.
pub(super) fn object_mut<'a>(item: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    at_mut(item, path)?.as_object_mut()
}

/// Returns the array at a path of object keys, to be changed.
pub(super) fn array_mut<'a>(item: &'a mut Value, path: &[&str]) -> Option<&'a mut Vec<Value>> {
    at_mut(item, path)?.as_array_mut()
}

/// Returns the elements of the array at a path; none if there is no array.
pub(super) fn elements<'a>(item: &'a Value, path: &[&str]) -> impl Iterator<Item = &'a Value> + use<'a> {
    at(item, path).and_then(Value::as_array).into_iter().flatten()
}

/// Removes keys from the object at a path, and the object itself if that empties it.
pub(super) fn remove_keys(item: &mut Value, path: &[&str], keys: &[&str]) {
    let Some(object) = object_mut(item, path) else { return };
    let before = object.len();
    for key in keys {
        object.remove(*key);
    }
    if object.is_empty()
        && before > 0
        && let Some((last, parent)) = path.split_last()
        && let Some(parent) = object_mut(item, parent)
    {
        parent.remove(*last);
    }
}

/// Keeps the elements of the array at a path for which `keep` returns true, and removes the array
/// itself if that empties it.
pub(super) fn retain(item: &mut Value, path: &[&str], mut keep: impl FnMut(&mut Value) -> bool) {
    let Some(array) = array_mut(item, path) else { return };
    let before = array.len();
    array.retain_mut(&mut keep);
    if array.is_empty()
        && before > 0
        && let Some((last, parent)) = path.split_last()
        && let Some(parent) = object_mut(item, parent)
    {
        parent.remove(*last);
    }
}

/// Visits every value at a dotted path, where `[]` stands for each element:
/// `spec.rules[].backendRefs[].namespace`.
pub(super) fn each(value: &mut Value, path: &str, visit: &mut dyn FnMut(&mut Value)) {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let (key, many) = step.strip_suffix("[]").map_or((step, false), |key| (key, true));
    let Some(found) = value.as_object_mut().and_then(|object| object.get_mut(key)) else { return };
    let mut go_on = |found: &mut Value| match rest {
        Some(rest) => each(found, rest, visit),
        None => visit(found),
    };
    match found {
        Value::Array(elements) if many => elements.iter_mut().for_each(go_on),
        _ if many => {}
        found => go_on(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_visits_every_element_and_leaves_other_shapes_alone() {
        let mut item = json!({"a": [{"b": {"c": "x"}}, {"b": []}, 3, {"b": {"c": "y"}}], "d": {"b": 1}});
        let mut seen = Vec::new();
        each(&mut item, "a[].b.c", &mut |value| seen.push(value.clone()));
        each(&mut item, "d[].b", &mut |value| seen.push(value.clone()));
        each(&mut item, "a.b", &mut |value| seen.push(value.clone()));
        assert_eq!(seen, [json!("x"), json!("y")]);
    }

    #[test]
    fn what_a_removal_empties_goes_too_and_what_was_empty_stays() {
        let mut item = json!({"labels": {"a": "1"}, "annotations": {}, "list": [1]});
        remove_keys(&mut item, &["labels"], &["a", "b"]);
        remove_keys(&mut item, &["annotations"], &["a"]);
        retain(&mut item, &["list"], |_| false);
        assert_eq!(item, json!({"annotations": {}}));
    }
}
