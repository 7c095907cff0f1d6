//! What a server says about its lock. The server keeps no owner of it, so a lock is known as ours
//! by the record alone; operations under way are known by the comment that ours carry.

use mongodb::bson::doc;

use super::connection::AdminConnection;
use super::error::MongoError;
use super::replies::{RunningOperation, RunningOperations};

/// The state of a server's lock.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LockState {
    /// Whether the server takes no writes.
    pub(super) locked: bool,
    /// Whether a command of ours to lock or unlock is still under way there.
    pub(super) ours_under_way: bool,
}

/// Asks a server about its lock; `comment` is that of our commands.
pub(super) async fn lock_state(connection: &AdminConnection, comment: &str) -> Result<LockState, MongoError> {
    let operations: RunningOperations =
        connection.ask("tell whether it is locked", doc! { "currentOp": 1 }).await?;
    let is_ours = |operation: &RunningOperation| {
        let command = &operation.command;
        (command.contains_key("fsync") || command.contains_key("fsyncUnlock"))
            && command.get_str("comment").is_ok_and(|theirs| theirs == comment)
    };
    Ok(LockState { locked: operations.fsync_lock, ours_under_way: operations.inprog.iter().any(is_ours) })
}
