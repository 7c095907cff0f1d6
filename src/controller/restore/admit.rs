//! Whether a Restore may begin, and from which Backup: everything that is in the way, at once. Pure.

use std::sync::Arc;

use kube::ResourceExt as _;

use crate::api::{Backup, BackupPhase, Restore, RestoreStatus, SCHEDULE_NAME_LABEL, Timestamp, label_value};
use crate::controller::backup::Admission;
use crate::controller::runs::Site;
use crate::model::{BackupName, RestoreName};
use crate::restore;

/// The Backup that is meant: the one that an earlier attempt began with, the one that is named, or a Schedule's newest.
///
/// # Errors
/// Why there is none, for the one who wrote the Restore.
pub fn choose(restore: &Restore, backups: &[Arc<Backup>]) -> Result<Arc<Backup>, String> {
    let begun_with =
        restore.status.as_ref().and_then(|RestoreStatus { backup_name, .. }| backup_name.as_ref());
    if let Some(name) = begun_with.or(restore.spec.backup_name.as_ref()) {
        let found = backups.iter().find(|backup| backup.name_any() == *name).ok_or_else(|| {
            format!(
                "spec.backupName: there is no Backup `{name}` in this cluster; one that is only in the bucket appears within \
                 the sync period of its location (`ark backup get` shows it then): create the Restore after that"
            )
        })?;
        return match objection_to(found) {
            Some(why) => Err(format!("spec.backupName: {why}")),
            None => Ok(Arc::clone(found)),
        };
    }
    let Some(schedule) = &restore.spec.schedule_name else {
        return Err("spec.backupName: it names no Backup, nor a Schedule in spec.scheduleName".to_owned());
    };
    newest(schedule, restore.spec.before, backups).ok_or_else(|| {
        let before = restore.spec.before.map(|before| format!(" before {before}")).unwrap_or_default();
        format!(
            "spec.scheduleName: there is no Completed Backup of Schedule `{schedule}`{before} in this cluster; `ark backup get` \
             shows which there are"
        )
    })
}

fn newest(schedule: &str, before: Option<Timestamp>, backups: &[Arc<Backup>]) -> Option<Arc<Backup>> {
    let label = label_value(schedule);
    let of_schedule =
        backups.iter().filter(|backup| backup.labels().get(SCHEDULE_NAME_LABEL) == Some(&label));
    let completed = of_schedule.filter_map(|backup| {
        let status = backup.status.as_ref().filter(|status| status.phase == Some(BackupPhase::Completed))?;
        let began = status.start_timestamp.filter(|began| before.is_none_or(|before| *began < before))?;
        Some((began, backup.name_any(), backup))
    });
    completed.max_by_key(|(began, name, _)| (*began, name.clone())).map(|(.., backup)| Arc::clone(backup))
}

/// Why a Backup cannot be restored from.
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

/// Looks at a Restore, its Backup, the location of that, and the server's mode; it returns the Backup's name if it may begin.
pub fn admit(
    restore: &Restore,
    source: Result<Arc<Backup>, String>,
    site: Option<&Site>,
    disabled: bool,
) -> (Admission, Option<BackupName>) {
    let mut errors = Vec::new();
    if let Err(error) = restore.name_any().parse::<RestoreName>() {
        errors.push(format!("metadata.name: {error}"));
    }
    let wrong = restore::check(&restore.spec);
    let sourceless = wrong.iter().any(|wrong| wrong.field == "backupName");
    errors.extend(wrong.iter().map(ToString::to_string));
    if disabled {
        errors.push(
            "this server does not restore (it was started with --disable-restores); create the Restore in another cluster"
                .to_owned(),
        );
    }
    let plan = match source {
        Ok(backup) => match backup.name_any().parse() {
            Ok(name) => Some(name),
            Err(error) => {
                errors.push(format!("spec.backupName: {error}"));
                None
            }
        },
        Err(why) => {
            // That none or two are named is told already.
            if !sourceless {
                errors.push(why);
            }
            None
        }
    };
    let mut wait = None;
    match site {
        Some(Site::Missing(name)) => errors.push(format!(
            "the Backup lies in location `{name}`, and there is no BackupStorageLocation of that name; create it, and wait \
             until it is Available"
        )),
        Some(Site::Unavailable { name, why, .. }) => {
            wait = Some(format!("location `{name}`, where the Backup lies, is Unavailable: {why}"));
        }
        Some(Site::Usable { .. }) | None => {}
    }
    let may_begin = errors.is_empty() && wait.is_none();
    (Admission { errors, wait }, plan.filter(|_| may_begin))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::RestoreSpec;

    fn restore(spec: Value) -> Restore {
        Restore::new("back", serde_json::from_value::<RestoreSpec>(spec).unwrap())
    }

    fn backup(name: &str, status: Value) -> Arc<Backup> {
        let labels = json!({SCHEDULE_NAME_LABEL: "nightly"});
        let object = json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup",
            "metadata": {"name": name, "labels": labels}, "spec": {}, "status": status});
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn completed(name: &str, day: u32) -> Arc<Backup> {
        let start = format!("2026-11-{day:02}T03:00:00Z");
        backup(name, json!({"phase": "Completed", "startTimestamp": start}))
    }

    #[test]
    fn a_schedule_means_its_newest_completed_backup_before_the_time_that_is_given() {
        let backups = [
            completed("third", 3),
            completed("first", 1),
            completed("second", 2),
            backup("fourth", json!({"phase": "PartiallyFailed", "startTimestamp": "2026-11-04T03:00:00Z"})),
        ];
        let chosen = |spec: Value| choose(&restore(spec), &backups).map(|backup| backup.name_any());
        assert_eq!(chosen(json!({"scheduleName": "nightly"})).unwrap(), "third");
        let before = json!({"scheduleName": "nightly", "before": "2026-11-03T03:00:00Z"});
        assert_eq!(chosen(before).unwrap(), "second");
        let none = chosen(json!({"scheduleName": "weekly"})).unwrap_err();
        assert!(none.contains("`weekly`"), "{none}");
    }

    #[test]
    fn an_interrupted_restore_goes_on_with_the_backup_that_it_began_with() {
        let mut begun = restore(json!({"scheduleName": "nightly"}));
        begun.status = Some(RestoreStatus { backup_name: Some("first".into()), ..RestoreStatus::default() });
        let chosen = choose(&begun, &[completed("first", 1), completed("second", 2)]).unwrap();
        assert_eq!(chosen.name_any(), "first");
    }

    #[test]
    fn a_backup_that_cannot_be_restored_is_refused_with_the_reason() {
        for (status, reason) in [
            (json!({}), "is New"),
            (json!({"phase": "InProgress"}), "is InProgress"),
            (json!({"phase": "Deleting"}), "is being deleted"),
            (json!({"phase": "Failed", "failureReason": "no space"}), "no space"),
            (json!({"phase": "FailedValidation", "validationErrors": ["a", "b"]}), "a; b"),
        ] {
            let refused = choose(&restore(json!({"backupName": "x"})), &[backup("x", status)]).unwrap_err();
            assert!(refused.contains("`x`") && refused.contains(reason), "{refused}");
        }
        let partial = [backup("x", json!({"phase": "PartiallyFailed"}))];
        assert!(choose(&restore(json!({"backupName": "x"})), &partial).is_ok());
        let absent = choose(&restore(json!({"backupName": "x"})), &[]).unwrap_err();
        assert!(absent.contains("only in the bucket") && absent.contains("sync period"), "{absent}");
    }

    fn usable() -> Site {
        Site::Usable { name: "default".into(), read_only: true }
    }

    #[test]
    fn a_sound_restore_is_admitted_even_from_a_read_only_location() {
        let sound = restore(json!({"backupName": "x"}));
        let (admission, plan) = admit(&sound, Ok(completed("x", 1)), Some(&usable()), false);
        assert_eq!((admission, plan), (Admission::default(), Some("x".parse().unwrap())));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let mut wrong =
            restore(json!({"backupName": "x", "namespaceMapping": {"a": "B"}, "excludedResources": ["*"]}));
        wrong.metadata.name = Some("Wrong".into());
        let (Admission { errors, wait }, plan) =
            admit(&wrong, Ok(completed("x", 1)), Some(&Site::Missing("gone".into())), true);
        let parts =
            ["metadata.name", "excludedResources", "namespaceMapping", "--disable-restores", "`gone`"];
        assert_eq!(errors.len(), parts.len(), "{errors:?}");
        for (error, part) in errors.iter().zip(parts) {
            assert!(error.contains(part), "{error}");
        }
        assert!(wait.is_none() && plan.is_none());
        let nothing = restore(json!({}));
        let (Admission { errors, .. }, _) = admit(&nothing, choose(&nothing, &[]), None, false);
        assert_eq!(errors.len(), 1, "{errors:?}");
    }

    #[test]
    fn a_location_that_is_away_is_waited_for() {
        let away = Site::Unavailable { name: "default".into(), read_only: false, why: "no answer".into() };
        let sound = restore(json!({"backupName": "x"}));
        let (Admission { errors, wait }, plan) = admit(&sound, Ok(completed("x", 1)), Some(&away), false);
        assert!(errors.is_empty() && wait.is_some_and(|why| why.contains("no answer")) && plan.is_none());
    }
}
