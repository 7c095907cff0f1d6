//! What nobody is at work on any more goes from the buckets: the parts of runs that died, removals that were interrupted.
//!
//! Claims are written by the clocks of many clusters, and ours may be wrong: a claim that looks dead is removed when a later
//! look, by a clock that only runs forward, finds that nobody has renewed it meanwhile.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::ResourceExt as _;
use tokio::time::Instant;

use crate::api::{BackupPhase, BackupStorageLocation, LocationPhase, RestorePhase, synced_from};
use crate::bucket::{Claim, HEARTBEAT_EVERY, REMOVAL_LASTS, RunEntry, RunKeys, RunKind, RunState};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::locations::{OpenLocation, is_read_only};
use crate::model::causes;

/// Runs that are removed at once in a location.
const CONCURRENT: usize = 4;
/// Who lives renews a claim twice in this time.
const WATCHED: Duration = HEARTBEAT_EVERY.saturating_mul(2);
/// Parts without a claim are as old at least: what is being written has one.
const UNCLAIMED: TimeDelta = TimeDelta::hours(1);

/// A backup of which nothing but the document is missing is kept so long: it can be adopted, and somebody has to see that.
const FINISHED: TimeDelta = TimeDelta::days(7);

/// A run in a location.
type Of = (String, RunKind, String);

/// What was seen in earlier passes.
#[derive(Debug, Default)]
pub struct Suspects {
    /// Claims that looked dead, and since when by a clock that only runs forward.
    claims: HashMap<Of, (DateTime<Utc>, Instant)>,
    /// Finished backups without a document that people were told of.
    told: HashSet<Of>,
}

impl Suspects {
    /// Whether a claim has been seen as it is for long enough.
    fn are_sure(&mut self, of: Of, claim: &Claim, now: Instant) -> bool {
        let (heartbeat, since) = self.claims.entry(of).or_insert((claim.heartbeat, now));
        if *heartbeat != claim.heartbeat {
            (*heartbeat, *since) = (claim.heartbeat, now);
        }
        now.duration_since(*since) >= WATCHED
    }
}

/// Looks through every location that can be written.
pub async fn sweep(context: &Context, suspects: &mut Suspects) {
    let locations = context.stores.locations.state();
    let names: Vec<String> = locations.iter().map(|location| location.name_any()).collect();
    suspects.claims.retain(|(location, ..), _| names.contains(location));
    suspects.told.retain(|(location, ..)| names.contains(location));
    for location in locations.iter().filter(|location| is_writable(location)) {
        let name = location.name_any();
        for kind in [RunKind::Backup, RunKind::Restore] {
            if let Err(error) = sweep_location(context, location, kind, suspects).await {
                tracing::warn!(
                    kind = "BackupStorageLocation",
                    name,
                    "looking for what a crash left failed: {}",
                    causes(&error)
                );
            }
        }
    }
}

fn is_writable(location: &Arc<BackupStorageLocation>) -> bool {
    let phase = location.status.as_ref().and_then(|status| status.phase);
    phase == Some(LocationPhase::Available) && !is_read_only(location)
}

async fn sweep_location(
    context: &Context,
    of: &BackupStorageLocation,
    kind: RunKind,
    suspects: &mut Suspects,
) -> Result<(), ControllerError> {
    let name = &of.name_any();
    let location = context.locations.open(Some(name)).await?;
    let mut runs = match kind {
        RunKind::Backup => location.bucket.list_backups(),
        RunKind::Restore => location.bucket.list_restores(),
    };
    let (mut forsaken, mut left) = (Vec::new(), Vec::new());
    let doing = || ControllerError::bucket(format!("list the {kind}s of location `{name}`"));
    while let Some(run) = runs.try_next().await.map_err(doing())? {
        let (key, now) = ((name.to_owned(), kind, run.name.clone()), Utc::now());
        let sure = |claim: &Claim| suspects.are_sure(key.clone(), claim, Instant::now());
        if let Some(claim) = left_by_ours(context, kind, &run) {
            left.push((run.name, claim));
            continue;
        }
        if !is_forsaken(&run, now, sure) || is_ours(context, kind, &run.name) {
            continue;
        }
        match kept_until(kind, &run) {
            Some(until) if now < until => {
                if suspects.told.insert(key) {
                    let why = orphaned(&run.name, name, until);
                    tracing::warn!(kind = "BackupStorageLocation", name, "{why}");
                    context.events.warned(of, "DocumentMissing", &why).await;
                }
            }
            _ => forsaken.push(run.name),
        }
    }
    let swept = futures::stream::iter(forsaken).map(|run| remove(context, &location, kind, run));
    swept.buffer_unordered(CONCURRENT).collect::<()>().await;
    for (run, claim) in left {
        let_go(&location, &run, &claim).await;
    }
    Ok(())
}

/// Whether nobody is at work on a run; `sure` says whether a claim that looks dead has been watched for long enough.
fn is_forsaken(run: &RunEntry, now: DateTime<Utc>, sure: impl FnOnce(&Claim) -> bool) -> bool {
    match &run.state {
        RunState::Partial(None) => now - run.modified > UNCLAIMED,
        RunState::Partial(Some(claim)) if claim.has_ended() => true,
        RunState::Partial(Some(claim)) if claim.removing => {
            now - claim.heartbeat > REMOVAL_LASTS && sure(claim)
        }
        RunState::Partial(Some(claim)) => claim.is_dead(now) && sure(claim),
        RunState::Complete | RunState::Foreign(_) | RunState::Unrecognised => false,
    }
}

/// Until when what nobody is at work on is kept all the same: a backup that was finished, and neither removed nor given up, has
/// lost its document, or the server that was about to write it. Its tarball can be adopted.
fn kept_until(kind: RunKind, run: &RunEntry) -> Option<DateTime<Utc>> {
    let removed = matches!(&run.state, RunState::Partial(Some(claim)) if claim.removing);
    (kind == RunKind::Backup && run.finished && !removed).then_some(run.modified + FINISHED)
}

fn orphaned(run: &str, location: &str, until: DateTime<Utc>) -> String {
    format!(
        "backup `{run}` in location `{location}` has all its parts and no document, so that it is no backup; what is there is kept \
         until {}: to have it back, save its {run}.tar.zst from the bucket (below backups/{run}/) and run `ark bucket adopt`",
        until.format("%Y-%m-%d %H:%M UTC")
    )
}

/// Whether it belongs to a Backup or Restore of this cluster that has not ended: that one goes on with it by itself.
fn is_ours(context: &Context, kind: RunKind, name: &str) -> bool {
    match kind {
        RunKind::Backup => {
            context.stores.backups.find(|backup| backup.name_any() == name).is_some_and(|backup| {
                let phase = backup.status.as_ref().and_then(|status| status.phase).unwrap_or_default();
                synced_from(&backup.metadata).is_none()
                    && matches!(phase, BackupPhase::New | BackupPhase::InProgress)
            })
        }
        RunKind::Restore => {
            context.stores.restores.find(|restore| restore.name_any() == name).is_some_and(|restore| {
                let phase = restore.status.as_ref().and_then(|status| status.phase).unwrap_or_default();
                synced_from(&restore.metadata).is_none()
                    && matches!(phase, RestorePhase::New | RestorePhase::InProgress)
            })
        }
    }
}

/// The claim of a Restore of this cluster that is over, to be taken over in its name: a server that could not write to the
/// location any more, or that was cut off, let it stay, and it would keep the backup that it reads.
fn left_by_ours(context: &Context, kind: RunKind, run: &RunEntry) -> Option<Claim> {
    let RunState::Partial(Some(claim)) = &run.state else { return None };
    let restore = context.stores.restores.find(|restore| {
        restore.name_any() == run.name && restore.uid().as_deref() == Some(claim.backup_uid.as_str())
    });
    let over = kind == RunKind::Restore
        && restore.is_some_and(|restore| {
            restore.status.as_ref().and_then(|status| status.phase).is_some_and(RestorePhase::is_final)
        });
    let ours = over && !claim.removing && claim.cluster_uid == context.identity.uid;
    ours.then(|| Claim::new(&claim.backup_uid, &claim.cluster_uid, &context.settings.holder))
}

/// Takes the claim of a Restore of ours over, and removes what is there of it.
async fn let_go(location: &OpenLocation, run: &str, claim: &Claim) {
    let Some(keys) = RunKeys::parse(RunKind::Restore, run) else { return }; // no name of ours
    let discarded = async { location.bucket.claim(keys, claim).await?.discard().await };
    let location = &location.name;
    match discarded.await {
        Ok(objects) => {
            tracing::info!(location, run, objects, "let go of what a Restore of this cluster had left");
        }
        Err(error) => {
            tracing::warn!(location, run, "cannot let go of what a Restore had left: {}", causes(&error));
        }
    }
}

async fn remove(context: &Context, location: &OpenLocation, kind: RunKind, run: String) {
    let (bucket, holder) = (&location.bucket, &context.settings.holder);
    let Some(keys) = RunKeys::parse(kind, &run) else { return }; // no name of ours
    let removed = bucket.sweep(&keys, holder).await;
    let location = &location.name;
    match removed {
        Ok(objects) => tracing::info!(location, run, objects, "removed what was left of a {kind}"),
        Err(error) => {
            tracing::warn!(location, run, "cannot remove what is left of a {kind}: {}", causes(&error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> DateTime<Utc> {
        format!("2026-11-21T{time}Z").parse().unwrap()
    }

    /// Heard of last at 10:00.
    fn claim(removing: bool) -> Claim {
        let (claimed_at, heartbeat) = (at("10:00:00"), at("10:00:00"));
        Claim { claimed_at, heartbeat, removing, process: None, ..Claim::new("uid", "cluster", "host/1") }
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
        let partial = || RunState::Partial(Some(claim(false)));
        assert!(!forsaken(partial(), at("23:00:00"), true));
        assert!(forsaken(partial(), day_later, true) && !forsaken(partial(), day_later, false));
    }

    #[test]
    fn a_removal_is_given_time_and_parts_without_a_claim_too() {
        let removal = || RunState::Partial(Some(claim(true)));
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
        let died = RunState::Partial(Some(claim(false)));
        assert_eq!(kept_until(RunKind::Backup, &run(died, true)), Some(week_later));
        assert_eq!(kept_until(RunKind::Backup, &run(RunState::Partial(None), false)), None);
        let removal = RunState::Partial(Some(claim(true)));
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
}
