//! A MongoDB deployment to lock: shape and checks. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::InvalidSpec;

/// A MongoDB deployment to lock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MongoAction {}

impl MongoAction {
    pub(super) fn validate(&self, _field: &str) -> Vec<InvalidSpec> {
        Vec::new()
    }
}
