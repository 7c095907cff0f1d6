//! Waits for a member that was locked, and so got behind.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::MongoError;
use super::login::MongoLogin;
use super::topology::look;

/// Members tell each other every two seconds how far they are.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Waits until a member of a replica set lags behind its primary by `max_lag` at most.
///
/// # Errors
/// Fails if the member does not get there within `patience`, or cannot be asked then.
pub async fn wait_until_caught_up(
    login: &MongoLogin,
    host: &str,
    max_lag: Duration,
    patience: Duration,
) -> Result<(), MongoError> {
    let deadline = Instant::now() + patience;
    let connection = login.connect(host).await?;
    loop {
        let view = look(&connection).await;
        let lag = view.as_ref().ok().and_then(|view| view.lag_of(host));
        if lag.is_some_and(|lag| lag <= max_lag) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            view?;
            return Err(MongoError::StillBehind { host: host.to_owned(), after: patience });
        }
        sleep(HEARTBEAT).await;
    }
}
