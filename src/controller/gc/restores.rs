//! Asks for the deletion of Restores that nobody needs any more: expired, refused, or without their
//! Backup.
//!
//! The request is the annotation that a person sets, too (`ark restore delete`), so that the same
//! checks apply and an interruption is continued. A Backup counts as gone only if its location says
//! so, not if this cluster does not show it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt as _;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use super::CONCURRENT;
use crate::api::{
    DELETION_REQUESTED, DeleteBackupRequest, DeleteBackupRequestSpec, Restore, RestorePhase, Timestamp,
    kept_from,
};
use crate::bucket::RunKeys;
use crate::controller::context::Context;
use crate::controller::delete::{backup_of, is_restore_removable, location_of};
use crate::controller::error::ControllerError;
use crate::model::{BackupName, causes};

/// Largest difference between clocks that may decide that something has expired.
const CLOCKS_DISAGREE: TimeDelta = TimeDelta::hours(1);
/// Time for which the record of a restore is kept after its end if its Backup is gone: somebody may
/// look for what became of it.
const ORPHAN_STAYS: TimeDelta = TimeDelta::days(1);

/// Reason why a Restore should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RestoreGcReason {
    /// The Restore has expired.
    Expired,
    /// This cluster does not show its Backup. The location knows whether the Backup is gone.
    Orphaned,
}

/// Asks for the deletion of each Restore that should go.
pub async fn ask(context: &Context) {
    let (now, default_ttl) = (Utc::now(), context.settings.default_ttl);
    let restores = context.caches.restores.state();
    let due = restores.iter().filter_map(|restore| {
        let reason = reason(restore, default_ttl, now, |backup| is_shown(context, backup))?;
        is_restore_removable(context, restore).then_some((restore, reason))
    });
    let due: Vec<_> = due.collect();
    let by_the_clock = due.iter().any(|(_, reason)| *reason == RestoreGcReason::Expired);
    if by_the_clock && let Err(why) = agree_on_the_time(context).await {
        tracing::warn!("no Restore is removed for its age: {why}");
        return;
    }
    let asked = futures::stream::iter(due).map(|(restore, reason)| async move {
        if let Err(error) = consider(context, restore, reason).await {
            tracing::warn!(kind = "Restore", name = restore.name_any(), "{}", causes(&error));
        }
    });
    asked.buffer_unordered(CONCURRENT).collect::<()>().await;
}

fn is_shown(context: &Context, backup: &str) -> bool {
    context.caches.backups.find(|shown| shown.metadata.name.as_deref() == Some(backup)).is_some()
}

/// Returns why a Restore should go now, or `None`. A refused one without a ttl is kept for the
/// default ttl of Backups. Pure.
fn reason(
    restore: &Restore,
    default_ttl: Duration,
    now: DateTime<Utc>,
    is_shown: impl FnOnce(&str) -> bool,
) -> Option<RestoreGcReason> {
    let status = restore.status.as_ref()?;
    let phase = status.phase.unwrap_or_default();
    let is_going = restore.metadata.deletion_timestamp.is_some()
        || restore.annotations().contains_key(DELETION_REQUESTED);
    if is_going || !phase.is_final() {
        return None;
    }
    let given = restore.spec.ttl.as_ref().and_then(|ttl| ttl.length().ok());
    let ttl = given.or_else(|| (phase == RestorePhase::FailedValidation).then_some(default_ttl));
    let created = restore.metadata.creation_timestamp.as_ref().map(Timestamp::from);
    let ended = status.completion_timestamp.or(created)?.time();
    let from = kept_from(&restore.metadata, status.completion_timestamp)?.time();
    let expires = ttl.and_then(|ttl| from.checked_add_signed(TimeDelta::from_std(ttl).ok()?));
    if expires.is_some_and(|expires| expires <= now) {
        return Some(RestoreGcReason::Expired);
    }
    let backup = backup_of(restore)?;
    let is_old = phase != RestorePhase::FailedValidation && now - ended >= ORPHAN_STAYS;
    (is_old && !is_shown(backup)).then_some(RestoreGcReason::Orphaned)
}

/// Checks an orphan with its location, then asks for the deletion.
async fn consider(
    context: &Context,
    restore: &Restore,
    reason: RestoreGcReason,
) -> Result<(), ControllerError> {
    if reason == RestoreGcReason::Orphaned && !is_orphan(context, restore).await? {
        return Ok(());
    }
    let name = restore.name_any();
    let change = json!({"metadata": {"uid": restore.metadata.uid, "annotations": {DELETION_REQUESTED: Timestamp::now()}}});
    let (api, parameters) = (context.api::<Restore>(), PatchParams::default());
    let doing = format!("ask for the deletion of Restore `{name}`");
    match ControllerError::within(doing, api.patch(&name, &parameters, &Patch::Merge(&change))).await {
        Ok(_) => tracing::info!(kind = "Restore", name, ?reason, "asked for its deletion"),
        // The Restore is deleted meanwhile, or another has its name.
        Err(error) if error.is_not_found() || error.is_conflict() => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Returns true if the location has no document of the Restore's Backup. Without such a location
/// nothing will ever show the Backup again.
async fn is_orphan(context: &Context, restore: &Restore) -> Result<bool, ControllerError> {
    let Some(backup) = backup_of(restore).and_then(|name| name.parse::<BackupName>().ok()) else {
        return Ok(true);
    };
    let Some(location) = location_of(context, restore) else { return Ok(true) };
    let location = match context.locations.open(Some(&location)).await {
        Err(ControllerError::Location { .. }) => return Ok(false), // it cannot tell now
        opened => opened?,
    };
    let doing =
        || ControllerError::bucket(format!("look for backup `{backup}` in location `{}`", location.name));
    let keys = RunKeys::backup(&backup).map_err(|error| doing()(error.into()))?;
    Ok(!location.bucket.has(keys.document()).await.map_err(doing())?)
}

/// Checks that the server's clock and the API server's agree within [`CLOCKS_DISAGREE`]: a dry-run
/// create is dated and makes no object.
async fn agree_on_the_time(context: &Context) -> Result<(), String> {
    let probe = DeleteBackupRequest::new("ark-clock", DeleteBackupRequestSpec { backup_name: "none".into() });
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    let api = context.api::<DeleteBackupRequest>();
    let dated =
        ControllerError::within("ask the API server for its time", api.create(&parameters, &probe)).await;
    let dated = dated.map_err(|error| causes(&error))?;
    let theirs = dated.metadata.creation_timestamp.as_ref().map(Timestamp::from);
    let (ours, theirs) = (Timestamp::now(), theirs.ok_or("the API server does not date what it makes")?);
    if (ours.time() - theirs.time()).abs() > CLOCKS_DISAGREE {
        return Err(format!(
            "the clocks of Ark ({ours}) and of the API server ({theirs}) disagree; set them"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
