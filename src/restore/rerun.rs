//! Runs Jobs again once everything is restored: deletes the one that is there, with its pods, and
//! creates it without what the API server made of the old one. A Job that is not there comes from
//! the backup, so that one which a killed run had deleted is not lost.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::account::RestoreAccount;
use super::error::RestoreError;
use super::halt::FINISHED_WITHIN;
use super::inventory::EntryId;
use super::meet::{COUNTED_PAUSE, COUNTED_WITHIN};
use super::outcome::Act;
use super::owners::Fate;
use super::plan::RestorePlan;
use super::prepared::shape;
use super::restorer::Restorer;
use super::rewrite::{Owner, OwnerView};
use super::select::Inclusion;
use crate::api::{RerunJob, label_requirements};
use crate::cluster::{Bound, ClusterError, Propagation, ResourceInfo};
use crate::model::{Category, Finding, GroupResource, ItemKey, LabelQuery, LabelSet, causes};

const JOBS: &str = "jobs.batch";

/// The annotation with the uid of the run that made a Job again: the next attempt at it only waits.
const RERUN_BY: &str = "ark.heptio.com/rerun-by";

/// The time that a Job may take unless the specification says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
/// The time that a Job may take at least to be deleted: its pods have a grace period.
const GONE_WITHIN: Duration = Duration::from_secs(120);
/// The most Jobs of one selector that run at once.
const AT_ONCE: usize = 8;

/// A Job to run again.
pub struct WantedJob {
    /// The item, by its name in the backup.
    item: ItemKey,
    /// The Job as it is in the backup.
    stored: Value,
}

/// Returns the Jobs of the backup that are meant: those that the restore selects, also such as had
/// ended and are not restored, but nothing of the server at work.
pub async fn wanted_jobs(plan: &RestorePlan, wanted: &RerunJob) -> Result<Vec<WantedJob>, RestoreError> {
    let inventory = &plan.source.inventory;
    let is_meant = |id: &EntryId| {
        let entry = plan.entry(*id);
        let namespace = inventory.namespace(entry).map(|name| plan.rewriter.namespace(name));
        plan.kind(*id).as_str() == JOBS
            && entry.inclusion == Inclusion::Selected
            && !inventory.is_itself(entry)
            && wanted.name.as_deref().is_none_or(|name| name == &*entry.name)
            && (wanted.namespace.is_none() || wanted.namespace.as_deref() == namespace)
    };
    let number = EntryId::try_from(inventory.entries.len()).unwrap_or(EntryId::MAX);
    let ids: Vec<EntryId> = (0..number).filter(is_meant).collect();
    let labels = wanted.label_selector.as_ref().and_then(|selector| label_requirements("", selector).ok());
    let labels = LabelQuery::new(labels.into_iter().collect());
    let mut bodies = plan.source.bodies(&ids)?;
    let mut jobs = Vec::new();
    while let Some((id, body)) = bodies.try_next().await? {
        // A body that is damaged is told of by the restore of the item itself.
        let Ok(Ok(stored)) = body.map(|body| serde_json::from_slice::<Value>(&body)) else { continue };
        let of_job = LabelSet::deserialize(&stored["metadata"]["labels"]).unwrap_or_default();
        if labels.matches(&of_job) {
            jobs.push(WantedJob { item: plan.key(id), stored });
        }
    }
    Ok(jobs)
}

/// Returns the finding about an entry of `rerunJobs` that means no Job of the backup.
fn nobody(wanted: &RerunJob) -> Finding {
    let RerunJob { name, namespace, .. } = wanted;
    let which = name.as_ref().map_or_else(|| "with these labels".to_owned(), |name| format!("`{name}`"));
    let place = namespace.as_ref().map(|name| format!(" in the namespace {name}")).unwrap_or_default();
    let message =
        format!("rerunJobs asks for the Job {which}{place}, and the restore selects none such of the backup");
    Finding::error(Category::Unmatched, message).on_kind(GroupResource::parse(JOBS))
}

/// Says in the acts of a dry run which Jobs would be run again.
pub async fn foresee_jobs(
    plan: &RestorePlan,
    acts: &mut [Act],
    account: &mut RestoreAccount<'_>,
) -> Result<(), RestoreError> {
    for wanted in &plan.afterwards.jobs {
        let jobs = wanted_jobs(plan, wanted).await?;
        if jobs.is_empty() {
            account.find(nobody(wanted));
        }
        let items: BTreeSet<&ItemKey> = jobs.iter().map(|job| &job.item).collect();
        for act in acts.iter_mut().filter(|act| items.contains(&act.item)) {
            let reason = act.reason.take().map(|reason| format!("{reason}; ")).unwrap_or_default();
            act.reason = Some(format!("{reason}then it is run again"));
        }
    }
    Ok(())
}

impl Restorer<'_> {
    /// Runs the Jobs again that the specification names, one entry after the other. What fails is a
    /// finding.
    ///
    /// # Errors
    /// When the backup cannot be read any more, or the restore is to end.
    pub async fn rerun_jobs(&self, account: &mut RestoreAccount<'_>) -> Result<(), RestoreError> {
        let plan = self.view.plan;
        for wanted in &plan.afterwards.jobs {
            let jobs = wanted_jobs(plan, wanted).await?;
            if jobs.is_empty() {
                account.find(nobody(wanted));
            }
            let given = wanted.timeout.as_ref().and_then(|timeout| timeout.length().ok());
            let timeout = given.unwrap_or(DEFAULT_TIMEOUT);
            account.stage(format!("running {} Jobs again", jobs.len()));
            let runs = jobs.into_iter().map(async |job| (job.item.clone(), self.rerun(job, timeout).await));
            let mut runs = stream::iter(runs).buffer_unordered(AT_ONCE);
            while let Some((item, ended)) = runs.next().await {
                match ended {
                    Ok(()) => account.log.info(&format!("{item}: it was run again, and is Complete")),
                    Err((category, why)) => account.find(Finding::error(category, why).on_item(item)),
                }
            }
            if self.halt.is_raised() {
                return Err(RestoreError::Halted);
            }
            account.jobs_left -= 1;
        }
        Ok(())
    }

    /// Runs a Job again and waits until it has ended.
    async fn rerun(&self, job: WantedJob, timeout: Duration) -> Result<(), (Category, String)> {
        let kind = GroupResource::parse(JOBS);
        let Some(info) = self.view.served.catalog.find(&kind) else {
            return Err((Category::NotReady, "it was not run again: the cluster serves no Jobs".to_owned()));
        };
        let uid = tokio::select! {
            uid = self.make_again(info, &job, timeout) => uid?,
            () = async { self.halt.raised().await; sleep(FINISHED_WITHIN).await } => {
                let why = "it may have been deleted to be run again, and the restore ended before it was there; it is in the backup, restore it again";
                return Err((Category::Other, why.to_owned()));
            }
        };
        let (namespace, name) = self.place(&job.item);
        let bound = Bound::new(timeout, timeout);
        let ended = tokio::select! {
            biased;
            () = self.halt.raised() => {
                return Err((Category::Other, "it was run again, and the restore ended before it had".to_owned()));
            }
            ended = self.view.cluster.job_ended(info, namespace, name, &uid, &bound) => ended,
        };
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err((Category::Other, format!("it was run again, and failed: {why}"))),
            Err(error) => Err((error.category(), format!("it was run again: {}", causes(&error)))),
        }
    }

    /// Creates the Job anew, and returns its uid. `timeout` is the time that it may take to run.
    async fn make_again(
        &self,
        info: &ResourceInfo,
        job: &WantedJob,
        timeout: Duration,
    ) -> Result<String, (Category, String)> {
        let (namespace, name) = self.place(&job.item);
        let failed =
            |what: &str, error: &ClusterError| (error.category(), format!("{what}: {}", causes(error)));
        let live = self.live_job(info, &job.item).await;
        let live = live.map_err(|error| failed("it was not run again", &error))?;
        if let Some(uid) = live.as_ref().and_then(|live| self.uid_if_rerun(live)) {
            return Ok(uid); // an earlier attempt made it
        }
        let run = &self.view.plan.afterwards.run;
        let mut body = self.stripped(info, job, live.as_ref())?;
        json_patch::merge(&mut body, &json!({"metadata": {"annotations": {RERUN_BY: run}}}));
        if self.halt.is_raised() {
            return Err((Category::Other, "it was not run again, since the restore ended before".to_owned()));
        }
        let _at_hand = self.halt.hold();
        // Noted before the deletion is sent, since its answer may be lost.
        self.touched.store(true, Ordering::Release);
        if let Some(live) = &live {
            let uid = live["metadata"]["uid"].as_str().unwrap_or_default();
            let deleted = self.view.cluster.delete(info, namespace, name, Some(uid), Propagation::Foreground);
            deleted
                .await
                .map_err(|error| failed("it was not run again, since it could not be deleted", &error))?;
            let within = GONE_WITHIN.max(timeout);
            let bound = Bound::new(within, within);
            let gone = self.view.cluster.gone(info, namespace, name, Some(uid), &bound).await;
            let slow = "it was deleted to be run again, and goes or is gone; it is in the backup, so once it is gone restore it again with rerunJobs";
            gone.map_err(|error| failed(slow, &error))?;
        }
        match self.create_again(info, &job.item, &body).await {
            Ok(Some(uid)) => Ok(uid),
            Ok(None) => {
                let why = "it was not run again: somebody else has made a Job of its name meanwhile";
                Err((Category::Conflict, why.to_owned()))
            }
            Err(error) => {
                let lost = "it was to be created anew to be run again, and that failed, so that it is not in the cluster; it is in the backup, restore it again with rerunJobs";
                Err(failed(lost, &error))
            }
        }
    }

    /// Creates the Job, again for a while where the refusal may pass, and returns its uid; `None`
    /// if another Job of its name is there.
    async fn create_again(
        &self,
        info: &ResourceInfo,
        item: &ItemKey,
        body: &Value,
    ) -> Result<Option<String>, ClusterError> {
        let (namespace, _) = self.place(item);
        let until = Instant::now() + COUNTED_WITHIN;
        loop {
            match self.view.cluster.create(info, namespace, body.to_string()).await {
                Ok(made) => return Ok(Some(made.uid)),
                // The answer to an earlier try may have been lost.
                Err(error) if error.is_already_exists() => {
                    let live = self.live_job(info, item).await?;
                    return Ok(live.and_then(|live| self.uid_if_rerun(&live)));
                }
                Err(error) if (error.may_count_deleted() || error.passes()) && Instant::now() < until => {
                    sleep(COUNTED_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the Job as it is in the cluster, or `None` if it is not there.
    async fn live_job(&self, info: &ResourceInfo, item: &ItemKey) -> Result<Option<Value>, ClusterError> {
        let (namespace, name) = self.place(item);
        let live = self.view.cluster.get(info, namespace, name).await?;
        Ok(live.and_then(|live| serde_json::from_slice(&live).ok()))
    }

    /// Returns the uid of a Job if this run made it to run it again.
    fn uid_if_rerun(&self, live: &Value) -> Option<String> {
        let metadata = live.get("metadata")?;
        let is_ours = metadata["annotations"][RERUN_BY] == *self.view.plan.afterwards.run;
        is_ours.then(|| metadata["uid"].as_str().unwrap_or_default().to_owned())
    }

    /// Returns the Job without what the API server made: that of the cluster, or else that of the
    /// backup.
    fn stripped(
        &self,
        info: &ResourceInfo,
        job: &WantedJob,
        live: Option<&Value>,
    ) -> Result<Value, (Category, String)> {
        let kind = &job.item.resource;
        let rewritten = match live {
            Some(live) => {
                let keep = |owner: &OwnerView<'_>| Owner::New(owner.uid.to_owned());
                let (namespace, name) = self.place(&job.item);
                let target = ItemKey {
                    namespace: namespace.map(str::to_owned),
                    name: name.to_owned(),
                    ..job.item.clone()
                };
                self.view.plain.rewrite(kind, &target, live.clone(), shape(info, &keep))
            }
            None => {
                let owners = |owner: &OwnerView<'_>| match self.view.owners.fate(owner.uid) {
                    Fate::There(uid) => Owner::New(uid),
                    Fate::Awaited | Fate::Unknown => Owner::Awaited,
                };
                self.view.plan.rewriter.rewrite(kind, &job.item, job.stored.clone(), shape(info, &owners))
            }
        };
        let rewritten = rewritten
            .map_err(|error| (error.category(), format!("it was not run again: {}", causes(&error))))?;
        Ok(rewritten.body)
    }

    /// Returns namespace and name in the cluster.
    fn place<'a>(&'a self, item: &'a ItemKey) -> (Option<&'a str>, &'a str) {
        let namespace = item.namespace.as_deref().map(|name| self.view.plan.rewriter.namespace(name));
        (namespace, &item.name)
    }
}
