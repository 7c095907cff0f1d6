//! Releases a lock that is ours, or that may be: exactly once, however often it must be tried.

use std::time::Duration;

use mongodb::bson::doc;
use tokio::time::{Instant, sleep};

use super::connection::{ANSWER, AdminConnection, whole_number};
use super::error::MongoError;
use super::operations::lock_state;

/// A member that restarts is back within a minute or two; what is still locked after that is left
/// to the record, which is undone by whoever finds it.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);
/// The pause between two tries; short, since the member takes no writes meanwhile.
pub(super) const PAUSE: Duration = Duration::from_millis(250);
/// The server's code for `fsyncUnlock called when not locked`.
const ILLEGAL_OPERATION: i32 = 20;

/// What became of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlocked {
    /// It was released.
    Released,
    /// It was released, and somebody else holds another one.
    LockedByOthers,
    /// It was not there any more: the member has restarted, or somebody else released it.
    Gone,
}

/// Releases one lock of a member.
///
/// Before each try the server is asked whether it is locked, and whether a command of ours is still
/// under way: an unlock that was sent twice would release what somebody else locked.
///
/// # Errors
/// Fails if the user may not unlock, or the member is still locked after `patience`.
pub(super) async fn unlock(
    connection: &AdminConnection,
    comment: &str,
    patience: Duration,
) -> Result<Unlocked, MongoError> {
    let deadline = Instant::now() + patience;
    loop {
        let failure = match try_once(connection, comment).await {
            Ok(Some(unlocked)) => return Ok(unlocked),
            Ok(None) => None,
            Err(error) if error.is_lasting() => return Err(error),
            Err(error) => Some(error),
        };
        if Instant::now() >= deadline {
            let host = connection.host().to_owned();
            let cause = failure.map_or("a command is still under way".to_owned(), |error| error.to_string());
            return Err(MongoError::StillLocked { host, cause });
        }
        sleep(PAUSE).await;
    }
}

/// Returns `None` if a command of ours is still under way.
async fn try_once(connection: &AdminConnection, comment: &str) -> Result<Option<Unlocked>, MongoError> {
    let state = lock_state(connection, comment).await?;
    if state.ours_under_way {
        return Ok(None);
    }
    if !state.locked {
        return Ok(Some(Unlocked::Gone));
    }
    let command = doc! { "fsyncUnlock": 1, "comment": comment };
    match connection.run("unlock", command, ANSWER).await {
        Ok(reply) if whole_number(&reply, "lockCount").unwrap_or_default() > 0 => {
            Ok(Some(Unlocked::LockedByOthers))
        }
        Ok(_) => Ok(Some(Unlocked::Released)),
        // Before 4.4 the code is missing, or another.
        Err(MongoError::Refused { code, cause, .. })
            if code == ILLEGAL_OPERATION || cause.contains("not locked") =>
        {
            Ok(Some(Unlocked::Gone))
        }
        Err(error) => Err(error),
    }
}
