//! Brings one item into the cluster: creates it, and if it is there already, does what the policy
//! says (`meet`).
//!
//! The create comes first: most items are not there, and a look beforehand would double the
//! requests to learn what the create tells anyway. For whatever reason the API server refuses a
//! create, the item itself may be that reason: it holds the port, is the default, counts in the
//! quota, or is older than the limit. So after any such refusal the item is looked for, and the
//! refusal is an error only if it is not there.

use bytes::Bytes;
use serde_json::Value;

use super::account::ItemDone;
use super::error::RestoreError;
use super::inventory::EntryId;
use super::links::Link;
use super::live::{LiveItem, labels, references};
use super::outcome::CreateOutcome;
use super::outcome::ItemAction;
use super::prepared::{Prepared, Ready};
use super::rewrite::merge_field_owners;
use super::work::RestoreContext;
use crate::cluster::{ClusterError, Patch, Permit, Written};
use crate::model::{Category, Finding, NAMESPACES, SkipReason, causes};

/// Tries at one item that comes and goes: there at the create, gone or being deleted at the look.
const TRIES: usize = 3;

/// Tries at one item that others change between a look and a write.
const MOST_TRIES: usize = 10;

/// Tries to give the field owners back while others change the item.
const TRIES_AT_OWNERS: usize = 3;

/// The beginnings of API server warnings that tell of lost data; other warnings are about the
/// item's own ways, or deprecations, which concern the whole cluster.
const LOST: [&str; 2] = ["unknown field", "duplicate field"];

/// The consequence of an item's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chance {
    /// An item that fails for a reason that may pass is tried again later.
    First,
    /// An item that fails has failed for good.
    Last,
}

/// The outcome of one try at an item.
pub enum Applied {
    /// The item is dealt with.
    Done(ItemDone),
    /// The item takes any port or address: its turn comes again when the others of its class are
    /// there.
    Later,
    /// The item failed for a reason that may pass.
    Again(Finding),
}

impl RestoreContext<'_> {
    /// Restores one item. `put_off` says that the item was put off before, until the others of its
    /// class are there.
    ///
    /// # Errors
    /// When the cluster as a whole fails; problems of the item are in its findings.
    pub async fn restore(
        &self,
        id: EntryId,
        body: Result<Bytes, Finding>,
        chance: Chance,
        put_off: bool,
    ) -> Result<Applied, RestoreError> {
        let entry = self.source.inventory.entry(id);
        let item = || self.source.inventory.key(entry);
        // The permit comes before the body is parsed, so that no more trees are in memory than
        // creates are under way.
        let mut permit = Some(self.pace.permit().await);
        if self.halt.is_raised() {
            return Err(RestoreError::Halted);
        }
        self.begun.add(id);
        let done = match body.and_then(|body| self.prepare(id, &body)) {
            Ok(Prepared::Skip(reason, why)) => {
                self.note_left_out(id, reason, why.as_ref()).await?;
                let mut done = ItemDone::new(item(), ItemAction::Skip(reason), entry.size);
                if let (SkipReason::Exists | SkipReason::NotRestorable, Some(why)) = (reason, &why) {
                    let message = format!("it was not restored: {why}");
                    done.findings.push(Finding::warning(Category::Conflict, message).on_item(item()));
                }
                done.act.reason = why;
                done
            }
            Ok(Prepared::Ready(ready)) if ready.takes && !put_off => return Ok(Applied::Later),
            Ok(Prepared::Ready(ready)) => match self.put(&ready, &mut permit).await {
                Ok(done) => done,
                Err(error) if error.is_about_the_connection() => {
                    return Err(RestoreError::Cluster { doing: "creating items", source: error });
                }
                Err(error) => {
                    let finding = ready.error(error.category(), causes(&error));
                    if error.passes() && chance == Chance::First {
                        self.tried.add(id);
                        return Ok(Applied::Again(finding));
                    }
                    ItemDone::failed(item(), finding, entry.size)
                }
            },
            Err(finding) => ItemDone::failed(item(), finding, entry.size),
        };
        if matches!(done.act.action, ItemAction::Fail | ItemAction::Skip(_)) {
            self.owners.forget(entry.uid);
        }
        Ok(Applied::Done(done))
    }

    async fn put(&self, ready: &Ready<'_>, permit: &mut Option<Permit>) -> Result<ItemDone, ClusterError> {
        if let Some((_, why)) =
            ready.target.namespace.as_ref().and_then(|name| self.broken_namespaces.get(name))
        {
            // The namespace's own finding tells of the failure once, rather than once for each of
            // its items.
            let mut done = ItemDone::new(ready.item.clone(), ItemAction::Fail, ready.bytes);
            done.act.reason = Some(format!("its namespace cannot be had: {why}"));
            return Ok(done);
        }
        let lacking = self.tell_lacking(ready, false).await?;
        let mut tries = 0;
        let (action, reason, mut findings) = loop {
            tries += 1;
            match self.create_or_meet(ready, permit, tries >= TRIES).await? {
                CreateOutcome::Done(action, reason, findings) => break (action, reason, findings),
                CreateOutcome::TryAgain if tries >= MOST_TRIES => {
                    let why = format!("somebody else changed it at each of the {tries} tries to change it");
                    let message = format!("{why}; stop what changes it, and run the restore again");
                    let finding = ready.error(Category::Conflict, message);
                    break (ItemAction::Fail, Some(why), vec![finding]);
                }
                CreateOutcome::TryAgain => {}
            }
        };
        if matches!(action, ItemAction::Create | ItemAction::Update | ItemAction::Recreate) {
            findings.extend(ready.warnings.iter().map(|warning| ready.warning(Category::Other, warning)));
            findings.extend(lacking);
            self.note_ended(ready, &action);
        }
        let mut done = ItemDone::new(ready.item.clone(), action, ready.bytes);
        done.act.target = (ready.target != ready.item).then(|| ready.target.clone());
        done.act.reason = reason;
        done.findings = findings;
        Ok(done)
    }

    async fn create_or_meet(
        &self,
        ready: &Ready<'_>,
        permit: &mut Option<Permit>,
        last: bool,
    ) -> Result<CreateOutcome, ClusterError> {
        let error = match self.create(ready, permit).await {
            Ok(findings) => return Ok(CreateOutcome::Done(ItemAction::Create, None, findings)),
            Err(error) => error,
        };
        if !error.is_already_exists() && !error.may_be_there() {
            return Err(error);
        }
        let seen = match self.look(ready).await {
            Ok(seen) => seen,
            // The refusal of the create says more than the failure of the look.
            Err(_) if !error.is_already_exists() => return Err(error),
            Err(second) => return Err(second),
        };
        *permit = None;
        match seen {
            // A create whose answer was lost is sent again, and then meets what it made itself.
            Some(live) if error.may_be_own() && self.is_own(&live) => {
                let mut findings: Vec<Finding> =
                    self.made(ready, &live.uid, &live.version, Some(&live)).await.into_iter().collect();
                findings.extend(self.restore_status(ready).await);
                Ok(CreateOutcome::Done(ItemAction::Create, None, findings))
            }
            Some(live) if live.deleting => {
                self.wait_gone(ready, &live).await?;
                if last { Err(error) } else { Ok(CreateOutcome::TryAgain) }
            }
            Some(live) => self.meet(ready, &live).await,
            None if last || !error.is_already_exists() => Err(error),
            None => Ok(CreateOutcome::TryAgain),
        }
    }

    /// Returns whether this restore made the object. Equality alone would not tell: an older item
    /// may be equal, too.
    fn is_own(&self, live: &LiveItem) -> bool {
        live.difference.is_none() && self.earlier.made(&labels(&live.object))
    }

    /// Creates the item and returns the findings about it. The permit is given back once the item
    /// is there: what follows may wait.
    pub async fn create(
        &self,
        ready: &Ready<'_>,
        permit: &mut Option<Permit>,
    ) -> Result<Vec<Finding>, ClusterError> {
        let namespace = ready.target.namespace.as_deref();
        let made = self.cluster.create(ready.info, namespace, ready.bytes()).await?;
        *permit = None;
        let Written { uid, resource_version, warnings } = made;
        if ready.target.resource.as_str() == NAMESPACES {
            self.made_namespaces.add(ready.target.name.clone());
        }
        let mut findings = self.lost(ready, &warnings);
        findings.extend(self.made(ready, &uid, &resource_version, None).await);
        findings.extend(self.restore_status(ready).await);
        Ok(findings)
    }

    /// Completes a create: tells the children of the item its new uid, notes the references that
    /// it lacks, gives field owners back, frees its volume. `live` is the object if it was looked
    /// at, else `None`. Returns a finding if the field owners could not be given back.
    pub async fn made(
        &self,
        ready: &Ready<'_>,
        uid: &str,
        version: &str,
        live: Option<&LiveItem>,
    ) -> Option<Finding> {
        let entry = self.source.inventory.entry(ready.entry);
        self.owners.arrived(entry.uid, uid);
        self.free_volume(ready, uid).await;
        let (version, finding) = self.give_fields_back(ready, uid, version).await;
        let link = Link {
            entry: ready.entry,
            target: ready.target.clone(),
            uid: uid.to_owned(),
            version: version.unwrap_or_else(|| version_or_none(live)),
            references: references(live.map_or(&ready.body, |live| &live.object)),
            awaited: ready.awaited.clone(),
            met: false,
            ours: true,
        };
        self.links.add(link, entry.uid);
        finding
    }

    /// Writes back who owned which fields, so that server-side applies go on as if there had been
    /// no restore. Returns the item's resourceVersion after that (`None` if it is not known), and
    /// a finding if it failed.
    pub async fn give_fields_back(
        &self,
        ready: &Ready<'_>,
        uid: &str,
        version: &str,
    ) -> (Option<String>, Option<Finding>) {
        match self.write_field_owners(ready, uid, version).await {
            Ok(version) => (version, None),
            Err(error) => {
                let message = format!(
                    "it was restored, but who owns its fields could not be given back, so that the next server-side apply may meet a conflict with `ark`: {}",
                    causes(&error)
                );
                (None, Some(ready.warning(error.category(), message)))
            }
        }
    }

    async fn write_field_owners(
        &self,
        ready: &Ready<'_>,
        uid: &str,
        version: &str,
    ) -> Result<Option<String>, ClusterError> {
        let Some(stored) = &ready.field_owners else { return Ok(Some(version.to_owned())) };
        let (target, namespace) = (&ready.target, ready.target.namespace.as_deref());
        let (mut owners, mut version) = (stored.clone(), version.to_owned());
        for tried in 1..=TRIES_AT_OWNERS {
            let metadata =
                serde_json::json!({"uid": uid, "resourceVersion": version, "managedFields": owners});
            let patch = Patch::Merge(serde_json::json!({ "metadata": metadata }).to_string());
            match self.cluster.patch(ready.info, namespace, &target.name, &patch).await {
                Ok(written) => return Ok(Some(written.resource_version)),
                // Somebody has written meanwhile, and owns what was written.
                Err(error) if error.is_conflict() && tried < TRIES_AT_OWNERS => {
                    let Some(live) = self.cluster.get(ready.info, namespace, &target.name).await? else {
                        return Ok(None);
                    };
                    let live: Value = serde_json::from_slice(&live).unwrap_or_default();
                    if live["metadata"]["uid"] != uid {
                        return Ok(None);
                    }
                    version = live["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
                    owners = merge_field_owners(stored, &live["metadata"]["managedFields"]);
                }
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Returns a finding for each warning of the API server that fields were dropped, since it
    /// does not know them.
    pub fn lost(&self, ready: &Ready<'_>, warnings: &[String]) -> Vec<Finding> {
        let told = warnings.iter().filter(|warning| LOST.iter().any(|lost| warning.starts_with(lost)));
        let finding = |warning: &String| {
            let message = format!(
                "the cluster dropped a part of it ({warning}): its API server or its definition is older than, or other than, what the backup was made of"
            );
            ready.warning(Category::Invalid, message)
        };
        told.map(finding).collect()
    }

    /// Writes the status that the item had, if its status is restored. Returns a finding if that
    /// fails, else `None`.
    pub async fn restore_status(&self, ready: &Ready<'_>) -> Option<Finding> {
        let status = ready.status.as_ref()?;
        let (target, namespace) = (&ready.target, ready.target.namespace.as_deref());
        let patch = Patch::Status(serde_json::json!({ "status": status }).to_string());
        let written = self.cluster.patch(ready.info, namespace, &target.name, &patch).await;
        let error = written.err()?;
        let message = format!("it was restored, but not its status: {}", causes(&error));
        Some(ready.error(error.category(), message))
    }
}

fn version_or_none(live: Option<&LiveItem>) -> String {
    live.map(|live| live.version.clone()).unwrap_or_default()
}
