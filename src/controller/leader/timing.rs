//! How long the Lease is valid, and how often it is renewed: these rest on each other.

use std::time::Duration;

/// How long a record is respected after it was last seen to change: the usual of Kubernetes' own controllers.
pub const VALID_FOR: Duration = Duration::from_secs(15);

/// Between two renewals: three of them may fail before anything is given up.
pub const RENEW_EVERY: Duration = Duration::from_secs(3);

/// After a renewal that failed: at once would be no pause for a server that is busy.
pub const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// Without a renewal for so long, a holder stops acting.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// What may still be going on then is dropped after this.
pub const LAST_WORDS: Duration = Duration::from_secs(3);

/// Between two looks of a server that stands by: a released lease is taken within it.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// One request about the lease; several of them fit into [`GIVE_UP_AFTER`].
pub const REQUEST: Duration = Duration::from_secs(3);
