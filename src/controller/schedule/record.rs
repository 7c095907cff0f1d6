//! The status of a Schedule. Nothing else writes it.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::api::PostParams;

use super::decide::{Why, next_backup};
use crate::api::{READY, Schedule, SchedulePhase, ScheduleStatus, TickCount, set_condition};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::watch::conditions::condition;

/// Records that the specification is sound, and when the next backup is made.
pub async fn enable(context: &Context, schedule: &Schedule) -> Result<(), ControllerError> {
    record(context, schedule, sound(schedule)).await.map(drop)
}

/// Records a last tick that can be believed, so that the next one is made.
pub async fn correct(
    context: &Context,
    schedule: &Schedule,
    last: DateTime<Utc>,
) -> Result<(), ControllerError> {
    let sound = sound(schedule);
    let counting = sound.counting.clone().map(|counting| TickCount { since: last.into(), ..counting });
    let status = ScheduleStatus { last_backup: Some(last.into()), last_skipped: None, counting, ..sound };
    record(context, schedule, status).await?;
    let note = format!(
        "the last tick of the schedule was recorded with a time in the future, since a clock was wrong; the schedule goes on from {last}"
    );
    tracing::warn!(kind = "Schedule", name = schedule.name_any(), "{note}");
    context.events.warned(schedule, "ClockWasWrong", &note).await;
    Ok(())
}

/// Records that nothing is made for a tick.
pub async fn skip(
    context: &Context,
    schedule: &Schedule,
    tick: DateTime<Utc>,
    why: &Why,
) -> Result<(), ControllerError> {
    let status = ScheduleStatus { last_skipped: Some(tick.into()), ..sound(schedule) };
    record(context, schedule, status).await?;
    let note = match why {
        Why::Paused => return Ok(()),
        Why::Running(backup) => format!("skipped {tick}: Backup {backup} has not ended"),
        Why::Waiting(count) => {
            format!("skipped {tick}: {count} Backups of the schedule already wait to begin")
        }
    };
    tracing::warn!(kind = "Schedule", name = schedule.name_any(), "{note}");
    context.events.warned(schedule, "Skipped", &note).await;
    Ok(())
}

/// Returns the status of a Schedule whose specification is sound; other fields stay.
pub fn sound(schedule: &Schedule) -> ScheduleStatus {
    let mut status = ScheduleStatus {
        phase: Some(SchedulePhase::Enabled),
        validation_errors: Vec::new(),
        next_backup: next_backup(schedule, Utc::now()),
        ..schedule.status.clone().unwrap_or_default()
    };
    say_ready(&mut status, schedule, None);
    status
}

/// Sets the condition that says whether the specification is sound, or what is wrong with it. A
/// paused Schedule is Ready.
pub fn say_ready(status: &mut ScheduleStatus, schedule: &Schedule, wrong: Option<&str>) {
    let (reason, message) = match wrong {
        Some(wrong) => ("FailedValidation", wrong),
        None if schedule.spec.paused == Some(true) => {
            ("Paused", "the schedule is paused and makes no backups")
        }
        None => ("Enabled", "the schedule makes backups"),
    };
    status.observed_generation = schedule.metadata.generation;
    let ready = Condition {
        observed_generation: status.observed_generation,
        ..condition(READY, wrong.is_none(), reason, message.to_owned())
    };
    set_condition(&mut status.conditions, ready);
}

/// Writes a status, and returns the Schedule as it is then.
///
/// # Errors
/// If the API server refuses, or somebody has changed the Schedule since it was read: the decision
/// may be wrong then.
pub async fn record(
    context: &Context,
    schedule: &Schedule,
    status: ScheduleStatus,
) -> Result<Schedule, ControllerError> {
    if schedule.status.as_ref() == Some(&status) {
        return Ok(schedule.clone());
    }
    write(context, schedule, status, false).await
}

/// Writes the status, or with `dry_run` only asks what would become of it.
///
/// # Errors
/// As [`record`].
pub async fn write(
    context: &Context,
    schedule: &Schedule,
    status: ScheduleStatus,
    dry_run: bool,
) -> Result<Schedule, ControllerError> {
    let name = schedule.name_any();
    let changed = Schedule { status: Some(status), ..schedule.clone() };
    let doing = format!("record the status of Schedule `{name}`");
    let (api, parameters) = (context.api::<Schedule>(), PostParams { dry_run, ..PostParams::default() });
    ControllerError::within(doing, api.replace_status(&name, &parameters, &changed)).await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::Timestamp;

    fn schedule(generation: i64, paused: bool, status: Value) -> Schedule {
        serde_json::from_value(json!({
            "metadata": {"name": "nightly", "generation": generation},
            "spec": {"schedule": "0 3 * * *", "template": {}, "paused": paused}, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn tools_are_told_whether_a_schedule_is_sound_and_of_which_generation() {
        let said = |status: &ScheduleStatus| {
            let [ready] = &*status.conditions else { panic!("one condition: {status:?}") };
            assert_eq!(ready.observed_generation, status.observed_generation);
            let since = Timestamp::from(&ready.last_transition_time).to_string();
            (ready.status.clone(), ready.reason.clone(), status.observed_generation, since)
        };
        let before = json!({"conditions": [{"type": "Ready", "status": "True", "reason": "Enabled", "message": "",
            "lastTransitionTime": "2026-11-21T03:00:00Z"}]});
        let text = |text: &str| text.to_owned();
        let (ready, since) = (text("True"), text("2026-11-21T03:00:00Z"));
        let first = sound(&schedule(1, false, before.clone()));
        assert_eq!(said(&first), (ready.clone(), text("Enabled"), Some(1), since.clone()));
        let paused = sound(&schedule(2, true, before.clone()));
        assert_eq!(said(&paused), (ready, text("Paused"), Some(2), since.clone()));
        let mut wrong = first;
        say_ready(&mut wrong, &schedule(3, false, before), Some("no"));
        let (status, reason, generation, then) = said(&wrong);
        assert_eq!((&*status, &*reason, generation), ("False", "FailedValidation", Some(3)));
        assert_ne!(then, since);
    }
}
