//! Undoes a change of a MongoDB deployment, with the Secrets as they are by then.

use super::error::ObligationError;
use crate::api::MongoConnection;
use crate::cluster::Cluster;
use crate::hooks::mongo_login::{MongoLoginError, mongo_login};
use crate::mongo::{self, MongoUndo};

/// Undoes a change. Returns whether there was anything to undo: in a namespace that was deleted
/// there is nothing.
///
/// # Errors
/// If the deployment cannot be reached, or does not do it.
pub async fn undo_record(
    cluster: &Cluster,
    namespace: &str,
    connection: &MongoConnection,
    record: &MongoUndo,
) -> Result<bool, ObligationError> {
    let login = match mongo_login(cluster, namespace, connection).await {
        Ok(login) => login,
        Err(MongoLoginError::NoSecret { .. } | MongoLoginError::NoPod { .. })
            if matches!(cluster.has_namespace(namespace).await, Ok(false)) =>
        {
            let effect = record.effect();
            tracing::warn!(namespace, "its namespace is gone, so that nobody {effect} any more");
            return Ok(false);
        }
        Err(error) => return Err(ObligationError::Undo(error.into())),
    };
    mongo::undo(&login, record).await.map_err(|error| ObligationError::Undo(error.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::script::{answer, failure, serve};

    #[tokio::test]
    async fn in_a_namespace_that_was_deleted_there_is_nothing_to_undo() {
        let connection = json!({"service": {"name": "db"}, "credentialsSecret": "ark"});
        let connection = serde_json::from_value(connection).unwrap();
        let record = MongoUndo::Unlock { host: "db:1".to_owned(), comment: "ark a/1".to_owned() };
        for (code, reason, end) in [(404, "NotFound", Some(false)), (403, "Forbidden", None), (200, "", None)]
        {
            let (cluster, _) = serve(move |_, asked| match asked.uri.as_str() {
                "/api/v1/namespaces/shop" if code == 200 => {
                    answer(200, json!({"metadata": {"name": "shop"}}).to_string())
                }
                "/api/v1/namespaces/shop" => failure(code, reason, "no", ""),
                _ => answer(200, json!({"metadata": {}, "items": []}).to_string()),
            });
            let undone = undo_record(&cluster, "shop", &connection, &record).await;
            assert_eq!(undone.ok(), end, "{code}");
        }
    }
}
