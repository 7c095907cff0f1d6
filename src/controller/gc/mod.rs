//! Garbage collection: asks for the deletion of expired backups and restores, and removes what
//! crashes left in buckets.
//!
//! A pass looks at every Backup once. One that has expired gets a DeleteBackupRequest, and so does
//! one whose deletion was begun and whose request is gone. The newest good Backup of each existing
//! Schedule stays, however old it is: a Schedule that fails for as long as its ttl must not lose
//! what could be restored from. The same holds for Schedules that are not here (`others`).
//! `restores` asks for the deletion of Restores; then `sweep` looks through the buckets. Locations
//! that are ReadOnly or not Available are left alone: an expired Backup there stays until its owner
//! removes it. A server with `--restore-only` collects its own restores and nothing else.

mod limits;
mod others;
mod restores;
mod sweep;

use limits::CONCURRENT;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt as _;
use kube::ResourceExt as _;
use kube::api::PostParams;

use super::context::Context;
use super::delete::{self, DeletionReason};
use super::error::ControllerError;
use super::schedule;
use super::watch::conditions::condition;
use crate::api::{Backup, BackupPhase, KEPT, Timestamp, holding, set_condition, synced_from};
use crate::bucket::RunDocument as _;
use crate::model::causes;
use others::ThisServer;

use sweep::Suspects;

/// Longest pause after a pass that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Makes a pass each period until the server stops.
pub async fn run(context: Arc<Context>) {
    let mut suspects = Suspects::default();
    let passes = async {
        loop {
            let period = context.settings.gc_period;
            let pause = match pass(&context, &mut suspects).await {
                Ok(()) => period,
                Err(error) => {
                    tracing::warn!("looking for expired backups failed: {}", causes(&error));
                    period.min(AFTER_FAILURE)
                }
            };
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = context.stop.cancelled() => {}
        () = passes => {}
    }
}

async fn pass(context: &Context, suspects: &mut Suspects) -> Result<(), ControllerError> {
    restores::ask(context).await;
    if !context.settings.restore_only {
        ask(context).await?;
    }
    sweep::sweep(context, suspects).await;
    Ok(())
}

/// Asks for the deletion of each Backup that should go and is in a location that permits it.
async fn ask(context: &Context) -> Result<(), ControllerError> {
    let now = Utc::now();
    let (backups, last_good) = (context.caches.backups.state(), last_good(context, now));
    let due = backups.iter().filter_map(|backup| {
        let reason = reason(backup, context.settings.default_ttl, now)?;
        delete::is_removable(context, backup).then_some((backup, reason))
    });
    let mut wanted = Vec::new();
    for (backup, reason) in due {
        match why_kept(backup, reason, &last_good) {
            Some(why) => tell(context, backup, why).await,
            None => wanted.push((backup, reason)),
        }
    }
    let mut asked = futures::stream::iter(wanted)
        .map(|(backup, reason)| async move { Ok((reason, delete::ask(context, backup, reason).await?)) })
        .buffer_unordered(CONCURRENT);
    while let Some(answer) = asked.next().await {
        let (reason, made): (DeletionReason, bool) = answer?;
        context.metrics.gc_deleted(u64::from(made && reason == DeletionReason::Expired));
    }
    Ok(())
}

/// Returns the Backups that stay however old they are: the reason by the Backup's uid.
fn last_good(context: &Context, now: DateTime<Utc>) -> HashMap<String, String> {
    let own = schedule::last_good(context);
    let (backups, schedules) = (context.caches.backups.state(), context.caches.schedules.state());
    let served = schedules.iter().map(|schedule| {
        let name = schedule.name_any();
        let is_served = own.iter().any(|(kept, of)| *of == name && is_complete(kept));
        (name, is_served)
    });
    let here = ThisServer {
        cluster: &context.identity.uid,
        namespace: &context.settings.namespace,
        served: served.collect(),
        schedules: schedules.iter().filter_map(|schedule| schedule.uid()).collect(),
        now,
    };
    let others = others::last_good(backups.iter().map(AsRef::as_ref), &here);
    let others = others.into_iter().filter_map(|backup| {
        let cluster = backup.cluster().unwrap_or("unknown").escape_debug();
        let why = format!(
            "of a Schedule of cluster {cluster} that is not here and may be elsewhere, or was made anew; it goes when there is a better one, \
             or when it is deleted (`ark backup delete`)"
        );
        Some((backup.uid()?, why))
    });
    let own = own.iter().filter_map(|(kept, schedule)| {
        let why = format!(
            "of Schedule {schedule}, and goes when there is a newer one, or when the Schedule is deleted"
        );
        Some((kept.uid()?, why))
    });
    own.chain(others).collect()
}

fn is_complete(backup: &Backup) -> bool {
    backup.status.as_ref().and_then(|status| status.phase) == Some(BackupPhase::Completed)
}

/// Returns why an expired Backup stays, or `None`. Only expiry is overruled: retention and
/// unfinished deletions go on.
fn why_kept<'a>(
    backup: &Backup,
    reason: DeletionReason,
    last_good: &'a HashMap<String, String>,
) -> Option<&'a String> {
    last_good.get(backup.metadata.uid.as_ref()?).filter(|_| reason == DeletionReason::Expired)
}

/// Reports, once, that a Backup stays: in its status, and as an Event.
async fn tell(context: &Context, backup: &Backup, why: &str) {
    let note = format!("the backup has expired and is kept: it is the newest good one {why}");
    let told = backup.status.as_ref().and_then(|status| holding(&status.conditions, KEPT));
    if told.is_some_and(|told| told.message == note) {
        return;
    }
    let name = backup.name_any();
    match write_kept(context, backup, &note).await {
        Ok(()) => {
            tracing::warn!(kind = "Backup", name, "{note}");
            context.events.warned(backup, "KeptAsLastGood", &note).await;
        }
        // The Backup has changed since it was seen; the next pass looks again.
        Err(error) if error.is_conflict() || error.is_not_found() => {}
        Err(error) => tracing::warn!(kind = "Backup", name, "{}", causes(&error)),
    }
}

/// Writes into the status of a Backup that it is kept, and why. It is read anew: the cache does not
/// keep all of it.
async fn write_kept(context: &Context, backup: &Backup, note: &str) -> Result<(), ControllerError> {
    let (name, api) = (backup.name_any(), context.api::<Backup>());
    let mut kept =
        ControllerError::within(format!("read the Backup `{name}`, which is kept"), api.get(&name)).await?;
    // Another Backup that has the name by now conflicts.
    kept.metadata.uid.clone_from(&backup.metadata.uid);
    let status = kept.status.get_or_insert_default();
    set_condition(&mut status.conditions, condition(KEPT, true, "LastGood", note.to_owned()));
    let doing = format!("write into the status of Backup `{name}` that it is kept");
    ControllerError::within(doing, api.replace_status(&name, &PostParams::default(), &kept)).await.map(drop)
}

/// Returns why a Backup should go now, or `None`.
fn reason(backup: &Backup, default_ttl: Duration, now: DateTime<Utc>) -> Option<DeletionReason> {
    if backup.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let phase = backup.status.as_ref().and_then(|status| status.phase).unwrap_or_default();
    match phase {
        BackupPhase::Deleting => Some(DeletionReason::Unfinished),
        _ if phase.is_final() && expiration(backup, default_ttl)? <= now => Some(DeletionReason::Expired),
        _ => None,
    }
}

/// Returns when a Backup may go; `None` if it stays for ever. A refused Backup has no expiration in
/// its status; its ttl counts from its creation. A Backup that was made here is kept for its ttl
/// from its creation at least: the clock of the server that made it may have been behind.
fn expiration(backup: &Backup, default_ttl: Duration) -> Option<DateTime<Utc>> {
    let status = backup.status.as_ref()?;
    let created = backup.metadata.creation_timestamp.as_ref().map(Timestamp::from);
    if let Some(expiration) = status.expiration {
        let own = created.filter(|_| synced_from(&backup.metadata).is_none());
        let kept = own.and_then(|created| backup.spec.ttl.as_ref()?.after(created));
        return Some(expiration.max(kept.unwrap_or(expiration)).time());
    }
    if status.phase != Some(BackupPhase::FailedValidation) {
        return None;
    }
    let ttl = backup.spec.ttl.as_ref().and_then(|ttl| ttl.length().ok()).unwrap_or(default_ttl);
    created?.time().checked_add_signed(TimeDelta::from_std(ttl).ok()?)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::{BackupSpec, BackupStatus};
    use crate::cluster::script::{answer, serve};
    use crate::controller::context::scripted;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(time: &str) -> DateTime<Utc> {
        format!("2026-11-21T{time}Z").parse().unwrap()
    }

    /// Returns a Backup created at 10:00.
    fn backup(phase: BackupPhase, expiration: Option<&str>) -> Backup {
        let mut backup = Backup::new("nightly", BackupSpec::default());
        backup.metadata.creation_timestamp = Some(Time("2026-11-21T10:00:00Z".parse().unwrap()));
        let expiration = expiration.map(|time| at(time).into());
        backup.status = Some(BackupStatus { phase: Some(phase), expiration, ..BackupStatus::default() });
        backup
    }

    #[test]
    fn what_has_ended_goes_when_its_time_has_come() {
        for phase in [BackupPhase::Completed, BackupPhase::PartiallyFailed, BackupPhase::Failed] {
            let backup = backup(phase, Some("12:00:00"));
            assert_eq!(reason(&backup, HOUR, at("11:59:59")), None, "{phase}");
            assert_eq!(reason(&backup, HOUR, at("12:00:00")), Some(DeletionReason::Expired), "{phase}");
        }
        assert_eq!(reason(&backup(BackupPhase::Completed, None), HOUR, at("23:00:00")), None);
    }

    #[test]
    fn what_was_made_here_by_a_clock_that_was_behind_is_kept_for_its_ttl_from_its_creation() {
        let mut backup = backup(BackupPhase::Completed, Some("09:00:00"));
        backup.spec.ttl = Some("2h".parse().unwrap());
        assert_eq!(reason(&backup, HOUR, at("11:59:59")), None);
        assert_eq!(reason(&backup, HOUR, at("12:00:00")), Some(DeletionReason::Expired));
    }

    #[test]
    fn the_newest_good_one_of_a_schedule_stays_and_no_other_and_only_from_expiry() {
        let mut backup = backup(BackupPhase::Completed, Some("11:00:00"));
        backup.metadata.uid = Some("u".into());
        let of = |uid: &str| HashMap::from([(uid.to_owned(), "of Schedule nightly".to_owned())]);
        let is_kept = |reason, last_good| why_kept(&backup, reason, &last_good).is_some();
        assert!(is_kept(DeletionReason::Expired, of("u")));
        assert!(!is_kept(DeletionReason::Expired, of("newer")), "there is a newer one");
        assert!(!is_kept(DeletionReason::Unfinished, of("u")), "somebody asked for it");
        assert!(!is_kept(DeletionReason::Expired, HashMap::new()), "the Schedule is gone");
    }

    #[tokio::test]
    async fn that_a_backup_is_kept_and_why_stands_in_its_status_and_is_told_once() {
        let shown = backup(BackupPhase::Completed, Some("11:00:00"));
        let (mut backup, shown) = (shown.clone(), serde_json::to_string(&shown).unwrap());
        let (cluster, requests) = serve(move |_, asked| match asked.method {
            http::Method::GET => answer(200, shown.clone()),
            _ => answer(200, asked.body.clone()),
        });
        let context = scripted(cluster);
        for _ in 0..2 {
            tell(&context, &backup, "of Schedule nightly").await;
            let requests = requests.lock().unwrap();
            assert_eq!(requests.len(), 3, "{requests:?}");
            assert!(requests[1].uri.contains("/nightly/status") && requests[2].uri.contains("/events"));
            backup = serde_json::from_str(&requests[1].body).unwrap();
            let status = backup.status.clone().unwrap();
            let kept = holding(&status.conditions, KEPT).unwrap();
            assert!(kept.message.contains("newest good one of Schedule nightly"), "{}", kept.message);
            assert_eq!(status.phase, Some(BackupPhase::Completed));
        }
    }

    #[test]
    fn what_is_being_made_is_never_asked_for() {
        for phase in [BackupPhase::New, BackupPhase::InProgress] {
            assert_eq!(reason(&backup(phase, Some("11:00:00")), HOUR, at("12:00:00")), None, "{phase}");
        }
    }

    #[test]
    fn a_deletion_that_nobody_asks_for_any_more_is_asked_for_again() {
        let mut deleting = backup(BackupPhase::Deleting, Some("23:00:00"));
        assert_eq!(reason(&deleting, HOUR, at("12:00:00")), Some(DeletionReason::Unfinished));
        deleting.metadata.deletion_timestamp = deleting.metadata.creation_timestamp.clone();
        assert_eq!(reason(&deleting, HOUR, at("12:00:00")), None);
    }

    #[test]
    fn what_was_refused_goes_as_if_it_had_been_made() {
        let mut refused = backup(BackupPhase::FailedValidation, None);
        assert_eq!(reason(&refused, HOUR, at("10:59:59")), None);
        assert_eq!(reason(&refused, HOUR, at("11:00:00")), Some(DeletionReason::Expired));
        refused.spec.ttl = Some("3h".parse().unwrap());
        assert_eq!(reason(&refused, HOUR, at("12:00:00")), None);
        refused.spec.ttl = serde_json::from_str("\"-1h\"").unwrap();
        assert_eq!(
            reason(&refused, HOUR, at("11:00:00")),
            Some(DeletionReason::Expired),
            "its ttl is why it was refused"
        );
    }
}
