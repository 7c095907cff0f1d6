//! Tests of which claims count as dead, when, and which never do.

use serde_json::json;

use super::*;
use crate::bucket::tests::faulty_bucket;
use crate::cluster::script::{answer, failure, serve};
use crate::controller::context::scripted;

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-21T{time}Z").parse().unwrap()
}

/// Returns a claim last renewed at 10:00.
fn claim(removing: bool) -> Claim {
    let (claimed_at, heartbeat) = (at("10:00:00"), at("10:00:00"));
    Claim { claimed_at, heartbeat, removing, process: None, ..Claim::new("uid", "cluster", "host/1") }
}

fn partial(claim: Claim) -> RunState {
    RunState::Partial(Some(Box::new(claim)))
}

fn forsaken(state: RunState, now: DateTime<Utc>, sure: bool) -> bool {
    let run = RunEntry {
        name: "nightly".into(),
        state,
        objects: 1,
        size: 1,
        modified: at("10:00:00"),
        finished: false,
    };
    is_forsaken(&run, now, |_| sure)
}

#[test]
fn a_run_that_nobody_has_spoken_for_in_a_day_is_forsaken_once_that_is_sure() {
    let day_later = at("10:00:01") + TimeDelta::days(1);
    let run = || partial(claim(false));
    assert!(!forsaken(run(), at("23:00:00"), true));
    assert!(forsaken(run(), day_later, true) && !forsaken(run(), day_later, false));
}

#[test]
fn a_removal_is_given_time_and_parts_without_a_claim_too() {
    let removal = || partial(claim(true));
    assert!(!forsaken(removal(), at("10:10:00"), true) && forsaken(removal(), at("10:16:00"), true));
    assert!(!forsaken(RunState::Partial(None), at("10:59:00"), true));
    assert!(forsaken(RunState::Partial(None), at("11:01:00"), false));
}

#[test]
fn a_finished_backup_that_lost_its_document_is_kept_for_days_and_one_that_is_being_removed_is_not() {
    let run = |state, finished| {
        let (name, modified) = ("nightly".to_owned(), at("10:00:00"));
        RunEntry { name, state, objects: 4, size: 4, modified, finished }
    };
    let week_later = at("10:00:00") + TimeDelta::days(7);
    assert_eq!(kept_until(RunKind::Backup, &run(RunState::Partial(None), true)), Some(week_later));
    let died = partial(claim(false));
    assert_eq!(kept_until(RunKind::Backup, &run(died, true)), Some(week_later));
    assert_eq!(kept_until(RunKind::Backup, &run(RunState::Partial(None), false)), None);
    let removal = partial(claim(true));
    assert_eq!(kept_until(RunKind::Backup, &run(removal, true)), None);
    assert_eq!(kept_until(RunKind::Restore, &run(RunState::Partial(None), true)), None);
    let told = orphaned("nightly", "main", week_later);
    assert!(told.contains("2026-11-28 10:00 UTC") && told.contains("ark bucket adopt"), "{told}");
}

#[test]
fn what_is_complete_or_not_ours_is_never_forsaken() {
    let years_later = at("10:00:00") + TimeDelta::days(3650);
    for state in
        [RunState::Complete, RunState::Unrecognised, RunState::Foreign(crate::bucket::Writer::Velero)]
    {
        assert!(!forsaken(state, years_later, true));
    }
}

#[test]
fn a_claim_that_is_renewed_is_never_sure_to_be_dead_whatever_our_clock_says() {
    let (mut suspects, start) = (Suspects::default(), Instant::now());
    let of = || ("main".to_owned(), RunKind::Backup, "nightly".to_owned());
    let mut claim = claim(false);
    assert!(!suspects.are_sure(of(), &claim, start));
    assert!(!suspects.are_sure(of(), &claim, start + WATCHED / 2));
    assert!(suspects.are_sure(of(), &claim, start + WATCHED));
    claim.heartbeat += TimeDelta::minutes(5);
    assert!(!suspects.are_sure(of(), &claim, start + WATCHED));
    assert!(!suspects.are_sure(of(), &claim, start + WATCHED + WATCHED / 2));
}

fn run(state: RunState) -> RunEntry {
    let (name, modified) = ("back".to_owned(), at("10:00:00"));
    RunEntry { name, state, objects: 1, size: 1, modified, finished: false }
}

#[tokio::test]
async fn what_a_run_of_this_server_left_whose_object_is_gone_is_let_go_and_nobody_else_s() {
    let (cluster, _) = serve(|_, _| failure(404, "NotFound", "restores not found", ""));
    let context = scripted(cluster);
    let of_here = Claim { namespace: Some("heptio-ark".into()), ..claim(false) };
    let deserted = |claim: &Claim, sure: bool| {
        let run = run(partial(claim.clone()));
        deserted_by_ours::<Restore>(&context, None, &run, |_| sure)
    };
    assert!(deserted(&of_here, true).is_some_and(|claim| claim.is_same_run(&of_here)));
    assert!(deserted(&of_here, false).is_none(), "a copy of this cluster may be at it");
    let from_a_command_line = Claim { namespace: None, ..of_here.clone() };
    let of_another_server = Claim { namespace: Some("ark-of-another-team".into()), ..of_here.clone() };
    let of_another_cluster = Claim { cluster_uid: "elsewhere".into(), ..of_here.clone() };
    let removal = Claim { removing: true, ..of_here };
    for other in [from_a_command_line, of_another_server, of_another_cluster, removal] {
        assert!(deserted(&other, true).is_none(), "{other:?}");
    }
    assert!(deserted_by_ours::<Restore>(&context, None, &run(RunState::Complete), |_| true).is_none());
}

/// Returns whether a claim of the run `uid` is let go beside an object of its name.
fn is_left_beside<K: RunResource>(uid: &str, phase: &str, claim: &Claim) -> bool {
    let (cluster, _) = serve(|_, _| failure(404, "NotFound", "not found", ""));
    let object: K =
        serde_json::from_value(json!({"apiVersion": "ark.heptio.com/v1", "kind": K::kind(&()), "spec": {},
        "metadata": {"name": "back", "uid": uid}, "status": {"phase": phase}}))
        .unwrap();
    let left = left_by_ours(&scripted(cluster), Some(&object), &run(partial(claim.clone())));
    left.is_some_and(|successor| successor.is_same_run(claim))
}

#[tokio::test]
async fn what_a_run_of_this_cluster_left_that_is_over_is_let_go_and_nothing_of_one_that_goes_on() {
    let ours = claim(false);
    for phase in ["Failed", "FailedValidation", "Completed"] {
        assert!(
            is_left_beside::<Backup>("uid", phase, &ours) && is_left_beside::<Restore>("uid", phase, &ours)
        );
    }
    for phase in ["New", "InProgress"] {
        let goes_on =
            is_left_beside::<Backup>("uid", phase, &ours) || is_left_beside::<Restore>("uid", phase, &ours);
        assert!(!goes_on, "{phase}");
    }
    assert!(!is_left_beside::<Backup>("another", "Failed", &ours), "another run of the name");
    assert!(!is_left_beside::<Backup>("uid", "Failed", &claim(true)), "a removal");
    let elsewhere = Claim { cluster_uid: "elsewhere".into(), ..ours };
    assert!(!is_left_beside::<Backup>("uid", "Failed", &elsewhere));
}

/// Returns whether a backup that a deserted restore reads can be removed after the sweep, by what
/// the API server says of the Restore.
async fn is_freed(code: u16, uid: &str) -> bool {
    let object = json!({"apiVersion": "ark.heptio.com/v1", "kind": "Restore", "metadata": {"name": "back", "uid": uid},
        "spec": {"backupName": "nightly"}});
    let (cluster, _) = serve(move |_, _| match code {
        200 => answer(200, object.to_string()),
        404 => failure(404, "NotFound", "restores not found", ""),
        _ => failure(code, "", "away", ""),
    });
    let (_, bucket) = faulty_bucket();
    crate::bucket::tests::make(&bucket, &Claim::new("backup", "cluster", "host/1")).await.unwrap();
    let reading = Claim { reads: Some("nightly".into()), ..claim(false) };
    bucket.claim_restore(&"back".parse().unwrap(), &reading).await.unwrap();
    let name = "nightly".parse().unwrap();
    bucket.remove_backup(&name, None, "host/2").await.unwrap_err();
    let location = OpenLocation { name: "main".into(), id: "id".into(), read_only: false, bucket };
    let fate = SweepReason::Deserted(Claim::new("uid", "cluster", "host/2"));
    end::<Restore>(&scripted(cluster), &location, "back".into(), fate).await;
    location.bucket.remove_backup(&name, None, "host/2").await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn what_a_deserted_restore_read_is_free_once_the_api_server_says_that_its_object_is_gone() {
    assert!(is_freed(404, "").await);
    assert!(is_freed(200, "another").await, "another Restore has its name by now");
    assert!(!is_freed(200, "uid").await, "the store had lagged behind");
    assert!(!is_freed(403, "").await, "nobody knows");
}
