//! The backup that a restore from a Schedule takes: the newest of its Completed ones that can be read.
//!
//! Names tell the time, so that documents are read newest first and few of them, however many there are. One that cannot be
//! read (damaged, of a newer format, removed meanwhile) is passed over, and told.

use std::str::FromStr as _;

use chrono::{DateTime, NaiveDateTime, Utc};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::api::{Backup, BackupPhase, SCHEDULE_NAME_LABEL, Timestamp, label_value};
use crate::model::BackupName;

use super::list::RunState;
use super::{Bucket, BucketError};

/// Documents that are read at once: the first ones nearly always hold the answer.
const READ_AT_ONCE: usize = 8;

/// A backup that may be the one, and a time before which its work began, or at which, where its name tells.
type Candidate = (DateTime<Utc>, BackupName);

/// What was found of a Schedule.
#[derive(Debug, Default)]
pub struct Newest {
    /// The newest Completed backup, if there is one.
    pub name: Option<BackupName>,
    /// Others that may be newer and cannot be read, and why.
    pub passed_over: Vec<(BackupName, BucketError)>,
}

impl Bucket {
    /// The newest Completed backup of a Schedule, of those that began before a time.
    ///
    /// # Errors
    /// When the bucket cannot be read as a whole.
    pub async fn newest_backup(
        &self,
        schedule: &str,
        before: Option<Timestamp>,
    ) -> Result<Newest, BucketError> {
        let candidates = self.candidates(schedule, before).await?;
        let mut reading = stream::iter(candidates)
            .map(|(time, name)| async move { (time, self.read_backup(&name).await, name) })
            .buffered(READ_AT_ONCE);
        let (mut best, mut passed_over) = (None::<(Timestamp, BackupName)>, Vec::new());
        while let Some((time, read, name)) = reading.next().await {
            if best.as_ref().is_some_and(|(began, _)| began.time() >= time) {
                break;
            }
            match read {
                Ok(backup) => {
                    let fits = |began: &Timestamp| {
                        before.is_none_or(|before| *began < before)
                            && best.as_ref().is_none_or(|(best, _)| best < began)
                    };
                    best = began(&backup, schedule).filter(fits).map(|began| (began, name)).or(best);
                }
                Err(error) if error.is_unreachable() || error.is_retryable() => return Err(error),
                Err(error) => passed_over.push((name, error)),
            }
        }
        Ok(Newest { name: best.map(|(_, name)| name), passed_over })
    }

    /// Complete backups whose names begin with the schedule's, which its backups' do; newest first.
    async fn candidates(
        &self,
        schedule: &str,
        before: Option<Timestamp>,
    ) -> Result<Vec<Candidate>, BucketError> {
        let mut candidates = Vec::new();
        let mut entries = self.list_backups();
        while let Some(entry) = entries.try_next().await? {
            let (RunState::Complete, Ok(name)) = (entry.state, BackupName::from_str(&entry.name)) else {
                continue;
            };
            if !name.as_str().starts_with(schedule) {
                continue;
            }
            let tick = tick(name.as_str(), schedule);
            if tick.zip(before).is_some_and(|(tick, before)| tick >= before.time()) {
                continue;
            }
            // Of a name without a time, that its work had begun when its last object was written is all that is known.
            candidates.push((tick.unwrap_or(entry.modified), name));
        }
        candidates.sort_unstable_by(|(one, first), (other, second)| {
            other.cmp(one).then_with(|| second.as_str().cmp(first.as_str()))
        });
        Ok(candidates)
    }
}

/// The time in a name that a schedule gave.
fn tick(name: &str, schedule: &str) -> Option<DateTime<Utc>> {
    let stamp = name.strip_prefix(schedule)?.strip_prefix('-')?;
    let digits = stamp.len() == 14 && stamp.bytes().all(|byte| byte.is_ascii_digit());
    NaiveDateTime::parse_from_str(stamp, "%Y%m%d%H%M%S").ok().filter(|_| digits).map(|time| time.and_utc())
}

/// When a backup began, if it is Completed and of the Schedule.
fn began(backup: &Backup, schedule: &str) -> Option<Timestamp> {
    let label = backup.metadata.labels.as_ref()?.get(SCHEDULE_NAME_LABEL)?;
    let status = backup.status.as_ref()?;
    let fits = *label == label_value(schedule) && status.phase == Some(BackupPhase::Completed);
    status.start_timestamp.filter(|_| fits)
}
