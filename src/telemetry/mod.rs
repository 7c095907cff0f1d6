//! What is told of a run, its log, kept for the bucket and shown on the way; and what the server counts.

mod metrics;
mod run_log;

pub use metrics::{
    EXPOSITION_TYPE, LatestRun, LocationState, Metrics, RunFigures, RunMetrics, RunQueue, ScheduleState,
    ServerState,
};
pub use run_log::RunLog;
