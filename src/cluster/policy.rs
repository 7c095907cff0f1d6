//! Whose failure it is when a call fails, and whether and when another try makes sense. Pure.

use std::time::Duration;

use http::Method;

use super::ClusterError;
use super::trouble::Trouble;

/// Before the second try; doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// No pause of our own choosing is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A token is swapped, or the webhook that checks tokens restarts: four pauses, some ten seconds.
const CREDENTIAL_PAUSE: Duration = Duration::from_millis(2500);
/// Tries before credentials count as refused.
const CREDENTIAL_TRIES: u32 = 5;
/// Tries of what passes soon or not within one call: some five seconds.
const FEW: u32 = 6;
/// Tries at a kind that one API server of several does not know yet: a second. The rest is for whoever tries again later.
const KIND_TRIES: u32 = 4;
/// Tries at a revision that a server does not have: one that lags has it at once, one whose revisions are others' never.
const REVISION_TRIES: u32 = 3;

/// How often and how long a call is tried; a pause that the server asks for counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Tries that failed while the server answered others.
    pub tries: u32,
    /// The time of these tries.
    pub total: Duration,
    /// Whether a server that answers nobody is waited for.
    pub stays: bool,
}

impl Patience {
    /// Rides out a burst of 429 and the election of a leader, and stays while the server is away.
    pub const PATIENT: Self = Self { tries: 24, total: Duration::from_secs(60), stays: true };
    /// For what may be down for good by itself: an API group behind a service.
    pub const BRIEF: Self = Self { tries: 6, total: Duration::from_secs(10), stays: true };
    /// For the first call: a person who named the wrong cluster wants to know soon.
    pub const PROMPT: Self = Self { tries: 6, total: Duration::from_secs(5), stays: false };
}

/// Whose failure it is, as far as another try of the same call is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The server's, which is away: no API server answered.
    Away,
    /// The server's, at this moment: its load, a new leader.
    Moment,
    /// Of what passes within so many tries, or not within one call.
    Few(u32),
    /// Nobody's whom another try would help.
    Final,
}

/// Whose failure it is.
pub(super) fn blame(trouble: Trouble, method: &Method, patience: Patience) -> Blame {
    match trouble {
        Trouble::Away => Blame::Away,
        Trouble::Load | Trouble::Store => Blame::Moment,
        Trouble::Credentials if patience.stays => Blame::Few(CREDENTIAL_TRIES),
        Trouble::Ahead => Blame::Few(REVISION_TRIES),
        // Whatever else is sent twice has the effect that it has once.
        Trouble::Inside | Trouble::Webhook if *method != Method::POST => Blame::Few(FEW),
        // The quota plug-in lost a race, once more than it tries itself; nothing was created.
        Trouble::Race if *method == Method::POST => Blame::Few(FEW),
        Trouble::Kind if *method == Method::POST => Blame::Few(KIND_TRIES),
        _ => Blame::Final,
    }
}

/// How long to wait before another try. `share` from 0 to 1: many calls that failed together do not come back together.
pub(super) fn pause(error: &ClusterError, attempt: u32, share: f64) -> Duration {
    if matches!(error, ClusterError::Credentials { .. }) {
        return CREDENTIAL_PAUSE;
    }
    let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(16)).min(LONGEST_PAUSE);
    let own = longest.mul_f64(0.5 + share / 2.0);
    // What a proxy says in place of the server is no more than a guess.
    let answered = error.api().filter(|failure| failure.trouble != Trouble::Away);
    let asked = answered.and_then(|failure| failure.retry_after);
    asked.unwrap_or_default().max(own)
}

/// Whether the failure itself says that the call had no effect.
pub(super) fn says_nothing_was_done(error: &ClusterError) -> bool {
    match error {
        ClusterError::Credentials { .. } => true,
        ClusterError::Api(failure) => matches!(failure.code, 404 | 409 | 429),
        _ => false,
    }
}
