//! Makes the Backup of a tick, so that a crash anywhere neither doubles nor loses it.
//!
//! The Backup's name and the hash of a random token are recorded in the Schedule's status; then the
//! Backup is created with the token; then its status says which Schedule made it; then the tick is
//! recorded. If the name is taken the object is read: one that holds the token is this very Backup,
//! of an earlier attempt. Any other is somebody else's, whatever it says, and the next second's
//! name is used.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Resource as _, ResourceExt as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::decide::{Again, LATEST_NAME, token};
use super::own::maker;
use super::record::{record, sound};
use crate::api::{
    Backup, LostName, PendingBackup, SCHEDULE_NAME_LABEL, SCHEDULE_TOKEN, Schedule, ScheduleStatus,
    label_value, name_at, synced_from, tick_of,
};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;

/// Number of conflicts that one write survives: somebody else changes the Backup between read and
/// write.
const CONFLICTS: usize = 8;

/// Makes the Backup of a tick.
pub async fn backup(
    context: &Context,
    schedule: &Schedule,
    tick: DateTime<Utc>,
) -> Result<(), ControllerError> {
    name_and_make(context, schedule, tick, tick, None).await
}

/// Makes a Backup under another name, since another run has the first name in the bucket. Does
/// nothing unless the first Backup still exists: the cache may be old, and the step executed
/// already.
pub async fn again(context: &Context, schedule: &Schedule, again: &Again) -> Result<(), ControllerError> {
    let Again { tick, second, lost } = again;
    match find_backup(context, &lost.name).await? {
        Some(found) if found.uid().as_ref() == Some(&lost.uid) => {
            name_and_make(context, schedule, *tick, *second, Some(lost)).await
        }
        _ => Ok(()),
    }
}

/// Continues with a Backup whose name was recorded.
pub async fn finish(
    context: &Context,
    schedule: &Schedule,
    pending: &PendingBackup,
) -> Result<(), ControllerError> {
    let found = find_backup(context, &pending.name).await?;
    match found {
        Some(found) if is_proved(&found, pending) => conclude(context, schedule, pending, found).await,
        found => {
            let tick = pending.tick.time();
            let second = tick_of(&pending.name, &schedule.name_any()).unwrap_or(tick);
            let second = second + TimeDelta::seconds(i64::from(found.is_some()));
            name_and_make(context, schedule, tick, second, pending.instead_of.as_ref()).await
        }
    }
}

/// Gives up the recorded Backup of a Schedule whose specification has become wrong: one that exists
/// is recorded as made, any other as skipped. Returns the Schedule as it is then.
pub async fn leave(context: &Context, schedule: &Schedule) -> Result<Schedule, ControllerError> {
    let before = schedule.status.clone().unwrap_or_default();
    let Some(pending) = before.pending.clone() else { return Ok(schedule.clone()) };
    let mut status = ScheduleStatus { pending: None, ..before };
    match find_backup(context, &pending.name).await? {
        Some(found) if is_proved(&found, &pending) => {
            mark(context, found, schedule.uid().unwrap_or_default()).await?;
            status.last_backup = Some(pending.tick);
        }
        _ => status.last_skipped = Some(pending.tick),
    }
    record(context, schedule, status).await
}

/// Marks a Backup, before it begins, with the Schedule that is making it, so that its document says
/// so too. A Backup whose token no Schedule recorded is left as it is: a person's, whatever its
/// annotation says.
pub async fn mark_with_schedule(context: &Context, backup: &Backup) -> Result<(), ControllerError> {
    let name = backup.name_any();
    let claims = backup.annotations().contains_key(SCHEDULE_TOKEN);
    if !claims || maker(backup).is_some() || synced_from(&backup.metadata).is_some() {
        return Ok(());
    }
    let Some((schedule, _)) = name.rsplit_once('-') else { return Ok(()) };
    let doing = format!("read Schedule `{schedule}`, which may be making Backup `{name}`");
    let found = ControllerError::within(doing, context.api::<Schedule>().get_opt(schedule)).await?;
    let Some(schedule) = found else { return Ok(()) };
    let pending = schedule.status.as_ref().and_then(|status| status.pending.as_ref());
    if pending.is_some_and(|pending| pending.name == name && is_proved(backup, pending)) {
        mark(context, backup.clone(), schedule.uid().unwrap_or_default()).await?;
    }
    Ok(())
}

/// Records and creates the Backup under the first free name from `second` on, or skips the tick.
async fn name_and_make(
    context: &Context,
    schedule: &Schedule,
    tick: DateTime<Utc>,
    mut second: DateTime<Utc>,
    instead_of: Option<&LostName>,
) -> Result<(), ControllerError> {
    let mut schedule = schedule.clone();
    while second - tick <= LATEST_NAME {
        let token = token(tick, &Uuid::new_v4().to_string());
        let pending = PendingBackup {
            tick: tick.into(),
            name: name_at(&schedule.name_any(), second),
            proof: proof(&token),
            instead_of: instead_of.cloned(),
        };
        let status = ScheduleStatus { pending: Some(pending.clone()), ..sound(&schedule) };
        schedule = record(context, &schedule, status).await?;
        if let Some(lost) = instead_of {
            remove(context, &schedule, lost, &pending.name).await?;
        }
        if let Some(backup) = create(context, &schedule, &pending, token).await? {
            return conclude(context, &schedule, &pending, backup).await;
        }
        let name = schedule.name_any();
        tracing::warn!(kind = "Schedule", name, backup = pending.name, "another object has the name");
        second += TimeDelta::seconds(1);
    }
    let status = ScheduleStatus { pending: None, last_skipped: Some(tick.into()), ..sound(&schedule) };
    record(context, &schedule, status).await?;
    let note = format!(
        "no Backup is made for {tick}: other objects have the names of it and of {} s after it; look who makes them",
        LATEST_NAME.num_seconds()
    );
    tracing::warn!(kind = "Schedule", name = schedule.name_any(), "{note}");
    context.events.warned(&schedule, "NamesTaken", &note).await;
    Ok(())
}

/// Creates the Backup; `None` if another object has its name.
async fn create(
    context: &Context,
    schedule: &Schedule,
    pending: &PendingBackup,
    token: String,
) -> Result<Option<Backup>, ControllerError> {
    let backup = backup_of(schedule, &pending.name, token);
    let doing = format!("create Backup `{}` of Schedule `{}`", pending.name, schedule.name_any());
    let api = context.api::<Backup>();
    match ControllerError::within(doing, api.create(&PostParams::default(), &backup)).await {
        Ok(created) => Ok(Some(created)),
        Err(error) if error.is_conflict() => match find_backup(context, &pending.name).await? {
            Some(found) if is_proved(&found, pending) => Ok(Some(found)),
            Some(_) => Ok(None),
            None => Err(error), // gone just now: the next look takes the name
        },
        Err(error) => Err(error),
    }
}

/// Marks a Backup that exists with its Schedule, and records the tick as done.
async fn conclude(
    context: &Context,
    schedule: &Schedule,
    pending: &PendingBackup,
    backup: Backup,
) -> Result<(), ControllerError> {
    mark(context, backup, schedule.uid().unwrap_or_default()).await?;
    let sound = sound(schedule);
    // A Backup that is made again may be of an earlier tick than the last one.
    let last = sound.last_backup.max(Some(pending.tick));
    record(context, schedule, ScheduleStatus { pending: None, last_backup: last, ..sound }).await?;
    let (name, made) = (schedule.name_any(), &pending.name);
    tracing::info!(kind = "Schedule", name, backup = made, "made a Backup");
    context.events.changed(schedule, "BackupCreated", &format!("made Backup {made}")).await;
    Ok(())
}

/// Writes into the status of a Backup that this Schedule made it.
async fn mark(context: &Context, mut backup: Backup, schedule: String) -> Result<(), ControllerError> {
    let name = backup.name_any();
    let (api, parameters) = (context.api::<Backup>(), PostParams::default());
    let doing = format!("say in Backup `{name}` which Schedule made it");
    let mut conflicts = 0;
    while maker(&backup) != Some(schedule.as_str()) {
        let mut marked = backup.clone();
        marked.status.get_or_insert_default().origin.get_or_insert_default().schedule =
            Some(schedule.clone());
        let written = api.replace_status(&name, &parameters, &marked);
        match ControllerError::within(doing.clone(), written).await {
            Ok(_) => break,
            Err(error) if error.is_not_found() => break,
            Err(error) if error.is_conflict() && conflicts < CONFLICTS => conflicts += 1,
            Err(error) => return Err(error),
        }
        match find_backup(context, &name).await? {
            Some(fresh) if fresh.uid() == backup.uid() => backup = fresh,
            _ => break, // somebody deleted it
        }
    }
    Ok(())
}

/// Deletes the Backup that lost its name, so that the run which has it can be shown under it.
async fn remove(
    context: &Context,
    schedule: &Schedule,
    lost: &LostName,
    instead: &str,
) -> Result<(), ControllerError> {
    let LostName { name, uid } = lost;
    let preconditions = Preconditions { uid: Some(uid.clone()), resource_version: None };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let doing = format!("delete Backup `{name}`, which another is made instead of");
    match ControllerError::within(doing, context.api::<Backup>().delete(name, &parameters)).await {
        Ok(_) => {
            let note =
                format!("another run has the name {name} in the bucket; Backup {instead} is made instead");
            tracing::warn!(kind = "Schedule", name = schedule.name_any(), "{note}");
            context.events.warned(schedule, "NameTaken", &note).await;
            Ok(())
        }
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}

async fn find_backup(context: &Context, name: &str) -> Result<Option<Backup>, ControllerError> {
    let doing = format!("read Backup `{name}`");
    ControllerError::within(doing, context.api::<Backup>().get_opt(name)).await
}

/// Returns true if a Backup holds the token whose hash was recorded before it was made.
fn is_proved(backup: &Backup, pending: &PendingBackup) -> bool {
    backup.annotations().get(SCHEDULE_TOKEN).is_some_and(|token| proof(token) == pending.proof)
}

fn proof(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the Backup object for a tick.
fn backup_of(schedule: &Schedule, backup: &str, token: String) -> Backup {
    let name = schedule.name_any();
    let mut backup = Backup::new(backup, schedule.spec.template.clone());
    let labels = schedule.spec.template.labels().map(|(key, value)| (key.clone(), value.clone()));
    backup.labels_mut().extend(labels);
    backup.labels_mut().insert(SCHEDULE_NAME_LABEL.to_owned(), label_value(&name));
    backup.metadata.annotations = Some([(SCHEDULE_TOKEN.to_owned(), token)].into());
    if schedule.spec.use_owner_references == Some(true) {
        backup.metadata.owner_references = owner(schedule).map(|owner| vec![owner]);
    }
    backup
}

fn owner(schedule: &Schedule) -> Option<OwnerReference> {
    schedule.controller_owner_ref(&()).map(|owner| OwnerReference {
        // A Schedule need not wait for its Backups, and setting this would need a permission that
        // is not asked for.
        block_owner_deletion: None,
        ..owner
    })
}

#[cfg(test)]
mod tests;
