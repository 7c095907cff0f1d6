//! Names that no location has, and since when, by a monotonic clock. A location cannot be pointed
//! at another bucket, so it is deleted and created again, and missing for a moment.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Time after which a name that nobody has looked for is forgotten; runs that wait look every few
/// seconds.
const FORGOTTEN: Duration = Duration::from_secs(300);

/// Names that were looked for and not found: first and latest time.
#[derive(Default)]
pub struct MissingLocations(Mutex<HashMap<String, (Instant, Instant)>>);

impl MissingLocations {
    /// Notes that a name was looked for and not found. Returns for how long that has been so.
    pub fn note(&self, name: &str, now: Instant) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, last)| now.duration_since(*last) < FORGOTTEN);
        let (since, last) = all.entry(name.to_owned()).or_insert((now, now));
        *last = now;
        now.duration_since(*since)
    }

    /// Notes that a location of the name exists.
    pub fn found(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_missing_since_it_was_last_there_as_far_as_somebody_looks() {
        let (missing, start) = (MissingLocations::default(), Instant::now());
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        for minute in 0..=60 {
            assert_eq!(missing.note("west", start + minutes(minute)), minutes(minute));
        }
        assert_eq!(missing.note("east", start + minutes(60)), Duration::ZERO, "another is not concerned");
        missing.found("west");
        assert_eq!(missing.note("west", start + minutes(61)), Duration::ZERO);
        assert_eq!(missing.note("west", start + minutes(70)), Duration::ZERO, "nobody looked meanwhile");
    }
}
