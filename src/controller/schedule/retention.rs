//! Selection of the Backups of a Schedule that have been kept long enough. Pure.
//!
//! A PartiallyFailed Backup may be removed like any other, but counts as no success: retention
//! always leaves the newest Completed one.

use std::cmp::Reverse;

use chrono::{DateTime, TimeDelta, Utc};

use super::own::begun;
use crate::api::{Backup, BackupPhase, Retention};

/// Returns the Backups that retention removes, oldest first; `own` are those that one Schedule made
/// in this cluster.
pub fn surplus<'a>(
    retention: &Retention,
    own: impl IntoIterator<Item = &'a Backup>,
    now: DateTime<Utc>,
) -> Vec<&'a Backup> {
    let mut kept: Vec<&Backup> = own.into_iter().filter(|backup| is_done(backup)).collect();
    kept.sort_by_key(|backup| Reverse((begun(backup), backup.metadata.name.clone())));
    let Retention { max_age, min_count: _, max_count } = retention;
    let oldest = max_age
        .as_ref()
        .and_then(|age| age.length().ok())
        .and_then(|age| TimeDelta::from_std(age).ok())
        .and_then(|age| now.checked_sub_signed(age));
    let (mut newer, mut newer_successes) = (0, 0);
    let mut surplus = Vec::new();
    for backup in kept {
        let success = phase(backup) == Some(BackupPhase::Completed);
        let too_many = max_count.is_some_and(|most| newer >= most);
        let too_old = newer_successes >= retention.least()
            && oldest.is_some_and(|oldest| begun(backup).is_some_and(|begun| begun < oldest));
        let only_success = success && newer_successes == 0;
        if (too_many || too_old) && !only_success {
            surplus.push(backup);
        }
        newer += 1;
        newer_successes += u32::from(success);
    }
    surplus.reverse();
    surplus
}

fn is_done(backup: &Backup) -> bool {
    matches!(phase(backup), Some(BackupPhase::Completed | BackupPhase::PartiallyFailed))
        && backup.metadata.deletion_timestamp.is_none()
}

fn phase(backup: &Backup) -> Option<BackupPhase> {
    backup.status.as_ref()?.phase
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{BackupSpec, BackupStatus};

    const NOW: &str = "2026-11-21T12:00:00Z";

    /// Returns Backups by a letter each: `C` Completed, `P` PartiallyFailed, `F` Failed, `D`
    /// Deleting; one a day, the last begun now. Named by age in days.
    fn backups(phases: &str) -> Vec<Backup> {
        let now: DateTime<Utc> = NOW.parse().unwrap();
        let count = phases.len();
        let one = |(at, phase): (usize, char)| {
            let age = count - 1 - at;
            let phase = match phase {
                'C' => BackupPhase::Completed,
                'P' => BackupPhase::PartiallyFailed,
                'D' => BackupPhase::Deleting,
                _ => BackupPhase::Failed,
            };
            let mut backup = Backup::new(&age.to_string(), BackupSpec::default());
            let start = now - TimeDelta::days(i64::try_from(age).unwrap());
            let status = BackupStatus {
                phase: Some(phase),
                start_timestamp: Some(start.into()),
                ..BackupStatus::default()
            };
            backup.status = Some(status);
            backup
        };
        phases.chars().enumerate().map(one).collect()
    }

    fn removed(retention: serde_json::Value, phases: &str) -> Vec<String> {
        let retention: Retention = serde_json::from_value(retention).unwrap();
        let backups = backups(phases);
        let surplus = surplus(&retention, &backups, NOW.parse().unwrap());
        surplus.into_iter().map(|backup| backup.metadata.name.clone().unwrap()).collect()
    }

    #[test]
    fn what_is_older_goes_once_enough_newer_ones_succeeded() {
        let two_days = |least: u32| serde_json::json!({"maxAge": "2d", "minCount": least});
        assert_eq!(removed(two_days(1), "CCCCC"), ["4", "3"]);
        assert_eq!(removed(two_days(4), "CCCCC"), ["4"]);
        assert!(removed(two_days(5), "CCCCC").is_empty());
        assert!(removed(two_days(1), "CC").is_empty());
    }

    #[test]
    fn what_failed_is_no_success_that_others_may_go_for() {
        let one_day = serde_json::json!({"maxAge": "1d"});
        assert!(removed(one_day.clone(), "CPPP").is_empty());
        assert_eq!(removed(one_day.clone(), "CPPC"), ["3", "2"]);
        assert!(removed(one_day, "PPPP").is_empty());
    }

    #[test]
    fn only_so_many_are_kept() {
        let two = serde_json::json!({"maxCount": 2});
        assert_eq!(removed(two.clone(), "CCCC"), ["3", "2"]);
        assert_eq!(removed(two.clone(), "PPPP"), ["3", "2"]);
        assert!(removed(two, "CC").is_empty());
    }

    #[test]
    fn the_only_successful_one_is_never_removed() {
        let one = serde_json::json!({"maxCount": 1, "maxAge": "1h"});
        assert_eq!(removed(one.clone(), "CCPP"), ["3", "1"]);
        assert!(removed(one, "C").is_empty());
    }

    #[test]
    fn what_failed_as_a_whole_or_is_being_deleted_does_not_count() {
        assert_eq!(removed(serde_json::json!({"maxCount": 2}), "CCDFCF"), ["5"]);
    }
}
