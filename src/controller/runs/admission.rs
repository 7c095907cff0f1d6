//! Types and functions that the admission and the status of Backups and Restores share. Pure.

use crate::api::Timestamp;
use crate::controller::watch::conditions::Obstacle;

/// Result of admission: what prevents a Backup or Restore from running.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Reasons to refuse: a person has to mend them, in a new object.
    pub errors: Vec<String>,
    /// Reason to wait: may pass by itself.
    pub wait: Option<Obstacle>,
}

/// Returns the seconds between two times, 0 if either is missing or the difference is negative
/// (clocks of two machines may be involved).
pub fn seconds_between(begin: Option<Timestamp>, end: Option<Timestamp>) -> f64 {
    let between = begin.zip(end).map(|(begin, end)| end.time() - begin.time());
    between.and_then(|between| between.to_std().ok()).unwrap_or_default().as_secs_f64()
}
