//! The vocabulary, without I/O: names of items, compiled selections, restore order, outcomes, progress.
//!
//! Everything here is pure and imports nothing of this crate, so that every other module may use it.

mod item;
mod made_again;
mod names;
mod needs;
mod outcome;
mod priority;
mod progress;
mod selection;

pub use item::{ItemKey, Kind};
pub use made_again::{Origin, TOKEN_TYPE, is_generated, is_of_one_cluster, made_again};
pub use names::{BackupName, InvalidName, ObjectName, RestoreName};
pub use needs::{Accounts, CLUSTER_BINDINGS, ClusterScope, DEFINITIONS, NAMESPACES, Needs, VOLUMES, refers};
pub use outcome::{
    Category, Finding, MAX_FINDING_BYTES, MAX_FINDINGS, MAX_MESSAGE, Results, Severity, SkipReason, Tally,
    causes, cut,
};
pub use priority::{PriorityClass, restore_order};
pub use progress::{Progress, ProgressSnapshot};
pub use selection::{
    InvalidSelection, KindTerms, LabelOperator, LabelQuery, LabelRequirement, LabelSet, NamePatterns,
    term_means,
};
