//! Killed at each write that matters, before it arrives and after it did, the server leaves a state from which the next one
//! finishes. The points are those of `docs/crash.md`, each once; a test compares the two lists.

mod backups;
mod deletions;
mod others;
mod restores;

use super::stage::{Point, Side};

/// Either side of a write.
const SIDES: [Side; 2] = [Side::Before, Side::After];

/// Every point with either side, and a name that no other has.
fn cases<'a>(points: &'a [Point], kind: &'a str) -> impl Iterator<Item = (Point, Side, String)> + 'a {
    points.iter().enumerate().flat_map(move |(number, point)| {
        SIDES.map(|side| (*point, side, format!("{kind}-{number}-{}", format!("{side:?}").to_lowercase())))
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
        backups::POINTS,
        restores::POINTS,
        deletions::POINTS,
        deletions::RESTORE_POINTS,
        deletions::KEPT_POINTS,
        others::SCHEDULE_POINTS,
        others::SYNC,
        others::SYNC_REMOVAL,
        others::LOCATION_POINTS,
        others::EXPIRY,
    ];
    let mut killed: Vec<&str> = all.into_iter().flatten().map(|point| point.what).collect();
    listed.sort_unstable();
    killed.sort_unstable();
    assert_eq!(listed, killed);
}
