//! Transitions of a Restore's status, and its counts. Pure.

use crate::api::{
    Origin, Restore, RestorePhase, RestoreProgress, RestoreStatus, Timestamp, of_others, set_condition,
};
use crate::controller::restore::admit::Chosen;
use crate::controller::runs::StatusUpdate;
use crate::controller::runs::admission::seconds_between;
use crate::telemetry::RunFigures;

/// Applies a change to a status.
pub fn change(status: &mut RestoreStatus, change: &StatusUpdate<Restore>) {
    let before = std::mem::take(status);
    *status = match change.clone() {
        StatusUpdate::Wait(condition, meant) => {
            let mut waiting = RestoreStatus { phase: before.phase.or(Some(RestorePhase::New)), ..before };
            set_condition(&mut waiting.conditions, condition);
            // A Restore that has begun keeps the backup it began with.
            if waiting.phase == Some(RestorePhase::New) {
                waiting.backup_name = meant.as_ref().map(|meant| meant.backup.to_string());
                waiting.backup_run = meant.as_ref().and_then(|meant| meant.run.run().map(str::to_owned));
                waiting.choice = meant.map(|meant| meant.notes).unwrap_or_default();
            }
            waiting
        }
        StatusUpdate::Begin { attempt, holder, at, plan: Chosen { backup, run, notes }, origin } => {
            RestoreStatus {
                phase: Some(RestorePhase::InProgress),
                backup_name: Some(backup.to_string()),
                backup_run: run.run().map(str::to_owned).or(before.backup_run),
                choice: notes,
                attempt: Some(attempt),
                resumed: before.resumed,
                holder: Some(holder),
                // The restore began with its first attempt; later ones go on.
                start_timestamp: before.start_timestamp.or(Some(at)),
                origin: Some(origin.or(before.origin.unwrap_or_default())),
                conditions: of_others(before.conditions),
                ..RestoreStatus::default()
            }
        }
        StatusUpdate::Progress(now) => {
            let progress = RestoreProgress { total_items: now.total, items_restored: now.done };
            RestoreStatus { progress: Some(progress), ..before }
        }
        StatusUpdate::Refuse(errors, condition) => RestoreStatus {
            phase: Some(RestorePhase::FailedValidation),
            validation_errors: errors,
            conditions: of_others(before.conditions).into_iter().chain(condition).collect(),
            origin: before.origin,
            ..RestoreStatus::default()
        },
        StatusUpdate::Fail(why, at) => RestoreStatus {
            phase: Some(RestorePhase::Failed),
            failure_reason: Some(why),
            completion_timestamp: Some(at),
            conditions: of_others(before.conditions),
            ..before
        },
        // Items restored so far stay in the cluster, so the next attempt must know that it is not
        // the first.
        StatusUpdate::Reset => RestoreStatus {
            holder: None,
            resumed: Some(before.resumed.unwrap_or_default().saturating_add(1)),
            ..before
        },
        StatusUpdate::Done(document, stored) => {
            let mut done = document.status.unwrap_or_default();
            done.conditions = of_others(before.conditions);
            done.conditions.push(stored);
            (done.choice, done.backup_run) = (before.choice, before.backup_run);
            // The server's own notes win; the document fills in what an earlier version did not
            // note.
            let noted = before.origin.unwrap_or_default().or(done.origin.unwrap_or_default());
            done.origin = Some(noted).filter(|origin| *origin != Origin::default());
            done
        }
    };
}

/// Returns the counts of a status.
pub fn figures(status: &RestoreStatus) -> RunFigures {
    RunFigures {
        seconds: seconds_between(status.start_timestamp, status.completion_timestamp),
        items: status.progress.as_ref().map_or(0, |progress| progress.items_restored),
        item_errors: status.errors,
        warnings: status.warnings,
        tarball_bytes: 0,
        ended: status.completion_timestamp.map(Timestamp::time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Backup, BackupSpec, RestoreSpec};
    use crate::bucket::RunIdentity;
    use crate::model::ProgressSnapshot;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    fn begin(attempt: u32) -> StatusUpdate<Restore> {
        let at = Timestamp::now();
        let origin = Origin { run: Some("uid".into()), ..Origin::default() };
        let mut backup = Backup::new("nightly-1", BackupSpec::default());
        backup.metadata.uid = Some("run".into());
        let (run, notes) = (RunIdentity::of_object(&backup), vec!["why".to_owned()]);
        let plan = Chosen { backup: "nightly-1".parse().unwrap(), run, notes };
        StatusUpdate::Begin { attempt, holder: "pod/1".into(), at, plan, origin }
    }

    fn after(changes: Vec<StatusUpdate<Restore>>) -> RestoreStatus {
        let mut status = RestoreStatus::default();
        for each in changes {
            change(&mut status, &each);
        }
        status
    }

    #[test]
    fn it_keeps_which_backup_it_began_with_until_its_end() {
        let now = ProgressSnapshot { total: 9, done: 4, ..ProgressSnapshot::default() };
        let begun = after(vec![begin(1), StatusUpdate::Progress(now)]);
        assert_eq!((begun.phase, begun.attempt), (Some(RestorePhase::InProgress), Some(1)));
        assert_eq!(begun.progress.as_ref().unwrap().items_restored, 4);
        for change in [StatusUpdate::Reset, StatusUpdate::Fail("because".into(), Timestamp::now())] {
            let status = after(vec![begin(1), change]);
            assert_eq!((status.backup_name.as_deref(), status.attempt), (Some("nightly-1"), Some(1)));
            assert_eq!(status.backup_run.as_deref(), Some("run"), "and which run that was");
        }
    }

    #[test]
    fn an_attempt_that_goes_on_began_when_the_first_one_did() {
        let first = after(vec![begin(1)]).start_timestamp;
        let mut later = begin(2);
        if let StatusUpdate::Begin { at, .. } = &mut later {
            *at = (at.time() + chrono::TimeDelta::hours(1)).into();
        }
        assert_eq!(after(vec![begin(1), StatusUpdate::Reset, later]).start_timestamp, first);
    }

    #[test]
    fn it_notes_with_which_run_it_waits_and_how_it_begins_after_that() {
        let StatusUpdate::Begin { plan, .. } = begin(1) else { panic!("it begins") };
        let why =
            crate::controller::watch::conditions::condition("Waiting", true, "Away", "no answer".into());
        let waiting = after(vec![StatusUpdate::Wait(why, Some(plan))]);
        assert_eq!(waiting.phase, Some(RestorePhase::New));
        assert_eq!(
            (waiting.backup_name.as_deref(), waiting.backup_run.as_deref()),
            (Some("nightly-1"), Some("run"))
        );
        assert_eq!(waiting.choice, ["why"]);
    }

    #[test]
    fn it_keeps_how_often_it_was_put_back_from_attempt_to_attempt() {
        let status = after(vec![begin(1), StatusUpdate::Reset, begin(2), StatusUpdate::Reset, begin(3)]);
        assert_eq!((status.attempt, status.resumed), (Some(3), Some(2)));
        assert_eq!(after(vec![begin(1), begin(2)]).resumed, None, "nothing is said of one that was killed");
    }

    #[test]
    fn what_is_done_says_what_its_document_says_and_where_the_record_is() {
        let mut document = Restore::new("back", RestoreSpec::default());
        document.status = Some(RestoreStatus {
            phase: Some(RestorePhase::Completed),
            created: 5,
            progress: Some(RestoreProgress { total_items: 5, items_restored: 5 }),
            ..RestoreStatus::default()
        });
        let stored = crate::api::stored("there".into(), Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH));
        let status = after(vec![begin(1), StatusUpdate::Done(Box::new(document), stored)]);
        assert!(crate::api::is_stored(&status.conditions));
        assert_eq!((status.created, figures(&status).items), (5, 5));
        assert_eq!(status.origin.unwrap().run.as_deref(), Some("uid"), "which run it is stays noted");
        assert_eq!(status.choice, ["why"], "the document does not know it");
    }
}
