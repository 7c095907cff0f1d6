//! The backup that a restore from a Schedule takes: the newest Completed one that can be read, of
//! the cluster that is meant.
//!
//! Names contain the time, so that documents are read newest first, and few of them where the
//! cluster that is meant has any backup. One that cannot be read (damaged, of a newer format,
//! removed meanwhile) is passed over and reported.

use std::str::FromStr as _;

use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::api::{Backup, BackupPhase, tick_of};
use crate::model::{BackupName, Candidate, Wish, pick};

use super::run_entry::RunState;
use super::{Bucket, BucketError};

/// Documents that are read at once: the first ones nearly always hold the answer.
const READ_AT_ONCE: usize = 8;

/// The newest backup of a Schedule, or why there is none.
#[derive(Debug, Default)]
pub struct Newest {
    /// The name of the backup; `None` if there is none.
    pub name: Option<BackupName>,
    /// Facts about the choice that the user might not expect.
    pub notes: Vec<String>,
    /// The reason why there is no backup; empty if there is one.
    pub why: String,
    /// Backups that may be newer and cannot be read, each with the reason.
    pub passed_over: Vec<(BackupName, BucketError)>,
}

impl Bucket {
    /// Finds the newest Completed backup of a Schedule among those that `wish` admits.
    ///
    /// # Errors
    /// If the bucket cannot be read as a whole.
    pub async fn newest_backup(&self, schedule: &str, wish: &Wish<'_>) -> Result<Newest, BucketError> {
        let ticks = self.ticks(schedule, wish.before).await?;
        let mut reading = stream::iter(ticks)
            .map(|(tick, name)| async move { (tick, self.read_backup(&name).await, name) })
            .buffered(READ_AT_ONCE);
        let (mut found, mut best, mut passed_over) = (Vec::new(), None::<DateTime<Utc>>, Vec::new());
        while let Some((tick, read, name)) = reading.next().await {
            // What is left has ticks no later than the begin of a good backup that was found.
            if best.is_some_and(|began| began >= tick) {
                break;
            }
            match read {
                Ok(backup) => {
                    let Some(candidate) = candidate(&backup, name) else { continue };
                    if wish.is_good(&candidate) {
                        best = best.max(Some(candidate.began));
                    }
                    found.push(candidate);
                }
                Err(error) if error.is_unreachable() || error.is_retryable() => return Err(error),
                Err(error) => passed_over.push((name, error)),
            }
        }
        Ok(match pick(found, wish) {
            Ok(found) => {
                Newest { name: Some(found.picked.of), notes: found.notes, passed_over, why: String::new() }
            }
            Err(why) => Newest { why, passed_over, ..Newest::default() },
        })
    }

    /// Returns the ticks and names of complete backups whose names have the form that the Schedule
    /// gives, of whatever cluster; newest first.
    async fn ticks(
        &self,
        schedule: &str,
        before: Option<DateTime<Utc>>,
    ) -> Result<Vec<(DateTime<Utc>, BackupName)>, BucketError> {
        let mut ticks = Vec::new();
        let mut entries = self.list_backups();
        while let Some(entry) = entries.try_next().await? {
            let (RunState::Complete, Ok(name)) = (entry.state, BackupName::from_str(&entry.name)) else {
                continue;
            };
            let tick = tick_of(name.as_str(), schedule);
            ticks.extend(
                tick.filter(|tick| before.is_none_or(|before| *tick < before)).map(|tick| (tick, name)),
            );
        }
        ticks.sort_unstable_by(|(one, first), (other, second)| {
            other.cmp(one).then_with(|| second.as_str().cmp(first.as_str()))
        });
        Ok(ticks)
    }
}

/// Returns the backup as a candidate, or `None` if no Schedule made it or it did not end as
/// Completed or PartiallyFailed.
fn candidate(backup: &Backup, name: BackupName) -> Option<Candidate<BackupName>> {
    let status = backup.status.as_ref()?;
    let is_partial = match status.phase? {
        BackupPhase::Completed => false,
        BackupPhase::PartiallyFailed => true,
        _ => return None,
    };
    let schedule = status.origin.as_ref()?.schedule.clone()?;
    let cluster = status.cluster.as_ref()?.uid.clone();
    let began = status.start_timestamp?.time();
    Some(Candidate { name: name.to_string(), began, cluster, doubt: None, schedule, is_partial, of: name })
}
