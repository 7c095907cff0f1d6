//! The status of a Schedule. Nothing else writes it.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::api::PostParams;

use super::decide::{Why, next_backup};
use super::make;
use crate::api::{READY, Schedule, SchedulePhase, ScheduleStatus, TickCount, set_condition};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::watch::conditions::condition;

/// Validation error of a Schedule whose status the cluster does not keep.
const DEFINITIONS_TOO_OLD: &str = "status.counting: the cluster's definition of Schedule is older than this server and drops this field, without which \
                                   no backup is made; apply the definitions of this version (`ark crd | kubectl apply --server-side -f -`)";

/// Records that the specification is wrong.
pub async fn refuse(
    context: &Context,
    schedule: &Schedule,
    errors: &[String],
) -> Result<(), ControllerError> {
    let schedule = &make::leave(context, schedule).await?;
    let before = schedule.status.clone().unwrap_or_default();
    let mut status = ScheduleStatus {
        phase: Some(SchedulePhase::FailedValidation),
        validation_errors: errors.to_vec(),
        next_backup: None,
        counting: None,
        ..before.clone()
    };
    say_ready(&mut status, schedule, Some(&errors.join("; ")));
    if status != before {
        let errors = errors.join("; ");
        tracing::warn!(
            kind = "Schedule",
            name = schedule.name_any(),
            "the schedule makes no backups: {errors}"
        );
        record(context, schedule, status).await?;
        context.events.warned(schedule, "FailedValidation", &errors).await;
    }
    Ok(())
}

/// Records that the specification is sound, and when the next backup is made.
pub async fn enable(context: &Context, schedule: &Schedule) -> Result<(), ControllerError> {
    record(context, schedule, sound(schedule)).await.map(drop)
}

/// Records by which cron text ticks count, and since when. Returns true if the API server keeps
/// that. CRDs older than the server drop it, and without it no tick is ever due: the Schedule is
/// refused then, and nothing more is written until the CRDs are newer.
pub async fn count(
    context: &Context,
    schedule: &Schedule,
    counting: &TickCount,
) -> Result<bool, ControllerError> {
    let status = ScheduleStatus { counting: Some(counting.clone()), ..sound(schedule) };
    let said = schedule.status.as_ref().map(|status| &*status.validation_errors).unwrap_or_default();
    let was_refused = matches!(said, [why] if why == DEFINITIONS_TOO_OLD);
    let written = write(context, schedule, status.clone(), was_refused).await?;
    let is_kept = written.status.as_ref().is_some_and(|status| status.counting.is_some());
    match (is_kept, was_refused) {
        (true, true) => drop(record(context, schedule, status).await?),
        (false, false) => refuse(context, &written, &[DEFINITIONS_TOO_OLD.to_owned()]).await?,
        _ => {}
    }
    Ok(is_kept)
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
fn say_ready(status: &mut ScheduleStatus, schedule: &Schedule, wrong: Option<&str>) {
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
async fn write(
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
    use std::sync::atomic::{AtomicBool, Ordering};

    use serde_json::{Value, json};

    use super::*;
    use crate::api::Timestamp;
    use crate::cluster::script::{answer, serve};
    use crate::controller::context::scripted;

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

    #[tokio::test]
    async fn definitions_that_do_not_keep_what_is_counted_are_told_once_and_written_to_no_more() {
        static NEWER: AtomicBool = AtomicBool::new(false);
        let (cluster, asked) = serve(|_, asked| {
            let mut body: Value = serde_json::from_str(&asked.body).unwrap();
            if !NEWER.load(Ordering::SeqCst)
                && let Some(status) = body["status"].as_object_mut()
            {
                status.remove("counting");
            }
            answer(200, body.to_string())
        });
        let context = scripted(cluster);
        let counting = TickCount { schedule: "0 3 * * *".into(), paused: false, since: Timestamp::now() };
        let statuses = || -> Vec<(bool, Schedule)> {
            let asked = asked.lock().unwrap();
            let writes = asked.iter().filter(|asked| asked.uri.contains("/schedules/nightly/status"));
            writes
                .map(|asked| (asked.uri.contains("dryRun"), serde_json::from_str(&asked.body).unwrap()))
                .collect()
        };
        assert!(!count(&context, &schedule(1, false, json!({})), &counting).await.unwrap());
        let (is_dry, refused) = statuses().pop().unwrap();
        let status = refused.status.clone().unwrap();
        assert!(!is_dry && status.phase == Some(SchedulePhase::FailedValidation));
        assert!(status.validation_errors[0].contains("older than this server"), "{status:?}");
        let before = statuses().len();
        assert!(!count(&context, &refused, &counting).await.unwrap());
        assert!(statuses()[before..].iter().all(|(is_dry, _)| *is_dry), "only asked");
        NEWER.store(true, Ordering::SeqCst);
        assert!(count(&context, &refused, &counting).await.unwrap());
        let (is_dry, kept) = statuses().pop().unwrap();
        assert!(!is_dry && kept.status.unwrap().counting == Some(counting));
    }
}
