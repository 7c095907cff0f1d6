//! How long what failed is left alone: longer and longer, and forgiven after a while. Pure.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// After the first failure; doubles with every further one.
pub const FIRST_DELAY: Duration = Duration::from_secs(1);

/// What is broken for long is looked at so often: soon enough for a person who mends it and waits.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// An object that did not fail for so long after it was due is sound again, and its next failure is its first.
pub const FORGIVEN_AFTER: Duration = Duration::from_secs(120);

/// The latest failure of an object.
#[derive(Clone, Copy, Debug)]
pub struct LatestFailure {
    pub delay: Duration,
    pub at: Instant,
}

/// Who failed how often lately, by kind and name. Bounded: what is forgiven is forgotten.
#[derive(Debug, Default)]
pub struct Retries {
    pub failures: Mutex<HashMap<(String, String), LatestFailure>>,
}

impl Retries {
    /// Notes a failure; answers how long to wait until the next try.
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
