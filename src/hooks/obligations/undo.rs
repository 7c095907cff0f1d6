//! What undoes one change, and undoing it, also in another process than the one that made it.

use serde::{Deserialize, Serialize};

use super::error::ObligationError;
use super::mongo::undo_record;
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

/// Undoes one change. Returns whether there was anything to undo.
///
/// # Errors
/// If the change may still be there.
pub async fn undo(cluster: &Cluster, undo: &Undo) -> Result<bool, ObligationError> {
    match undo {
        Undo::Scale { .. } => Ok(false),
        Undo::Mongo { action: _, namespace, connection, record } => {
            undo_record(cluster, namespace, connection, record).await
        }
    }
}
