//! Checks that a body is the object that its path names. Pure.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ArchiveError;
use crate::model::ItemKey;

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    name: Option<Cow<'a, str>>,
    namespace: Option<Cow<'a, str>>,
}

/// Compares `metadata.name` and `metadata.namespace` of a body with the key that its path gave.
///
/// # Errors
/// [`ArchiveError::Body`] if the body is not JSON, not an object, or another object.
pub fn check_body(key: &ItemKey, body: &[u8]) -> Result<(), ArchiveError> {
    let wrong = |why: String| Err(ArchiveError::Body { item: key.clone(), why });
    // Checked separately, because serde would take an array for a struct.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return wrong("it is not a JSON object".to_owned());
    }
    let object: Object<'_> = match serde_json::from_slice(body) {
        Ok(object) => object,
        Err(error) => return wrong(format!("it is not JSON ({error})")),
    };
    let metadata = match object.metadata.map(RawValue::get) {
        Some(text) if text.starts_with('{') => serde_json::from_str::<Metadata<'_>>(text),
        _ => return wrong("it has no metadata".to_owned()),
    };
    let Metadata { name, namespace } = match metadata {
        Ok(metadata) => metadata,
        Err(error) => return wrong(format!("its metadata is malformed ({error})")),
    };
    if name.as_deref() != Some(&key.name) {
        return wrong(format!("its name is `{}`", name.unwrap_or_default().escape_debug()));
    }
    // A cluster-scoped object may have an empty namespace.
    let namespace = namespace.unwrap_or_default();
    if namespace != key.namespace.as_deref().unwrap_or_default() {
        return wrong(format!("its namespace is `{}`", namespace.escape_debug()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GroupResource;

    #[test]
    fn a_body_must_be_the_object_that_its_path_names() {
        let pod = ItemKey::namespaced(GroupResource::parse("pods"), "shop", "wëb");
        let node = ItemKey::cluster(GroupResource::parse("nodes"), "n1");
        let check = |key, body: &str| check_body(key, body.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(check(&pod, r#" {"metadata":{"name":"w\u00ebb","namespace":"shop","x":1}}"#), Ok(()));
        assert_eq!(check(&node, r#"{"metadata":{"name":"n1","namespace":""}}"#), Ok(()));
        for (key, body, why) in [
            (&pod, "", "not a JSON object"),
            (&pod, "[]", "not a JSON object"),
            (&pod, "\"x\"", "not a JSON object"),
            (&pod, "{", "not JSON"),
            (&pod, "{} {}", "not JSON"),
            (&pod, "{}", "no metadata"),
            (&pod, r#"{"metadata":null}"#, "no metadata"),
            (&pod, r#"{"metadata":["wëb","shop"]}"#, "no metadata"),
            (&pod, r#"{"metadata":{"name":1}}"#, "malformed"),
            (&pod, r#"{"metadata":{"name":"wëb"}}"#, "namespace is ``"),
            (&pod, r#"{"metadata":{"name":"wëb","namespace":"kube-system"}}"#, "namespace is `kube-system`"),
            (&pod, r#"{"metadata":{"name":"db","namespace":"shop"}}"#, "name is `db`"),
            (&node, r#"{"metadata":{"name":"n1","namespace":"shop"}}"#, "namespace is `shop`"),
        ] {
            let error = check(key, body).unwrap_err();
            assert!(error.contains(why), "{body}: {error}");
        }
    }
}
