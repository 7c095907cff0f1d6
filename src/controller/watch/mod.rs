//! Watching objects and being driven by their changes: caches, retries, events, conditions.

pub mod backoff;
pub mod conditions;
pub mod drive;
pub mod events;
pub mod watches;
