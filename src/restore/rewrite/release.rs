//! Helm's record of a release says inside in which namespace the release is, and a mapping does not reach it. Pure.

use serde_json::Value;

use super::namespaces::NamespaceMap;
use super::shape;
use crate::model::Kind;

/// How the name of such a record begins, a Secret or a ConfigMap.
const RECORD: &str = "sh.helm.release.v1.";

/// Warns of the record that Helm goes on from; older ones only tell of the past. `item` is mapped already.
pub(super) fn rewrite(
    kind: &Kind,
    in_backup: Option<&str>,
    item: &Value,
    map: &NamespaceMap,
    warnings: &mut Vec<String>,
) {
    let Some(namespace) = in_backup.filter(|namespace| map.map(namespace) != *namespace) else { return };
    let label = |key: &str| shape::text(item, &["metadata", "labels", key]);
    let is_record = matches!(kind.as_str(), "secrets" | "configmaps")
        && shape::text(item, &["metadata", "name"]).is_some_and(|name| name.starts_with(RECORD))
        && label("owner") == Some("helm");
    if is_record && label("status") != Some("superseded") {
        let (release, target) = (label("name").unwrap_or("?"), map.map(namespace));
        warnings.push(format!(
            "it is Helm's record of the release `{release}` and says inside, compressed, that the release is in the namespace `{namespace}`, which was not changed: the next `helm upgrade` in `{target}` still takes `{namespace}` for .Release.Namespace; delete Helm's records of it there and run `helm upgrade --install --take-ownership`"
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use serde_json::json;

    #[test]
    fn a_mapped_release_is_told_once() {
        let map = NamespaceMap::new(&BTreeMap::from([("shop".to_owned(), "copy".to_owned())]));
        let record = |name: &str, status: &str| json!({"metadata": {"name": name, "labels": {"owner": "helm", "name": "web", "status": status}}});
        for (kind, namespace, item, told) in [
            ("secrets", "shop", record("sh.helm.release.v1.web.v3", "deployed"), 1),
            ("configmaps", "shop", record("sh.helm.release.v1.web.v3", "failed"), 1),
            ("secrets", "shop", record("sh.helm.release.v1.web.v2", "superseded"), 0),
            ("secrets", "other", record("sh.helm.release.v1.web.v3", "deployed"), 0),
            ("secrets", "shop", record("web", "deployed"), 0),
            ("widgets.example.com", "shop", record("sh.helm.release.v1.web.v3", "deployed"), 0),
        ] {
            let mut warnings = Vec::new();
            rewrite(&Kind::parse(kind), Some(namespace), &item, &map, &mut warnings);
            assert_eq!(warnings.len(), told, "{kind} {namespace} {item}: {warnings:?}");
        }
    }
}
