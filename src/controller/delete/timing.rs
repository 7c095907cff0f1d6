//! Pauses before a deletion is looked at again.

use std::time::Duration;

/// Pause before a postponed deletion is tried again.
pub const POSTPONED: Duration = Duration::from_secs(15);

/// Pause before a look at what was changed just now, by this server or another.
pub const SOON: Duration = Duration::from_millis(100);
