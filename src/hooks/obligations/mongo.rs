//! Undoes a change of a MongoDB deployment, with the Secrets as they are by then.

use super::error::ObligationError;
use crate::api::MongoConnection;
use crate::cluster::Cluster;
use crate::hooks::mongo_login::mongo_login;
use crate::mongo::{self, MongoUndo};

/// Undoes a change. Returns whether there was anything to undo.
///
/// # Errors
/// If the deployment cannot be reached, or does not do it.
pub async fn undo_record(
    cluster: &Cluster,
    namespace: &str,
    connection: &MongoConnection,
    record: &MongoUndo,
) -> Result<bool, ObligationError> {
    let login = mongo_login(cluster, namespace, connection).await;
    let login = login.map_err(|error| ObligationError::Undo(error.into()))?;
    mongo::undo(&login, record).await.map_err(|error| ObligationError::Undo(error.into()))
}
