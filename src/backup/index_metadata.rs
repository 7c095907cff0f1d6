//! Reads from a body what the index says of an item beyond its place, for whoever rebuilds an
//! index or checks one. Pure.

use super::item::ItemView;
use crate::archive::IndexedResource;
use crate::bucket::IndexMetadata;
use crate::model::{GroupResource, ItemKey, ItemOrigin as _};

/// Returns the index metadata of an item. `info` is the index's entry of its kind; `None` means
/// that `status` is not hashed.
///
/// # Errors
/// If the body is no Kubernetes object.
pub fn index_metadata(
    key: &ItemKey,
    body: &[u8],
    info: Option<&IndexedResource>,
) -> Result<IndexMetadata, String> {
    let status_is_data = info.is_some_and(|info| info.status_is_data);
    let item = ItemView::read(body, status_is_data).map_err(|error| error.to_string())?;
    Ok(IndexMetadata {
        uid: item.uid.clone().into_owned(),
        resource_version: item.resource_version.clone().into_owned(),
        hash: item.hash,
        labels: item.label_set(),
        owner: item.controller.as_ref().map(|owner| owner.uid.clone().into_owned()),
        rollout: rollout(&key.resource, &item),
    })
}

/// Returns the revision in a rollout's history, for the kinds that are such a history (ReplicaSets,
/// ControllerRevisions); `None` for other kinds, and for an item without a revision.
pub fn rollout(kind: &GroupResource, item: &ItemView<'_>) -> Option<u64> {
    match kind.as_str() {
        "replicasets.apps" => item.annotation("deployment.kubernetes.io/revision")?.parse().ok(),
        "controllerrevisions.apps" => item.revision,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_made_anew_says_what_the_first_one_said() {
        let body = br#"{"kind":"ReplicaSet","metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7","labels":{"app":"web"},
            "annotations":{"deployment.kubernetes.io/revision":"3"},"ownerReferences":[{"uid":"d","controller":true}]}}"#;
        let key = ItemKey::namespaced(GroupResource::parse("replicasets.apps"), "n", "a");
        let facts = index_metadata(&key, body, None).unwrap();
        assert_eq!((&*facts.uid, &*facts.resource_version, facts.rollout), ("u", "7", Some(3)));
        assert_eq!(facts.owner.as_deref(), Some("d"));
        assert_eq!(facts.labels["app"], "web");
        assert_eq!(facts.hash, ItemView::read(body, false).unwrap().hash);
        assert!(super::index_metadata(&key, b"[]", None).is_err());
    }
}
