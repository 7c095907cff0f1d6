//! The run that a Backup or Restore stands for, and whose run it was. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which run an object stands for. The server alone writes it, into the status, which no right to create Backups lets
/// anybody write; of a document that came out of a bucket, it is taken as that document's claim and no more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The identity of the location that holds its document, as that location's `ark-location.json` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub location: Option<String>,
    /// The cluster that it ran in: the uid of its namespace `kube-system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub cluster: Option<String>,
    /// The namespace of the server that ran it; none of what a command line or an earlier version ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub namespace: Option<String>,
    /// The uid that the object had in that cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub run: Option<String>,
    /// The uid of the Schedule that made it; none when a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub schedule: Option<String>,
}

impl Origin {
    /// Returns this origin, with its missing fields filled from another.
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
