//! What is told of a run: its log, kept for the bucket and shown on the way.

mod run_log;

pub use run_log::RunLog;
