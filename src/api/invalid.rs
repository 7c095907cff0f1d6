//! The faults of a specification, field by field. Pure.

use std::fmt;

/// One fault of a specification. A specification is checked as a whole, so that faults come as a
/// list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("spec.{field}: {why}")]
pub struct InvalidSpec {
    /// The field, without the leading `spec.`.
    pub field: String,
    /// The fault, and what to write instead.
    pub why: String,
}

impl InvalidSpec {
    /// Creates the fault of a field.
    pub(crate) fn new(field: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { field: field.into(), why: why.to_string() }
    }
}
