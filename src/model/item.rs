//! Names of items: resource type, namespace, name. Pure.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A resource type, written `pods` (core group) or `deployments.apps`.
///
/// Resource names hold no dot, so that the first dot parts resource and group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupResource(Arc<str>);

impl GroupResource {
    /// Makes the resource type of `resource` (plural, lower case) in `group` (empty for the core
    /// group).
    pub fn new(resource: &str, group: &str) -> Self {
        if group.is_empty() { Self(resource.into()) } else { Self(format!("{resource}.{group}").into()) }
    }

    /// Reads `pods` or `deployments.apps` without checking it: the caller has checked the
    /// characters.
    pub fn parse(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the plural resource name: `deployments` of `deployments.apps`.
    pub fn resource(&self) -> &str {
        self.0.split_once('.').map_or(&self.0, |(resource, _)| resource)
    }

    /// Returns the API group: `apps` of `deployments.apps`, empty for the core group.
    pub fn group(&self) -> &str {
        self.0.split_once('.').map_or("", |(_, group)| group)
    }

    /// Returns the whole name, as paths and messages have it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of one item, unique in a cluster at an instant. Ordered by resource type, namespace,
/// name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ItemKey {
    /// The resource type with its group; `kind` in the format.
    #[serde(rename = "kind")]
    pub resource: GroupResource,
    /// The namespace; `None` for a cluster-scoped item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
}

impl ItemKey {
    /// Names a cluster-scoped item.
    pub fn cluster(resource: GroupResource, name: impl Into<String>) -> Self {
        Self { resource, namespace: None, name: name.into() }
    }

    /// Names an item in a namespace.
    pub fn namespaced(
        resource: GroupResource,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self { resource, namespace: Some(namespace.into()), name: name.into() }
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.resource, self.name),
            None => write!(f, "{} {}", self.resource, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_parts_at_its_first_dot() {
        let kind = GroupResource::new("customresourcedefinitions", "apiextensions.k8s.io");
        assert_eq!(kind.resource(), "customresourcedefinitions");
        assert_eq!(kind.group(), "apiextensions.k8s.io");
        assert_eq!(GroupResource::new("pods", "").group(), "");
    }
}
