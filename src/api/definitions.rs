//! The CustomResourceDefinitions, in the order of the documentation, and their YAML as in `crds/`.
//! Pure.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::{
    Backup, BackupStorageLocation, DeleteBackupRequest, DownloadRequest, Restore, Schedule,
    ServerStatusRequest, schema,
};

/// A definition that cannot be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the definition of {name} as YAML")]
pub struct DefinitionYaml {
    /// The name of the definition.
    pub name: String,
    /// The cause.
    #[source]
    pub source: serde_saphyr::ser_error::Error,
}

/// Returns every CustomResourceDefinition of Ark.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut all = vec![
        Backup::crd(),
        Restore::crd(),
        Schedule::crd(),
        BackupStorageLocation::crd(),
        DeleteBackupRequest::crd(),
        DownloadRequest::crd(),
        ServerStatusRequest::crd(),
    ];
    for version in all.iter_mut().flat_map(|definition| &mut definition.spec.versions) {
        if let Some(root) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            schema::tidy(root);
        }
    }
    all
}

/// Returns a definition as YAML, ready for `kubectl apply`.
///
/// # Errors
/// If the definition cannot be written as YAML, which is a fault of Ark.
pub fn crd_yaml(definition: &CustomResourceDefinition) -> Result<String, DefinitionYaml> {
    serde_saphyr::to_string(definition).map_err(|source| DefinitionYaml {
        name: definition.metadata.name.clone().unwrap_or_default(),
        source,
    })
}
