//! The kinds that a cluster serves: names, versions, verbs and API paths. Pure;
//! [`super::discovery`] fills the catalog.

use crate::model::GroupResource;

/// A group version whose discovery failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFailure {
    /// `metrics.k8s.io/v1beta1`.
    pub group_version: String,
    /// The cause.
    pub message: String,
}

/// Every kind that the cluster serves, in the order of discovery.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The kinds, each once, at its preferred version; also kinds that can be neither listed nor
    /// created.
    pub kinds: Vec<ResourceInfo>,
    /// The group versions whose discovery failed; all others are complete.
    pub failures: Vec<GroupFailure>,
}

impl Catalog {
    /// Returns the entry of a kind, or `None` if the cluster does not serve the kind.
    pub fn find(&self, kind: &GroupResource) -> Option<&ResourceInfo> {
        self.kinds.iter().find(|info| info.resource == *kind)
    }

    /// Returns the entry of a kind by the names that objects and references use, for example
    /// `apps/v1` and `Deployment`, or `None` if the cluster does not serve the kind. The version
    /// does not matter: every served version has the same objects.
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
    /// The version that Ark uses: `v1`.
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
    /// The other served versions, in the server's order of preference.
    pub other_versions: Vec<String>,
    /// Whether `status` is a subresource, so that a create or an update leaves the field alone.
    pub status: bool,
}

impl ResourceInfo {
    /// Returns the `apiVersion`: `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        match self.resource.group() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Yields the other names that a person may use: kind, singular, short names.
    pub fn aliases(&self) -> impl Iterator<Item = &str> + Clone {
        [&*self.kind, &*self.singular].into_iter().chain(self.short_names.iter().map(String::as_str))
    }

    /// Returns true if the server offers this verb for the kind.
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    /// Returns the API path of all items, of the items in one namespace, or of one item. Names are
    /// escaped.
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

/// Appends a path segment, escaped as in RFC 3986. Colons stay, as in `system:controller:x`.
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
