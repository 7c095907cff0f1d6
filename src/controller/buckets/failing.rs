//! Locations whose buckets could not be asked just now.
//!
//! Runs that wait for a location look often, and a look at a bucket that does not answer takes
//! long. Of many runs one looks, and the others get its last result, so that they do not keep the
//! permits to look from runs of other locations.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Time for which a result is shared: a run should begin soon after its location is back.
const FRESH: Duration = Duration::from_secs(5);
/// Longest time of a look: one that was given up must not keep others from looking for ever.
const LOOK: Duration = Duration::from_secs(180);

struct FailedOpen {
    why: String,
    /// Until when nobody else looks.
    until: Instant,
}

/// The reason of each failed look, by the name of the location.
#[derive(Default)]
pub struct Failing(Mutex<HashMap<String, FailedOpen>>);

impl Failing {
    /// Returns why a location was not opened, if that was seen just now or somebody is looking.
    /// After `None` the caller looks, and calls [`Failing::note`].
    pub fn lately(&self, name: &str, now: Instant) -> Option<String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = all.get_mut(name)?;
        if now < failure.until {
            return Some(failure.why.clone());
        }
        failure.until = now + LOOK;
        None
    }

    /// Notes the result of a look: why the bucket could not be asked, or `None` if it could.
    pub fn note(&self, name: &str, why: Option<String>, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => {
                all.insert(name.to_owned(), FailedOpen { why, until: now + FRESH });
            }
            None => {
                all.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_who_wait_one_looks_and_the_others_are_told_what_was_seen() {
        let (failing, start) = (Failing::default(), Instant::now());
        assert_eq!(failing.lately("west", start), None);
        failing.note("west", Some("it does not answer".to_owned()), start);
        assert_eq!(failing.lately("west", start).as_deref(), Some("it does not answer"));
        assert_eq!(failing.lately("east", start), None, "another is not concerned");
        let later = start + FRESH;
        assert_eq!(failing.lately("west", later), None, "this one looks");
        assert_eq!(failing.lately("west", later + FRESH).as_deref(), Some("it does not answer"), "meanwhile");
        assert_eq!(failing.lately("west", later + LOOK), None, "the look was given up");
        failing.note("west", None, later + LOOK);
        assert_eq!(failing.lately("west", later + LOOK), None);
    }
}
