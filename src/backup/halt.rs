//! Ends a run early without leaving a write in the bucket whose outcome nobody knows.
//!
//! A write that is dropped on its way may still arrive: after the parts were removed, or as a
//! commit of parts that no longer exist. So a run is never dropped. Between its writes the run
//! checks whether it is to end, and only reads are cut short.

use std::future::Future;
use std::pin::pin;

use tokio::sync::watch;

use super::error::BackupError;

/// The signal for a run to end.
pub struct BackupHalt(watch::Receiver<bool>);

impl BackupHalt {
    /// Returns [`BackupError::Halted`] if the run is to end.
    pub fn check(&self) -> Result<(), BackupError> {
        if *self.0.borrow() { Err(BackupError::Halted) } else { Ok(()) }
    }

    /// Returns the output of `reading`, or [`BackupError::Halted`] as soon as the run is to end.
    /// `reading` must not write.
    pub async fn or<T>(&mut self, reading: impl Future<Output = T>) -> Result<T, BackupError> {
        tokio::select! {
            biased;
            () = raised(&mut self.0) => Err(BackupError::Halted),
            read = reading => Ok(read),
        }
    }
}

async fn raised(halt: &mut watch::Receiver<bool>) {
    if halt.wait_for(|raised| *raised).await.is_err() {
        // The sender is gone: nothing can end the run any more.
        std::future::pending::<()>().await;
    }
}

/// Runs `run` to its end, or until `ended` yields an error. In that case the run is asked to halt
/// and awaited, and the error is returned, unless the run was complete by then.
pub async fn run_until<T, R>(
    ended: impl Future<Output = BackupError>,
    run: impl FnOnce(BackupHalt) -> R,
) -> Result<T, BackupError>
where
    R: Future<Output = Result<T, BackupError>>,
{
    let (halt, receiver) = watch::channel(false);
    let mut run = pin!(run(BackupHalt(receiver)));
    let why = tokio::select! {
        biased;
        why = ended => why,
        done = &mut run => return done,
    };
    halt.send_replace(true);
    run.await.map_err(|_| why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped() -> BackupError {
        BackupError::Stopped { name: "nightly".parse().unwrap() }
    }

    #[tokio::test]
    async fn a_run_that_is_stopped_ends_its_write_and_begins_no_other() {
        let (mut written, mut begun) = (0, 0);
        let (started, write_started) = tokio::sync::oneshot::channel();
        let ended = async {
            write_started.await.unwrap();
            stopped()
        };
        let run = async |halt: BackupHalt| {
            started.send(()).unwrap();
            begun += 1;
            tokio::task::yield_now().await;
            written += 1;
            halt.check()?;
            begun += 1;
            Ok(())
        };
        let end = run_until(ended, run).await;
        assert!(matches!(end, Err(BackupError::Stopped { .. })), "{end:?}");
        assert_eq!((begun, written), (1, 1));
    }

    #[tokio::test]
    async fn reading_is_cut_short_and_a_run_that_is_complete_stays_so() {
        let end = run_until::<(), _>(async { stopped() }, async |mut halt| {
            halt.or(std::future::pending::<()>()).await
        });
        assert!(matches!(end.await, Err(BackupError::Stopped { .. })));
        let end = run_until(async { stopped() }, async |_| {
            tokio::task::yield_now().await;
            Ok(7)
        });
        assert_eq!(end.await.unwrap(), 7);
    }
}
