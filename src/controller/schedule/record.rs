//! What a Schedule's status says: the only way to write it.

use chrono::{DateTime, Utc};
use kube::ResourceExt as _;
use kube::api::PostParams;

use super::decide::{Why, next_backup};
use super::make;
use crate::api::{Schedule, SchedulePhase, ScheduleStatus, TickCount};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;

/// Records that its specification is wrong.
pub async fn refuse(
    context: &Context,
    schedule: &Schedule,
    errors: &[String],
) -> Result<(), ControllerError> {
    let schedule = &make::leave(context, schedule).await?;
    let before = schedule.status.clone().unwrap_or_default();
    let status = ScheduleStatus {
        phase: Some(SchedulePhase::FailedValidation),
        validation_errors: errors.to_vec(),
        next_backup: None,
        counting: None,
        ..before.clone()
    };
    if status != before {
        let errors = errors.join("; ");
        tracing::warn!(kind = "Schedule", name = schedule.name_any(), "it makes no backups: {errors}");
        record(context, schedule, status).await?;
        context.events.warned(schedule, "FailedValidation", &errors).await;
    }
    Ok(())
}

/// Records that it is sound, and when it makes the next backup.
pub async fn enable(context: &Context, schedule: &Schedule) -> Result<(), ControllerError> {
    record(context, schedule, sound(schedule)).await.map(drop)
}

/// Records by which text ticks count, and since when.
pub async fn count(
    context: &Context,
    schedule: &Schedule,
    counting: &TickCount,
) -> Result<(), ControllerError> {
    let status = ScheduleStatus { counting: Some(counting.clone()), ..sound(schedule) };
    record(context, schedule, status).await.map(drop)
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
        "its last tick was recorded as of a time that has not come yet: a clock was wrong; it goes on from {last}"
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
        Why::Waiting(count) => format!("skipped {tick}: {count} Backups of it wait to begin already"),
    };
    tracing::warn!(kind = "Schedule", name = schedule.name_any(), "{note}");
    context.events.warned(schedule, "Skipped", &note).await;
    Ok(())
}

/// The status of a Schedule that is sound, as far as nothing else is said.
pub fn sound(schedule: &Schedule) -> ScheduleStatus {
    ScheduleStatus {
        phase: Some(SchedulePhase::Enabled),
        validation_errors: Vec::new(),
        next_backup: next_backup(schedule, Utc::now()),
        ..schedule.status.clone().unwrap_or_default()
    }
}

/// Writes a status; it returns the Schedule as it is then.
///
/// # Errors
/// When the API server refuses, or somebody has changed the Schedule since it was read: what was decided may be wrong then.
pub async fn record(
    context: &Context,
    schedule: &Schedule,
    status: ScheduleStatus,
) -> Result<Schedule, ControllerError> {
    if schedule.status.as_ref() == Some(&status) {
        return Ok(schedule.clone());
    }
    let name = schedule.name_any();
    let changed = Schedule { status: Some(status), ..schedule.clone() };
    let doing = format!("record the status of Schedule `{name}`");
    let api = context.api::<Schedule>();
    ControllerError::within(doing, api.replace_status(&name, &PostParams::default(), &changed)).await
}
