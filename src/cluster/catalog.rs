//! What kinds the cluster serves: names, versions, verbs, and where each is in the API. Pure; [`super::discovery`] fills it.

use crate::model::GroupResource;

/// A group version whose kinds could not be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFailure {
    /// `metrics.k8s.io/v1beta1`.
    pub group_version: String,
    /// Why.
    pub message: String,
}

/// Every kind that the cluster serves, in the order of discovery.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The kinds, each once, at its preferred version; also those that can be neither listed nor created.
    pub kinds: Vec<ResourceInfo>,
    /// What could not be found out; the rest is whole.
    pub failures: Vec<GroupFailure>,
}

impl Catalog {
    /// What is known of a kind.
    pub fn find(&self, kind: &GroupResource) -> Option<&ResourceInfo> {
        self.kinds.iter().find(|info| info.resource == *kind)
    }

    /// What is known of a kind by the name that objects and references have it: `apps/v1` and `Deployment`. Whatever the
    /// version: each served one has the same objects.
    pub fn find_named(&self, api_version: &str, name: &str) -> Option<&ResourceInfo> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        self.kinds.iter().find(|info| info.kind == name && info.resource.group() == group)
    }
}

/// One kind as the cluster serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceInfo {
    /// `deployments.apps`.
    pub resource: GroupResource,
    /// The version that Ark talks: `v1`.
    pub version: String,
    /// `Deployment`.
    pub kind: String,
    /// `deployment`.
    pub singular: String,
    /// `deploy`.
    pub short_names: Vec<String>,
    /// Whether its items are in namespaces.
    pub namespaced: bool,
    /// `list`, `create`, ….
    pub verbs: Vec<String>,
    /// The other versions that serve it, in the server's order of preference.
    pub other_versions: Vec<String>,
    /// Whether `status` is a subresource, which a create and an update leave alone.
    pub status: bool,
}

impl ResourceInfo {
    /// As `apiVersion` has it: `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        match self.resource.group() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Every other name that a person may use: kind, singular, short names.
    pub fn aliases(&self) -> impl Iterator<Item = &str> + Clone {
        [&*self.kind, &*self.singular].into_iter().chain(self.short_names.iter().map(String::as_str))
    }

    /// Whether the server has this verb for it.
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    /// The path of its items, of those in one namespace, or of one item; names are escaped.
    pub fn path(&self, namespace: Option<&str>, name: Option<&str>) -> String {
        let mut path = String::with_capacity(128);
        match self.resource.group() {
            "" => path.push_str("/api/"),
            group => path.extend(["/apis/", group, "/"]),
        }
        path.push_str(&self.version);
        if let Some(namespace) = namespace {
            path.push_str("/namespaces/");
            push_segment(&mut path, namespace);
        }
        path.extend(["/", self.resource.resource()]);
        if let Some(name) = name {
            path.push('/');
            push_segment(&mut path, name);
        }
        path
    }
}

/// Appends a path segment as RFC 3986 has it; `system:controller:x` stays as it is.
fn push_segment(path: &mut String, segment: &str) {
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' => {
                path.push(char::from(byte));
            }
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
}
