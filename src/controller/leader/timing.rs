//! Durations of the leader election. They depend on each other: see the assertion in `lease.rs`.

use std::time::Duration;

/// Time for which a record is respected after it was last seen to change: the default of
/// Kubernetes' own controllers.
pub const VALID_FOR: Duration = Duration::from_secs(15);

/// Time between two renewals: three may fail before the holder gives up.
pub const RENEW_EVERY: Duration = Duration::from_secs(3);

/// Pause after a renewal that failed: without one a busy API server would get no rest.
pub const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// Time without a renewal after which the holder stops acting.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// Time to end after that; what is still running then is dropped.
pub const LAST_WORDS: Duration = Duration::from_secs(3);

/// Time between two looks of a standby: a released Lease is taken within it.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Deadline of one request about the Lease; several fit into [`GIVE_UP_AFTER`].
pub const REQUEST: Duration = Duration::from_secs(3);
