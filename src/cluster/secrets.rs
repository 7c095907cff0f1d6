//! Secrets that actions around a backup name.

use k8s_openapi::api::core::v1::Secret;
use serde::Deserialize;

use super::pods::path_of_one;
use super::request::{Call, Doing};
use super::{Cluster, ClusterError};

const SECRETS: &str = "secrets";

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
}
