//! The outcome of a restore or of its dry run: one act an item, and the whole. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::api::Restore;
use crate::model::Finding;
use crate::model::{ItemKey, Results, SkipReason};

/// The action that was taken, or would be taken, for one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemAction {
    /// The item was not in the cluster and is created.
    Create,
    /// The item was in the cluster and differed; it is changed in place to what it was in the
    /// backup.
    Update,
    /// The item was in the cluster and differed; it is deleted and created.
    Recreate,
    /// The item is left out of the restore, or left alone in the cluster.
    Skip(SkipReason),
    /// The item could not be restored; the findings say why.
    Fail,
}

impl fmt::Display for ItemAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("create"),
            Self::Update => f.write_str("update"),
            Self::Recreate => f.write_str("recreate"),
            Self::Skip(reason) => write!(f, "skip ({})", reason.describe()),
            Self::Fail => f.write_str("fail"),
        }
    }
}

/// One item and its action: a line of a plan, and of the part `index.ndjson.zst` of a restore's
/// record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Act {
    /// The item, by its name in the backup.
    pub item: ItemKey,
    /// The item's namespace and name in the cluster; `None` if they are the same as in the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ItemKey>,
    /// The action that was taken, or would be taken.
    pub action: ItemAction,
    /// The reason where the action does not say it (what differs, what failed), or `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A restore that ended Completed or PartiallyFailed, recorded in the bucket unless the request
/// says not to.
#[derive(Clone, Debug)]
pub struct RestoreOutcome {
    /// The document: as it was committed, or as it would have been.
    pub restore: Restore,
    /// Findings about items, and counts of what was left out.
    pub results: Results,
}

/// The result of a dry run, found without changing anything.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// The name of the backup that it would restore from.
    pub backup: String,
    /// Each item with its action, in restore order; items that are left out come at the end.
    pub acts: Vec<Act>,
    /// Findings about what would go wrong, as far as that shows beforehand, and counts of what
    /// would be left out.
    pub results: Results,
}

/// The outcome of an attempt to create or change an item, if it did not fail.
pub enum CreateOutcome {
    /// The item is dealt with: the action, its reason, and what a person should know.
    Done(ItemAction, Option<String>, Vec<Finding>),
    /// The item came, went or changed meanwhile; the attempt must be repeated.
    TryAgain,
}
