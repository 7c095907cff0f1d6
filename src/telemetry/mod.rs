//! What is told of a run, its log, kept for the bucket and shown on the way; and what the server counts.

mod metrics;
mod run_log;

pub use metrics::{EXPOSITION_TYPE, Metrics, RunFigures, RunMetrics};
pub use run_log::RunLog;
