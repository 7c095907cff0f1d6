//! Replaces container images by a mapping from the beginning of the old name to that of the new.
//! Pure.
//!
//! A beginning matches whole parts only: the old name ends there, or goes on with `/`, `:` or `@`,
//! or the mapping's key ends in one of these. So `registry.old` moves a registry,
//! `registry.old/shop` a repository, `registry.old/shop:1` one image, and `registry.old` never
//! touches `registry.older`. The longest match wins, and is applied once.

use serde_json::Value;

use super::{Mapping, pod, shape};
use crate::model::GroupResource;

const BORDERS: [char; 3] = ['/', ':', '@'];

/// Replaces images in every container and image volume of a pod or pod template.
pub(super) fn rewrite(kind: &GroupResource, item: &mut Value, images: &Mapping) {
    if images.is_empty() {
        return;
    }
    let Some(spec) = pod::spec_path(kind).and_then(|path| shape::at_mut(item, path)) else { return };
    let mut replace = |place: &mut Value| {
        if let Some(new) = place.as_str().and_then(|old| mapped(old, images)) {
            *place = Value::String(new);
        }
    };
    for list in pod::CONTAINER_LISTS {
        for container in shape::array_mut(spec, &[list]).into_iter().flatten() {
            shape::each(container, "image", &mut replace);
        }
    }
    shape::each(spec, "volumes[].image.reference", &mut replace);
}

fn mapped(image: &str, images: &Mapping) -> Option<String> {
    let rest_after = |old: &str| {
        let rest = image.strip_prefix(old).filter(|_| !old.is_empty())?;
        (rest.is_empty() || rest.starts_with(BORDERS) || old.ends_with(BORDERS)).then_some(rest)
    };
    let fits = images.old().filter_map(|old| Some((old, rest_after(old)?)));
    let (old, rest) = fits.max_by_key(|(old, _)| old.len())?;
    Some(format!("{}{rest}", images.get(old)?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use serde_json::json;

    #[test]
    fn whole_parts_of_a_name_are_replaced_and_the_longest_match_wins() {
        let images = Mapping::from(BTreeMap::from(
            [
                ("old.test", "new.test"),
                ("old.test/shop", "new.test/store"),
                ("busybox:1", "busybox:2"),
                ("busybox:2", "busybox:3"),
            ]
            .map(|(old, new)| (old.to_owned(), new.to_owned())),
        ));
        for (before, after) in [
            ("old.test/web:1", Some("new.test/web:1")),
            ("old.test:5000/web", Some("new.test:5000/web")),
            ("old.test/shop/web@sha256:ab", Some("new.test/store/web@sha256:ab")),
            ("old.test/shopping", Some("new.test/shopping")),
            ("busybox:1", Some("busybox:2")),
            ("busybox:1.36", None),
            ("older.test/web", None),
            ("old.tests/web", None),
        ] {
            assert_eq!(mapped(before, &images).as_deref(), after, "{before}");
        }
    }

    #[test]
    fn images_are_found_in_every_kind_with_a_pod_template() {
        let images = Mapping::from(BTreeMap::from([("a".to_owned(), "b".to_owned())]));
        let spec = |image: &str| json!({"containers": [{"image": image}], "initContainers": [{"image": image}], "volumes": [{"image": {"reference": image}}]});
        for kind in [
            "pods",
            "podtemplates",
            "deployments.apps",
            "replicasets.apps",
            "statefulsets.apps",
            "daemonsets.apps",
            "jobs.batch",
            "cronjobs.batch",
            "replicationcontrollers",
            "controllerrevisions.apps",
        ] {
            let kind = GroupResource::parse(kind);
            let wrap = |inner: Value| {
                pod::spec_path(&kind).unwrap().iter().rev().fold(inner, |inner, key| json!({ *key: inner }))
            };
            let mut item = wrap(spec("a:1"));
            rewrite(&kind, &mut item, &images);
            assert_eq!(item, wrap(spec("b:1")), "{kind}");
        }
    }
}
