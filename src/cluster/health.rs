//! Whether the API server answers anybody: what all clones of a [`Cluster`] know of it together.
//!
//! One call that fails says little. A server that is away fails every call, and is waited for; a server that answers others
//! and fails this call has something against this call.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[cfg(doc)]
use super::Cluster;

/// How long an API server may answer nobody before its callers give up: a static pod is back within a minute, a managed
/// control plane with a single endpoint takes some minutes to be upgraded.
pub(super) const AWAY_WITHIN: Duration = Duration::from_secs(300);
/// Without a sign for so long, nobody has asked meanwhile, and nothing is known: longer than one try and the pause after it.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(75);

/// What is known of the API server.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Pulse>);

#[derive(Debug, Default)]
struct Pulse {
    answers: u64,
    away: Option<Absence>,
    back: Option<Instant>,
}

/// The API server answers nobody.
#[derive(Clone, Debug)]
pub(super) struct Absence {
    /// Since when.
    pub since: Instant,
    /// The last sign of it.
    pub last: Instant,
    /// What the last call that failed said.
    pub why: String,
}

impl Health {
    /// The API server answered, whatever it said.
    pub fn answered(&self) {
        let mut pulse = self.lock();
        pulse.answers += 1;
        if pulse.away.take().is_some() {
            pulse.back = Some(Instant::now());
        }
    }

    /// A call got no answer of an API server.
    pub fn missed(&self, why: String) {
        let (now, mut pulse) = (Instant::now(), self.lock());
        let since = pulse.current(now).map_or(now, |absence| absence.since);
        pulse.away = Some(Absence { since, last: now, why });
    }

    /// How many answers there were.
    pub fn answers(&self) -> u64 {
        self.lock().answers
    }

    /// Since when the server answers nobody; None while it answers, and when nobody has asked lately.
    pub fn away(&self) -> Option<Absence> {
        self.lock().current(Instant::now()).cloned()
    }

    /// When the server answered again after it had been away.
    pub fn back(&self) -> Option<Instant> {
        self.lock().back
    }

    fn lock(&self) -> MutexGuard<'_, Pulse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    fn current(&self, now: Instant) -> Option<&Absence> {
        self.away.as_ref().filter(|absence| now - absence.last < FORGOTTEN_AFTER)
    }
}
