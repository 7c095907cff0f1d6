//! What was decided about a Schedule, done and recorded.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::PostParams;
use kube::{Resource as _, ResourceExt as _};

use super::decide::{Why, backup_name};
use crate::api::{Backup, SCHEDULE_NAME_LABEL, Schedule, SchedulePhase, ScheduleStatus, label_value};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;

/// Records that its specification is wrong.
pub async fn refuse(
    context: &Context,
    schedule: &Schedule,
    errors: &[String],
) -> Result<(), ControllerError> {
    let before = status(schedule);
    let phase = Some(SchedulePhase::FailedValidation);
    let status = ScheduleStatus { phase, validation_errors: errors.to_vec(), ..before.clone() };
    if status != before {
        let errors = errors.join("; ");
        tracing::warn!(kind = "Schedule", name = schedule.name_any(), "it makes no backups: {errors}");
        record(context, schedule, status).await?;
        context.events.warned(schedule, "FailedValidation", &errors).await;
    }
    Ok(())
}

/// Records that it is sound.
pub async fn enable(context: &Context, schedule: &Schedule) -> Result<(), ControllerError> {
    record(context, schedule, sound(schedule)).await
}

/// Records a last tick that can be believed, so that the next one is made.
pub async fn correct(
    context: &Context,
    schedule: &Schedule,
    last: DateTime<Utc>,
) -> Result<(), ControllerError> {
    let status = ScheduleStatus { last_backup: Some(last.into()), last_skipped: None, ..sound(schedule) };
    record(context, schedule, status).await?;
    let note = format!(
        "its last tick was recorded as of a time that has not come yet: a clock was wrong; it goes on from {last}"
    );
    tracing::warn!(kind = "Schedule", name = schedule.name_any(), "{note}");
    context.events.warned(schedule, "ClockWasWrong", &note).await;
    Ok(())
}

/// Makes the Backup of a tick; one that is there already was made before a crash, or by a server that is gone.
pub async fn backup(
    context: &Context,
    schedule: &Schedule,
    tick: DateTime<Utc>,
) -> Result<(), ControllerError> {
    let backup = backup_of(schedule, tick);
    let (kind, name, made) = ("Schedule", schedule.name_any(), backup.name_any());
    let doing = format!("create Backup `{made}` of Schedule `{name}`");
    let api = context.api::<Backup>();
    match ControllerError::within(doing, api.create(&PostParams::default(), &backup)).await {
        Ok(_) => tracing::info!(kind, name, backup = made, "made a Backup"),
        Err(error) if error.is_conflict() => {
            tracing::info!(kind, name, backup = made, "its Backup is there already");
        }
        Err(error) => return Err(error),
    }
    let status = ScheduleStatus { last_backup: Some(tick.into()), ..sound(schedule) };
    record(context, schedule, status).await?;
    context.events.changed(schedule, "BackupCreated", &format!("made Backup {made}")).await;
    Ok(())
}

/// Records that nothing is made for a tick.
pub async fn skip(
    context: &Context,
    schedule: &Schedule,
    tick: DateTime<Utc>,
    why: &Why,
) -> Result<(), ControllerError> {
    record(context, schedule, ScheduleStatus { last_skipped: Some(tick.into()), ..sound(schedule) }).await?;
    if let Why::Running(backup) = why {
        let note = format!("skipped {tick}: Backup {backup} has not ended");
        tracing::warn!(kind = "Schedule", name = schedule.name_any(), "{note}");
        context.events.warned(schedule, "Skipped", &note).await;
    }
    Ok(())
}

/// The Backup of a tick.
fn backup_of(schedule: &Schedule, tick: DateTime<Utc>) -> Backup {
    let name = schedule.name_any();
    let mut backup = Backup::new(&backup_name(schedule, tick), schedule.spec.template.clone());
    let labels = schedule.spec.template.labels().map(|(key, value)| (key.clone(), value.clone()));
    backup.labels_mut().extend(labels);
    backup.labels_mut().insert(SCHEDULE_NAME_LABEL.to_owned(), label_value(&name));
    if schedule.spec.use_owner_references == Some(true) {
        backup.metadata.owner_references = owner(schedule).map(|owner| vec![owner]);
    }
    backup
}

fn owner(schedule: &Schedule) -> Option<OwnerReference> {
    schedule.controller_owner_ref(&()).map(|owner| OwnerReference {
        // It need not wait for its Backups, and the permission to make it wait is not asked for.
        block_owner_deletion: None,
        ..owner
    })
}

fn status(schedule: &Schedule) -> ScheduleStatus {
    schedule.status.clone().unwrap_or_default()
}

fn sound(schedule: &Schedule) -> ScheduleStatus {
    let phase = Some(SchedulePhase::Enabled);
    ScheduleStatus { phase, validation_errors: Vec::new(), ..status(schedule) }
}

async fn record(
    context: &Context,
    schedule: &Schedule,
    status: ScheduleStatus,
) -> Result<(), ControllerError> {
    if schedule.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let name = schedule.name_any();
    let changed = Schedule { status: Some(status), ..schedule.clone() };
    let doing = format!("record the status of Schedule `{name}`");
    let api = context.api::<Schedule>();
    ControllerError::within(doing, api.replace_status(&name, &PostParams::default(), &changed)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::{BackupSpec, ScheduleSpec};

    fn schedule(name: &str, use_owner_references: bool) -> Schedule {
        let template = BackupSpec { storage_location: Some("other".into()), ..BackupSpec::default() };
        let spec = ScheduleSpec {
            template,
            use_owner_references: Some(use_owner_references),
            ..ScheduleSpec::default()
        };
        let mut schedule = Schedule::new(name, spec);
        schedule.metadata.uid = Some("uid".into());
        schedule
    }

    #[test]
    fn the_name_of_a_backup_follows_from_its_tick() {
        let tick = "2026-11-21T03:00:00Z".parse().unwrap();
        let backup = backup_of(&schedule("nightly", false), tick);
        assert_eq!(backup.metadata.name.as_deref(), Some("nightly-20261121030000"));
        assert_eq!(backup.metadata.labels.unwrap()[SCHEDULE_NAME_LABEL], "nightly");
        assert_eq!(backup.spec.storage_location.as_deref(), Some("other"));
        assert_eq!(backup.metadata.owner_references, None);
        let longest = "a".repeat(238);
        let backup = backup_of(&schedule(&longest, false), tick);
        assert_eq!(backup.metadata.name.unwrap().len(), 253);
        assert_eq!(backup.metadata.labels.unwrap()[SCHEDULE_NAME_LABEL].len(), 63);
    }

    #[test]
    fn the_labels_of_a_template_are_those_of_its_backups_and_hide_no_label_of_ours() {
        let mut schedule = schedule("nightly", false);
        let metadata = json!({"metadata": {"labels": {"team": "web", SCHEDULE_NAME_LABEL: "other"}}});
        schedule.spec.template = serde_json::from_value(metadata).unwrap();
        let labels = backup_of(&schedule, "2026-11-21T03:00:00Z".parse().unwrap()).metadata.labels.unwrap();
        assert_eq!((labels["team"].as_str(), labels[SCHEDULE_NAME_LABEL].as_str()), ("web", "nightly"));
    }

    #[test]
    fn a_backup_goes_with_its_schedule_only_where_that_is_asked_for() {
        let backup = backup_of(&schedule("nightly", true), "2026-11-21T03:00:00Z".parse().unwrap());
        let owner = &backup.metadata.owner_references.unwrap()[0];
        assert_eq!(
            (owner.kind.as_str(), owner.name.as_str(), owner.uid.as_str()),
            ("Schedule", "nightly", "uid")
        );
        assert_eq!(owner.block_owner_deletion, None);
    }
}
