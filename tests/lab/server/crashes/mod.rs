//! Killed at each write that matters, before it arrives and after it did, the server leaves a state
//! from which the next one finishes. The points are those of `docs/crash.md`, each once; a test
//! compares the two lists.

mod backups;
mod deletions;
mod restores;
mod schedules_and_sync;

use super::intercepted::{KillMoment, KillPoint};

/// Either side of a write.
const MOMENTS: [KillMoment; 2] = [KillMoment::Before, KillMoment::After];

/// Every point with either side, and a name that no other has.
fn cases<'a>(
    points: &'a [KillPoint],
    kind: &'a str,
) -> impl Iterator<Item = (KillPoint, KillMoment, String)> + 'a {
    points.iter().enumerate().flat_map(move |(number, point)| {
        MOMENTS.map(|moment| {
            (*point, moment, format!("{kind}-{number}-{}", format!("{moment:?}").to_lowercase()))
        })
    })
}

#[test]
fn the_document_lists_exactly_the_writes_at_which_servers_are_killed_here() {
    let text = include_str!("../../../../docs/crash.md");
    // A row of a table begins with the write, in words.
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" |"))
        .map(|(first, _)| first.trim());
    let mut listed: Vec<&str> = rows.filter(|row| *row != "Write" && !row.starts_with("--")).collect();
    let all = [
        backups::KILL_POINTS,
        restores::KILL_POINTS,
        deletions::KILL_POINTS,
        deletions::RESTORE_KILL_POINTS,
        deletions::KEPT_KILL_POINTS,
        schedules_and_sync::SCHEDULE_KILL_POINTS,
        schedules_and_sync::SYNC_KILL_POINTS,
        schedules_and_sync::SYNC_REMOVAL_KILL_POINTS,
        schedules_and_sync::LOCATION_KILL_POINTS,
        schedules_and_sync::EXPIRY_KILL_POINTS,
    ];
    let mut killed: Vec<&str> = all.into_iter().flatten().map(|point| point.what).collect();
    listed.sort_unstable();
    killed.sort_unstable();
    assert_eq!(listed, killed);
}
