//! Refuses a Schedule: because its specification is wrong, or because the cluster's definition of
//! Schedule is too old to keep what ticks need.

use kube::ResourceExt as _;

use super::make;
use super::record::{record, say_ready, sound, write};
use crate::api::{Schedule, SchedulePhase, ScheduleStatus, TickCount};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;

/// Validation error of a Schedule whose status the cluster does not keep.
const DEFINITIONS_TOO_OLD: &str = "status.counting: the cluster's definition of Schedule is older than this server and drops this field, without which \
                                   no backup is made; apply the definitions of this version (`ark crd | kubectl apply --server-side -f -`)";

/// Records that the specification is wrong, and gives up a Backup that was being made.
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use serde_json::{Value, json};

    use super::*;
    use crate::api::Timestamp;
    use crate::cluster::script::{answer, serve};
    use crate::controller::context::scripted;

    fn schedule() -> Schedule {
        serde_json::from_value(json!({
            "metadata": {"name": "nightly", "generation": 1},
            "spec": {"schedule": "0 3 * * *", "template": {}}, "status": {},
        }))
        .unwrap()
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
        assert!(!count(&context, &schedule(), &counting).await.unwrap());
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
