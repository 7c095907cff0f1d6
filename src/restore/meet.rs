//! Deals with an item that is in the cluster already: leaves it, changes it, or makes it anew.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::binding::tell_of_content;
use super::existing::{ExistingVerdict, still_differs};
use super::inspect::updated;
use super::links::Link;
use super::live::{LiveItem, labels, references};
use super::outcome::{CreateOutcome, ItemAction};
use super::prepared::Ready;
use super::restorer::Restorer;
use super::rewrite::are_ours;
use super::select::Inclusion;
use crate::cluster::{ClusterError, Propagation};
use crate::model::traits::adopts;
use crate::model::{Category, Finding, NAMESPACES, SkipReason, causes};

/// The longest time for which admission may count an item that is gone: the controller of quotas
/// recounts after each deletion, and the API server's cache of PriorityClasses lags a little.
pub(super) const COUNTED_WITHIN: Duration = Duration::from_secs(30);
pub(super) const COUNTED_PAUSE: Duration = Duration::from_millis(500);

/// The kind whose pods are deleted with it.
const JOBS: &str = "jobs.batch";

impl Restorer<'_> {
    /// Leaves the item, changes it, or makes it anew, as the policy says.
    pub async fn meet(&self, ready: &Ready<'_>, live: &LiveItem) -> Result<CreateOutcome, ClusterError> {
        self.view.owners.arrived(self.view.plan.entry(ready.entry).uid, &live.uid);
        let verdict = self.view.judge(ready, live);
        if live.restored {
            self.view.own.add(ready.entry);
        }
        let differs = || Some(format!("differs in {}", live.difference.describe()));
        let mut met = match verdict {
            // The earlier attempt may have ended between the create and what follows it.
            ExistingVerdict::Restored => {
                if ready.target.resource.as_str() == NAMESPACES {
                    self.view.made_namespaces.add(ready.target.name.clone());
                }
                let why = "an earlier attempt of this restore made it";
                let findings = self.complete_create(ready, &live.uid, &live.version, Some(live)).await;
                return Ok(CreateOutcome::Done(
                    ItemAction::Create,
                    Some(why.to_owned()),
                    findings.into_iter().collect(),
                ));
            }
            ExistingVerdict::Unchanged => {
                let findings = self.finish(ready, live).await;
                CreateOutcome::Done(
                    ItemAction::Skip(SkipReason::Unchanged),
                    None,
                    findings.into_iter().collect(),
                )
            }
            ExistingVerdict::Leave(_) => {
                let warnings =
                    verdict.warning(&live.difference).map(|text| ready.warning(Category::Conflict, text));
                CreateOutcome::Done(
                    ItemAction::Skip(SkipReason::Exists),
                    differs(),
                    warnings.into_iter().collect(),
                )
            }
            ExistingVerdict::Update => return self.update(ready, live).await,
            ExistingVerdict::Recreate => return self.recreate(ready, live).await,
        };
        self.meet_owners(ready, live);
        if let CreateOutcome::Done(.., findings) = &mut met {
            findings.extend(self.bindings.bind_again(&self.view, ready, live).await?);
            findings.extend(tell_of_content(&self.view, ready, live).await?);
        }
        Ok(met)
    }

    /// Gives field owners back if a restore of this backup made the item and ended before it did
    /// so.
    async fn finish(&self, ready: &Ready<'_>, live: &LiveItem) -> Option<Finding> {
        let stored = ready.field_owners.as_ref()?;
        if !self.view.plan.earlier.made_any(&labels(&live.object)) || !are_ours(stored, &live.object) {
            return None;
        }
        self.give_fields_back(ready, &live.uid, &live.version).await.1
    }

    /// Notes the references that the item lacks, whose owners have not come so far. Only a
    /// selected item gets them.
    fn meet_owners(&self, ready: &Ready<'_>, live: &LiveItem) {
        if self.view.plan.entry(ready.entry).inclusion != Inclusion::Selected {
            return;
        }
        let link = Link {
            entry: ready.entry,
            target: ready.target.clone(),
            uid: live.uid.clone(),
            version: live.version.clone(),
            references: references(&live.object),
            awaited: ready.awaited.clone(),
            met: true,
            ours: self.view.plan.earlier.made_any(&labels(&live.object)),
        };
        self.links.add(link, None);
    }

    /// Changes the item in place to what it was in the backup; a difference that is left
    /// afterwards is a finding.
    async fn update(&self, ready: &Ready<'_>, live: &LiveItem) -> Result<CreateOutcome, ClusterError> {
        let (target, namespace) = (&ready.target, ready.target.namespace.as_deref());
        let body = updated(ready, live).to_string();
        let written = match self.view.cluster.replace(ready.info, namespace, &target.name, body).await {
            Ok(written) => written,
            // Somebody changed the item since the look, so it is looked at again.
            Err(error) if error.is_conflict() => return Ok(CreateOutcome::TryAgain),
            Err(error) => return Err(error),
        };
        let mut findings = self.lost(ready, &written.warnings);
        findings.extend(self.restore_status(ready).await);
        findings.extend(self.give_fields_back(ready, &written.uid, &written.resource_version).await.1);
        let now = self.view.look(ready).await?;
        if let Some(now) = &now {
            self.meet_owners(ready, now);
            let differs = still_differs("updated", &now.difference).filter(|_| now.uid == live.uid);
            findings.extend(differs.map(|text| ready.warning(Category::Conflict, text)));
        }
        Ok(CreateOutcome::Done(
            ItemAction::Update,
            Some(format!("differed in {}", live.difference.describe())),
            findings,
        ))
    }

    /// Deletes the item and creates it. What the item owned stays and belongs to the new one
    /// afterwards, by a selector or by a reference: a cascading deletion would take the pods of a
    /// Deployment, or the children of a custom resource that this restore has found equal. Only a
    /// Job's pods go with the Job, whose successor makes its own.
    async fn recreate(&self, ready: &Ready<'_>, live: &LiveItem) -> Result<CreateOutcome, ClusterError> {
        let (target, namespace) = (&ready.target, ready.target.namespace.as_deref());
        let differed = Some(format!("differed in {}", live.difference.describe()));
        let is_job = target.resource.as_str() == JOBS;
        let propagation = if is_job { Propagation::Background } else { Propagation::Orphan };
        // Noted before the deletion is sent, since its answer may be lost.
        self.touched.store(true, Ordering::Release);
        self.view.cluster.delete(ready.info, namespace, &target.name, Some(&live.uid), propagation).await?;
        let made = match self.view.wait_gone(ready, live).await {
            Ok(()) => self.create_uncounted(ready).await,
            Err(error) => Err(error),
        };
        match made {
            Ok(mut findings) => {
                let differs = match self.view.look(ready).await {
                    Ok(now) => now.and_then(|now| still_differs("made anew", &now.difference)),
                    Err(error) if error.is_about_the_connection() => return Err(error),
                    Err(error) => Some(format!(
                        "it was made anew, and could not be looked at afterwards: {}",
                        causes(&error)
                    )),
                };
                findings.extend(differs.map(|text| ready.warning(Category::Conflict, text)));
                findings.extend(self.left_without_owner(ready));
                Ok(CreateOutcome::Done(ItemAction::Recreate, differed, findings))
            }
            // At its next try the item is not there, and is created.
            Err(error) if error.passes() => Err(error),
            // A controller has made it again before this restore.
            Err(error) if error.is_already_exists() => Ok(CreateOutcome::TryAgain),
            Err(error) => {
                let message = format!(
                    "it was deleted to be made anew, and that failed, so that it is gone from the cluster or goes; it is in the backup, restore it again: {}",
                    causes(&error)
                );
                Ok(CreateOutcome::Done(
                    ItemAction::Fail,
                    differed,
                    vec![ready.error(error.category(), message)],
                ))
            }
        }
    }

    /// Returns a warning if the backup has children of the item that this restore does not bring,
    /// else `None`: those that are in the cluster stay there without an owner. Children that are
    /// adopted by a selector find the new item by themselves.
    fn left_without_owner(&self, ready: &Ready<'_>) -> Option<Finding> {
        let plan = self.view.plan;
        let owner = plan.entry(ready.entry).uid?;
        let leaves = (plan.source.inventory.owners_elsewhere.contains(&owner)
            || plan.items.parted_owners.contains(&owner))
            && !adopts(&ready.target.resource)
            && ready.target.resource.as_str() != JOBS;
        leaves.then(|| {
            let message = "it was made anew, and the backup has items of it that this restore does not bring: those that are in the cluster have no owner any more, so that nothing collects them and an operator may not know them; restore them with existingResourcePolicy Update, which gives them their owner";
            ready.warning(Category::Other, message)
        })
    }

    /// Creates an item that was deleted a moment ago, again while admission still counts the
    /// deleted one.
    async fn create_uncounted(&self, ready: &Ready<'_>) -> Result<Vec<Finding>, ClusterError> {
        let until = Instant::now() + COUNTED_WITHIN;
        loop {
            match self.create(ready, &mut None).await {
                Err(error) if error.may_count_deleted() && Instant::now() < until => {
                    sleep(COUNTED_PAUSE).await;
                }
                done => return done,
            }
        }
    }
}
