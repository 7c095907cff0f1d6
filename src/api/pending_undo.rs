//! What a run changed outside of the bucket and has yet to undo, as its status says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Timestamp, schema};

/// A change that a run made outside of the bucket and has yet to undo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingUndo {
    /// What undoes the change, for example `scales deployments.apps shop/web back to 3`.
    pub what: String,
    /// When it was written down, right before the change.
    pub since: Timestamp,
    /// The same as `what`, as the server reads it.
    #[schemars(schema_with = "schema::any_object")]
    pub undo: Map<String, Value>,
}
