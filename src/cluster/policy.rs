//! Classifies the failure of a call, and decides whether and when another try makes sense. Pure.

use std::time::Duration;

use http::Method;

use super::ClusterError;
use super::trouble::Trouble;

/// The pause before the second try; doubles with every further try.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause, unless the server asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The pause after refused credentials. A token is replaced, or the webhook that checks tokens
/// restarts: four pauses make ten seconds.
const CREDENTIAL_PAUSE: Duration = Duration::from_millis(2500);
/// Tries until credentials count as refused.
const CREDENTIAL_TRIES: u32 = 5;
/// Tries for failures that pass soon or not within one call: some five seconds in all.
const FEW: u32 = 6;
/// Tries for a kind that one API server of several does not serve yet: about a second. A later
/// retry is up to the caller.
const KIND_TRIES: u32 = 4;
/// Tries for a revision that a server does not have. A server that lags has it at once; an
/// aggregated server with revisions of its own never has.
const REVISION_TRIES: u32 = 3;

/// The limits of a call's tries. A pause that the server asks for counts as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// The most tries that may fail while the server answers others.
    pub tries: u32,
    /// The most time that these tries may take.
    pub total: Duration,
    /// Whether a server that answers nobody is waited for.
    pub stays: bool,
}

impl Patience {
    /// For most calls: outlasts a burst of 429 and an etcd election, and waits while the server is
    /// away.
    pub const PATIENT: Self = Self { tries: 24, total: Duration::from_secs(60), stays: true };
    /// For calls to what may be down for good while the server is well: an API group behind a
    /// service.
    pub const BRIEF: Self = Self { tries: 6, total: Duration::from_secs(10), stays: true };
    /// For the first call: a person who named the wrong cluster wants to know soon.
    pub const PROMPT: Self = Self { tries: 6, total: Duration::from_secs(5), stays: false };
}

/// The cause of a failure, as far as another try of the same call is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// No API server answered.
    Away,
    /// The server cannot serve at the moment: load, or an etcd election.
    Moment,
    /// The failure passes within so many tries, or not within one call.
    Few(u32),
    /// Another try would not help.
    Final,
}

/// Returns the cause of a failure, as far as another try is concerned.
pub(super) fn blame(trouble: Trouble, method: &Method, patience: Patience) -> Blame {
    match trouble {
        Trouble::Away => Blame::Away,
        Trouble::Load | Trouble::Store => Blame::Moment,
        Trouble::Credentials if patience.stays => Blame::Few(CREDENTIAL_TRIES),
        Trouble::Ahead => Blame::Few(REVISION_TRIES),
        // Any method but POST has the same effect when it is sent twice.
        Trouble::Inside | Trouble::Webhook if *method != Method::POST => Blame::Few(FEW),
        // The quota admission plug-in lost a race, after the retries that it makes itself; nothing
        // was created.
        Trouble::Race if *method == Method::POST => Blame::Few(FEW),
        Trouble::Kind if *method == Method::POST => Blame::Few(KIND_TRIES),
        _ => Blame::Final,
    }
}

/// Returns the pause before another try. `share`, from 0 to 1, is random, so that calls that
/// failed together do not come back together.
pub(super) fn pause(error: &ClusterError, attempt: u32, share: f64) -> Duration {
    if matches!(error, ClusterError::Credentials { .. }) {
        return CREDENTIAL_PAUSE;
    }
    let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(16)).min(LONGEST_PAUSE);
    let own = longest.mul_f64(0.5 + share / 2.0);
    // A Retry-After of a proxy is no more than a guess.
    let answered = error.api().filter(|failure| failure.trouble != Trouble::Away);
    let asked = answered.and_then(|failure| failure.retry_after);
    asked.unwrap_or_default().max(own)
}

/// Returns true if the failure itself says that the call had no effect.
pub(super) fn says_nothing_was_done(error: &ClusterError) -> bool {
    match error {
        ClusterError::Credentials { .. } => true,
        ClusterError::Api(failure) => matches!(failure.code, 404 | 409 | 429),
        _ => false,
    }
}
