//! Admission of a Restore with the Backup that was chosen for it: everything that prevents it from
//! beginning, at once. Pure.

use kube::ResourceExt as _;

use super::choose::Choice;
use crate::api::Restore;
use crate::bucket::RunIdentity;
use crate::controller::runs::admission::Admission;
use crate::controller::runs::{LOCATION_MISSING, Site};
use crate::controller::watch::conditions::Obstacle;
use crate::model::{BackupName, RestoreName};
use crate::restore;

/// The backup that a Restore may begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Name of the backup.
    pub backup: BackupName,
    /// Identity of the run that the Backup stands for. Only that run is restored, whatever run has
    /// the name in the bucket.
    pub run: RunIdentity,
    /// Remarks on what somebody might not expect of the choice.
    pub notes: Vec<String>,
}

/// Returns what prevents a Restore from beginning, from its specification, the chosen Backup, the
/// state of the Backup's location and the server's mode; and what it begins or waits with, unless
/// there are errors.
pub fn admit(
    restore: &Restore,
    source: Result<Choice, String>,
    site: Option<&Site>,
    disabled: bool,
) -> (Admission, Option<Chosen>) {
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
        Ok(Choice { backup, notes }) => match backup.name_any().parse() {
            Ok(name) => Some(Chosen { backup: name, run: RunIdentity::of_object(&*backup), notes }),
            Err(error) => {
                errors.push(format!("spec.backupName: {error}"));
                None
            }
        },
        Err(why) => {
            // `restore::check` has reported already that neither or both sources are named.
            if !sourceless {
                errors.push(why);
            }
            None
        }
    };
    let mut wait = None;
    match site {
        // A missing location may be created again at any moment: a Restore waits, whether it has
        // begun or not.
        Some(Site::Missing { name, .. }) => {
            let message = format!(
                "the Backup lies in location `{name}`, and there is no BackupStorageLocation of that name; create it, or delete this Restore"
            );
            wait = Some(Obstacle::new(LOCATION_MISSING, message));
        }
        Some(Site::Unavailable { name, why, .. }) => {
            let message =
                format!("location `{name}`, where the Backup lies, is Unavailable: {}", why.message);
            wait = Some(Obstacle { message, ..why.clone() });
        }
        Some(Site::Usable { .. }) | None => {}
    }
    let plan = plan.filter(|_| errors.is_empty());
    (Admission { errors, wait }, plan)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::api::{Backup, BackupPhase};
    use crate::api::{BackupSpec, BackupStatus, RestoreSpec};

    fn restore(spec: Value) -> Restore {
        Restore::new("back", serde_json::from_value::<RestoreSpec>(spec).unwrap())
    }

    fn completed(name: &str) -> Result<Choice, String> {
        let mut backup = Backup::new(name, BackupSpec::default());
        backup.status = Some(BackupStatus { phase: Some(BackupPhase::Completed), ..BackupStatus::default() });
        Ok(Choice { backup: Arc::new(backup), notes: vec!["a note".to_owned()] })
    }

    fn usable() -> Site {
        Site::Usable { name: "default".into(), read_only: true }
    }

    #[test]
    fn a_sound_restore_is_admitted_even_from_a_read_only_location() {
        let sound = restore(json!({"backupName": "x"}));
        let (admission, plan) = admit(&sound, completed("x"), Some(&usable()), false);
        let run = RunIdentity::of_object(&*completed("x").unwrap().backup);
        let chosen = Chosen { backup: "x".parse().unwrap(), run, notes: vec!["a note".to_owned()] };
        assert_eq!((admission, plan), (Admission::default(), Some(chosen)));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let mut wrong =
            restore(json!({"backupName": "x", "namespaceMapping": {"a": "B"}, "excludedResources": ["*"]}));
        wrong.metadata.name = Some("Wrong".into());
        let missing = Site::Missing { name: "gone".into(), since: std::time::Duration::MAX };
        let (Admission { errors, wait }, plan) = admit(&wrong, completed("x"), Some(&missing), true);
        let parts = ["metadata.name", "excludedResources", "namespaceMapping", "--disable-restores"];
        assert_eq!(errors.len(), parts.len(), "{errors:?}");
        for (error, part) in errors.iter().zip(parts) {
            assert!(error.contains(part), "{error}");
        }
        assert!(wait.is_some_and(|wait| wait.message.contains("`gone`")) && plan.is_none());
        let nothing = restore(json!({}));
        let (Admission { errors, .. }, _) = admit(&nothing, Err("it names none".to_owned()), None, false);
        assert_eq!(errors.len(), 1, "{errors:?}");
    }

    #[test]
    fn a_location_that_is_away_is_waited_for() {
        let away = Site::Unavailable {
            name: "default".into(),
            read_only: false,
            why: Obstacle::new("LocationUnavailable", "no answer"),
        };
        let sound = restore(json!({"backupName": "x"}));
        let (Admission { errors, wait }, plan) = admit(&sound, completed("x"), Some(&away), false);
        assert!(errors.is_empty() && wait.is_some_and(|why| why.message.contains("no answer")));
        assert_eq!(plan.unwrap().backup.as_str(), "x", "that one is waited with");
    }
}
