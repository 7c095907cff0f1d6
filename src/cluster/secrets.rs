//! What an action around a backup needs to know of a namespace: a Secret by name, pods by label.

use k8s_openapi::api::core::v1::{Pod, Secret};
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::pods::{core, path_of_one};
use super::request::{Call, Doing};
use super::{Cluster, ClusterError};

const SECRETS: &str = "secrets";
const PODS: &str = "pods";

#[derive(Deserialize)]
struct Listed<T> {
    items: Vec<T>,
}

impl Cluster {
    /// Returns a Secret as it is now, or `None` if there is none of that name. Asks by a list: the
    /// right to make backups is to list everything, and to get next to nothing.
    ///
    /// # Errors
    /// If Secrets may not be listed there, or the API server fails.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, ClusterError> {
        let path = path_of_one(SECRETS, namespace, name);
        let doing = Doing { verb: "list", what: SECRETS, namespace: Some(namespace), name: Some(name) };
        let listed: Listed<Secret> = self.read(&Call::get(&path, doing)).await?;
        Ok(listed.items.into_iter().find(|secret| secret.metadata.name.as_deref() == Some(name)))
    }

    /// Returns the pods of a namespace with these labels, as they are now.
    ///
    /// # Errors
    /// If pods may not be listed there, or the API server fails.
    pub async fn pods_labelled(&self, namespace: &str, labels: &str) -> Result<Vec<Pod>, ClusterError> {
        let path = format!("{}?", core(PODS, true).path(Some(namespace), None));
        let start = path.len();
        let path = Serializer::for_suffix(path, start).append_pair("labelSelector", labels).finish();
        let doing = Doing { verb: "list", what: PODS, namespace: Some(namespace), name: None };
        let listed: Listed<Pod> = self.read(&Call::get(&path, doing)).await?;
        Ok(listed.items)
    }
}
