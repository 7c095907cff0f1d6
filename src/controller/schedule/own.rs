//! Ownership of Backups by a Schedule. Pure.
//!
//! Only `status.origin` decides: the server writes it, and no right to create Backups lets anybody
//! write it. Labels, annotations and names are anybody's. A synced Backup is believed only if its
//! bucket is the one that the Schedule writes to: whoever can write there can do worse.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::{
    Backup, BackupPhase, BackupStorageLocation, Origin, Schedule, Timestamp, synced_from, tick_of,
};
use crate::controller::buckets::is_read_only;

/// Largest difference between clocks of one cluster, and the largest step back of a clock that is
/// set right without being noticed.
pub const CLOCKS_DISAGREE: TimeDelta = TimeDelta::hours(1);

/// Facts that decide whether a Backup is the Schedule's own.
#[derive(Clone, Copy, Debug)]
pub struct Ownership<'a> {
    /// The Schedule.
    pub schedule: &'a Schedule,
    /// The uid of this cluster.
    pub cluster: &'a str,
    /// The location that the Schedule writes to; `None` if it does not exist.
    pub location: Option<&'a BackupStorageLocation>,
    /// The present time.
    pub now: DateTime<Utc>,
}

impl Ownership<'_> {
    /// Returns true if the Schedule made a Backup in this cluster. An earlier Schedule of the name,
    /// or one of another namespace or cluster, has another uid.
    pub fn is_own(&self, backup: &Backup) -> bool {
        let metadata = &self.schedule.metadata;
        let (Some(uid), Some(name)) = (&metadata.uid, &metadata.name) else { return false };
        let Some((status, origin)) =
            backup.status.as_ref().and_then(|status| Some((status, status.origin.as_ref()?)))
        else {
            return false;
        };
        let named = backup.metadata.name.as_deref().is_some_and(|given| tick_of(given, name).is_some());
        let synced = synced_from(&backup.metadata).is_some();
        // A Backup that has not begun does not say in which cluster; a synced one must say so.
        let here = status.made_in().map_or(!synced, |cluster| cluster == self.cluster);
        let past = status.start_timestamp.is_none_or(|start| start.time() <= self.now + CLOCKS_DISAGREE);
        origin.schedule.as_ref() == Some(uid) && named && here && past && (!synced || self.is_there(backup))
    }

    /// Returns true if retention applies to a Backup: it is the Schedule's own and in the location
    /// that the Schedule writes to.
    pub fn is_kept(&self, backup: &Backup) -> bool {
        self.is_own(backup) && self.is_there(backup)
    }

    /// Returns true if a Backup lies in the location that the Schedule writes to.
    fn is_there(&self, backup: &Backup) -> bool {
        let Some(location) = self.location.filter(|location| !is_read_only(location)) else { return false };
        let id = location.status.as_ref().and_then(|status| status.id.as_deref());
        let said = backup.status.as_ref().and_then(|status| status.origin.as_ref()?.location.as_deref());
        match (synced_from(&backup.metadata), said) {
            (Some(from), Some(said)) => id == Some(from) && id == Some(said),
            (Some(_), None) => false,
            (None, Some(said)) => id == Some(said),
            (None, None) => backup.spec.storage_location == location.metadata.name,
        }
    }

    /// Returns the best of the Schedule's own Backups that can be restored from; `None` if there is
    /// none. Garbage collection keeps it, however old it is.
    pub fn last_good(&self, backups: &[Arc<Backup>]) -> Option<Arc<Backup>> {
        let own = backups.iter().filter(|backup| self.is_own(backup));
        let good = own.filter_map(|backup| Some((goodness(backup)?, backup)));
        good.max_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, backup)| Arc::clone(backup))
    }
}

/// Order of Backups to restore from: whether it is Completed, when it began, and its name.
pub type Goodness = (bool, Option<DateTime<Utc>>, Option<String>);

/// Returns how good a Backup is to restore from: the newest Completed one is best, and a
/// PartiallyFailed one is better than none. Returns `None` if it cannot be restored from, or is
/// being deleted.
pub fn goodness(backup: &Backup) -> Option<Goodness> {
    let phase = backup.status.as_ref().and_then(|status| status.phase);
    let is_good = matches!(phase, Some(BackupPhase::Completed | BackupPhase::PartiallyFailed));
    let stays = is_good && backup.metadata.deletion_timestamp.is_none();
    stays.then(|| (phase == Some(BackupPhase::Completed), begun(backup), backup.metadata.name.clone()))
}

/// Returns when a Backup began, or else when it was created; `None` if it has neither time.
pub fn begun(backup: &Backup) -> Option<DateTime<Utc>> {
    let start = backup.status.as_ref().and_then(|status| status.start_timestamp);
    start.or_else(|| backup.metadata.creation_timestamp.as_ref().map(Timestamp::from)).map(Timestamp::time)
}

/// Returns the uid of the Schedule that made a Backup, or `None` if none did.
pub fn maker(backup: &Backup) -> Option<&str> {
    let Origin { schedule, .. } = backup.status.as_ref()?.origin.as_ref()?;
    schedule.as_deref()
}

#[cfg(test)]
mod tests;
