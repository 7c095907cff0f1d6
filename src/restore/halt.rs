//! Ends a restore early: items at hand are finished, or recorded as they were left; nothing new is
//! begun.
//!
//! An item that is made anew is deleted first and created then: dropped in between, it would be
//! gone without a word. Parts of the run that only read or wait are dropped where they are.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::error::RestoreError;

/// The time that items at hand have to end: less than the 10 s that a server gives its runs when
/// it ends.
pub const FINISHED_WITHIN: Duration = Duration::from_secs(8);

/// Tells whether a restore is to end, and counts what is at hand. Clones share the state.
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

/// A guard: items are at hand until it is dropped.
pub struct AtHand(Arc<AtomicUsize>);

impl Drop for AtHand {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl RestoreHalt {
    /// Marks items as at hand: until the guard is dropped the run is not dropped either, and has
    /// to look by itself whether it is to end.
    pub fn hold(&self) -> AtHand {
        self.at_hand.fetch_add(1, Ordering::AcqRel);
        AtHand(Arc::clone(&self.at_hand))
    }

    /// Returns whether the restore is to end.
    pub fn is_raised(&self) -> bool {
        *self.raised.borrow()
    }

    /// Waits until the restore is to end.
    pub async fn raised(&self) {
        let mut raised = self.raised.subscribe();
        // The sender lives in `self`, so that the wait cannot fail.
        let _ = raised.wait_for(|raised| *raised).await;
    }

    /// Drives `run` to its end, or until `ended` yields the reason to end earlier; items at hand
    /// then come to their end first.
    pub async fn run_until(
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
            let _at_hand = halt.hold();
            halt.raised().await;
            tokio::task::yield_now().await;
            ended += 1;
            if halt.is_raised() {
                return Err(RestoreError::Halted);
            }
            begun += 1;
            Ok(())
        };
        let end = halt.run_until(stopped(), run).await;
        assert!(matches!(end, Err(RestoreError::Stopped { .. })), "{end:?}");
        assert_eq!((ended, begun), (1, 0));
    }

    #[tokio::test]
    async fn what_only_waits_is_dropped_and_what_is_done_is_done() {
        let end = RestoreHalt::default().run_until(stopped(), std::future::pending()).await;
        assert!(matches!(end, Err(RestoreError::Stopped { .. })));
        let halt = RestoreHalt::default();
        let run = async {
            let _at_hand = halt.hold();
            halt.raised().await;
            Ok(())
        };
        assert!(halt.run_until(stopped(), run).await.is_ok());
    }
}
