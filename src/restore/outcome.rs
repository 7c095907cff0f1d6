//! What a restore did, or would do: one act an item, and what the whole came to. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::api::Restore;
use crate::model::Finding;
use crate::model::{ItemKey, Results, SkipReason};

/// What was done, or would be done, to one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemAction {
    /// It was not there.
    Create,
    /// It was there and differed; it is made as it was in the backup.
    Update,
    /// It was there and differed; it is deleted and created.
    Recreate,
    /// It is left out, or left alone.
    Skip(SkipReason),
    /// It could not be restored; the findings say why.
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

/// One item and its action: a line of a plan, and of `index.ndjson.zst` of a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Act {
    /// The item, by its name in the backup.
    pub item: ItemKey,
    /// Its namespace or name in the cluster, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ItemKey>,
    /// What was done to it.
    pub action: ItemAction,
    /// Why, where the action does not say it: what differs, what failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A restore that is done and recorded in the bucket, with its phase Completed or PartiallyFailed.
#[derive(Clone, Debug)]
pub struct RestoreOutcome {
    /// The document as it was committed.
    pub restore: Restore,
    /// What went wrong with items, and what was left out.
    pub results: Results,
}

/// What a restore would do.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// The backup it would restore from.
    pub backup: String,
    /// Each item with its action, in restore order.
    pub acts: Vec<Act>,
    /// What would go wrong, as far as it shows beforehand, and what would be left out.
    pub results: Results,
}

/// What a write came to, when it did not fail.
pub enum CreateOutcome {
    /// It is dealt with: what was done, why, and what a person should know.
    Done(ItemAction, Option<String>, Vec<Finding>),
    /// It came or went meanwhile.
    TryAgain,
}
