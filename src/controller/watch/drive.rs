//! The loop of a controller ([`drive`]) and its error policy: a failure is logged and counted once,
//! and the object is tried again after a backoff.

use std::fmt::Debug;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Error};
use kube::runtime::reflector::Lookup;
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::backoff::FIRST_DELAY;
use super::news::{News, Sieve};
use super::watches::Watch;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::model::{Category, causes};

/// Delay after a failure that the API server calls invalid. A change of the object is looked at at
/// once; the delay is for reasons that lie elsewhere, such as an old CRD.
const INVALID_AGAIN: Duration = Duration::from_secs(3600);

/// Error policy of every controller: logs and counts a failure and returns when to try again. A
/// conflict is tried at once, what is invalid waits for a change, and everything else backs off
/// from 1 s to 60 s, forgotten after 120 s without a failure.
pub fn error_policy<K>(object: Arc<K>, error: &ControllerError, context: Arc<Context>) -> Action
where
    K: Resource<DynamicType = ()>,
{
    let (kind, name) = (K::kind(&()), object.name_any());
    let delay = again_in(error, context.retries.failed(&kind, &name, Instant::now()));
    if error.is_conflict() {
        // People and other servers may write at the same time; the next look sees what they wrote.
        // This is no failure.
        tracing::debug!(%kind, name, again_in = ?delay, "{}", causes(error));
    } else {
        context.metrics.reconcile_failed(&kind);
        tracing::warn!(%kind, name, again_in = ?delay, "{}", causes(error));
    }
    Action::requeue(delay)
}

/// Returns the delay until the object of a failure is looked at again; `backoff` is the delay that
/// its failures in a row ask for.
fn again_in(error: &ControllerError, backoff: Duration) -> Duration {
    match error.category() {
        // The cache has the other write in a moment; an object with one conflict after the other
        // backs off.
        Category::Conflict if error.is_conflict() && backoff <= FIRST_DELAY => Duration::ZERO,
        // Another try of the same write would be refused again. What a bucket holds may be mended.
        Category::Invalid if !matches!(error, ControllerError::Bucket { .. }) => INVALID_AGAIN,
        _ => backoff,
    }
}

/// Reconciles every object of the watch when there is news of it, and again when `reconcile` says
/// so, until the server stops; never before all caches are filled. Returns when the running
/// reconciliations have ended.
pub async fn drive<K, R, F>(context: Arc<Context>, watched: Watch<K>, news: News<K>, reconcile: R)
where
    K: Resource<DynamicType = ()>
        + Lookup<DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
    R: Fn(Arc<K>, Arc<Context>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Action, ControllerError>> + Send + 'static,
{
    let Watch { events, cache } = watched;
    let stop = context.stop.clone();
    let mut sieve = Sieve::new(news);
    let changes = events.filter_map(move |event| ready(event.map(|event| sieve.sift(event)).transpose()));
    Controller::for_stream(changes, cache)
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(move |object, context| when_filled(object, context, reconcile.clone()), error_policy, context)
        .for_each(|reconciled| async move {
            if let Err(error) = reconciled {
                note(&<K as Resource>::kind(&()), &error);
            }
        })
        .await;
}

/// Reconciles an object once all caches are filled: an object that a cache does not hold yet would
/// pass for missing. The future of `reconcile` is created only then: every object of the first list
/// waits here at once, and such a future is large.
async fn when_filled<K, R, F>(
    object: Arc<K>,
    context: Arc<Context>,
    reconcile: R,
) -> Result<Action, ControllerError>
where
    R: FnOnce(Arc<K>, Arc<Context>) -> F,
    F: Future<Output = Result<Action, ControllerError>>,
{
    let stop = context.stop.clone();
    tokio::select! {
        biased;
        filled = context.caches.filled() => if filled { return Box::pin(reconcile(object, context)).await },
        () = stop.cancelled() => {}
    }
    Ok(Action::await_change())
}

/// Logs errors of the watch. Failures of objects were logged by [`error_policy`].
pub fn note<W: std::error::Error + 'static>(kind: &str, error: &Error<ControllerError, W>) {
    match error {
        // The object was deleted while it waited for its turn.
        Error::ObjectNotFound(_) | Error::ReconcilerFailed(..) => {}
        Error::QueueError(_) | Error::RunnerError(_) => {
            tracing::warn!(kind, "cannot follow the changes of {kind} objects; trying on: {}", causes(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Backup, BackupSpec};
    use crate::cluster::script::{answer, serve};
    use crate::controller::context::scripted;
    use crate::controller::watch::backoff::{FORGIVEN_AFTER, Retries};

    #[test]
    fn failures_are_tried_again_later_and_later_up_to_a_minute() {
        let retries = Retries::default();
        let mut now = Instant::now();
        let delays: Vec<_> = (0..9)
            .map(|_| {
                let delay = retries.failed("Backup", "nightly", now);
                now += delay;
                delay.as_secs()
            })
            .collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn each_object_fails_for_itself() {
        let retries = Retries::default();
        let now = Instant::now();
        retries.failed("Backup", "a", now);
        assert_eq!(retries.failed("Backup", "a", now), FIRST_DELAY * 2);
        assert_eq!(retries.failed("Backup", "b", now), FIRST_DELAY);
        assert_eq!(retries.failed("Restore", "a", now), FIRST_DELAY);
    }

    #[test]
    fn an_object_that_was_sound_for_long_is_forgiven_and_forgotten() {
        let retries = Retries::default();
        let now = Instant::now();
        retries.failed("Backup", "a", now);
        retries.failed("Backup", "b", now);
        let later = now + FORGIVEN_AFTER + FIRST_DELAY * 2;
        assert_eq!(retries.failed("Backup", "a", later), FIRST_DELAY);
        assert_eq!(retries.failures.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_write_that_met_another_is_tried_again_and_is_no_failure() {
        let (cluster, _) = serve(|_, _| answer(200, "{}"));
        let context = scripted(cluster);
        let counted = |code: u16| {
            let status = serde_json::json!({"code": code, "reason": "Some", "message": "no"});
            let refused = kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()));
            let error = ControllerError::kube("write x")(refused);
            let backup = Arc::new(Backup::new("nightly", BackupSpec::default()));
            error_policy(backup, &error, Arc::clone(&context));
            context.metrics.exposition().unwrap().contains("ark_reconcile_errors_total{kind=\"Backup\"}")
        };
        assert!(!counted(409), "two wrote at once");
        assert!(counted(500));
    }

    #[test]
    fn a_conflict_is_tried_at_once_what_is_invalid_waits_and_everything_else_backs_off() {
        let answered = |code: u16| {
            let status = serde_json::json!({"code": code, "reason": "Some", "message": "no"});
            ControllerError::kube("write x")(kube::Error::Api(Box::new(
                serde_json::from_value(status).unwrap(),
            )))
        };
        let later = FIRST_DELAY * 8;
        assert_eq!(again_in(&answered(409), FIRST_DELAY), Duration::ZERO);
        assert_eq!(again_in(&answered(409), later), later, "one conflict after the other");
        assert_eq!(again_in(&answered(422), FIRST_DELAY), INVALID_AGAIN);
        for code in [403, 404, 429, 500, 503] {
            assert_eq!(again_in(&answered(code), later), later, "{code}");
        }
    }
}
