//! The vocabulary, without I/O: names of items, compiled selections, references, traits of kinds,
//! restore order, outcomes, progress.
//!
//! Everything here is pure and imports nothing of this crate, so that every other module may use
//! it.

mod causes;
mod item;
mod names;
mod newest;
mod outcome;
mod progress;
mod references;
mod regenerated;
mod sealed;
mod selection;
pub mod traits;

pub use causes::{Cause, RequestId, RootCause, causes, chain, lasting};
pub use item::{GroupResource, ItemKey};
pub use names::{BackupName, InvalidName, ObjectName, RestoreName, objection_to_bucket_name};
pub use newest::{Candidate, Pick, Wish, pick};
pub use outcome::{
    Category, Finding, MAX_FINDING_BYTES, MAX_FINDINGS, MAX_MESSAGE, Results, Severity, SkipReason, Tally,
    cut,
};
pub use progress::{Progress, ProgressSnapshot};
pub use references::{CRDS, ClusterReferences, ClusterScope, LEADING, NAMESPACES, Offer, PVCS, VOLUMES};
pub use regenerated::{TOKEN_TYPE, follows_service, is_generated};
pub use sealed::{Opener, seal};
pub use selection::{
    InvalidSelection, KindTerms, LabelOperator, LabelQuery, LabelRequirement, LabelSet, NamePatterns,
    term_means,
};
pub use traits::{ItemOrigin, PriorityClass, Regenerated, has_references, regenerated_by, restore_order};
