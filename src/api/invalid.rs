//! What is wrong with a specification, field by field. Pure.

use std::fmt;

/// One thing that is wrong with a specification; a specification is checked whole, so that these come as a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("spec.{field}: {why}")]
pub struct InvalidSpec {
    /// The field, without the leading `spec.`.
    pub field: String,
    /// What is wrong with it and what to write instead.
    pub why: String,
}

impl InvalidSpec {
    /// Says what is wrong with a field.
    pub(crate) fn new(field: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { field: field.into(), why: why.to_string() }
    }
}
