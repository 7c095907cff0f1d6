//! What undoes one change, and undoing it, also in another process than the one that made it.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::error::ObligationError;
use super::mongo::undo_record;
use super::scale::{self, ScaleBack, ScaledWorkload};
use crate::api::MongoConnection;
use crate::cluster::Cluster;
use crate::mongo::MongoUndo;

/// What undoes one change. It holds no credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "type")]
pub enum Undo {
    /// Set the number of replicas of a workload, if it is still at zero.
    Scale {
        /// The name of the action.
        action: String,
        /// The resource and its group: `deployments.apps`.
        resource: String,
        /// The namespace of the workload.
        namespace: String,
        /// The name of the workload.
        name: String,
        /// The uid of the workload: another one of its name is left alone.
        uid: String,
        /// The number of replicas that it had.
        replicas: i32,
    },
    /// Undo a change of a MongoDB deployment.
    Mongo {
        /// The name of the action.
        action: String,
        /// The namespace of the Secrets and Services that the action names.
        namespace: String,
        /// How to connect; credentials by reference.
        connection: Box<MongoConnection>,
        /// The change.
        record: MongoUndo,
    },
}

impl Undo {
    /// Returns whether whoever made the change watches over it and its time until the end, as locks
    /// of MongoDB are.
    pub(super) fn is_watched(&self) -> bool {
        matches!(self, Self::Mongo { .. })
    }

    /// Returns the workload to scale back, or `None` if it is another change.
    pub fn workload(&self) -> Option<ScaledWorkload<'_>> {
        match self {
            Self::Scale { resource, namespace, name, uid, replicas, .. } => {
                Some(ScaledWorkload { resource, namespace, name, uid, replicas: *replicas })
            }
            Self::Mongo { .. } => None,
        }
    }

    /// Returns true if an action of this name has scaled a workload to zero.
    pub fn scales_for(&self, name: &str) -> bool {
        matches!(self, Self::Scale { action, .. } if action == name)
    }
}

impl fmt::Display for Undo {
    /// Writes what the record does: "scales deployments.apps shop/web back to 3".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scale { resource, namespace, name, replicas, .. } => {
                write!(f, "scales {resource} {namespace}/{name} back to {replicas}")
            }
            Self::Mongo { record, .. } => f.write_str(&record.effect()),
        }
    }
}

/// Undoes changes; in tests, something that only notes them.
#[async_trait]
pub trait Undoer: Send + Sync {
    /// Undoes one change. Returns whether there was anything to undo.
    ///
    /// # Errors
    /// If the change may still be there.
    async fn undo(&self, undo: &Undo) -> Result<bool, ObligationError>;
}

#[async_trait]
impl Undoer for Cluster {
    async fn undo(&self, change: &Undo) -> Result<bool, ObligationError> {
        undo(self, change).await
    }
}

/// Undoes one change. Returns whether there was anything to undo.
///
/// # Errors
/// If the change may still be there.
pub async fn undo(cluster: &Cluster, undo: &Undo) -> Result<bool, ObligationError> {
    match undo {
        Undo::Scale { .. } => match undo.workload() {
            Some(workload) => Ok(scale::back(cluster, &workload).await? == ScaleBack::Done),
            None => Ok(false),
        },
        Undo::Mongo { action: _, namespace, connection, record } => {
            undo_record(cluster, namespace, connection, record).await
        }
    }
}
