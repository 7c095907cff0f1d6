//! Finds items that own each other in a circle. Pure.

use std::collections::HashSet;

use super::inventory::EntryId;
use super::owners::OldUid;

/// One owner reference of one item, both of the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The item's place in the inventory.
    pub entry: EntryId,
    /// The uid of the item.
    pub item: OldUid,
    /// The uid of the owner.
    pub owner: OldUid,
}

/// Returns the entries that are owned and own others within circles, sorted: those left when edges
/// of items without owners, and of owners that own nothing, are removed until none is left to
/// remove.
pub fn circles(mut edges: Vec<Edge>) -> Vec<EntryId> {
    loop {
        let items: HashSet<OldUid> = edges.iter().map(|edge| edge.item).collect();
        let owners: HashSet<OldUid> = edges.iter().map(|edge| edge.owner).collect();
        let before = edges.len();
        edges.retain(|edge| items.contains(&edge.owner) && owners.contains(&edge.item));
        if edges.len() == before {
            break;
        }
    }
    let mut entries: Vec<EntryId> = edges.iter().map(|edge| edge.entry).collect();
    entries.sort_unstable();
    entries.dedup();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_in_a_circle_are_told() {
        let uid = |number: u32| OldUid::read(&number.to_string()).unwrap();
        let edge = |entry, owner| Edge { entry, item: uid(entry), owner: uid(owner) };
        // 1 and 2 own each other, 2 owns 3, 4 owns 1, and 5 owns 6.
        let edges = vec![edge(1, 2), edge(2, 1), edge(3, 2), edge(1, 4), edge(6, 5)];
        assert_eq!(circles(edges), [1, 2]);
        assert_eq!(circles(vec![edge(1, 1)]), [1]);
        assert!(circles(vec![edge(1, 2), edge(2, 3)]).is_empty());
    }
}
