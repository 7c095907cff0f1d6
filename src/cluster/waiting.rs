//! What is waited for, by name: for whoever shows the progress of a run.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Cluster;
use crate::model::Progress;

/// How often a run's progress is told.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// What is over sooner is nothing to tell a person.
const WORTH_TELLING: Duration = Duration::from_secs(1);
/// More would not fit a line; the others are counted.
const NAMED: usize = 3;

/// Waits under way.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    /// In the order of their beginning.
    entries: BTreeMap<u64, (Instant, String)>,
}

/// One wait under way; over when dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    waits: Arc<Waits>,
    id: u64,
}

impl Waits {
    /// A wait begins.
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
    /// What is waited for, as it is known by now.
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
    /// What is waited for at this moment, for longer than a second: the API server itself first, then what was begun first.
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
    /// Tells a run's progress, and the log, what the cluster is waited for, as long as the run goes on.
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
