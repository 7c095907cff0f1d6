//! A request, and the answer that it waits for: shape and checks. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::InvalidSpec;

/// A request, and the answer that it waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpAction {}

impl HttpAction {
    pub(super) fn validate(&self, _field: &str) -> Vec<InvalidSpec> {
        Vec::new()
    }
}
