//! Restores items side by side, class after class, and gives a second chance to what failed for a
//! reason that passes.
//!
//! A class begins when the one before it is done. Between classes of which the later does not rest
//! on the earlier, the last few stragglers of the earlier (a slow webhook) hold up nothing. Next
//! on the way: `apply`, `prepare`.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _, TryStreamExt as _};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::account::{ItemDone, RestoreAccount};
use super::apply::{Applied, Chance};
use super::binding::free_released_volumes;
use super::error::RestoreError;
use super::halt::FINISHED_WITHIN;
use super::inventory::EntryId;
use super::outcome::ItemAction;
use super::restorer::Restorer;
use super::steps::PlanStep;
use crate::model::{Category, Finding};

/// Most items of a class that may still be under way when the next class begins, where that does
/// not rest on them.
const STRAGGLERS: usize = 4;

/// The time without an ended item after which those under way count as stragglers: most take some
/// milliseconds.
const STRAGGLING: Duration = Duration::from_secs(2);

/// After so long without a further success, items that failed until then have failed for good: the
/// pods of a webhook, which this restore may have just created, mostly come up within this.
const HOPELESS_AFTER: Duration = Duration::from_secs(30);

/// Pause before the first further try at what failed; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// The finding about an item that was not finished in time when the restore was stopped.
const UNFINISHED: &str = "the restore was stopped while it was at hand, and what came of it is not known; an item that was to be made anew may be deleted and not there again: look at it, and run the restore again";

/// Most kinds that are named while they are restored; more would not fit a line.
const KINDS_NAMED: usize = 3;

/// The items of a batch that are not restored, or not yet, by the reason.
#[derive(Debug, Default)]
pub struct Batch {
    /// Items that are put off until the others of their class are there.
    later: Vec<EntryId>,
    /// Items that failed for a reason that may pass, each with the finding that stands if it does
    /// not.
    pub again: Vec<(EntryId, Finding)>,
    /// Items that failed for good, each with the reason.
    pub failed: HashMap<EntryId, (Category, String)>,
    /// Items that are under way.
    under_way: HashSet<EntryId>,
}

impl Restorer<'_> {
    /// Restores classes of items, and returns those that failed for a reason that may pass once
    /// all others are dealt with.
    pub async fn restore_steps(
        &self,
        steps: &[PlanStep],
        account: &mut RestoreAccount<'_>,
    ) -> Result<Vec<(EntryId, Finding)>, RestoreError> {
        let mut again = Vec::new();
        for chain in steps.chunk_by(|_, next| next.soft) {
            if chain.iter().any(|step| step.claims) {
                free_released_volumes(&self.view, account).await?;
            }
            let classes: Vec<&[EntryId]> = chain.iter().map(|step| &*step.entries).collect();
            let batch = self.restore_classes(&classes, Chance::First, true, account).await?;
            again.extend(batch.again);
            self.links.link(&self.view, false, account).await?;
        }
        Ok(again)
    }

    /// Restores items of one class, without naming their kinds as the stage.
    pub async fn restore_all(
        &self,
        entries: &[EntryId],
        chance: Chance,
        account: &mut RestoreAccount<'_>,
    ) -> Result<Batch, RestoreError> {
        self.restore_classes(&[entries], chance, false, account).await
    }

    async fn restore_classes(
        &self,
        classes: &[&[EntryId]],
        chance: Chance,
        say: bool,
        account: &mut RestoreAccount<'_>,
    ) -> Result<Batch, RestoreError> {
        let _at_hand = self.halt.hold();
        let mut batch = Batch::default();
        let mut running = FuturesUnordered::new();
        let restore =
            |(id, body), put_off| async move { (id, self.restore(id, body, chance, put_off).await) };
        for class in classes {
            if say {
                self.stage(class, account);
            }
            let mut put_off = false;
            let mut left = class.to_vec();
            loop {
                let mut bodies = self.view.plan.source.bodies(&left)?;
                let mut more = true;
                while more {
                    let full = running.len() >= self.view.plan.parallel;
                    tokio::select! {
                        biased;
                        () = self.halt.raised() => return self.end_under_way(running, batch, account).await,
                        Some((id, applied)) = running.next(), if !running.is_empty() => {
                            batch.settle(id, applied?, account)?;
                        }
                        body = bodies.try_next(), if !full => match body? {
                            Some(body) => {
                                batch.under_way.insert(body.0);
                                running.push(restore(body, put_off));
                            }
                            None => more = false,
                        },
                    }
                }
                // Between classes stragglers may go on; within a class, items that were put off
                // come when the others are there.
                loop {
                    let few = batch.later.is_empty() && running.len() <= STRAGGLERS;
                    let wait = if few { STRAGGLING } else { Duration::MAX };
                    let next = tokio::select! {
                        biased;
                        () = self.halt.raised() => return self.end_under_way(running, batch, account).await,
                        next = timeout(wait, running.next()) => next,
                    };
                    match next {
                        Ok(Some((id, applied))) => batch.settle(id, applied?, account)?,
                        Ok(None) | Err(_) => break,
                    }
                }
                left = std::mem::take(&mut batch.later);
                if left.is_empty() {
                    break;
                }
                // Bodies are read in the tarball's order, which is that of the entries.
                left.sort_unstable();
                put_off = true;
            }
        }
        loop {
            tokio::select! {
                biased;
                () = self.halt.raised() => return self.end_under_way(running, batch, account).await,
                next = running.next() => match next {
                    Some((id, applied)) => batch.settle(id, applied?, account)?,
                    None => return Ok(batch),
                },
            }
        }
    }

    /// Waits until the items under way have ended, for as long as a stop allows, and records those
    /// that have not. Always returns [`RestoreError::Halted`].
    async fn end_under_way<F>(
        &self,
        mut running: FuturesUnordered<F>,
        mut batch: Batch,
        account: &mut RestoreAccount<'_>,
    ) -> Result<Batch, RestoreError>
    where
        F: Future<Output = (EntryId, Result<Applied, RestoreError>)>,
    {
        let end = Instant::now() + FINISHED_WITHIN;
        while let Ok(Some((id, applied))) = timeout_at(end, running.next()).await {
            match applied {
                Ok(Applied::Again(finding)) => {
                    let entry = self.view.plan.entry(id);
                    let done = ItemDone::failed(self.view.plan.key(id), finding, entry.size);
                    batch.settle(id, Applied::Done(done), account)?;
                }
                Ok(applied) => batch.settle(id, applied, account)?,
                // The item had not begun, or its error is the one about the API server that ends
                // the run.
                Err(_) => {}
            }
            batch.under_way.remove(&id);
        }
        for id in batch.under_way.into_iter().filter(|id| self.begun.has(id)) {
            let entry = self.view.plan.entry(id);
            let item = self.view.plan.key(id);
            let finding = Finding::error(Category::Other, UNFINISHED).on_item(item.clone());
            account.record(ItemDone::failed(item, finding, entry.size))?;
        }
        Err(RestoreError::Halted)
    }

    /// Tries items again that failed for a reason that may pass: once, or with `last` until none
    /// is left or none succeeds any more. Items that have failed then are recorded.
    pub async fn second_chance(
        &self,
        mut failed: Vec<(EntryId, Finding)>,
        last: bool,
        account: &mut RestoreAccount<'_>,
    ) -> Result<Batch, RestoreError> {
        let (mut pause, mut progress) = (FIRST_PAUSE, Instant::now());
        let mut ended = Batch::default();
        while !failed.is_empty() {
            let first = failed.first().map(|(id, _)| self.view.plan.key(*id));
            let first = first.map(|item| item.to_string()).unwrap_or_default();
            account.stage(format!(
                "trying again what failed for a reason that may pass ({} items, such as {first})",
                failed.len()
            ));
            failed.sort_unstable_by_key(|(id, _)| *id);
            let entries: Vec<EntryId> = failed.iter().map(|(id, _)| *id).collect();
            let final_try = last && progress.elapsed() + pause >= HOPELESS_AFTER;
            let chance = if final_try { Chance::Last } else { Chance::First };
            let batch = self.restore_all(&entries, chance, account).await?;
            if batch.again.len() < entries.len() {
                (pause, progress) = (FIRST_PAUSE, Instant::now());
            }
            ended.failed.extend(batch.failed);
            failed = batch.again;
            if !last {
                ended.again = failed;
                return Ok(ended);
            }
            if !failed.is_empty() {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        Ok(ended)
    }

    /// Sets the stage: the kinds that are restored now.
    fn stage(&self, entries: &[EntryId], account: &RestoreAccount<'_>) {
        let inventory = &self.view.plan.source.inventory;
        let mut kinds: Vec<u16> = entries.iter().map(|id| inventory.entry(*id).kind).collect();
        kinds.dedup();
        let named =
            kinds.iter().take(KINDS_NAMED).map(|kind| inventory.kinds[usize::from(*kind)].resource.as_str());
        let more = if kinds.len() > KINDS_NAMED { " and others" } else { "" };
        account.stage(format!("restoring {}{more}", named.collect::<Vec<_>>().join(", ")));
    }
}

impl Batch {
    /// Files an item by its outcome, and records it if it is dealt with.
    fn settle(
        &mut self,
        id: EntryId,
        applied: Applied,
        account: &mut RestoreAccount<'_>,
    ) -> Result<(), RestoreError> {
        self.under_way.remove(&id);
        match applied {
            Applied::Later => self.later.push(id),
            Applied::Again(finding) => self.again.push((id, finding)),
            Applied::Done(done) => {
                if done.act.action == ItemAction::Fail {
                    let category = done.findings.first().map_or(Category::Other, |found| found.category);
                    self.failed.insert(id, (category, done.act.reason.clone().unwrap_or_default()));
                }
                account.record(done)?;
            }
        }
        Ok(())
    }
}
