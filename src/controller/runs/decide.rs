//! The next step for a Backup or Restore, from what was observed. Pure.

use super::resource::{RunResource, RunStatus, Stage};
use super::runnable::{Job, Name, ObservedRun};
use crate::controller::buckets::OpenLocation;
use crate::controller::watch::conditions::Obstacle;

/// Number of attempts at one run. Interruptions are rare; a run that three servers did not survive
/// would end the fourth, too.
pub const ATTEMPTS: u32 = 3;

/// The next step for a run.
#[derive(Debug)]
pub enum RunStep<K: RunResource> {
    /// Wait, for this reason; with the plan as far as it is known.
    Wait(Obstacle, Option<K::Plan>),
    /// Refuse, for all these reasons.
    Refuse(Vec<String>),
    /// Refuse, only because another run has the name in the bucket.
    NameTaken(String),
    /// Run.
    Run(Box<Job<K>>),
    /// Record the document that the bucket has already; the location if a claim may be left there.
    Record(Box<K>, Option<OpenLocation>),
    /// Fail a run that has begun and cannot be finished; the location if parts may be left there.
    GiveUp(String, Option<OpenLocation>),
}

/// Returns the next step for an object that is not left alone. A run that is complete in the bucket
/// is recorded, whatever else is wrong.
pub fn decide<K: RunResource>(object: &K, observed: ObservedRun<K>) -> RunStep<K> {
    let ObservedRun { mut errors, mut wait, plan, location, name } = observed;
    let RunStatus { stage, attempt, resumed, .. } = object.state();
    match name {
        Name::Own(document) => return RunStep::Record(document, location),
        Name::Taken(why) if errors.is_empty() && stage == Stage::New => return RunStep::NameTaken(why),
        Name::Taken(why) => errors.push(why),
        // The run may be complete in the bucket: only the bucket's answer allows another step.
        Name::Pending(why) if stage == Stage::Begun => return RunStep::Wait(why, plan),
        Name::Pending(why) => wait = wait.or(Some(why)),
        Name::Free => {}
    }
    let attempt = attempt.saturating_add(1);
    if stage == Stage::Begun && !errors.is_empty() {
        let why = "the run was interrupted with its server, and cannot be run again";
        return RunStep::GiveUp(format!("{why}: {}", errors.join("; ")), location);
    }
    if !errors.is_empty() {
        return RunStep::Refuse(errors);
    }
    if let Some(why) = wait {
        return RunStep::Wait(why, plan);
    }
    match plan.zip(location) {
        Some((_, location)) if attempt.saturating_sub(resumed) > ATTEMPTS => {
            let why = format!(
                "{ATTEMPTS} attempts at the run were interrupted, each by the end of its server; look why the server \
                 ends (its memory may be too small), and create another one"
            );
            RunStep::GiveUp(why, Some(location))
        }
        Some((plan, location)) => RunStep::Run(Box::new(Job { attempt, plan, location })),
        None => RunStep::Wait(Obstacle::new("NotPlanned", "it is not known yet what the run needs"), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{
        Backup, BackupPhase, BackupSpec, BackupStatus, Restore, RestorePhase, RestoreSpec, RestoreStatus,
    };
    use crate::bucket::{Bucket, RunIdentity};
    use crate::controller::restore::Chosen;
    use crate::store::Location;

    fn backup(phase: Option<BackupPhase>, attempt: Option<u32>) -> Backup {
        let mut backup = Backup::new("nightly", BackupSpec::default());
        backup.status = Some(BackupStatus { phase, attempt, ..BackupStatus::default() });
        backup
    }

    async fn observed() -> ObservedRun<Backup> {
        let url = format!("file://{}", std::env::temp_dir().display());
        let store = crate::store::open(&Location::from_url(&url).unwrap()).await.unwrap();
        let bucket = Bucket::new(store);
        let location = OpenLocation { name: "default".into(), id: "id".into(), read_only: false, bucket };
        ObservedRun {
            errors: vec![],
            wait: None,
            plan: Some("30d".parse().unwrap()),
            location: Some(location),
            name: Name::Free,
        }
    }

    #[tokio::test]
    async fn a_new_one_is_run_and_an_interrupted_one_twice_more() {
        for (phase, before, now) in [
            (None, None, 1),
            (Some(BackupPhase::New), None, 1),
            (Some(BackupPhase::New), Some(1), 2),
            (Some(BackupPhase::InProgress), Some(1), 2),
            (Some(BackupPhase::InProgress), Some(2), 3),
        ] {
            let step = decide(&backup(phase, before), observed().await);
            assert!(
                matches!(&step, RunStep::Run(job) if job.attempt == now),
                "{phase:?} {before:?}: {step:?}"
            );
        }
        let step = decide(&backup(Some(BackupPhase::InProgress), Some(3)), observed().await);
        assert!(matches!(&step, RunStep::GiveUp(why, _) if why.contains("3 attempts")), "{step:?}");
    }

    #[tokio::test]
    async fn an_attempt_that_ended_in_good_order_with_its_server_counts_for_nothing() {
        for (attempt, resumed, goes_on) in [(3, 0, false), (3, 1, true), (9, 7, true), (9, 6, false)] {
            let status = RestoreStatus {
                phase: Some(RestorePhase::InProgress),
                attempt: Some(attempt),
                resumed: Some(resumed),
                ..RestoreStatus::default()
            };
            let mut restore = Restore::new("back", RestoreSpec::default());
            restore.status = Some(status);
            let ObservedRun { errors, wait, location, .. } = observed().await;
            let (backup, run) = ("nightly".parse().unwrap(), RunIdentity::default());
            let plan = Some(Chosen { backup, run, notes: Vec::new() });
            let step = decide(&restore, ObservedRun { errors, wait, plan, location, name: Name::Free });
            assert_eq!(matches!(&step, RunStep::Run(job) if job.attempt == attempt + 1), goes_on, "{step:?}");
        }
    }

    #[tokio::test]
    async fn what_is_in_the_bucket_is_recorded_and_never_run_again() {
        for (phase, attempt) in
            [(BackupPhase::New, 0), (BackupPhase::InProgress, 1), (BackupPhase::InProgress, 9)]
        {
            let own = Name::Own(Box::new(backup(Some(BackupPhase::Completed), None)));
            let observed = ObservedRun {
                name: own,
                wait: Some(Obstacle::new("Away", "no answer")),
                errors: vec!["x".into()],
                ..observed().await
            };
            assert!(matches!(decide(&backup(Some(phase), Some(attempt)), observed), RunStep::Record(..)));
        }
    }

    #[tokio::test]
    async fn all_errors_are_told_at_once_and_weigh_more_than_waiting() {
        let wrong = async || ObservedRun {
            errors: vec!["one".into()],
            name: Name::Taken("two".into()),
            wait: Some(Obstacle::new("Away", "no answer")),
            plan: None,
            ..observed().await
        };
        let step = decide(&backup(None, None), wrong().await);
        assert!(matches!(&step, RunStep::Refuse(errors) if *errors == ["one", "two"]), "{step:?}");
        let step = decide(&backup(Some(BackupPhase::InProgress), Some(1)), wrong().await);
        // The claim in the bucket has to go: it would keep the name, or a backup from being
        // deleted.
        assert!(matches!(&step, RunStep::GiveUp(why, Some(_)) if why.contains("one; two")), "{step:?}");
    }

    #[tokio::test]
    async fn a_name_that_alone_is_in_the_way_is_told_apart() {
        let taken = || async { ObservedRun { name: Name::Taken("two".into()), ..observed().await } };
        let step = decide(&backup(None, None), taken().await);
        assert!(matches!(&step, RunStep::NameTaken(why) if why == "two"), "{step:?}");
        let step = decide(&backup(Some(BackupPhase::InProgress), Some(1)), taken().await);
        assert!(matches!(&step, RunStep::GiveUp(why, _) if why.contains("two")), "{step:?}");
    }

    #[tokio::test]
    async fn a_name_of_which_nothing_is_known_yet_is_waited_for_unless_it_is_wrong_and_has_not_begun() {
        let pending = async |errors| {
            let name = Name::Pending(Obstacle::new("Away", "403"));
            ObservedRun { errors, name, ..observed().await }
        };
        for phase in [BackupPhase::New, BackupPhase::InProgress] {
            let step = decide(&backup(Some(phase), Some(1)), pending(vec![]).await);
            assert!(matches!(&step, RunStep::Wait(why, Some(_)) if why.message == "403"), "{step:?}");
        }
        let wrong = pending(vec!["one".into()]).await;
        assert!(matches!(decide(&backup(None, None), wrong), RunStep::Refuse(_)));
        let wrong = pending(vec!["one".into()]).await;
        assert!(matches!(decide(&backup(Some(BackupPhase::InProgress), Some(1)), wrong), RunStep::Wait(..)));
    }

    #[tokio::test]
    async fn a_location_that_is_away_is_waited_for_whatever_the_attempt() {
        for (phase, attempt) in
            [(BackupPhase::New, 0), (BackupPhase::InProgress, 1), (BackupPhase::InProgress, 3)]
        {
            let observed = ObservedRun {
                wait: Some(Obstacle::new("Away", "no answer")),
                plan: None,
                location: None,
                ..observed().await
            };
            let step = decide(&backup(Some(phase), Some(attempt)), observed);
            assert!(matches!(&step, RunStep::Wait(why, _) if why.reason == "Away"), "{step:?}");
        }
    }
}
