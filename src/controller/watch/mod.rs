//! Watches and what depends on them: caches and what they keep, the news that wake a controller,
//! its loop, its error policy, Events, conditions.

pub mod backoff;
pub mod conditions;
pub mod drive;
pub mod events;
pub mod news;
mod shrink;
pub mod watches;
