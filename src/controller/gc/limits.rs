//! How much is done at once.

/// Requests that are made at once.
pub const CONCURRENT: usize = 4;
