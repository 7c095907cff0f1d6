//! Limit of concurrent requests of garbage collection.

/// Number of requests to the API server at the same time.
pub const CONCURRENT: usize = 4;
