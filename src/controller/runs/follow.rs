//! Publishes a run's progress, at most once a second, and detects deletion, takeover and shutdown.

use std::fmt;
use std::time::Duration;

use kube::ResourceExt as _;
use tokio::time::{MissedTickBehavior, interval};

use super::record::{Record, WriteOutcome};
use super::resource::{RunResource, StatusUpdate};
use crate::model::{Progress, ProgressSnapshot, causes};

/// Time between two looks at the run; progress is written at most as often.
const LOOK: Duration = Duration::from_secs(1);

/// Reason to end a run early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyEnd {
    /// The server ends.
    Stopping,
    /// The object was deleted.
    Deleted,
    /// The object's status belongs to another run or server by now.
    Lost,
}

impl fmt::Display for EarlyEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopping => "the server ends",
            Self::Deleted => "its object was deleted",
            Self::Lost => "another has changed its phase meanwhile",
        })
    }
}

/// Follows a run until it has to end early, and returns the reason. Progress that cannot be written
/// is only logged.
pub async fn follow<K: RunResource>(record: &mut Record<'_, K>, progress: &Progress) -> EarlyEnd {
    let stop = record.context().stop.clone();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown = ProgressSnapshot::default();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return EarlyEnd::Stopping,
            _ = looks.tick() => {}
        }
        if !record.is_there().await {
            return EarlyEnd::Deleted;
        }
        let now = progress.snapshot();
        if (now.done, now.total, now.bytes) == (shown.done, shown.total, shown.bytes) {
            continue;
        }
        shown = now.clone();
        let change = StatusUpdate::Progress(now);
        let written = tokio::select! {
            biased;
            () = stop.cancelled() => return EarlyEnd::Stopping,
            written = record.write(&change) => written,
        };
        match written {
            Ok(WriteOutcome::Done) => {}
            Ok(WriteOutcome::Lost) if record.is_there().await => return EarlyEnd::Lost,
            Ok(WriteOutcome::Lost) => return EarlyEnd::Deleted,
            Err(error) => {
                let (kind, name) = (K::kind(&()), record.object().name_any());
                tracing::warn!(%kind, name, "its progress could not be shown: {}", causes(&error));
            }
        }
    }
}
