//! Locations whose buckets could not be asked a moment ago. What waits for one looks often, and a look at a bucket that does not answer is
//! long: of many, one looks, and the others are told what was seen last, so that they keep nobody from another location.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long what was seen is told: a run should begin soon after its location is back.
const FRESH: Duration = Duration::from_secs(5);
/// A look takes no longer; one that was given up does not keep others from looking for ever.
const LOOK: Duration = Duration::from_secs(180);

struct FailedOpen {
    why: String,
    /// Until when nobody else looks.
    until: Instant,
}

/// By the names of locations, why they were not opened.
#[derive(Default)]
pub struct Failing(Mutex<HashMap<String, FailedOpen>>);

impl Failing {
    /// Why it was not opened, if that was seen a moment ago or somebody is looking. None: the caller looks, and notes what it saw.
    pub fn lately(&self, name: &str, now: Instant) -> Option<String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = all.get_mut(name)?;
        if now < failure.until {
            return Some(failure.why.clone());
        }
        failure.until = now + LOOK;
        None
    }

    /// Notes what a look came to: why the bucket could not be asked, or none where it could.
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
