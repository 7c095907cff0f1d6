//! Brings one item into the cluster: creates it, and if it is there already, does what the policy
//! says (`meet`).
//!
//! The create comes first: most items are not there, and a look beforehand would double the
//! requests to learn what the create tells anyway. For whatever reason the API server refuses a
//! create, the item itself may be that reason: it holds the port, is the default, counts in the
//! quota, or is older than the limit. So after any such refusal the item is looked for, and the
//! refusal is an error only if it is not there.

use bytes::Bytes;

use super::account::ItemDone;
use super::error::RestoreError;
use super::inventory::EntryId;
use super::live::{LiveItem, labels};
use super::outcome::{CreateOutcome, ItemAction};
use super::prepared::{Prepared, Ready};
use super::restorer::Restorer;
use crate::cluster::{ClusterError, Permit};
use crate::model::{Category, Finding, SkipReason, causes};

/// Tries at one item that comes and goes: there at the create, gone or being deleted at the look.
const TRIES: usize = 3;

/// Tries at one item that others change between a look and a write.
const MOST_TRIES: usize = 10;

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

impl Restorer<'_> {
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
        let entry = self.view.plan.entry(id);
        let item = || self.view.plan.key(id);
        // The permit comes before the body is parsed, so that no more trees are in memory than
        // creates are under way.
        let mut permit = Some(self.pace.permit().await);
        if self.halt.is_raised() {
            return Err(RestoreError::Halted);
        }
        self.begun.add(id);
        let done = match body.and_then(|body| self.view.prepare(id, &body)) {
            Ok(Prepared::Skip(reason, why)) => {
                self.view.note_left_out(id, reason, why.as_ref()).await?;
                let mut done = ItemDone::new(item(), ItemAction::Skip(reason), entry.size);
                if let (SkipReason::Exists | SkipReason::NotRestorable, Some(why)) = (reason, &why) {
                    let message = format!("it was not restored: {why}");
                    done.findings.push(Finding::warning(Category::Conflict, message).on_item(item()));
                }
                done.act.reason = why;
                done
            }
            Ok(Prepared::Ready(ready)) if ready.takes_any_address && !put_off => return Ok(Applied::Later),
            Ok(Prepared::Ready(ready)) => match self.create_or_meet(&ready, &mut permit).await {
                Ok(done) => done,
                Err(error) if error.is_about_the_connection() => {
                    return Err(RestoreError::Cluster { doing: "creating items", source: error });
                }
                Err(error) => {
                    let finding = ready.error(error.category(), causes(&error));
                    if error.passes() && chance == Chance::First {
                        self.view.tried.add(id);
                        return Ok(Applied::Again(finding));
                    }
                    ItemDone::failed(item(), finding, entry.size)
                }
            },
            Err(finding) => ItemDone::failed(item(), finding, entry.size),
        };
        if matches!(done.act.action, ItemAction::Fail | ItemAction::Skip(_)) {
            self.view.owners.forget(entry.uid);
        }
        Ok(Applied::Done(done))
    }

    /// Creates the item or deals with the one that is there, again while others change that.
    async fn create_or_meet(
        &self,
        ready: &Ready<'_>,
        permit: &mut Option<Permit>,
    ) -> Result<ItemDone, ClusterError> {
        if let Some((_, why)) =
            ready.target.namespace.as_ref().and_then(|name| self.broken_namespaces.get(name))
        {
            // The namespace's own finding tells of the failure once, rather than once for each of
            // its items.
            let mut done = ItemDone::new(ready.item.clone(), ItemAction::Fail, ready.bytes);
            done.act.reason = Some(format!("its namespace cannot be had: {why}"));
            return Ok(done);
        }
        let lacking = self.view.tell_lacking(ready, false).await?;
        let mut tries = 0;
        let (action, reason, mut findings) = loop {
            tries += 1;
            match self.create_or_meet_once(ready, permit, tries >= TRIES).await? {
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
        }
        self.view.note_ended(ready, &action);
        let mut done = ItemDone::new(ready.item.clone(), action, ready.bytes);
        done.act.target = (ready.target != ready.item).then(|| ready.target.clone());
        done.act.reason = reason;
        done.findings = findings;
        self.view.note_hooked(ready, &mut done);
        Ok(done)
    }

    async fn create_or_meet_once(
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
        let seen = match self.view.look(ready).await {
            Ok(seen) => seen,
            // The refusal of the create says more than the failure of the look.
            Err(_) if !error.is_already_exists() => return Err(error),
            Err(second) => return Err(second),
        };
        *permit = None;
        match seen {
            // A create whose answer was lost is sent again, and then meets what it made itself.
            Some(live) if error.may_be_own() && self.is_own(&live) => {
                let mut findings: Vec<Finding> = self
                    .complete_create(ready, &live.uid, &live.version, Some(&live))
                    .await
                    .into_iter()
                    .collect();
                findings.extend(self.restore_status(ready).await);
                Ok(CreateOutcome::Done(ItemAction::Create, None, findings))
            }
            Some(live) if live.deleting => {
                self.view.wait_gone(ready, &live).await?;
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
        live.difference.is_none() && self.view.plan.earlier.made(&labels(&live.object))
    }
}
