//! An item that is ready to be created, or the reason why it is left out.

use serde_json::Value;

use super::inventory::EntryId;
use super::rewrite::{ItemShape, Owner, OwnerView};
use crate::cluster::ResourceInfo;
use crate::model::GroupResource;
use crate::model::traits::is_custom;
use crate::model::{Category, Finding, ItemKey, SkipReason};

/// An object that can be created as it is.
#[derive(Debug)]
pub struct Ready<'a> {
    /// The item's place in the inventory.
    pub entry: EntryId,
    /// The item's name in the backup.
    pub item: ItemKey,
    /// The item's name in the cluster.
    pub target: ItemKey,
    /// The kind as the cluster serves it.
    pub info: &'a ResourceInfo,
    /// The object to create.
    pub body: Value,
    /// The status that the item had, if the status is restored; else `None`.
    pub status: Option<Value>,
    /// References to owners that are not there yet, as the backup has them.
    pub awaited: Vec<Value>,
    /// The `managedFields` to write back after the create, or `None` if nothing rests on them.
    pub field_owners: Option<Value>,
    /// Whether the namespace mapping changed a cluster-scoped item, which so may be another one
    /// than the cluster has.
    pub mapped: bool,
    /// Whether the cluster allots it a port or an address that another Service may ask for by
    /// number.
    pub takes_any_address: bool,
    /// Whether the item asks for work that was done, and only the status said so, which does not
    /// come back.
    pub may_run_again: bool,
    /// Warnings for a person, reported if the item is made.
    pub warnings: Vec<String>,
    /// The hook that the item's pods do not get, reported if the item is made; else `None`.
    pub lost_hook: Option<String>,
    /// Bytes of the item's body in the backup.
    pub bytes: u64,
}

/// The outcome of preparing an item.
#[derive(Debug)]
pub enum Prepared<'a> {
    /// The item is left out, with the reason, and more in words if there is more to say.
    Skip(SkipReason, Option<String>),
    /// The item can be created.
    Ready(Box<Ready<'a>>),
}

/// Returns what the rewriting must know of an item of the kind.
pub fn shape<'a>(info: &ResourceInfo, owners: &'a dyn Fn(&OwnerView<'_>) -> Owner) -> ItemShape<'a> {
    ItemShape { owners, status_is_data: !info.status }
}

impl Ready<'_> {
    /// Returns the object as JSON, as the API server takes it.
    pub fn bytes(&self) -> Vec<u8> {
        // A tree that was parsed from JSON can always be written as JSON.
        serde_json::to_vec(&self.body).unwrap_or_default()
    }

    /// Returns what the rewriting must know of this item.
    pub fn shape<'a>(&self, owners: &'a dyn Fn(&OwnerView<'_>) -> Owner) -> ItemShape<'a> {
        shape(self.info, owners)
    }

    /// Returns an error about the item.
    pub fn error(&self, category: Category, message: impl Into<String>) -> Finding {
        Finding::error(category, message).on_item(self.item.clone())
    }

    /// Returns a warning about the item.
    pub fn warning(&self, category: Category, message: impl Into<String>) -> Finding {
        Finding::warning(category, message).on_item(self.item.clone())
    }
}

/// Status fields that hold the time at which the work ended.
const TIMES: [&str; 7] = [
    "completionTime",
    "completionTimestamp",
    "completedAt",
    "finishedAt",
    "finishTime",
    "endTime",
    "terminationTime",
];

/// Status fields that hold the phase.
const PHASES: [&str; 3] = ["phase", "state", "stage"];

/// Words of a phase, or types of a condition, that say that the work ended; `valid` is an order of
/// the ACME protocol.
const WORDS: [&str; 8] =
    ["complete", "completed", "succeeded", "successful", "failed", "finished", "done", "valid"];

/// Returns whether the status says that the work was done, or given up.
fn has_ended(status: &Value) -> bool {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_lowercase);
    let says = |value: &Value, field: &str| text(value, field).is_some_and(|word| WORDS.contains(&&*word));
    let holds = |condition: &Value| {
        let status = text(condition, "status").unwrap_or_default();
        // `Succeeded` is False of what has failed, and Unknown until then.
        let ended = says(condition, "type")
            && (status == "true"
                || (status == "false" && text(condition, "type").as_deref() == Some("succeeded")));
        ended || text(condition, "reason").as_deref() == Some("issued")
    };
    TIMES.iter().any(|field| text(status, field).is_some_and(|time| !time.is_empty()))
        || PHASES.iter().any(|field| says(status, field))
        || status.get("conditions").and_then(Value::as_array).is_some_and(|all| all.iter().any(holds))
}

/// Returns whether an item of the kind may be done again. `status` is the part that a create does
/// not take and nothing else restores.
pub fn may_run_again(kind: &GroupResource, status: Option<&Value>) -> bool {
    is_custom(kind) && status.is_some_and(has_ended)
}
