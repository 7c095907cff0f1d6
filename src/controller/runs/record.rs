//! The status of one run. Nothing else writes it while the run goes on.
//!
//! Every write replaces the whole status of the object as it was last seen. If somebody else has
//! changed the object meanwhile, the object is read again, and written only if the run is still
//! this server's.

use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::reflector::ObjectRef;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::resource::{RunResource, Stage, StatusUpdate, described};
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::model::causes;

/// Field manager, for `kubectl get --show-managed-fields`.
const MANAGER: &str = "ark";

/// Number of conflicts that one write survives: people label and controllers annotate objects,
/// seldom.
const CONFLICTS: usize = 8;

/// Pause after the first failed write; doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Longest pause: once the API server is back, a waiting person should soon see the end of the run.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Number of refusals in a row, which only a person can end, after which a run gives its turn to
/// another and is reconciled from the start.
const REFUSALS: u32 = 10;

/// Time for which a server that ends goes on trying to record its runs; Kubernetes kills it after
/// 30 s.
pub const GRACE: Duration = Duration::from_secs(10);

/// Outcome of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The status is written.
    Done,
    /// The object is deleted, or its run is another's: nothing more may be written.
    Lost,
}

/// The object of a run, as it was last seen.
pub struct Record<'a, K: RunResource> {
    context: &'a Context,
    api: Api<K>,
    object: K,
}

impl<'a, K: RunResource> Record<'a, K> {
    /// Creates a record of an object that was read just now.
    pub fn open(context: &'a Context, object: K) -> Self {
        Self { context, api: context.api(), object }
    }

    /// Returns the object as it was last seen.
    pub fn object(&self) -> &K {
        &self.object
    }

    /// Returns the shared state of the controllers.
    pub fn context(&self) -> &'a Context {
        self.context
    }

    /// Patches metadata and spec. `merge` names only what changes, so that fields of a newer
    /// version stay.
    ///
    /// # Errors
    /// If the API server refuses, or somebody else has changed the object.
    pub async fn settle(&mut self, mut merge: Value) -> Result<(), ControllerError> {
        merge["metadata"]["resourceVersion"] = json!(self.object.resource_version());
        let doing = format!("write down what is settled about {}", described(&self.object));
        let (name, patch) = (self.object.name_any(), Patch::Merge(merge));
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let written = self.api.patch(&name, &parameters, &patch);
        self.object = ControllerError::within(doing, written).await?;
        Ok(())
    }

    /// Writes a change of the status.
    ///
    /// # Errors
    /// If the API server refuses or does not answer. Before the run has begun also if somebody else
    /// has changed the object: the step has to be decided anew.
    pub async fn write(&mut self, change: &StatusUpdate<K>) -> Result<WriteOutcome, ControllerError> {
        let name = self.object.name_any();
        let doing = format!("write the status of {}", described(&self.object));
        let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let mut conflicts = 0;
        loop {
            let mut next = self.object.clone();
            next.change(change);
            let written = self.api.replace_status(&name, &parameters, &next);
            match ControllerError::within(doing.clone(), written).await {
                Ok(written) => {
                    self.object = written;
                    return Ok(WriteOutcome::Done);
                }
                Err(error) if error.is_not_found() => return Ok(WriteOutcome::Lost),
                Err(error) if error.is_conflict() && self.object.state().stage != Stage::New => {
                    conflicts += 1;
                    if conflicts > CONFLICTS {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
            match ControllerError::within(doing.clone(), self.api.get_opt(&name)).await? {
                Some(fresh) if self.is_same_run(&fresh) => self.object = fresh,
                _ => return Ok(WriteOutcome::Lost),
            }
        }
    }

    /// Writes a change that must not be lost: repeats the write until it succeeds or the server has
    /// ended.
    ///
    /// # Errors
    /// If the API server calls the status invalid, keeps refusing it, or the server ended before it
    /// was written.
    pub async fn persist(&mut self, change: &StatusUpdate<K>) -> Result<WriteOutcome, ControllerError> {
        let mut pause = FIRST_PAUSE;
        let mut deadline = None;
        let mut refusals = 0;
        loop {
            let error = match self.write(change).await {
                Ok(written) => return Ok(written),
                Err(error) => error,
            };
            let now = Instant::now();
            if self.context.stop.is_cancelled() && deadline.is_none() {
                deadline = Some(now + GRACE);
            }
            refusals = if error.is_refusal() { refusals + 1 } else { 0 };
            // 400 and 422 say that this status is invalid. Other refusals may end, so they are met
            // often.
            let hopeless = error.is_status(422) || error.is_status(400) || refusals >= REFUSALS;
            if hopeless || deadline.is_some_and(|end| now >= end) {
                return Err(error);
            }
            let (kind, name) = (K::kind(&()), self.object.name_any());
            tracing::warn!(%kind, name, "{}; trying again", causes(&error));
            tokio::select! {
                () = sleep_until(now + pause) => {}
                () = self.context.stop.cancelled(), if deadline.is_none() => sleep(FIRST_PAUSE).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Returns true if the object exists and is not being deleted. If the cache does not have it
    /// the API server is asked; an unanswered request counts as true.
    pub async fn is_there(&self) -> bool {
        let uid = self.object.uid();
        let same = |other: &K| other.meta().uid == uid && other.meta().deletion_timestamp.is_none();
        let known = K::store(&self.context.caches).get(&ObjectRef::from_obj(&self.object));
        if known.is_some_and(|known| same(&known)) {
            return true;
        }
        let name = self.object.name_any();
        match ControllerError::within(
            format!("look for {}", described(&self.object)),
            self.api.get_opt(&name),
        )
        .await
        {
            Ok(found) => found.is_some_and(|found| same(&found)),
            Err(_) => true,
        }
    }

    fn is_same_run(&self, fresh: &K) -> bool {
        fresh.meta().uid == self.object.meta().uid
            && fresh.meta().deletion_timestamp.is_none()
            && fresh.state() == self.object.state()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Backup;
    use crate::cluster::script::{Answer, answer, failure, serve};
    use crate::controller::context::scripted;

    /// Persists a failure against an API server that answers each try, counted from 0, as `answers`
    /// says.
    async fn persist(answers: fn(usize) -> Answer) -> Result<WriteOutcome, ControllerError> {
        let (cluster, _) = serve(move |number, _| answers(number));
        let context = scripted(cluster);
        let backup = serde_json::from_value(json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup",
            "metadata": {"name": "a", "uid": "u"}, "spec": {}, "status": {"phase": "InProgress"}}));
        let mut record = Record::open(&context, backup.unwrap());
        let change = StatusUpdate::<Backup>::Fail("it failed".to_owned(), crate::api::Timestamp::now());
        record.persist(&change).await
    }

    fn written() -> Answer {
        let backup = json!({"apiVersion": "ark.heptio.com/v1", "kind": "Backup", "metadata": {"name": "a"}, "spec": {}});
        answer(200, backup.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_lasts_gives_the_place_to_another_run_and_an_outage_does_not() {
        let error = persist(|_| failure(403, "Forbidden", "a policy denies it", "")).await.unwrap_err();
        assert!(causes(&error).contains("a policy denies it"), "{error}");
        persist(|_| failure(500, "", "etcdserver: request is too large", "")).await.unwrap_err();
        persist(|_| failure(413, "RequestEntityTooLarge", "limit is 3145728", "")).await.unwrap_err();
        let outage = persist(|number| match number {
            0..40 => failure(500, "", "etcdserver: leader changed", ""),
            _ => written(),
        });
        assert_eq!(outage.await.unwrap(), WriteOutcome::Done);
        let brief = persist(|number| match number {
            0..5 => failure(403, "Forbidden", "the role is being replaced", ""),
            _ => written(),
        });
        assert_eq!(brief.await.unwrap(), WriteOutcome::Done);
    }
}
