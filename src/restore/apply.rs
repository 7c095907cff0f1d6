//! One item into the cluster: create it, and when it is there already, do what the policy says.
//!
//! The create comes first: most items are not there, and the API server says so better than a look beforehand, which
//! would double the requests. Its answer "exists already" comes after validation and admission, so that an item which
//! is deleted to be created again can be created.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::account::Done;
use super::compare::{Difference, compare};
use super::error::RestoreError;
use super::existing::{Verdict, decide, go_on, is_default_account, merge_account};
use super::inventory::EntryId;
use super::outcome::Action;
use super::prepare::{Owning, Prepared, Ready};
use super::rewrite::Owner;
use super::work::Work;
use crate::cluster::{Bound, ClusterError, Propagation};
use crate::model::{Category, Finding, ItemKey, NAMESPACES, SkipReason, causes};

/// The field manager of what is applied.
const MANAGER: &str = "ark";

/// How long an item that is being deleted may take: a pod's grace period and some.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// How long a namespace that is being deleted may take; Velero waits as long.
const NAMESPACE_GONE_WITHIN: Duration = Duration::from_secs(600);

/// Tries at one item when it comes and goes under our hands.
const TRIES: usize = 3;

/// What an item came to.
pub enum Applied {
    /// It is dealt with.
    Done(Done),
    /// It waits for its owner.
    Later(EntryId),
}

/// An item of the cluster, as it compares.
pub struct Live {
    /// Its uid.
    pub uid: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether an earlier attempt of this restore made it.
    pub restored: bool,
    /// How it differs from the item to be made.
    pub difference: Difference,
    /// The item to be made, where what is there has a say in it.
    merged: Option<Value>,
}

/// What a write came to, when it did not fail.
enum Met {
    Done(Action, Option<String>, Vec<Finding>),
    TryAgain,
}

impl Work<'_> {
    /// Restores one item.
    ///
    /// # Errors
    /// When the cluster as a whole fails; what concerns the item is in its findings.
    pub async fn restore(
        &self,
        id: EntryId,
        body: Result<Bytes, Finding>,
        owning: Owning,
    ) -> Result<Applied, RestoreError> {
        let entry = self.source.inventory.entry(id);
        let item = || self.source.inventory.key(entry);
        let done = match body.and_then(|body| self.prepare(id, &body, owning)) {
            Ok(Prepared::Later) => return Ok(Applied::Later(id)),
            Ok(Prepared::Skip(reason, why)) => {
                let mut done = Done::new(id, item(), Action::Skip(reason), entry.size);
                if let (SkipReason::Exists, Some(why)) = (reason, &why) {
                    let message = format!("it was not restored: {why}");
                    done.findings.push(Finding::warning(Category::Conflict, message).on_item(item()));
                }
                done.act.reason = why;
                done
            }
            Ok(Prepared::Ready(ready)) => match self.put(&ready).await {
                Ok(done) => done,
                Err(error) if error.is_about_the_connection() => {
                    return Err(RestoreError::Cluster { doing: "creating items", source: error });
                }
                Err(error) => {
                    Done::failed(id, item(), ready.error(error.category(), causes(&error)), entry.size)
                }
            },
            Err(finding) => Done::failed(id, item(), finding, entry.size),
        };
        if matches!(done.act.action, Action::Fail | Action::Skip(_)) {
            self.owners.forget(entry.uid);
        }
        Ok(Applied::Done(done))
    }

    async fn put(&self, ready: &Ready<'_>) -> Result<Done, ClusterError> {
        if let Some((category, why)) =
            ready.target.namespace.as_ref().and_then(|name| self.broken_namespaces.get(name))
        {
            let finding = ready.error(*category, format!("its namespace cannot be had: {why}"));
            return Ok(Done::failed(ready.entry, ready.item.clone(), finding, ready.bytes));
        }
        let mut tries = 0;
        let (action, reason, mut findings) = loop {
            tries += 1;
            match self.create_or_meet(ready, tries == TRIES).await? {
                Met::Done(action, reason, findings) => break (action, reason, findings),
                Met::TryAgain => {}
            }
        };
        if matches!(action, Action::Create | Action::Update | Action::Recreate) {
            findings.extend(ready.warnings.iter().map(|warning| ready.warning(Category::Other, warning)));
            findings.extend(self.restore_status(ready).await);
        }
        let mut done = Done::new(ready.entry, ready.item.clone(), action, ready.bytes);
        done.act.target = (ready.target != ready.item).then(|| ready.target.clone());
        done.act.reason = reason;
        done.findings = findings;
        Ok(done)
    }

    async fn create_or_meet(&self, ready: &Ready<'_>, last: bool) -> Result<Met, ClusterError> {
        match self.create(ready).await {
            Ok(()) => Ok(Met::Done(Action::Create, None, Vec::new())),
            Err(error) if error.is_already_exists() => match self.look(ready).await? {
                // A lost answer is repeated, and then meets what it made itself.
                Some(live) if error.may_be_own() && live.difference.is_none() => {
                    self.arrived(ready, live.uid.as_deref());
                    Ok(Met::Done(Action::Create, None, Vec::new()))
                }
                Some(live) if live.deleting => {
                    self.wait_gone(ready).await?;
                    if last { Err(error) } else { Ok(Met::TryAgain) }
                }
                Some(live) => self.meet(ready, &live).await,
                None if last => Err(error),
                None => Ok(Met::TryAgain),
            },
            Err(error) => Err(error),
        }
    }

    /// The item is there: leaves it, changes it, or makes it anew.
    async fn meet(&self, ready: &Ready<'_>, live: &Live) -> Result<Met, ClusterError> {
        let Ready { target, info, .. } = ready;
        let namespace = target.namespace.as_deref();
        self.arrived(ready, live.uid.as_deref());
        let verdict = self.judge(ready, live);
        let differs = || Some(format!("differs in {}", live.difference.describe()));
        Ok(match verdict {
            Verdict::Restored => {
                let why = "an earlier attempt of this restore made it";
                Met::Done(Action::Create, Some(why.to_owned()), Vec::new())
            }
            Verdict::Unchanged => Met::Done(Action::Skip(SkipReason::Unchanged), None, Vec::new()),
            Verdict::Leave | Verdict::Protect => {
                let warnings =
                    verdict.warning(&live.difference).map(|text| ready.warning(Category::Conflict, text));
                Met::Done(Action::Skip(SkipReason::Exists), differs(), warnings.into_iter().collect())
            }
            Verdict::Update => {
                let body =
                    live.merged.as_ref().map_or_else(|| ready.bytes(), |merged| merged.to_string().into());
                self.cluster.apply(info, namespace, &target.name, body, MANAGER, true).await?;
                Met::Done(Action::Update, differs(), Vec::new())
            }
            Verdict::Recreate => {
                self.cluster
                    .delete(info, namespace, &target.name, live.uid.as_deref(), Propagation::Background)
                    .await?;
                self.wait_gone(ready).await?;
                match self.create(ready).await {
                    Ok(()) => Met::Done(Action::Recreate, differs(), Vec::new()),
                    Err(error) => {
                        let message = format!(
                            "it was deleted to be made anew, and that failed, so that it is gone from the cluster; it is in the backup, restore it again: {}",
                            causes(&error)
                        );
                        let finding = ready.error(error.category(), message);
                        Met::Done(Action::Fail, differs(), vec![finding])
                    }
                }
            }
        })
    }

    async fn create(&self, ready: &Ready<'_>) -> Result<(), ClusterError> {
        let made = self.cluster.create(ready.info, ready.target.namespace.as_deref(), ready.bytes()).await?;
        self.arrived(ready, Some(&made.uid));
        Ok(())
    }

    /// Looks at the item in the cluster; None when it is not there.
    pub async fn look(&self, ready: &Ready<'_>) -> Result<Option<Live>, ClusterError> {
        let target = &ready.target;
        let found = self.cluster.get(ready.info, target.namespace.as_deref(), &target.name).await?;
        Ok(found.map(|body| {
            let live: Value = serde_json::from_slice(&body).unwrap_or_default();
            let text =
                |key: &str| live.get("metadata").and_then(|data| data.get(key)).and_then(Value::as_str);
            let restored = self.earlier.as_ref().is_some_and(|earlier| earlier.made(&labels(&live)));
            let (uid, deleting) = (text("uid").map(str::to_owned), text("deletionTimestamp").is_some());
            let merged = is_default_account(target).then(|| merge_account(&ready.body, &live));
            let difference = self.compare(target, merged.as_ref().unwrap_or(&ready.body), live);
            Live { uid, deleting, restored, difference, merged }
        }))
    }

    fn compare(&self, target: &ItemKey, wanted: &Value, live: Value) -> Difference {
        let keep = |uid: &str| Owner::New(uid.to_owned());
        match self.plain.rewrite(&target.kind, target, live, &keep) {
            Ok(live) => compare(&target.kind, wanted, &live.body),
            Err(error) => Difference { changed: vec![causes(&error)], extra: Vec::new() },
        }
    }

    /// What the policy says about an item that is there.
    pub fn judge(&self, ready: &Ready<'_>, live: &Live) -> Verdict {
        let standing = self.source.inventory.entry(ready.entry).standing;
        let verdict = decide(&ready.target, standing, &live.difference, self.policy);
        if live.restored { go_on(verdict) } else { verdict }
    }

    fn arrived(&self, ready: &Ready<'_>, uid: Option<&str>) {
        self.owners.arrived(self.source.inventory.entry(ready.entry).uid, uid.unwrap_or_default());
    }

    async fn wait_gone(&self, ready: &Ready<'_>) -> Result<(), ClusterError> {
        let target = &ready.target;
        let within = if target.kind.as_str() == NAMESPACES { NAMESPACE_GONE_WITHIN } else { GONE_WITHIN };
        self.cluster
            .gone(ready.info, target.namespace.as_deref(), &target.name, None, &Bound::new(within, within))
            .await
    }

    /// Writes the status that the item had, where that is asked for; what goes wrong is a finding.
    async fn restore_status(&self, ready: &Ready<'_>) -> Option<Finding> {
        let status = ready.status.as_ref()?;
        let (target, body) = (&ready.target, serde_json::json!({ "status": status }).to_string());
        let written =
            self.cluster.patch_status(ready.info, target.namespace.as_deref(), &target.name, body).await;
        let error = written.err()?;
        let message = format!("it was restored, but not its status: {}", causes(&error));
        Some(ready.error(error.category(), message))
    }
}

fn labels(object: &Value) -> BTreeMap<String, String> {
    let labels = object.get("metadata").and_then(|metadata| metadata.get("labels")?.as_object());
    let text = |(label, value): (&String, &Value)| Some((label.clone(), value.as_str()?.to_owned()));
    labels.into_iter().flatten().filter_map(text).collect()
}
