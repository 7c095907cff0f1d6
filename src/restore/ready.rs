//! Restores what all other items need first: CRDs until they are served, namespaces until they are
//! Active.
//!
//! A wait ends when for a while nothing of its kind has become ready, rather than after a fixed
//! time: a busy API server serves sixty CRDs one after the other. A namespace that hangs in its
//! deletion holds up its own items only.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};

use super::account::{ItemDone, RestoreAccount};
use super::apply::Chance;
use super::batch::Batch;
use super::error::{Broken, RestoreError, unless_connection};
use super::inventory::EntryId;
use super::kinds::{ServedKinds, namespace_kind};
use super::live::labels;
use super::outcome::{Act, ItemAction};
use super::plan::RestorePlan;
use super::restorer::Restorer;
use super::steps::PlanStep;
use crate::cluster::{Bound, ClusterError, Lag};
use crate::model::{Finding, GroupResource, ItemKey, NAMESPACES, SkipReason, causes};

/// Waits for CRDs end when none becomes served within this; some 20 ms are usual, and Velero waits
/// as long.
const DEFINITIONS_QUIET: Duration = Duration::from_secs(60);

/// Waits for namespaces end when none becomes Active within this; most are at once.
const NAMESPACES_QUIET: Duration = Duration::from_secs(60);

/// The time for which a namespace that is being deleted holds up the others.
const NAMESPACE_GONE_SOON: Duration = Duration::from_secs(10);

/// The time for which a namespace that is still being deleted at the end may say the same of what
/// is left in it: deleting its objects takes time, and one that says the same for so long hangs.
const NAMESPACE_QUIET: Duration = Duration::from_secs(60);

/// The longest wait, whatever progress there is; Velero gives a namespace as long.
const MOST: Duration = Duration::from_secs(600);

/// The catalog is asked again until none of the kinds with Established CRDs appears within this:
/// API servers learn of kinds one by one.
const CATALOG_QUIET: Duration = Duration::from_secs(30);

/// Pause between two requests for the catalog.
const CATALOG_PAUSE: Duration = Duration::from_millis(250);

/// Namespaces by their names in the cluster, each with its entry; `None` if the backup does not
/// hold the namespace.
pub type Homes<'a> = BTreeMap<&'a str, Option<EntryId>>;

impl<'a> Restorer<'a> {
    /// Restores the CRDs and waits until they are served. A CRD that never is takes only its own
    /// resources with it.
    pub async fn restore_definitions(
        &mut self,
        account: &mut RestoreAccount<'_>,
    ) -> Result<(), RestoreError> {
        let definitions = &self.view.plan.items.definitions;
        if definitions.is_empty() {
            return Ok(());
        }
        account.stage("restoring customresourcedefinitions.apiextensions.k8s.io");
        let Batch { mut failed, again, .. } = self.restore_all(definitions, Chance::First, account).await?;
        failed.extend(self.second_chance(again, true, account).await?.failed);
        account.stage("waiting for the definitions to be established");
        let bound = Bound::new(DEFINITIONS_QUIET, MOST);
        let there = definitions.iter().copied().filter(|id| !failed.contains_key(id));
        let waits = there.map(async |id| {
            let name = self.view.plan.entry(id).name.to_string();
            let served = self.view.cluster.crd_established(&name, &bound).await;
            (id, name, served)
        });
        let waited: Vec<_> = stream::iter(waits).buffer_unordered(self.view.plan.parallel).collect().await;
        let (mut broken, mut served) = (HashMap::new(), HashSet::new());
        for (id, name, outcome) in waited {
            if let Err(error) = outcome {
                let error = unless_connection("waiting for a definition to be established", error)?;
                let why = format!("its definition is not served: {}", causes(&error));
                let item = self.view.plan.key(id);
                account.find(Finding::error(error.category(), causes(&error)).on_item(item));
                broken.insert(name, (error.category(), why));
            } else {
                served.insert(name);
            }
        }
        for (id, (category, why)) in failed {
            let name = self.view.plan.entry(id).name.to_string();
            broken.insert(name, (category, format!("its definition could not be restored: {why}")));
        }
        self.look_up_kinds(&broken, &served).await
    }

    /// Asks the cluster again what it serves, until the answer holds every kind whose CRD is
    /// served: behind one address there may be several API servers, each of which learns of kinds
    /// by itself.
    async fn look_up_kinds(
        &mut self,
        broken: &HashMap<String, Broken>,
        served: &HashSet<String>,
    ) -> Result<(), RestoreError> {
        let mut lag = Lag::new(CATALOG_QUIET, MOST);
        loop {
            let catalog = self.view.cluster.catalog().await;
            let catalog =
                catalog.map_err(RestoreError::cluster("asking the cluster again what it serves"))?;
            let missing =
                served.iter().filter(|kind| catalog.find(&GroupResource::parse(kind)).is_none()).count();
            if lag.is_over(missing) {
                // A CRD whose restore failed may be in the cluster all the same, and then serves
                // its resources.
                let broken =
                    broken.iter().filter(|(kind, _)| catalog.find(&GroupResource::parse(kind)).is_none());
                let broken = broken.map(|(kind, why)| (kind.clone(), why.clone())).collect();
                let inventory = &self.view.plan.source.inventory;
                self.view.served = Cow::Owned(ServedKinds::resolve(inventory, catalog, &broken));
                return Ok(());
            }
            tokio::time::sleep(CATALOG_PAUSE).await;
        }
    }

    /// Restores the namespaces, creates those that the backup does not hold, and waits until they
    /// are Active. Returns those that are still being deleted; they come later.
    pub async fn restore_namespaces(
        &mut self,
        account: &mut RestoreAccount<'_>,
    ) -> Result<Homes<'a>, RestoreError> {
        let namespaces = &self.view.plan.items.namespaces;
        if namespaces.is_empty() {
            return Ok(Homes::new());
        }
        account.stage("restoring namespaces");
        let bound = Bound::new(NAMESPACE_GONE_SOON, MOST);
        let looks = namespaces.iter().map(async |(name, home)| {
            let gone = self.namespace_gone(name, &bound).await;
            (name.as_str(), *home, gone)
        });
        let looks = stream::iter(looks.collect::<Vec<_>>());
        let looks: Vec<_> = looks.buffer_unordered(self.view.plan.parallel).collect().await;
        let (mut ready, mut late) = (Homes::new(), Homes::new());
        for (name, home, gone) in looks {
            match gone {
                Ok(()) => ready.insert(name, home),
                Err(error @ ClusterError::NotReady { .. }) => {
                    account.log.info(&format!("going on without {name} for now: {error}"));
                    late.insert(name, home)
                }
                Err(error) => return Err(RestoreError::cluster("looking at the target namespaces")(error)),
            };
        }
        self.settle_namespaces(ready, account).await?;
        Ok(late)
    }

    /// Restores the namespaces that were being deleted, once they are gone. A namespace that never
    /// goes is an error, and its items are left out.
    pub async fn restore_late_namespaces(
        &mut self,
        late: Homes<'a>,
        account: &mut RestoreAccount<'_>,
    ) -> Result<(), RestoreError> {
        account.stage("waiting for namespaces to be deleted, so that they can be restored");
        let waits = late.into_iter().map(async |(name, home)| {
            let gone = self.namespace_gone_at_last(name).await;
            (name, home, gone)
        });
        let waits = stream::iter(waits.collect::<Vec<_>>());
        let waited: Vec<_> = waits.buffer_unordered(self.view.plan.parallel).collect().await;
        let mut ready = Homes::new();
        for (name, home, gone) in waited {
            match gone {
                Ok(()) => {
                    ready.insert(name, home);
                }
                Err(error) => {
                    let error = unless_connection("waiting for a namespace to be deleted", error)?;
                    let why =
                        format!("{}; take away what holds it, and run the restore again", causes(&error));
                    let item = ItemKey::cluster(GroupResource::parse(NAMESPACES), name);
                    let finding = Finding::error(error.category(), why.clone()).on_item(item.clone());
                    let act = Act { item, target: None, action: ItemAction::Fail, reason: Some(why.clone()) };
                    account.record(ItemDone { act, findings: vec![finding], hooked: None, bytes: 0 })?;
                    self.broken_namespaces.insert(name.to_owned(), (error.category(), why));
                }
            }
        }
        self.settle_namespaces(ready, account).await
    }

    /// Waits while the deletion of a namespace goes on, which shows in its conditions: they count
    /// what is left in it.
    async fn namespace_gone_at_last(&self, name: &str) -> Result<(), ClusterError> {
        let (began, mut said) = (tokio::time::Instant::now(), String::new());
        loop {
            match self.namespace_gone(name, &Bound::new(NAMESPACE_QUIET, NAMESPACE_QUIET)).await {
                Err(ClusterError::NotReady { last, .. }) if last != said && began.elapsed() < MOST => {
                    said = last;
                }
                ended => return ended,
            }
        }
    }

    /// Waits while a namespace is being deleted; returns at once if it is not, or not there.
    async fn namespace_gone(&self, name: &str, bound: &Bound) -> Result<(), ClusterError> {
        let kind = namespace_kind();
        let Some(body) = self.view.cluster.get(&kind, None, name).await? else { return Ok(()) };
        let object: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        if object["metadata"]["deletionTimestamp"].is_null() {
            return Ok(());
        }
        self.view.cluster.gone(&kind, None, name, object["metadata"]["uid"].as_str(), bound).await
    }

    async fn settle_namespaces(
        &mut self,
        namespaces: Homes<'a>,
        account: &mut RestoreAccount<'_>,
    ) -> Result<(), RestoreError> {
        let mut stored: Vec<EntryId> = namespaces.values().flatten().copied().collect();
        stored.sort_unstable();
        let Batch { mut failed, again, .. } = self.restore_all(&stored, Chance::First, account).await?;
        failed.extend(self.second_chance(again, true, account).await?.failed);
        let bound = Bound::new(NAMESPACES_QUIET, MOST);
        let settled = namespaces.into_iter().map(|(name, home)| {
            let failed = home.and_then(|id| failed.remove(&id));
            self.settle(name, home, failed, &bound)
        });
        let settled: Vec<_> = stream::iter(settled.collect::<Vec<_>>())
            .buffer_unordered(self.view.plan.parallel)
            .collect()
            .await;
        for settled in settled {
            let (name, broken, done) = settled?;
            if let Some(done) = done {
                if done.act.action == ItemAction::Create {
                    self.view.made_namespaces.add(name.to_owned());
                }
                account.record(done)?;
            }
            if let Some(broken) = broken {
                self.broken_namespaces.insert(name.to_owned(), broken);
            }
        }
        self.links.link(&self.view, false, account).await
    }

    /// Creates a namespace if the backup does not hold it, and waits until it is Active.
    async fn settle(
        &self,
        name: &'a str,
        home: Option<EntryId>,
        failed: Option<Broken>,
        bound: &Bound,
    ) -> Result<(&'a str, Option<Broken>, Option<ItemDone>), RestoreError> {
        if failed.is_some() {
            return Ok((name, failed, None));
        }
        let made = match home {
            Some(_) => Ok(None),
            None => self.make_namespace(name).await.map(Some),
        };
        let active = async { self.view.cluster.namespace_active(name, bound).await };
        let item = || ItemKey::cluster(GroupResource::parse(NAMESPACES), name);
        let act = |action| Act { item: item(), target: None, action, reason: None };
        let done = |action, findings| ItemDone { act: act(action), findings, hooked: None, bytes: 0 };
        let (made, error) = match made {
            Ok(made) => match active.await {
                Ok(()) => return Ok((name, None, made.map(|action| done(action, Vec::new())))),
                Err(error) => (made, error),
            },
            Err(error) => (None, error),
        };
        let error = unless_connection("making namespaces", error)?;
        let finding = Finding::error(error.category(), causes(&error)).on_item(item());
        let broken = (error.category(), causes(&error));
        Ok((name, Some(broken), Some(done(made.unwrap_or(ItemAction::Fail), vec![finding]))))
    }

    async fn make_namespace(&self, name: &str) -> Result<ItemAction, ClusterError> {
        let body = self.view.plan.rewriter.bare_namespace(name).to_string();
        match self.view.cluster.create(&namespace_kind(), None, body).await {
            Ok(_) => Ok(ItemAction::Create),
            Err(error) if error.is_already_exists() => {
                let there = self.view.cluster.get(&namespace_kind(), None, name).await?.unwrap_or_default();
                let there = serde_json::from_slice(&there).unwrap_or_default();
                let ours = self.view.plan.attempt > 1 && self.view.plan.earlier.made(&labels(&there));
                Ok(if ours { ItemAction::Create } else { ItemAction::Skip(SkipReason::Unchanged) })
            }
            Err(error) => Err(error),
        }
    }
}

/// Splits the steps into those of namespaces that are there now, and those of namespaces that come
/// late.
pub fn part_steps(plan: &RestorePlan, steps: &[PlanStep], late: &Homes<'_>) -> [Vec<PlanStep>; 2] {
    let is_late = |id: &EntryId| {
        let namespace = plan.source.inventory.namespace(plan.entry(*id));
        namespace.is_some_and(|namespace| late.contains_key(plan.rewriter.namespace(namespace)))
    };
    let part = |step: &PlanStep| {
        let (late, now) = step.entries.iter().copied().partition(is_late);
        (PlanStep { entries: now, ..*step }, PlanStep { entries: late, ..*step })
    };
    let (now, late): (Vec<PlanStep>, Vec<PlanStep>) = steps.iter().map(part).unzip();
    [now, late].map(|steps| steps.into_iter().filter(|step| !step.entries.is_empty()).collect())
}
