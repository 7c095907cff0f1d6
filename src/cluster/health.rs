//! The health of the API server, shared by all clones of a [`Cluster`]: whether the server answers
//! anybody.
//!
//! One call that fails says little. A server that is away fails every call, and is waited for. A
//! server that answers others and fails one call has something against that call.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[cfg(doc)]
use super::Cluster;

/// The longest time that an API server may answer nobody before its callers give up. A static pod
/// is back within a minute; a managed control plane with a single endpoint takes some minutes to
/// be upgraded.
const AWAY_WITHIN: Duration = Duration::from_secs(300);
/// After so long without a sign, nobody has asked meanwhile and nothing is known. Longer than one
/// try and the pause after it.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(75);

/// The signs of life of the API server.
#[derive(Debug)]
pub(super) struct Health {
    /// The longest absence of the server before callers give up.
    pub within: Duration,
    pulse: Mutex<Pulse>,
}

#[derive(Debug, Default)]
struct Pulse {
    answers: u64,
    away: Option<Absence>,
    back: Option<Instant>,
}

/// An absence of the API server: no call is answered.
#[derive(Clone, Debug)]
pub(super) struct Absence {
    /// The time of the first missing answer.
    pub since: Instant,
    /// The time of the last missing answer.
    pub last: Instant,
    /// The error of the last call, in short.
    pub why: String,
}

impl Default for Health {
    fn default() -> Self {
        Self::new(AWAY_WITHIN)
    }
}

impl Health {
    /// Creates a record in which nothing is known yet.
    pub fn new(within: Duration) -> Self {
        Self { within, pulse: Mutex::default() }
    }

    /// Records an answer of the API server, whatever the answer says.
    pub fn answered(&self) {
        let mut pulse = self.lock();
        pulse.answers += 1;
        if pulse.away.take().is_some() {
            pulse.back = Some(Instant::now());
        }
    }

    /// Records a call that got no answer of an API server.
    pub fn missed(&self, why: String) {
        let (now, mut pulse) = (Instant::now(), self.lock());
        let since = pulse.current(now).map_or(now, |absence| absence.since);
        pulse.away = Some(Absence { since, last: now, why });
    }

    /// Returns the number of answers so far.
    pub fn answers(&self) -> u64 {
        self.lock().answers
    }

    /// Returns the absence of the server, or `None` while the server answers or if nobody has
    /// asked lately.
    pub fn away(&self) -> Option<Absence> {
        self.lock().current(Instant::now()).cloned()
    }

    /// Returns the time at which the server answered again after its last absence, or `None` if it
    /// was never away.
    pub fn back(&self) -> Option<Instant> {
        self.lock().back
    }

    fn lock(&self) -> MutexGuard<'_, Pulse> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    fn current(&self, now: Instant) -> Option<&Absence> {
        self.away.as_ref().filter(|absence| now - absence.last < FORGOTTEN_AFTER)
    }
}
