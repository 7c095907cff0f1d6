//! Choice of the Backup that a Restore means: the one it began or waits with, the one that it
//! names, or a Schedule's newest. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use kube::ResourceExt as _;

use crate::api::{
    Backup, BackupPhase, HIDDEN, Restore, RestorePhase, RestoreStatus, SCHEDULE_NAME_LABEL, WAITING, holding,
    label_value, synced_from, tick_of,
};
use crate::bucket::RunIdentity;
use crate::controller::schedule::{begun, maker};
use crate::model::{Candidate, Wish, pick};

/// The chosen Backup.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The Backup.
    pub backup: Arc<Backup>,
    /// Remarks on what somebody might not expect of the choice.
    pub notes: Vec<String>,
}

/// Facts about this cluster that a choice depends on.
#[derive(Clone, Debug)]
pub struct Chooser {
    /// The uid of this cluster.
    pub cluster: String,
    /// The uids of the Schedules of this cluster, by name.
    pub schedules: HashMap<String, String>,
    /// Names of the locations that this cluster does not write to.
    pub read_only: Vec<String>,
    /// Names of the locations of which some runs are not shown, since other objects have their
    /// names.
    pub hiding: Vec<String>,
    /// The present time.
    pub now: DateTime<Utc>,
}

/// Returns the Backup that a Restore means.
///
/// # Errors
/// If there is none; the error is a sentence for the person who wrote the Restore.
pub fn choose(restore: &Restore, backups: &[Arc<Backup>], here: &Chooser) -> Result<Choice, String> {
    let RestoreStatus { backup_name, backup_run, choice: notes, .. } = noted(restore);
    let field = if restore.spec.backup_name.is_some() { "spec.backupName" } else { "spec.scheduleName" };
    if let Some(name) = backup_name.as_ref().or(restore.spec.backup_name.as_ref()) {
        let found = backups.iter().find(|backup| backup.name_any() == *name).ok_or_else(|| {
            format!(
                "{field}: there is no Backup `{name}` in this cluster; one that is only in the bucket appears within \
                 the sync period of its location (`ark backup get` shows it then): create the Restore after that"
            )
        })?;
        return match objection_to(found) {
            Some(why) => Err(format!("{field}: {why}")),
            None if is_another(found, backup_run.as_deref()) => Err(format!(
                "{field}: the Backup `{name}` that this Restore {} is gone, and another run has its name now; create another \
                 Restore{}",
                if has_begun(restore) { "began with" } else { "waited with" },
                if has_begun(restore) {
                    ", which finds what this one restored"
                } else {
                    ", if that one is meant"
                },
            )),
            None => Ok(Choice { backup: Arc::clone(found), notes }),
        };
    }
    let Some(schedule) = &restore.spec.schedule_name else {
        return Err("spec.backupName: the Restore names neither a Backup nor, in spec.scheduleName, a Schedule; set one of the two".to_owned());
    };
    newest(restore, schedule, backups, here)
}

/// Returns what earlier looks noted in the status. Until a Restore begins its specification can be
/// changed, so notes of an older generation are dropped.
fn noted(restore: &Restore) -> RestoreStatus {
    let status = restore.status.clone().unwrap_or_default();
    let waiting = holding(&status.conditions, WAITING);
    let is_of_this = waiting.is_some_and(|at| at.observed_generation == restore.metadata.generation);
    if has_begun(restore) || is_of_this { status } else { RestoreStatus::default() }
}

fn has_begun(restore: &Restore) -> bool {
    let phase = restore.status.as_ref().and_then(|status| status.phase);
    phase.unwrap_or_default() != RestorePhase::New
}

/// Returns true if a Backup is another run than the one that was meant, as far as both are known.
fn is_another(backup: &Backup, meant: Option<&str>) -> bool {
    let now = RunIdentity::of_object(backup);
    now.run().zip(meant).is_some_and(|(now, meant)| now != meant)
}

/// Returns the newest Backup that a Schedule of that name made, as far as the Restore's wishes
/// permit.
fn newest(
    restore: &Restore,
    schedule: &str,
    backups: &[Arc<Backup>],
    here: &Chooser,
) -> Result<Choice, String> {
    let spec = &restore.spec;
    let wish = Wish {
        here: &here.cluster,
        schedule: here.schedules.get(schedule).map(String::as_str),
        from: spec.from_cluster.as_deref(),
        before: spec.before.map(crate::api::Timestamp::time),
        partial: spec.allow_partially_failed == Some(true),
        now: here.now,
    };
    let candidates = backups.iter().filter_map(|backup| candidate(backup, schedule, here)).collect();
    match pick(candidates, &wish) {
        Ok(found) => {
            let mut notes = found.notes;
            notes.extend(came_to_nothing(&found.picked, backups));
            Ok(Choice { backup: found.picked.of, notes })
        }
        Err(why) => {
            let before = spec.before.map(|before| format!(" before {before}")).unwrap_or_default();
            let why = if why.is_empty() { " in this cluster" } else { &why };
            Err(format!(
                "spec.scheduleName: there is no Completed Backup of Schedule `{schedule}`{before}{why}; `ark backup get` shows \
                 which there are{}",
                hidden(here)
            ))
        }
    }
}

/// Returns a remark that some Backups cannot be chosen because they are not shown; empty if there
/// are none.
fn hidden(here: &Chooser) -> String {
    if here.hiding.is_empty() {
        return String::new();
    }
    let named = here.hiding.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    format!(", but not all of {named}, since other objects have their names: {HIDDEN}")
}

/// Returns a remark on newer Backups of the same Schedule that failed or have not ended, or `None`.
fn came_to_nothing(picked: &Candidate<Arc<Backup>>, backups: &[Arc<Backup>]) -> Option<String> {
    let newer = backups.iter().filter_map(|backup| {
        let phase = backup.status.as_ref()?.phase.unwrap_or_default();
        let came_to_something = matches!(phase, BackupPhase::Completed | BackupPhase::PartiallyFailed);
        let began = begun(backup).filter(|began| *began > picked.began && !came_to_something)?;
        (maker(backup) == Some(&picked.schedule)).then(|| (began, backup.name_any(), phase))
    });
    let newer: Vec<_> = newer.collect();
    let (_, newest, phase) = newer.iter().max_by_key(|(began, name, _)| (began, name))?;
    let of = if newer.len() == 1 {
        "one that is newer came".to_owned()
    } else {
        format!("{} that are newer came", newer.len())
    };
    Some(format!("{of} to nothing, or not yet to an end; the newest, `{newest}`, is {phase}"))
}

/// Returns a Backup as a candidate if a Schedule of that name made it, in whatever cluster. A label
/// alone does not suffice: a person may set it. A synced Backup that claims to be of this cluster
/// is doubted if its location is ReadOnly here, since this cluster does not write to that bucket.
fn candidate(backup: &Arc<Backup>, schedule: &str, here: &Chooser) -> Option<Candidate<Arc<Backup>>> {
    let status = backup.status.as_ref()?;
    let is_partial = match status.phase? {
        BackupPhase::Completed => false,
        BackupPhase::PartiallyFailed => true,
        _ => return None,
    };
    let schedule_uid = status.origin.as_ref()?.schedule.clone()?;
    let name = backup.name_any();
    let labelled =
        backup.labels().get(SCHEDULE_NAME_LABEL).is_none_or(|label| *label == label_value(schedule));
    tick_of(&name, schedule).filter(|_| labelled)?;
    let cluster = status.made_in()?.to_owned();
    let location = backup.spec.storage_location.as_deref().unwrap_or_default();
    let foreign =
        synced_from(&backup.metadata).is_some() && here.read_only.iter().any(|name| name == location);
    let doubted = foreign && cluster == here.cluster;
    let doubt = doubted.then(|| format!("as the ReadOnly location `{location}` says"));
    let began = status.start_timestamp?.time();
    Some(Candidate {
        name,
        began,
        cluster,
        doubt,
        schedule: schedule_uid,
        is_partial,
        of: Arc::clone(backup),
    })
}

/// Returns why a Backup cannot be restored from, or `None` if it can.
pub fn objection_to(backup: &Backup) -> Option<String> {
    let name = backup.name_any();
    let status = backup.status.clone().unwrap_or_default();
    match status.phase.unwrap_or_default() {
        BackupPhase::Completed | BackupPhase::PartiallyFailed => None,
        phase @ (BackupPhase::New | BackupPhase::InProgress) => Some(format!(
            "Backup `{name}` is {phase}; create the Restore when it is Completed or PartiallyFailed"
        )),
        BackupPhase::Deleting => Some(format!("Backup `{name}` is being deleted; restore from another one")),
        BackupPhase::Failed => Some(format!(
            "Backup `{name}` Failed, so that there is nothing to restore from: {}",
            status.failure_reason.as_deref().unwrap_or("it does not say why")
        )),
        BackupPhase::FailedValidation => Some(format!(
            "Backup `{name}` was never made, because it FailedValidation: {}",
            status.validation_errors.join("; ")
        )),
    }
}

#[cfg(test)]
mod tests;
