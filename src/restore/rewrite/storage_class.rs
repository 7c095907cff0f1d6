//! Replaces storage classes wherever a volume asks for one; StorageClass objects themselves keep
//! their names. Pure.

use serde_json::Value;

use super::{Mapping, pod, shape};
use crate::model::GroupResource;

/// The annotation that named the class before there was a field for it.
const BETA_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// The infix after the class in the key of a quota:
/// `fast.storageclass.storage.k8s.io/requests.storage`.
const QUOTA_INFIX: &str = ".storageclass.storage.k8s.io/";

/// Replaces the class in PVCs, volumes, templates of PVCs, ephemeral volumes and quotas.
pub(super) fn rewrite(kind: &GroupResource, item: &mut Value, classes: &Mapping) {
    if classes.is_empty() {
        return;
    }
    let mut replace = |place: &mut Value| {
        if let Some(new) = place.as_str().and_then(|old| classes.get(old)) {
            *place = Value::String(new.to_owned());
        }
    };
    match kind.as_str() {
        "persistentvolumes" | "persistentvolumeclaims" => {
            shape::each(item, "spec.storageClassName", &mut replace);
            if let Some(class) = shape::at_mut(item, &["metadata", "annotations", BETA_ANNOTATION]) {
                replace(class);
            }
        }
        "statefulsets.apps" => {
            for template in shape::array_mut(item, &["spec", "volumeClaimTemplates"]).into_iter().flatten() {
                shape::each(template, "spec.storageClassName", &mut replace);
                if let Some(class) = shape::at_mut(template, &["metadata", "annotations", BETA_ANNOTATION]) {
                    replace(class);
                }
            }
        }
        "resourcequotas" => rename_quotas(item, classes),
        _ => {}
    }
    if let Some(spec) = pod::spec_path(kind).and_then(|path| shape::at_mut(item, path)) {
        shape::each(spec, "volumes[].ephemeral.volumeClaimTemplate.spec.storageClassName", &mut replace);
    }
}

fn rename_quotas(item: &mut Value, classes: &Mapping) {
    let Some(hard) = shape::object_mut(item, &["spec", "hard"]) else { return };
    *hard = std::mem::take(hard)
        .into_iter()
        .map(|(key, value)| {
            let renamed = key
                .split_once(QUOTA_INFIX)
                .and_then(|(class, rest)| Some(format!("{}{QUOTA_INFIX}{rest}", classes.get(class)?)));
            (renamed.unwrap_or(key), value)
        })
        .collect();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use serde_json::json;

    #[test]
    fn every_place_that_asks_for_a_class_is_replaced_once() {
        let pairs = [("a", "b"), ("b", "c")].map(|(old, new)| (old.to_owned(), new.to_owned()));
        let classes = Mapping::from(BTreeMap::from(pairs));
        for (kind, before, after) in [
            (
                "persistentvolumeclaims",
                json!({"metadata": {"annotations": {BETA_ANNOTATION: "a"}}, "spec": {"storageClassName": "a"}}),
                json!({"metadata": {"annotations": {BETA_ANNOTATION: "b"}}, "spec": {"storageClassName": "b"}}),
            ),
            (
                "persistentvolumes",
                json!({"spec": {"storageClassName": "b"}}),
                json!({"spec": {"storageClassName": "c"}}),
            ),
            (
                "statefulsets.apps",
                json!({"spec": {"volumeClaimTemplates": [{"spec": {"storageClassName": "a"}}, 1]}}),
                json!({"spec": {"volumeClaimTemplates": [{"spec": {"storageClassName": "b"}}, 1]}}),
            ),
            (
                "pods",
                json!({"spec": {"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "a"}}}}]}}),
                json!({"spec": {"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "b"}}}}]}}),
            ),
            (
                "resourcequotas",
                json!({"spec": {"hard": {"a.storageclass.storage.k8s.io/requests.storage": "1Gi", "pods": "3"}}}),
                json!({"spec": {"hard": {"b.storageclass.storage.k8s.io/requests.storage": "1Gi", "pods": "3"}}}),
            ),
            (
                "storageclasses.storage.k8s.io",
                json!({"metadata": {"name": "a"}}),
                json!({"metadata": {"name": "a"}}),
            ),
            (
                "widgets.example.com",
                json!({"spec": {"storageClassName": "a"}}),
                json!({"spec": {"storageClassName": "a"}}),
            ),
        ] {
            let mut item = before;
            rewrite(&GroupResource::parse(kind), &mut item, &classes);
            assert_eq!(item, after, "{kind}");
        }
    }
}
