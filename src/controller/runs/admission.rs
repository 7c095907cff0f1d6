//! What admission and status of backups and restores have in common. Pure.

use crate::api::Timestamp;
use crate::controller::watch::conditions::Obstacle;

/// What is in the way of a Backup or Restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// What must be mended by somebody, in another object.
    pub errors: Vec<String>,
    /// What may pass by itself.
    pub wait: Option<Obstacle>,
}

/// Clocks of two machines may be in it, so that it may come out below zero; then it is zero.
pub fn seconds_between(begin: Option<Timestamp>, end: Option<Timestamp>) -> f64 {
    let between = begin.zip(end).map(|(begin, end)| end.time() - begin.time());
    between.and_then(|between| between.to_std().ok()).unwrap_or_default().as_secs_f64()
}
