//! The waits under way, by name, for whoever shows the progress of a run.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Cluster;
use crate::model::Progress;

/// The interval at which a run's progress is updated.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Waits that end sooner are not shown.
const WORTH_TELLING: Duration = Duration::from_secs(1);
/// The most waits that are named; the others are counted, since more would not fit a line.
const NAMED: usize = 3;

/// The waits under way.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    /// By their number, which is the order of their beginning.
    entries: BTreeMap<u64, (Instant, String)>,
}

/// One wait under way; ends when dropped.
#[derive(Debug)]
pub struct Waiting {
    waits: Arc<Waits>,
    id: u64,
}

impl Waits {
    /// Begins a wait; `what` is part of a sentence, as for [`Cluster::waiting`].
    pub fn begin(self: &Arc<Self>, what: String) -> Waiting {
        let mut entries = self.lock();
        let id = entries.next;
        entries.next += 1;
        entries.entries.insert(id, (Instant::now(), what));
        Waiting { waits: Arc::clone(self), id }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Updates what is waited for.
    pub fn say(&self, what: String) {
        if let Some((_, text)) = self.waits.lock().entries.get_mut(&self.id) {
            *text = what;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waits.lock().entries.remove(&self.id);
    }
}

impl Cluster {
    /// Begins a wait that is shown until the value is dropped; `what` is part of a sentence, as for
    /// [`Cluster::waiting`].
    pub fn begin_waiting(&self, what: String) -> Waiting {
        self.shared.waits.begin(what)
    }

    /// Returns the waits that have lasted for more than a second: the API server itself first,
    /// then in the order of their beginning.
    ///
    /// Each is a part of a sentence: `the namespace shop to be deleted: it is being deleted`.
    pub fn waiting(&self) -> Vec<String> {
        let mut told = Vec::new();
        if let Some(away) = self.shared.health.away()
            && away.since.elapsed() >= WORTH_TELLING
        {
            told.push(format!("the API server at {} to answer again ({})", self.server, away.why));
        }
        let entries = self.shared.waits.lock();
        let mut long = entries
            .entries
            .values()
            .filter(|(since, _)| since.elapsed() >= WORTH_TELLING)
            .map(|(_, what)| what);
        told.extend(long.by_ref().take(NAMED).cloned());
        match long.count() {
            0 => {}
            1 => told.push("one more".to_owned()),
            more => told.push(format!("{more} more")),
        }
        told
    }
}
impl Cluster {
    /// Reports the waits to the progress of a run once a second, and each change to the log. Never
    /// returns.
    pub async fn tell_waits(&self, progress: &Progress) -> Infallible {
        let mut told = Vec::new();
        loop {
            let waiting = self.waiting();
            if waiting != told {
                tracing::info!(waiting = waiting.join("; "), "what the run waits for");
                told.clone_from(&waiting);
            }
            progress.wait_for(waiting);
            tokio::time::sleep(TELL_EVERY).await;
        }
    }
}
