//! An item that is ready to be created, or why it is not.

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
    /// Its place in the inventory.
    pub entry: EntryId,
    /// Its name in the backup.
    pub item: ItemKey,
    /// Its name in the cluster.
    pub target: ItemKey,
    /// How the cluster serves it.
    pub info: &'a ResourceInfo,
    /// The object.
    pub body: Value,
    /// The status it had, where that comes back.
    pub status: Option<Value>,
    /// References to owners that are not there yet, as the backup has them.
    pub awaited: Vec<Value>,
    /// Who owned which fields, where server-side applies rest on that.
    pub field_owners: Option<Value>,
    /// Whether the namespace mapping changed an item without namespace, which so may be another one than the cluster has.
    pub mapped: bool,
    /// Whether the cluster gives it a port or an address that another one may have asked for.
    pub takes: bool,
    /// Whether it asks for something that was done, which only the status says that does not come back.
    pub may_run_again: bool,
    /// What a person should know if it is made.
    pub warnings: Vec<String>,
    /// Bytes of its body in the backup.
    pub bytes: u64,
}

/// What an item comes to.
#[derive(Debug)]
pub enum Prepared<'a> {
    /// It is left out, and why; sometimes more in words.
    Skip(SkipReason, Option<String>),
    /// It can be created.
    Ready(Box<Ready<'a>>),
}

/// How an item of the kind is rewritten.
pub fn shape<'a>(info: &ResourceInfo, owners: &'a dyn Fn(&OwnerView<'_>) -> Owner) -> ItemShape<'a> {
    ItemShape { owners, status_is_data: !info.status }
}

impl Ready<'_> {
    /// The object as the API server takes it.
    pub fn bytes(&self) -> Vec<u8> {
        // A tree that was parsed from JSON can always be written as JSON.
        serde_json::to_vec(&self.body).unwrap_or_default()
    }

    /// How an item of its kind is rewritten.
    pub fn shape<'a>(&self, owners: &'a dyn Fn(&OwnerView<'_>) -> Owner) -> ItemShape<'a> {
        shape(self.info, owners)
    }

    /// An error about it.
    pub fn error(&self, category: Category, message: impl Into<String>) -> Finding {
        Finding::error(category, message).on_item(self.item.clone())
    }

    /// A warning about it.
    pub fn warning(&self, category: Category, message: impl Into<String>) -> Finding {
        Finding::warning(category, message).on_item(self.item.clone())
    }
}

/// Fields for the time at which it was done.
const TIMES: [&str; 7] = [
    "completionTime",
    "completionTimestamp",
    "completedAt",
    "finishedAt",
    "finishTime",
    "endTime",
    "terminationTime",
];

/// Fields for the phase.
const PHASES: [&str; 3] = ["phase", "state", "stage"];

/// What a phase, or the type of a condition, says then; `valid` is an order of the ACME protocol.
const WORDS: [&str; 8] =
    ["complete", "completed", "succeeded", "successful", "failed", "finished", "done", "valid"];

/// Whether the status says that what was asked for was done, or given up.
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

/// Whether an item of the kind may be done again. `status`: what a create does not take of it, where nothing else brings it back.
pub fn may_run_again(kind: &GroupResource, status: Option<&Value>) -> bool {
    is_custom(kind) && status.is_some_and(has_ended)
}
