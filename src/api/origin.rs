//! Which run a Backup or Restore stands for, and whose that run was. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Identity of the run that an object stands for. Only the server writes it, into the status; no
/// right to create Backups gives a right to write it. Of a document from a bucket, it is what that
/// document says and no more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// Identity of the location that holds the document of the run: the `id` in its
    /// `ark-location.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub location: Option<String>,
    /// Cluster in which the run took place, by the uid of its namespace `kube-system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub cluster: Option<String>,
    /// Namespace of the server that executed the run; empty for a run of the command line or of an
    /// earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub namespace: Option<String>,
    /// The uid that the Backup or Restore had in that cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub run: Option<String>,
    /// The uid of the Schedule that made the Backup; empty if a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub schedule: Option<String>,
}

impl Origin {
    /// Returns this origin, with what it leaves open filled from another.
    pub fn or(self, other: Self) -> Self {
        Self {
            location: self.location.or(other.location),
            cluster: self.cluster.or(other.cluster),
            namespace: self.namespace.or(other.namespace),
            run: self.run.or(other.run),
            schedule: self.schedule.or(other.schedule),
        }
    }
}
