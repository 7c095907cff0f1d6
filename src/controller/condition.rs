//! Conditions of a status, as of now.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

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
