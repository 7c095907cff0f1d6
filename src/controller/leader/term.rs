//! One term of leadership: acting begins when the lease is held, and has ended before another may hold it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::lease::Held;
use super::timing::LAST_WORDS;
use crate::controller::error::ControllerError;
use crate::model::causes;

/// After the server was asked to end: runs put their objects back within 10 s; less than the 30 s that Kubernetes gives.
const DRAIN: Duration = Duration::from_secs(20);

/// Acts until `stop` is cancelled, by the caller or because the lease is lost, and what is being done has ended or its time
/// is over. The lease is given up only then, and at once.
///
/// # Errors
/// [`ControllerError::LeaseLost`].
pub async fn serve(
    held: Held,
    stop: &CancellationToken,
    acting: impl Future<Output = ()>,
) -> Result<(), ControllerError> {
    let (done, lost) = (CancellationToken::new(), CancellationToken::new());
    // A task of its own: whatever acts must not be able to hold up the renewals, nor the word that they failed.
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
        // What is dropped here is what still acted.
    }
    done.cancel();
    match keeper.await {
        Ok(kept) => kept,
        Err(error) => Err(ControllerError::LeaseLost { why: format!("its keeper failed: {error}") }),
    }
}

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
