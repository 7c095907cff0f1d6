//! The balancer of a sharded cluster: stopped while chunks must stay where they are, and started
//! again only if it ran before.

use std::time::Duration;

use mongodb::bson::doc;
use tokio::time::{Instant, sleep};

use super::connection::AdminConnection;
use super::error::MongoError;
use super::record::{MongoLedger, MongoUndo, announce, settle};
use super::replies::BalancerStatus;
use super::unlock::PAUSE;

/// A round moves one chunk a shard, of up to 128 MB; the server's own default is the same.
const ROUND: Duration = Duration::from_secs(60);
/// [`ROUND`] as the server wants it, in milliseconds.
const ROUND_MILLIS: i32 = 60_000;
/// The server gives up by itself after [`ROUND`]; what it says then needs this long.
const GRACE: Duration = Duration::from_secs(5);
/// The mode in which chunks are moved. Before 6.1 there is `autoSplitOnly` as well, which moves
/// none.
const FULL: &str = "full";
const OFF: &str = "off";

/// A balancer that rests.
pub(super) struct RestingBalancer {
    mongos: AdminConnection,
    /// What starts it again; `None` if it did not run before.
    record: Option<MongoUndo>,
}

/// Stops the balancer, where it runs, and waits until its round is over.
///
/// # Errors
/// Fails if the balancer cannot be stopped, or its round does not end; then it runs again.
pub(super) async fn stop(
    mongos: AdminConnection,
    ledger: &dyn MongoLedger,
) -> Result<RestingBalancer, MongoError> {
    let runs = status(&mongos).await?.mode == FULL;
    let record = runs.then(|| MongoUndo::StartBalancer { host: mongos.host().to_owned() });
    if let Some(record) = &record {
        announce(ledger, record).await?;
    }
    let resting = RestingBalancer { mongos, record };
    match resting.settle_down().await {
        Ok(()) => Ok(resting),
        Err(error) => {
            resting.restore(ledger).await?;
            Err(error)
        }
    }
}

impl RestingBalancer {
    async fn settle_down(&self) -> Result<(), MongoError> {
        if self.record.is_some() {
            let command = doc! { "balancerStop": 1, "maxTimeMS": ROUND_MILLIS };
            self.mongos.run("stop its balancer", command, ROUND + GRACE).await?;
        }
        let deadline = Instant::now() + ROUND;
        loop {
            let now = status(&self.mongos).await?;
            if now.mode != FULL && !now.in_balancer_round {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(MongoError::BalancerBusy { host: self.mongos.host().to_owned(), after: ROUND });
            }
            sleep(PAUSE).await;
        }
    }

    /// Checks that nobody has started the balancer meanwhile.
    ///
    /// # Errors
    /// Fails if it runs.
    pub(super) async fn expect_rest(&self) -> Result<(), MongoError> {
        if status(&self.mongos).await?.mode == FULL {
            return Err(MongoError::BalancerStarted { host: self.mongos.host().to_owned() });
        }
        Ok(())
    }

    /// Brings the balancer back into the mode that it had, and removes the record.
    ///
    /// # Errors
    /// Fails if the balancer cannot be started; the record stays then.
    pub(super) async fn restore(self, ledger: &dyn MongoLedger) -> Result<(), MongoError> {
        let Some(record) = &self.record else { return Ok(()) };
        start(&self.mongos).await?;
        settle(ledger, record).await
    }
}

/// Starts the balancer; returns whether it was stopped.
///
/// # Errors
/// Fails if the server cannot be asked, or does not start it.
pub(super) async fn start(mongos: &AdminConnection) -> Result<bool, MongoError> {
    let was_stopped = status(mongos).await?.mode == OFF;
    if was_stopped {
        let command = doc! { "balancerStart": 1, "maxTimeMS": ROUND_MILLIS };
        mongos.run("start its balancer", command, ROUND + GRACE).await?;
    }
    Ok(was_stopped)
}

async fn status(mongos: &AdminConnection) -> Result<BalancerStatus, MongoError> {
    mongos.ask("tell the state of its balancer", doc! { "balancerStatus": 1 }).await
}
