//! Logs and metrics: the log of a run, which is kept in the bucket and traced meanwhile, and the
//! metrics of a server.

mod metrics;
mod run_log;

pub use metrics::{
    EXPOSITION_TYPE, LatestRun, LocationState, Metrics, RunFigures, RunMetrics, RunQueue, ScheduleState,
    ServerState,
};
pub use run_log::RunLog;
