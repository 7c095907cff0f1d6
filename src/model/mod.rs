//! The vocabulary, without I/O: names of items, compiled selections, restore order, outcomes, progress.
//!
//! Everything here is pure and imports nothing of this crate, so that every other module may use it.

mod causes;
mod item;
mod made_again;
mod names;
mod needs;
mod newest;
mod outcome;
mod progress;
mod sealed;
mod selection;
pub mod traits;

pub use causes::{RequestId, causes, lasting};
pub use item::{GroupResource, ItemKey};
pub use made_again::{TOKEN_TYPE, follows_service, is_generated};
pub use names::{BackupName, InvalidName, ObjectName, RestoreName, objection_to_bucket_name};
pub use needs::{CLAIMS, ClusterScope, DEFINITIONS, LEADING, NAMESPACES, Needs, Offer, VOLUMES};
pub use newest::{Candidate, Pick, Wish, pick};
pub use outcome::{
    Category, Finding, MAX_FINDING_BYTES, MAX_FINDINGS, MAX_MESSAGE, Results, Severity, SkipReason, Tally,
    cut,
};
pub use progress::{Progress, ProgressSnapshot};
pub use sealed::{Opener, seal};
pub use selection::{
    InvalidSelection, KindTerms, LabelOperator, LabelQuery, LabelRequirement, LabelSet, NamePatterns,
    term_means,
};
pub use traits::{Origin, PriorityClass, Remade, made_again, refers, restore_order};
