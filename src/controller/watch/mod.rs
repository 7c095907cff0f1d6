//! Watches and what depends on them: caches, the loop of a controller, its error policy, Events,
//! conditions.

pub mod backoff;
pub mod conditions;
pub mod drive;
pub mod events;
pub mod watches;
