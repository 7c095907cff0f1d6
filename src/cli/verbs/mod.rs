//! Verbs that are alike for several nouns: create, get with its columns, describe, logs.

pub mod columns;
pub mod create;
pub mod describe;
pub mod get;
pub mod logs;
