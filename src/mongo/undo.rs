//! Undoes what is recorded, also in another process than the one that recorded it.

use super::balancer::start;
use super::connection::AdminConnection;
use super::error::MongoError;
use super::login::MongoLogin;
use super::record::MongoUndo;
use super::topology::{MongoTopology, discover};
use super::unlock::{PATIENCE, Unlocked, unlock};

/// Undoes a change that this or another process has announced and not undone. Returns whether
/// there was anything to undo; the caller removes the record.
///
/// The server knows no owner of a lock. A record means that the member was not locked when it was
/// stored, so a lock that is there now counts as the one that it was stored for.
///
/// # Errors
/// Fails if the server cannot be asked, or does not do it.
pub async fn undo(login: &MongoLogin, record: &MongoUndo) -> Result<bool, MongoError> {
    match record {
        MongoUndo::Unlock { host, comment } => {
            let connection = login.connect(host).await?.expect_itself().await?;
            Ok(unlock(&connection, comment, PATIENCE).await? != Unlocked::Gone)
        }
        MongoUndo::StartBalancer { host } => start(&mongos(login, host).await?).await,
    }
}

/// Connects to the mongos of a record, or to another one of the same cluster.
async fn mongos(login: &MongoLogin, host: &str) -> Result<AdminConnection, MongoError> {
    let connection = login.connect(host).await?;
    let failure = match connection.hello().await {
        Ok(_) => return Ok(connection),
        Err(error) => error,
    };
    match discover(login).await {
        Ok(MongoTopology::Sharded(other)) => Ok(other),
        _ => Err(failure),
    }
}
