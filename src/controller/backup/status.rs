//! Transitions of a Backup's status, and its counts. Pure.

use crate::api::{
    Backup, BackupPhase, BackupProgress, BackupStatus, Origin, Timestamp, of_others, set_condition,
};
use crate::controller::runs::StatusUpdate;
use crate::controller::runs::admission::seconds_between;
use crate::telemetry::RunFigures;

/// Applies a change to a status.
pub fn change(status: &mut BackupStatus, change: &StatusUpdate<Backup>) {
    let before = std::mem::take(status);
    *status = match change.clone() {
        StatusUpdate::Wait(condition, _) => {
            let mut waiting = BackupStatus { phase: before.phase.or(Some(BackupPhase::New)), ..before };
            set_condition(&mut waiting.conditions, condition);
            waiting
        }
        StatusUpdate::Begin { attempt, holder, at, plan: ttl, origin } => BackupStatus {
            phase: Some(BackupPhase::InProgress),
            attempt: Some(attempt),
            holder: Some(holder),
            start_timestamp: Some(at),
            origin: Some(origin.or(before.origin.unwrap_or_default())),
            conditions: of_others(before.conditions),
            obligations: before.obligations,
            expiration: ttl.after(at),
            ..BackupStatus::default()
        },
        StatusUpdate::Progress(now) => {
            let progress =
                BackupProgress { total_items: now.total, items_backed_up: now.done, bytes: now.bytes };
            BackupStatus { progress: Some(progress), ..before }
        }
        StatusUpdate::Refuse(errors, condition) => BackupStatus {
            phase: Some(BackupPhase::FailedValidation),
            validation_errors: errors,
            conditions: of_others(before.conditions).into_iter().chain(condition).collect(),
            obligations: before.obligations,
            origin: before.origin,
            ..BackupStatus::default()
        },
        StatusUpdate::Fail(why, at) => BackupStatus {
            phase: Some(BackupPhase::Failed),
            failure_reason: Some(why),
            completion_timestamp: Some(at),
            conditions: of_others(before.conditions),
            ..before
        },
        StatusUpdate::Reset => BackupStatus {
            phase: Some(BackupPhase::New),
            attempt: before.attempt.map(|attempt| attempt.saturating_sub(1)).filter(|attempt| *attempt > 0),
            origin: before.origin,
            conditions: of_others(before.conditions),
            obligations: before.obligations,
            ..BackupStatus::default()
        },
        StatusUpdate::Done(document, stored) => {
            let mut done = document.status.unwrap_or_default();
            done.conditions = of_others(before.conditions).into_iter().chain(done.conditions).collect();
            done.conditions.push(stored);
            // Whoever writes into the bucket must not have this server undo anything.
            done.obligations = before.obligations;
            // The server's own notes win; the document fills in what an earlier version did not
            // note.
            let noted = before.origin.unwrap_or_default().or(done.origin.unwrap_or_default());
            done.origin = Some(noted).filter(|origin| *origin != Origin::default());
            done
        }
    };
}

/// Returns the counts of a status.
pub fn figures(status: &BackupStatus) -> RunFigures {
    let tarball = status.objects.iter().find(|object| object.key.ends_with(".tar.zst"));
    RunFigures {
        seconds: seconds_between(status.start_timestamp, status.completion_timestamp),
        items: status.progress.as_ref().map_or(0, |progress| progress.items_backed_up),
        item_errors: status.errors,
        warnings: status.warnings,
        tarball_bytes: tarball.map_or(0, |tarball| tarball.size),
        ended: status.completion_timestamp.map(Timestamp::time),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use std::collections::BTreeMap;

    use super::*;
    use crate::api::{BackupSpec, PendingUndo, StoredObject, is_stored, stored};
    use crate::model::ProgressSnapshot;

    fn origin() -> Origin {
        let text = |text: &str| Some(text.to_owned());
        Origin {
            location: text("here"),
            cluster: text("a"),
            namespace: text("ark"),
            run: text("uid"),
            schedule: text("schedule-uid"),
        }
    }

    fn begin(attempt: u32) -> StatusUpdate<Backup> {
        let at = serde_json::from_str("\"2026-11-21T03:00:00Z\"").unwrap();
        StatusUpdate::Begin {
            attempt,
            holder: "pod/1".into(),
            at,
            plan: "1h".parse().unwrap(),
            origin: Origin { schedule: None, ..origin() },
        }
    }

    fn after(changes: Vec<StatusUpdate<Backup>>) -> BackupStatus {
        let mut status = BackupStatus::default();
        for each in changes {
            change(&mut status, &each);
        }
        status
    }

    #[test]
    fn it_begins_with_a_time_to_expire_and_shows_how_far_it_is() {
        let now = ProgressSnapshot { stage: "x".into(), total: 9, done: 4, bytes: 7, ..Default::default() };
        let status = after(vec![
            StatusUpdate::Refuse(vec!["old".into()], None),
            begin(2),
            StatusUpdate::Progress(now),
        ]);
        assert_eq!(status.phase, Some(BackupPhase::InProgress));
        assert_eq!((status.attempt, status.holder.as_deref()), (Some(2), Some("pod/1")));
        assert_eq!(status.expiration.unwrap().to_string(), "2026-11-21T04:00:00Z");
        assert_eq!(status.progress.unwrap().items_backed_up, 4);
        assert!(status.validation_errors.is_empty());
    }

    #[test]
    fn a_run_that_was_stopped_in_good_order_is_as_if_it_had_not_begun() {
        let origin = Some(Origin { schedule: None, ..origin() });
        assert_eq!(
            after(vec![begin(1), StatusUpdate::Reset]),
            BackupStatus { phase: Some(BackupPhase::New), origin, ..BackupStatus::default() }
        );
        assert_eq!(after(vec![begin(3), StatusUpdate::Reset]).attempt, Some(2));
    }

    #[test]
    fn a_refusal_for_its_name_alone_says_so_in_a_condition() {
        let taken =
            crate::controller::watch::conditions::condition("NameTaken", true, "NameTaken", "why".into());
        let status = after(vec![begin(1), StatusUpdate::Refuse(vec!["why".into()], Some(taken))]);
        assert_eq!(status.phase, Some(BackupPhase::FailedValidation));
        assert_eq!(status.conditions[0].type_, crate::api::NAME_TAKEN);
        assert!(after(vec![begin(1), StatusUpdate::Refuse(vec!["why".into()], None)]).conditions.is_empty());
    }

    #[test]
    fn which_schedule_made_it_is_never_forgotten_nor_changed_by_a_document() {
        let document = |schedule: Option<&str>| {
            let mut document = Backup::new("a", BackupSpec::default());
            let origin = Origin { schedule: schedule.map(str::to_owned), ..Origin::default() };
            document.status = Some(BackupStatus { origin: Some(origin), ..BackupStatus::default() });
            let condition = stored("there".into(), Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH));
            StatusUpdate::Done(Box::new(document), condition)
        };
        let maker = |status: &BackupStatus| status.origin.as_ref().and_then(|origin| origin.schedule.clone());
        let made = BackupStatus {
            origin: Some(Origin { schedule: Some("s".into()), ..Origin::default() }),
            ..BackupStatus::default()
        };
        for each in [
            begin(1),
            StatusUpdate::Reset,
            StatusUpdate::Refuse(vec!["taken".into()], None),
            StatusUpdate::Fail("because".into(), Timestamp::now()),
            document(None),
            document(Some("another")),
        ] {
            let mut status = made.clone();
            change(&mut status, &each);
            assert_eq!(maker(&status).as_deref(), Some("s"), "{each:?}");
        }
    }

    #[test]
    fn what_is_to_be_undone_stays_noted_until_it_is_undone_and_no_document_adds_to_it() {
        let pending = |what: &str| PendingUndo {
            what: what.to_owned(),
            since: Timestamp::now(),
            undo: serde_json::Map::new(),
        };
        let noted = BTreeMap::from([("backup-uid-1".to_owned(), vec![pending("scales it back")])]);
        let mut document = Backup::new("a", BackupSpec::default());
        let lie = BTreeMap::from([("x".to_owned(), vec![pending("lie")])]);
        document.status = Some(BackupStatus { obligations: lie, ..BackupStatus::default() });
        let condition = stored("there".into(), Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH));
        for each in [
            begin(2),
            StatusUpdate::Reset,
            StatusUpdate::Refuse(vec!["x".into()], None),
            StatusUpdate::Fail("x".into(), Timestamp::now()),
            StatusUpdate::Done(Box::new(document), condition),
        ] {
            let mut status = BackupStatus { obligations: noted.clone(), ..BackupStatus::default() };
            change(&mut status, &each);
            assert_eq!(status.obligations, noted, "{each:?}");
        }
    }

    #[test]
    fn a_failure_keeps_what_is_known_and_says_why() {
        let status = after(vec![begin(1), StatusUpdate::Fail("because".into(), Timestamp::now())]);
        assert_eq!((status.phase, status.attempt), (Some(BackupPhase::Failed), Some(1)));
        assert_eq!(status.failure_reason.as_deref(), Some("because"));
        assert!(status.expiration.is_some() && status.completion_timestamp.is_some());
    }

    #[test]
    fn what_is_done_says_what_its_document_says_and_that_it_is_stored() {
        let mut document = Backup::new("a", BackupSpec::default());
        document.status = Some(BackupStatus {
            phase: Some(BackupPhase::PartiallyFailed),
            errors: 3,
            objects: vec![StoredObject {
                key: "backups/a/a.tar.zst".into(),
                size: 12,
                ..StoredObject::default()
            }],
            ..BackupStatus::default()
        });
        let condition = stored("there".into(), Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH));
        let status = after(vec![begin(1), StatusUpdate::Done(Box::new(document), condition)]);
        assert!(is_stored(&status.conditions) && status.holder.is_none());
        let figures = figures(&status);
        assert_eq!((figures.item_errors, figures.tarball_bytes), (3, 12));
    }

    #[test]
    fn which_run_it_is_stays_noted_whatever_becomes_of_it() {
        let scheduled = Origin { schedule: Some("schedule-uid".into()), ..Origin::default() };
        let noted = |changes: Vec<StatusUpdate<Backup>>| {
            let mut status = BackupStatus { origin: Some(scheduled.clone()), ..BackupStatus::default() };
            for each in changes {
                change(&mut status, &each);
            }
            status.origin
        };
        assert_eq!(noted(vec![begin(1)]), Some(origin()));
        assert_eq!(noted(vec![begin(1), StatusUpdate::Reset, begin(1)]), Some(origin()));
        assert_eq!(noted(vec![StatusUpdate::Refuse(vec!["x".into()], None)]), Some(scheduled.clone()));
        assert_eq!(noted(vec![begin(1), StatusUpdate::Fail("x".into(), Timestamp::now())]), Some(origin()));
        // A document can change neither whose run it is nor where it lies.
        let mut document = Backup::new("a", BackupSpec::default());
        let lie = Origin { location: Some("there".into()), schedule: Some("mine".into()), ..origin() };
        document.status = Some(BackupStatus { origin: Some(lie), ..BackupStatus::default() });
        let condition = stored("there".into(), Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH));
        assert_eq!(noted(vec![begin(1), StatusUpdate::Done(Box::new(document), condition)]), Some(origin()));
    }
}
