//! Backoff per object: 1 s, doubling to 60 s, forgotten after 120 s without a failure. Pure.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Delay after the first failure; doubles with each further one.
pub const FIRST_DELAY: Duration = Duration::from_secs(1);

/// Longest delay: a person who mends the cause waits no longer than this.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Time without a failure, after the retry was due, after which an object's next failure counts as
/// its first.
pub const FORGIVEN_AFTER: Duration = Duration::from_secs(120);

/// The latest failure of an object.
#[derive(Clone, Copy, Debug)]
pub struct LatestFailure {
    pub delay: Duration,
    pub at: Instant,
}

/// Failures per object, by kind and name. Bounded: forgiven failures are dropped.
#[derive(Debug, Default)]
pub struct Retries {
    pub failures: Mutex<HashMap<(String, String), LatestFailure>>,
}

impl Retries {
    /// Notes a failure and returns the delay until the next try.
    pub fn failed(&self, kind: &str, name: &str, now: Instant) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, failure| !is_forgiven(failure, now));
        let key = (kind.to_owned(), name.to_owned());
        let delay = next_delay(failures.get(&key).map(|failure| failure.delay));
        failures.insert(key, LatestFailure { delay, at: now });
        delay
    }
}

fn is_forgiven(failure: &LatestFailure, now: Instant) -> bool {
    now.duration_since(failure.at) > failure.delay + FORGIVEN_AFTER
}

fn next_delay(last: Option<Duration>) -> Duration {
    last.map_or(FIRST_DELAY, |last| (last * 2).min(LONGEST_DELAY))
}
