//! Conditions of a status, and obstacles: a reason as a word and as a sentence.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// A reason why something cannot be done, or not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// One word in CamelCase, stable across versions.
    pub reason: &'static str,
    /// The reason as a sentence, and what to do; without parts that differ from look to look.
    pub message: String,
}

impl Obstacle {
    /// Creates an obstacle.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// Returns a condition that holds, or not, since now; `reason` is one word in CamelCase.
pub fn condition(type_: &str, holds: bool, reason: &str, message: String) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: now(),
        observed_generation: None,
    }
}

/// Returns the present time.
pub fn now() -> Time {
    Time(k8s_openapi::jiff::Timestamp::now())
}
