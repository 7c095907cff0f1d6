//! Pods: those of a namespace or of all, by their metadata alone or whole, the state of one or of a
//! few, and what a container printed.

use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::request::{Call, Doing};
use super::{Cluster, ClusterError, ListQuery, Lister, ResourceInfo};
use crate::model::{GroupResource, NAMESPACES};

const PODS: &str = "pods";
/// The most lines and bytes of a log that are read.
const LOG_LINES: &str = "50";
const LOG_BYTES: &str = "16384";
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

    /// Returns whether there is a namespace of this name.
    ///
    /// # Errors
    /// If namespaces may not be read, or the API server fails.
    pub async fn has_namespace(&self, name: &str) -> Result<bool, ClusterError> {
        Ok(self.get(&core(NAMESPACES, false), None, name).await?.is_some())
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
        let path = path_of_one(PODS, namespace, name);
        let doing = Doing { verb: "list", what: PODS, namespace: Some(namespace), name: Some(name) };
        let found: Found = self.read(&Call::get(&path, doing)).await?;
        Ok(found.items.into_iter().find(|pod| pod.metadata.name.as_deref() == Some(name)))
    }

    /// Returns the pods with these labels as they are now: those of one workload, which are few.
    ///
    /// # Errors
    /// If pods may not be listed there, or the API server fails.
    pub async fn pods_labelled(&self, namespace: &str, labels: &str) -> Result<Vec<Pod>, ClusterError> {
        let kind = core(PODS, true);
        let query = ListQuery { kind: &kind, namespace: Some(namespace), labels: Some(labels), cut: None };
        let mut list = self.lister(query);
        let mut pods = Vec::new();
        while let Some(page) = list.next().await? {
            pods.extend(page.bodies().filter_map(|body| serde_json::from_slice::<Pod>(body).ok()));
        }
        Ok(pods)
    }

    /// Returns the end of what a container printed: some lines, some kilobytes.
    ///
    /// # Errors
    /// If the log may not be read, the container has none, or the API server fails.
    pub async fn log_end(&self, namespace: &str, pod: &str, container: &str) -> Result<String, ClusterError> {
        let path = format!("{}/log?", core(PODS, true).path(Some(namespace), Some(pod)));
        let start = path.len();
        let path = Serializer::for_suffix(path, start)
            .append_pair("container", container)
            .append_pair("tailLines", LOG_LINES)
            .append_pair("limitBytes", LOG_BYTES)
            .finish();
        let doing =
            Doing { verb: "read the log of", what: PODS, namespace: Some(namespace), name: Some(pod) };
        let log = self.call(&Call { accept: "*/*", ..Call::get(&path, doing) }).await?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }
}

/// Returns path and query of a list of one object of a kind of the core group.
pub(super) fn path_of_one(plural: &str, namespace: &str, name: &str) -> String {
    let path = format!("{}?", core(plural, true).path(Some(namespace), None));
    let start = path.len();
    let mut query = Serializer::for_suffix(path, start);
    query.append_pair("fieldSelector", &format!("metadata.name={name}")).finish()
}

/// Returns a kind of the core group, which every cluster serves as `v1`.
pub(super) fn core(plural: &str, namespaced: bool) -> ResourceInfo {
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
