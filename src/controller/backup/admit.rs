//! Admission of a Backup: everything that prevents it from beginning, at once. Pure.

use std::time::Duration;

use kube::ResourceExt as _;

use crate::api::{Backup, WAITING, holding};
use crate::controller::runs::admission::Admission;
use crate::controller::runs::{LOCATION_MISSING, RunResource as _, Site, Stage};
use crate::controller::watch::conditions::Obstacle;
use crate::model::BackupName;

/// Time that a Backup waits for a location that does not exist. Tools that apply locations from Git
/// create a deleted one again within some rounds; a name for which nobody creates a location should
/// be reported on the same day.
const MISSING_FOR: Duration = Duration::from_secs(3600);

/// Returns what prevents a Backup from beginning, from its specification, the state of its location
/// and the server's mode.
pub fn admit(backup: &Backup, site: &Site, restore_only: bool) -> Admission {
    let mut errors = Vec::new();
    if let Err(error) = backup.name_any().parse::<BackupName>() {
        errors.push(format!("metadata.name: {error}"));
    }
    errors.extend(backup.spec.validate().iter().map(ToString::to_string));
    if restore_only {
        errors.push(
            "this server only restores (it was started with --restore-only) and makes no backups; create the Backup in the \
             cluster that is to be backed up"
                .to_owned(),
        );
    }
    let mut wait = None;
    match site {
        Site::Missing { name, since } => {
            let why = missing(backup, name);
            if errors.is_empty() && *since < MISSING_FOR && is_patient(backup) {
                wait = Some(Obstacle::new(LOCATION_MISSING, format!("{why}; the Backup waits for an hour, since the location may be made anew")));
            } else {
                errors.push(why);
            }
        }
        Site::Usable { name, read_only: true } | Site::Unavailable { name, read_only: true, .. } => errors
            .push(format!(
                "spec.storageLocation: location `{name}` is ReadOnly; name another, or set its spec.accessMode to ReadWrite"
            )),
        Site::Unavailable { name, why, .. } => {
            let message = format!("location `{name}` is Unavailable: {}", why.message);
            wait = Some(Obstacle { message, ..why.clone() });
        }
        Site::Usable { read_only: false, .. } => {}
    }
    Admission { errors, wait }
}

fn missing(backup: &Backup, name: &str) -> String {
    match &backup.spec.storage_location {
        Some(_) => format!(
            "spec.storageLocation: there is no BackupStorageLocation `{name}`; `ark location get` shows which there are"
        ),
        None => format!(
            "spec.storageLocation: the Backup names no location, no BackupStorageLocation is the default, and none is \
             called `{name}`; name one, or set spec.default of one"
        ),
    }
}

/// Returns true if a Backup waits for a location that does not exist. A Backup of a Schedule would
/// be lost until the next tick, and one that has waited or begun had a location before. A person
/// who has just named a missing location wants to know at once.
fn is_patient(backup: &Backup) -> bool {
    let state = backup.state();
    backup.is_scheduled()
        || state.stage == Stage::Begun
        || state.attempt > 0
        || holding(backup.conditions(), WAITING).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::BackupSpec;
    use serde_json::json;

    fn backup(spec: serde_json::Value) -> Backup {
        Backup::new("nightly", serde_json::from_value::<BackupSpec>(spec).unwrap())
    }

    fn missing_since(name: &str, seconds: u64) -> Site {
        Site::Missing { name: name.into(), since: Duration::from_secs(seconds) }
    }

    fn usable() -> Site {
        Site::Usable { name: "default".into(), read_only: false }
    }

    #[test]
    fn a_sound_backup_into_a_usable_location_is_admitted() {
        assert_eq!(admit(&backup(json!({"ttl": "30d"})), &usable(), false), Admission::default());
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let mut wrong =
            backup(json!({"ttl": "-1h", "excludedNamespaces": ["*"], "storageLocation": "elsewhere"}));
        wrong.metadata.name = Some("not/a/name".into());
        let Admission { errors, wait } = admit(&wrong, &missing_since("elsewhere", 0), true);
        let begins = [
            "metadata.name",
            "spec.excludedNamespaces",
            "spec.ttl",
            "this server only",
            "spec.storageLocation",
        ];
        assert_eq!(errors.len(), begins.len(), "{errors:?}");
        for (error, begin) in errors.iter().zip(begins) {
            assert!(error.starts_with(begin), "{error}");
        }
        assert!(errors[4].contains("`elsewhere`") && wait.is_none());
    }

    #[test]
    fn a_ttl_of_less_than_nothing_or_of_ages_is_refused() {
        for ttl in ["-5m", "99999999y", "101y", "soon", "99999999999999999999h"] {
            let errors = admit(&backup(json!({"ttl": ttl})), &usable(), false).errors;
            assert!(matches!(&*errors, [error] if error.starts_with("spec.ttl")), "{ttl}: {errors:?}");
        }
    }

    #[test]
    fn a_location_that_is_away_is_waited_for_and_a_read_only_one_is_not() {
        let away = |read_only| Site::Unavailable {
            name: "default".into(),
            read_only,
            why: Obstacle::new("LocationUnavailable", "no answer"),
        };
        let Admission { errors, wait } = admit(&backup(json!({})), &away(false), false);
        assert!(errors.is_empty() && wait.is_some_and(|why| why.message.contains("no answer")));
        for site in [away(true), Site::Usable { name: "default".into(), read_only: true }] {
            let Admission { errors, wait } = admit(&backup(json!({})), &site, false);
            assert!(matches!(&*errors, [error] if error.contains("is ReadOnly")) && wait.is_none());
        }
        let errors = admit(&backup(json!({})), &missing_since("default", 0), false).errors;
        assert!(errors[0].contains("no BackupStorageLocation is the default"));
    }

    #[test]
    fn what_a_schedule_made_or_has_waited_or_begun_waits_an_hour_for_a_location_that_is_made_anew() {
        let condition = json!({"type": WAITING, "status": "True", "reason": "LocationUnavailable", "message": "",
            "lastTransitionTime": "2026-11-21T03:00:00Z"});
        for status in [
            json!({"origin": {"schedule": "uid"}}),
            json!({"phase": "New", "conditions": [condition]}),
            json!({"phase": "InProgress", "attempt": 1}),
        ] {
            let mut patient = backup(json!({"storageLocation": "west"}));
            patient.status = serde_json::from_value(status.clone()).unwrap();
            let Admission { errors, wait } = admit(&patient, &missing_since("west", 3599), false);
            let why = wait.filter(|_| errors.is_empty()).unwrap_or_else(|| panic!("{status}: {errors:?}"));
            assert!(why.reason == "LocationMissing" && why.message.contains("`west`"), "{why:?}");
            let Admission { errors, wait } = admit(&patient, &missing_since("west", 3600), false);
            assert!(wait.is_none() && errors[0].contains("no BackupStorageLocation `west`"), "{errors:?}");
            let Admission { errors, wait } = admit(&patient, &missing_since("west", 0), true);
            assert!(wait.is_none() && errors.len() == 2, "what is wrong besides is told at once: {errors:?}");
        }
    }
}
