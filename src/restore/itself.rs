//! Tells which items of a backup are the server of Ark that runs in the cluster; those stay as
//! they are. Pure.
//!
//! A server whose account, role or Deployment is deleted or set back in the middle of its work
//! does not live to finish the restore.

use crate::api::{GROUP, RestoreSpec};
use crate::model::{CRDS, GroupResource, NAMESPACES};

/// The cluster roles of `ark install` and of the chart are named `<namespace>:<role>`.
const ROLES: [&str; 3] = ["backup", "hooks", "restore"];

/// A server of Ark, known by its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Itself {
    namespace: String,
    /// Whether the restore names the namespace.
    named: bool,
}

impl Itself {
    /// Returns the server of `namespace`, beside a restore of this specification.
    pub fn of(namespace: &str, spec: &RestoreSpec) -> Self {
        let named = spec.filter.included_namespaces.iter().any(|name| name == namespace)
            || spec.namespace_mapping.contains_key(namespace);
        Self { namespace: namespace.to_owned(), named }
    }

    /// Returns whether an item is the server's: its cluster roles, and all that is in its
    /// namespace unless the restore names that namespace.
    pub fn is(&self, kind: &GroupResource, namespace: Option<&str>, name: &str) -> bool {
        match (namespace, kind.as_str()) {
            (Some(namespace), _) => !self.named && namespace == self.namespace,
            (None, NAMESPACES) => !self.named && name == self.namespace,
            (
                None,
                "clusterroles.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io",
            ) => name
                .rsplit_once(':')
                .is_some_and(|(namespace, role)| namespace == self.namespace && ROLES.contains(&role)),
            (None, _) => false,
        }
    }
}

/// Returns whether the item is a CRD of Ark itself: the one in the cluster is that of the program
/// that runs, or of a newer one.
pub fn is_own_definition(kind: &GroupResource, name: &str) -> bool {
    kind.as_str() == CRDS
        && name.rsplit_once(GROUP).is_some_and(|(plural, rest)| plural.ends_with('.') && rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(spec: serde_json::Value, kind: &str, namespace: Option<&str>, name: &str) -> bool {
        let spec = serde_json::from_value(spec).unwrap();
        Itself::of("heptio-ark", &spec).is(&GroupResource::parse(kind), namespace, name)
    }

    #[test]
    fn all_in_the_namespace_of_the_server_is_its_own_unless_somebody_names_it() {
        let account = |spec| is(spec, "serviceaccounts", Some("heptio-ark"), "ark");
        let home = |spec| is(spec, "namespaces", None, "heptio-ark");
        for spec in [
            serde_json::json!({}),
            serde_json::json!({"includedNamespaces": ["*"]}),
            serde_json::json!({"includedNamespaces": ["heptio-*", "shop"]}),
        ] {
            assert!(account(spec.clone()) && home(spec));
        }
        for spec in [
            serde_json::json!({"includedNamespaces": ["heptio-ark"]}),
            serde_json::json!({"namespaceMapping": {"heptio-ark": "ark-of-before"}}),
        ] {
            assert!(!account(spec.clone()) && !home(spec));
        }
        assert!(!is(serde_json::json!({}), "serviceaccounts", Some("heptio-ark-2"), "ark"));
        assert!(!is(serde_json::json!({}), "configmaps", Some("shop"), "heptio-ark"));
    }

    #[test]
    fn its_cluster_roles_are_its_own_in_any_case_and_those_of_another_server_are_not() {
        let role = |spec, name| is(spec, "clusterroles.rbac.authorization.k8s.io", None, name);
        let named = || serde_json::json!({"includedNamespaces": ["heptio-ark"]});
        for own in ["heptio-ark:backup", "heptio-ark:hooks", "heptio-ark:restore"] {
            assert!(role(named(), own), "{own}");
        }
        assert!(is(named(), "clusterrolebindings.rbac.authorization.k8s.io", None, "heptio-ark:restore"));
        for other in ["other:restore", "heptio-ark:", "heptio-ark", "restore", "heptio-ark:restore:more"] {
            assert!(!role(named(), other), "{other}");
        }
        assert!(!is(named(), "widgets.example.com", None, "heptio-ark:restore"));
    }

    #[test]
    fn definitions_of_ark_are_told_by_their_group() {
        let definitions = GroupResource::parse(CRDS);
        assert!(is_own_definition(&definitions, "backups.ark.heptio.com"));
        assert!(!is_own_definition(&definitions, "backups.bark.heptio.com"));
        assert!(!is_own_definition(&definitions, "backups.ark.heptio.com.example"));
        assert!(!is_own_definition(&GroupResource::parse("configmaps"), "backups.ark.heptio.com"));
    }
}
