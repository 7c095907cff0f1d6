//! One term of leadership: acting begins after the Lease is held, and ends before another server
//! may hold it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::lease::Held;
use super::timing::LAST_WORDS;
use crate::controller::error::ControllerError;
use crate::model::causes;

/// Time to end in good order after the request to end. Runs put their objects back within 10 s, and
/// Kubernetes gives 30 s in total.
const DRAIN: Duration = Duration::from_secs(20);

/// Runs `acting` until it has ended after `stop` was cancelled (by the caller, or here because the
/// Lease is lost), or until its time is over. Only then the Lease is released, at once.
///
/// # Errors
/// [`ControllerError::LeaseLost`].
pub async fn serve(
    held: Held,
    stop: &CancellationToken,
    acting: impl Future<Output = ()>,
) -> Result<(), ControllerError> {
    let (done, lost) = (CancellationToken::new(), CancellationToken::new());
    // The renewals have a task of their own: no work of the controllers may delay them, nor the
    // news that they failed.
    let keeper = tokio::spawn({
        let (done, lost, stop) = (done.clone(), lost.clone(), stop.clone());
        async move {
            let kept = held.keep(&done).await;
            if let Err(error) = &kept {
                tracing::error!("{}", causes(error));
                lost.cancel();
                stop.cancel();
            }
            kept
        }
    });
    {
        let mut acting = std::pin::pin!(acting);
        tokio::select! {
            () = &mut acting => {}
            () = time_is_over(stop, &lost) => {
                tracing::warn!("not everything has ended in time; what has not is left to the next server");
            }
        }
        // Leaving this scope drops what still acted.
    }
    done.cancel();
    match keeper.await {
        Ok(kept) => kept,
        Err(error) => Err(ControllerError::LeaseLost { source: error.into() }),
    }
}

/// Waits until `stop` was cancelled and the time to end is over: [`DRAIN`], or [`LAST_WORDS`] after
/// the Lease was lost.
async fn time_is_over(stop: &CancellationToken, lost: &CancellationToken) {
    stop.cancelled().await;
    let soon = async {
        lost.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = soon => {}
        () = tokio::time::sleep(DRAIN) => {}
    }
}
