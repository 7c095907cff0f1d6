//! Discovery: aggregated where the server has it (Kubernetes 1.27 and later), else group by group.
//!
//! A group that cannot be discovered is a [`GroupFailure`]; only a server that lists no groups at
//! all is an error. Both forms end in [`Catalog::add`], which checks names, since names become
//! paths in the archive.

use futures::{StreamExt, stream};
use serde::Deserialize;

use super::policy::Patience;
use super::request::{Call, Doing};
use super::{Catalog, Cluster, ClusterError, GroupFailure, ResourceInfo};
use crate::model::{GroupResource, causes};

/// Accepts the aggregated form, newest version first, and the older form.
const ACCEPT: &str = concat!(
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,",
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,",
    "application/json"
);
/// Group versions that are requested at once where the server has only the older form.
const AT_ONCE: usize = 8;
/// Longest resource name and version: a DNS label.
const MAX_LABEL: usize = 63;
/// Longest group: a DNS subdomain.
const MAX_GROUP: usize = 253;

pub(super) async fn discover(cluster: &Cluster) -> Result<Catalog, ClusterError> {
    let mut catalog = Catalog::default();
    for root in ["/api", "/apis"] {
        let doing = Doing { verb: "discover", what: root, namespace: None, name: None };
        let answer: Root = cluster.read(&Call { accept: ACCEPT, ..Call::get(root, doing) }).await?;
        match answer {
            Root::Aggregated { items } => items.into_iter().for_each(|group| group.enter(&mut catalog)),
            Root::Core { versions } => {
                let versions = versions.into_iter().map(|version| (String::new(), version));
                ask_one_by_one(cluster, versions.collect(), &mut catalog).await;
            }
            Root::Groups { groups } => {
                let versions = groups.into_iter().flat_map(LegacyGroup::versions);
                ask_one_by_one(cluster, versions.collect(), &mut catalog).await;
            }
        }
    }
    Ok(catalog)
}

async fn ask_one_by_one(cluster: &Cluster, versions: Vec<(String, String)>, catalog: &mut Catalog) {
    let ask = |(group, version): (String, String)| async move {
        let path = match &*group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        let doing = Doing { verb: "discover", what: &path, namespace: None, name: None };
        let list: Result<LegacyList, _> =
            cluster.read(&Call { patience: Patience::BRIEF, ..Call::get(&path, doing) }).await;
        (group, version, list)
    };
    let mut answers = stream::iter(versions).map(ask).buffered(AT_ONCE);
    while let Some((group, version, list)) = answers.next().await {
        match list {
            Ok(list) => {
                // Subresources stand in the same list here, as `pods/log`; the aggregated form has
                // them below the resource.
                let (below, mut resources): (Vec<_>, Vec<_>) =
                    list.resources.into_iter().partition(|resource| resource.name.contains('/'));
                for resource in &mut resources {
                    let status = format!("{}/status", resource.name);
                    resource.status = below.iter().any(|below| below.name == status);
                }
                resources.into_iter().for_each(|resource| catalog.add(&group, &version, resource));
            }
            Err(error) => catalog.fail(&group, &version, causes(&error)),
        }
    }
}

/// One resource of either form of discovery.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Served {
    name: String,
    singular_name: String,
    kind: String,
    namespaced: bool,
    verbs: Vec<String>,
    short_names: Vec<String>,
    #[serde(skip)]
    status: bool,
}

#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Root {
    #[serde(rename = "APIGroupDiscoveryList")]
    Aggregated {
        #[serde(default)]
        items: Vec<Group>,
    },
    #[serde(rename = "APIVersions")]
    Core { versions: Vec<String> },
    #[serde(rename = "APIGroupList")]
    Groups {
        #[serde(default)]
        groups: Vec<LegacyGroup>,
    },
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: GroupName,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GroupName {
    name: String,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    #[serde(default)]
    resources: Vec<Resource>,
    #[serde(default)]
    freshness: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Resource {
    resource: String,
    response_kind: Option<ResponseKind>,
    scope: String,
    singular_resource: String,
    verbs: Vec<String>,
    short_names: Vec<String>,
    subresources: Vec<Subresource>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Subresource {
    subresource: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseKind {
    kind: String,
}

impl Group {
    fn enter(self, catalog: &mut Catalog) {
        let group = self.metadata.name;
        for version in self.versions {
            if version.freshness == "Stale" {
                let why = "its API service does not answer; see `kubectl get apiservices`";
                catalog.fail(&group, &version.version, why.to_owned());
                continue;
            }
            for resource in version.resources {
                // A resource without a kind of its own is listed for its subresources only.
                let Some(kind) = resource.response_kind.filter(|kind| !kind.kind.is_empty()) else {
                    continue;
                };
                let served = Served {
                    name: resource.resource,
                    singular_name: resource.singular_resource,
                    kind: kind.kind,
                    namespaced: resource.scope == "Namespaced",
                    verbs: resource.verbs,
                    short_names: resource.short_names,
                    status: resource.subresources.iter().any(|below| below.subresource == "status"),
                };
                catalog.add(&group, &version.version, served);
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LegacyGroup {
    name: String,
    versions: Vec<LegacyVersion>,
    preferred_version: Option<LegacyVersion>,
}

#[derive(Clone, Deserialize, PartialEq)]
struct LegacyVersion {
    version: String,
}

#[derive(Deserialize)]
struct LegacyList {
    #[serde(default)]
    resources: Vec<Served>,
}

impl LegacyGroup {
    /// Yields pairs of group and version, the preferred version first.
    fn versions(self) -> impl Iterator<Item = (String, String)> {
        let preferred = self.preferred_version;
        let others = self.versions.into_iter().filter({
            let preferred = preferred.clone();
            move |version| Some(version) != preferred.as_ref()
        });
        preferred.into_iter().chain(others).map(move |version| (self.name.clone(), version.version))
    }
}

impl Catalog {
    /// Adds a resource. Versions come in the order of preference, so that the first one that
    /// serves a kind is the kind's version.
    pub(super) fn add(&mut self, group: &str, version: &str, served: Served) {
        let sane = is_label(&served.name) && is_label(version) && is_group(group) && !served.kind.is_empty();
        if !sane {
            let name: String = served.name.chars().take(MAX_LABEL).collect();
            return self.fail(
                group,
                version,
                format!("the resource {name:?} has a name that Kubernetes does not allow"),
            );
        }
        let kind = GroupResource::new(&served.name, group);
        if let Some(known) = self.kinds.iter_mut().rev().find(|known| known.resource == kind) {
            if known.version != version && !known.other_versions.iter().any(|other| other == version) {
                known.other_versions.push(version.to_owned());
            }
            return;
        }
        let Served { name: _, singular_name, kind: name, namespaced, verbs, short_names, status } = served;
        let singular = if singular_name.is_empty() { name.to_lowercase() } else { singular_name };
        let version = version.to_owned();
        self.kinds.push(ResourceInfo {
            resource: kind,
            version,
            kind: name,
            singular,
            short_names,
            namespaced,
            verbs,
            other_versions: Vec::new(),
            status,
        });
    }

    fn fail(&mut self, group: &str, version: &str, message: String) {
        let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        self.failures.push(GroupFailure { group_version, message });
    }
}

fn is_label(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_LABEL).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn is_group(group: &str) -> bool {
    group.is_empty() || (group.len() <= MAX_GROUP && group.split('.').all(is_label))
}

impl Cluster {
    /// Returns every kind that the cluster serves.
    ///
    /// # Errors
    /// If the cluster does not list its groups.
    pub async fn catalog(&self) -> Result<Catalog, ClusterError> {
        super::discovery::discover(self).await
    }
}

#[cfg(test)]
mod tests;
