//! What a verb does alike for every noun: create, get, columns of tables, describe, logs.

pub mod columns;
pub mod create;
pub mod describe;
pub mod get;
pub mod logs;
