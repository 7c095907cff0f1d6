//! The rows of the table, found by their kinds.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::kind_traits::Traits;
use super::table;

/// Every row by its kind, with its place in the table.
pub static ROWS: LazyLock<HashMap<&'static str, (usize, &'static Traits)>> = LazyLock::new(|| {
    table::ROWS.iter().enumerate().map(|(place, (kind, traits))| (*kind, (place, traits))).collect()
});

/// The groups of Kubernetes' own kinds.
pub static OWN_GROUPS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let own = table::ROWS.iter().filter(|(_, traits)| !traits.is_custom);
    own.map(|(kind, _)| kind.split_once('.').map_or("", |(_, group)| group)).collect()
});
