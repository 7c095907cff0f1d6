//! A Job to run: shape and checks. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::InvalidSpec;

/// A Job to run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobAction {}

impl JobAction {
    pub(super) fn validate(&self, _field: &str) -> Vec<InvalidSpec> {
        Vec::new()
    }
}
