//! The end of a restore before its time: what is at hand is finished, or recorded as it was left; nothing new is begun.
//!
//! An item that is made anew is deleted first and created then: dropped in between, it would be gone without a word. What only
//! reads, or waits, is dropped where it stands.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::error::RestoreError;

/// What is at hand has so long to end: less than the 10 s that a server gives its runs when it ends.
pub const FINISHED_WITHIN: Duration = Duration::from_secs(8);

/// Whether a restore is to end, and whether it has items at hand. Clones share it.
#[derive(Clone, Debug)]
pub struct RestoreHalt {
    raised: Arc<watch::Sender<bool>>,
    at_hand: Arc<AtomicUsize>,
}

impl Default for RestoreHalt {
    fn default() -> Self {
        Self { raised: Arc::new(watch::Sender::new(false)), at_hand: Arc::default() }
    }
}

/// Items are at hand until it is dropped.
pub struct AtHand(Arc<AtomicUsize>);

impl Drop for AtHand {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl RestoreHalt {
    /// Says that items are at hand: the restore is not dropped meanwhile, and has to look whether it is to end.
    pub fn take(&self) -> AtHand {
        self.at_hand.fetch_add(1, Ordering::AcqRel);
        AtHand(Arc::clone(&self.at_hand))
    }

    /// Whether the restore is to end.
    pub fn is_raised(&self) -> bool {
        *self.raised.borrow()
    }

    /// Waits until the restore is to end.
    pub async fn raised(&self) {
        let mut raised = self.raised.subscribe();
        // The sender lives in this very value.
        let _ = raised.wait_for(|raised| *raised).await;
    }

    /// Runs to the end, or until `ended` says why to end earlier; then what is at hand comes to its end.
    pub async fn unless(
        &self,
        ended: impl Future<Output = RestoreError>,
        run: impl Future<Output = Result<(), RestoreError>>,
    ) -> Result<(), RestoreError> {
        let mut run = pin!(run);
        let why = tokio::select! {
            biased;
            end = &mut run => return end,
            why = ended => why,
        };
        self.raised.send_replace(true);
        if self.at_hand.load(Ordering::Acquire) > 0 && run.await.is_ok() {
            return Ok(()); // it was the last that was at hand
        }
        Err(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn stopped() -> RestoreError {
        RestoreError::Stopped { name: "back".parse().unwrap() }
    }

    #[tokio::test]
    async fn a_restore_that_is_stopped_ends_what_is_at_hand_and_begins_nothing_else() {
        let halt = RestoreHalt::default();
        let (mut ended, mut begun) = (0, 0);
        let run = async {
            let _at_hand = halt.take();
            halt.raised().await;
            tokio::task::yield_now().await;
            ended += 1;
            if halt.is_raised() {
                return Err(RestoreError::Halted);
            }
            begun += 1;
            Ok(())
        };
        let end = halt.unless(stopped(), run).await;
        assert!(matches!(end, Err(RestoreError::Stopped { .. })), "{end:?}");
        assert_eq!((ended, begun), (1, 0));
    }

    #[tokio::test]
    async fn what_only_waits_is_dropped_and_what_is_done_is_done() {
        let end = RestoreHalt::default().unless(stopped(), std::future::pending()).await;
        assert!(matches!(end, Err(RestoreError::Stopped { .. })));
        let halt = RestoreHalt::default();
        let run = async {
            let _at_hand = halt.take();
            halt.raised().await;
            Ok(())
        };
        assert!(halt.unless(stopped(), run).await.is_ok());
    }
}
