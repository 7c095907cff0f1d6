//! Keeps a ledger alive, and undoes what lasts too long: two tasks that end with the ledger.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::state::LedgerState;

/// Time between two heartbeats: two may fail before others take the holder for dead.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);

/// Time between two tries to undo what is overdue, and the least time between two looks.
const OVERDUE_AGAIN: Duration = Duration::from_secs(5);

/// Renews the document of a ledger until the ledger is dropped. It has a task of its own: undoing
/// takes longer than others wait for a heartbeat.
pub async fn renew(ledger: Weak<LedgerState>) {
    loop {
        sleep(HEARTBEAT_EVERY).await;
        let Some(ledger) = ledger.upgrade() else { return };
        ledger.beat().await;
    }
}

/// Undoes what lasts longer than it may, until the ledger is dropped.
pub async fn watch(ledger: Weak<LedgerState>) {
    loop {
        let Some(deadline) = ledger.upgrade().map(|ledger| ledger.next_deadline()) else { return };
        let soon = Instant::now() + OVERDUE_AGAIN;
        // An obligation that comes meanwhile has a deadline of its own, seen at the next look.
        sleep_until(deadline.map_or(soon, |deadline| deadline.min(soon))).await;
        let Some(ledger) = ledger.upgrade() else { return };
        ledger.undo_overdue().await;
        if ledger.next_deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            drop(ledger);
            sleep(OVERDUE_AGAIN).await;
        }
    }
}
