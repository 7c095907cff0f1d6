//! Workloads to scale to zero: shape and checks. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::InvalidSpec;

/// Workloads to scale to zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleAction {}

impl ScaleAction {
    pub(super) fn validate(&self, _field: &str) -> Vec<InvalidSpec> {
        Vec::new()
    }
}
