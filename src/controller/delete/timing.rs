//! When a request for deletion is looked at again.

use std::time::Duration;

/// Until a deletion that stands back is tried again.
pub const POSTPONED: Duration = Duration::from_secs(15);

/// Until the next look at what was changed just now, by this server or by another.
pub const SOON: Duration = Duration::from_millis(100);
