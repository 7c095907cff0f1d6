//! Conditions of a status, as of now, and what stands in the way of something: as a word and as a sentence.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Why something cannot be, or not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// One word in CamelCase, which stays the same from version to version.
    pub reason: &'static str,
    /// The same in words, and what to do; without what is another at each look.
    pub message: String,
}

impl Obstacle {
    /// Of a reason and its words.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// A condition that holds, or not, since now; `reason` is one word in CamelCase.
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

/// This moment.
pub fn now() -> Time {
    Time(k8s_openapi::jiff::Timestamp::now())
}
