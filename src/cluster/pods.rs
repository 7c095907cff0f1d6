//! Pods: those of a namespace or of all, by their metadata alone or whole, and the state of one.

use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::request::{Call, Doing};
use super::{Cluster, ClusterError, ListQuery, Lister, ResourceInfo};
use crate::model::{GroupResource, NAMESPACES};

const PODS: &str = "pods";
/// The form that has the metadata of items alone; a server that does not know it sends the items.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

#[derive(Deserialize)]
struct Found {
    items: Vec<Pod>,
}

impl Cluster {
    /// Begins a list of the metadata of pods as they are now: of one namespace, or of all.
    pub fn pods(&self, namespace: Option<&str>, labels: Option<&str>) -> Lister {
        self.metadata(&core(PODS, true), namespace, labels)
    }

    /// Begins a list of the pods of a namespace as they are now, with their status.
    pub fn whole_pods(&self, namespace: &str) -> Lister {
        self.lister(ListQuery {
            kind: &core(PODS, true),
            namespace: Some(namespace),
            labels: None,
            cut: None,
        })
    }

    /// Begins a list of the metadata of namespaces as they are now.
    pub fn namespaces(&self) -> Lister {
        self.metadata(&core(NAMESPACES, false), None, None)
    }

    fn metadata(&self, kind: &ResourceInfo, namespace: Option<&str>, labels: Option<&str>) -> Lister {
        self.lister(ListQuery { kind, namespace, labels, cut: None }).accepting(METADATA)
    }

    /// Returns a pod as it is now, or `None` if there is none of that name. Asks by a list, since
    /// a server may have no other right on pods.
    ///
    /// # Errors
    /// If pods may not be listed there, or the API server fails.
    pub async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Pod>, ClusterError> {
        let path = path_of_one(namespace, name);
        let doing = Doing { verb: "list", what: PODS, namespace: Some(namespace), name: Some(name) };
        let found: Found = self.read(&Call::get(&path, doing)).await?;
        Ok(found.items.into_iter().find(|pod| pod.metadata.name.as_deref() == Some(name)))
    }
}

/// Returns path and query of a list of one pod.
fn path_of_one(namespace: &str, name: &str) -> String {
    let path = format!("{}?", core(PODS, true).path(Some(namespace), None));
    let start = path.len();
    let mut query = Serializer::for_suffix(path, start);
    query.append_pair("fieldSelector", &format!("metadata.name={name}")).finish()
}

/// Returns a kind of the core group, which every cluster serves as `v1`.
fn core(plural: &str, namespaced: bool) -> ResourceInfo {
    ResourceInfo {
        resource: GroupResource::parse(plural),
        version: "v1".to_owned(),
        kind: String::new(),
        singular: String::new(),
        short_names: Vec::new(),
        namespaced,
        verbs: Vec::new(),
        other_versions: Vec::new(),
        status: true,
    }
}
