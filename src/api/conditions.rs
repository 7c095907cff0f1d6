//! Conditions of a status, by the rules of Kubernetes: one of each type, whose time changes only
//! with its status. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff;

use super::Timestamp;
use crate::model::cut;

/// Type of the condition whether a location can be used, and whether a Schedule makes backups.
pub const READY: &str = "Ready";

/// Type of the condition of a Backup or Restore that is Completed or PartiallyFailed; the reason
/// says which.
pub const COMPLETE: &str = "Complete";

/// Type of the condition of a Backup or Restore that is Failed or FailedValidation; the reason
/// says which.
pub const FAILED: &str = "Failed";

/// Type of the condition that says why a Backup or Restore does not begin, or does not go on.
pub const WAITING: &str = "Waiting";

/// Type of the condition of a Backup with hooks: True if none of them failed. The reason says what
/// failed, where it is a lock: `ForeignLock`, `LockLost`, `LockExpired` and others.
pub const HOOKS_SUCCEEDED: &str = "HooksSucceeded";

/// Type of the condition of an expired Backup that garbage collection keeps; the message says why.
pub const KEPT: &str = "KeptAsLastGood";

/// The types that Ark sets on a run. Other conditions in its status belong to others, and stay.
const OF_RUNS: [&str; 8] = [COMPLETE, FAILED, WAITING, KEPT, HOOKS_SUCCEEDED, STORED, NAME_TAKEN, DELETION];

/// Sets a condition in place of the one of its type. The transition time is kept if the status is
/// the same.
pub fn set_condition(conditions: &mut Vec<Condition>, mut condition: Condition) {
    condition.message = cut(condition.message);
    match conditions.iter_mut().find(|known| known.type_ == condition.type_) {
        None => conditions.push(condition),
        Some(known) => {
            if known.status == condition.status {
                condition.last_transition_time = known.last_transition_time.clone();
            }
            *known = condition;
        }
    }
}

/// Returns the condition of a type if its status is True, or `None`.
pub fn holding<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_ && condition.status == "True")
}

/// Returns the conditions of a run that others set; they stay when the run goes on.
pub fn of_others(mut conditions: Vec<Condition>) -> Vec<Condition> {
    conditions.retain(|condition| !OF_RUNS.contains(&condition.type_.as_str()));
    conditions
}

/// Sets the conditions of a run's end as a Job has them: `Complete` or `Failed`, and neither
/// before the end. The phase Deleting leaves the conditions as they are.
pub(super) fn conclude(
    conditions: &mut Vec<Condition>,
    phase: &str,
    message: String,
    ended: Option<Timestamp>,
    generation: Option<i64>,
) {
    let type_ = match phase {
        "Deleting" => return,
        "Completed" | "PartiallyFailed" => COMPLETE,
        "Failed" | "FailedValidation" => FAILED,
        _ => "",
    };
    conditions.retain(|known| known.type_ == type_ || ![COMPLETE, FAILED].contains(&known.type_.as_str()));
    if !type_.is_empty() {
        let condition = Condition {
            type_: type_.to_owned(),
            status: "True".to_owned(),
            reason: phase.to_owned(),
            message,
            last_transition_time: ended.unwrap_or_else(Timestamp::now).into(),
            observed_generation: generation,
        };
        set_condition(conditions, condition);
    }
}

impl From<Timestamp> for Time {
    /// Converts a time; one beyond the range becomes the Unix epoch.
    fn from(time: Timestamp) -> Self {
        Self(jiff::Timestamp::from_second(time.time().timestamp()).unwrap_or_default())
    }
}

/// Type of the condition why a Restore is not deleted, or not yet, and since when a Backup is
/// being deleted.
pub const DELETION: &str = "Deletion";

/// Type of the condition of a Backup that was refused for the only reason that another run has its
/// name in the bucket.
pub const NAME_TAKEN: &str = "NameTaken";

/// Type of the condition whether a Backup's or Restore's document is in the bucket. Only then may
/// the absence of that document mean that it was removed.
pub const STORED: &str = "Stored";

/// Returns the condition [`STORED`] with status True; `message` says where the document is.
pub fn stored(message: String, now: Time) -> Condition {
    Condition {
        type_: STORED.to_owned(),
        status: "True".to_owned(),
        reason: "Committed".to_owned(),
        message,
        last_transition_time: now,
        observed_generation: None,
    }
}

/// Returns true if the conditions say that the document is in the bucket.
pub fn is_stored(conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| condition.type_ == STORED && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(type_: &str, status: &str, message: &str, second: i64) -> Condition {
        Condition {
            type_: type_.into(),
            status: status.into(),
            reason: "Because".into(),
            message: message.into(),
            last_transition_time: Time(jiff::Timestamp::from_second(second).unwrap()),
            observed_generation: None,
        }
    }

    fn shown(conditions: &[Condition]) -> Vec<(&str, &str, &str, i64)> {
        let shown = conditions.iter().map(|each| {
            let second = each.last_transition_time.0.as_second();
            (each.type_.as_str(), each.status.as_str(), each.message.as_str(), second)
        });
        shown.collect()
    }

    #[test]
    fn the_time_of_a_condition_changes_only_with_its_status_and_others_stay() {
        let mut conditions = vec![condition("Theirs", "True", "x", 1)];
        set_condition(&mut conditions, condition(READY, "False", "one", 2));
        set_condition(&mut conditions, condition(READY, "False", "two", 3));
        assert_eq!(shown(&conditions), [("Theirs", "True", "x", 1), (READY, "False", "two", 2)]);
        set_condition(&mut conditions, condition(READY, "True", "two", 4));
        assert_eq!(shown(&conditions), [("Theirs", "True", "x", 1), (READY, "True", "two", 4)]);
    }

    #[test]
    fn a_run_is_complete_or_failed_or_neither_and_a_deletion_changes_nothing() {
        let ended = Some(Timestamp::from(&Time(jiff::Timestamp::from_second(7).unwrap())));
        let mut conditions = vec![condition("Theirs", "True", "x", 1)];
        let types = |conditions: &[Condition]| {
            let types = conditions.iter().skip(1).map(|each| format!("{} {}", each.type_, each.reason));
            types.collect::<Vec<_>>()
        };
        for (phase, expected) in [
            ("New", None),
            ("InProgress", None),
            ("Completed", Some("Complete Completed")),
            ("Deleting", Some("Complete Completed")),
            ("InProgress", None),
            ("PartiallyFailed", Some("Complete PartiallyFailed")),
            ("Failed", Some("Failed Failed")),
            ("FailedValidation", Some("Failed FailedValidation")),
        ] {
            conclude(&mut conditions, phase, "m".into(), ended, Some(3));
            assert_eq!(types(&conditions), expected.as_slice(), "{phase}");
        }
        assert_eq!((conditions[1].observed_generation, shown(&conditions)[1].3), (Some(3), 7));
        assert_eq!(shown(&of_others(conditions)), [("Theirs", "True", "x", 1)]);
    }
}
