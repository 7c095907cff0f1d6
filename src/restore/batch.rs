//! Items side by side, class after class; and a second chance for what failed for a reason that passes.
//!
//! A class begins when the one before it is done. Between classes of which the later does not rest on the earlier, the last
//! few stragglers of the earlier (a slow webhook) hold nobody up. Next on the way: `prepare`, `apply`.

use std::collections::HashMap;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _, TryStreamExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::account::{Account, Done};
use super::apply::{Applied, Chance};
use super::error::RestoreError;
use super::inventory::EntryId;
use super::outcome::Action;
use super::plan::Step;
use super::work::Work;
use crate::model::{Category, Finding};

/// So many items of a class may be under way still when the next class begins, where nothing rests on them.
const STRAGGLERS: usize = 4;

/// An item that takes longer than this is a straggler: most take some milliseconds.
const STRAGGLING: Duration = Duration::from_secs(2);

/// After so long without a further success, what has failed until then has failed for good: a webhook's pods, which this
/// restore may have just created, come up within this, mostly.
const HOPELESS_AFTER: Duration = Duration::from_secs(30);

/// Before another try at what failed; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Kinds that are named while they are restored; more would not fit a line.
const KINDS_NAMED: usize = 3;

/// What a batch of items left open.
#[derive(Debug, Default)]
pub struct Batch {
    /// Items that are put off until the others of their class are there.
    later: Vec<EntryId>,
    /// Items that failed for a reason that may pass, and the finding if it does not.
    pub again: Vec<(EntryId, Finding)>,
    /// Items that failed for good, and why.
    pub failed: HashMap<EntryId, (Category, String)>,
}

impl Work<'_> {
    /// Restores classes of items, and comes back when all items are dealt with or failed for a reason that may pass.
    pub async fn restore_steps(
        &self,
        steps: &[Step],
        account: &mut Account<'_>,
    ) -> Result<Vec<(EntryId, Finding)>, RestoreError> {
        let mut again = Vec::new();
        for chain in steps.chunk_by(|_, next| next.soft) {
            if chain.iter().any(|step| step.claims) {
                self.free_released_volumes(account).await?;
            }
            let classes: Vec<&[EntryId]> = chain.iter().map(|step| &*step.entries).collect();
            let batch = self.restore_classes(&classes, Chance::First, true, account).await?;
            again.extend(batch.again);
            self.link(false, account).await?;
        }
        Ok(again)
    }

    /// Restores items of one class; the caller has said what they are.
    pub async fn restore_all(
        &self,
        entries: &[EntryId],
        chance: Chance,
        account: &mut Account<'_>,
    ) -> Result<Batch, RestoreError> {
        self.restore_classes(&[entries], chance, false, account).await
    }

    async fn restore_classes(
        &self,
        classes: &[&[EntryId]],
        chance: Chance,
        say: bool,
        account: &mut Account<'_>,
    ) -> Result<Batch, RestoreError> {
        let mut batch = Batch::default();
        let mut running = FuturesUnordered::new();
        for entries in classes {
            if say {
                self.stage(entries, account);
            }
            let mut put_off = false;
            let mut class = entries.to_vec();
            loop {
                let mut bodies = self.source.bodies(&class)?;
                let mut more = true;
                while more {
                    if running.len() >= self.parallel {
                        if let Some(applied) = running.next().await {
                            batch.take(applied?, account)?;
                        }
                        continue;
                    }
                    tokio::select! {
                        biased;
                        Some(applied) = running.next(), if !running.is_empty() => batch.take(applied?, account)?,
                        body = bodies.try_next() => match body? {
                            Some((id, body)) => running.push(self.restore(id, body, chance, put_off)),
                            None => more = false,
                        },
                    }
                }
                // Between classes stragglers may go on; within one, those that were put off come when the others are there.
                loop {
                    let wait = if running.len() <= STRAGGLERS { STRAGGLING } else { Duration::MAX };
                    match timeout(wait, running.next()).await {
                        Ok(Some(applied)) => batch.take(applied?, account)?,
                        Ok(None) | Err(_) => break,
                    }
                }
                class = std::mem::take(&mut batch.later);
                if class.is_empty() {
                    break;
                }
                class.sort_unstable();
                put_off = true;
            }
        }
        while let Some(applied) = running.next().await {
            batch.take(applied?, account)?;
        }
        Ok(batch)
    }

    /// Tries items again that failed for a reason that may pass: once, or with `last` until none is left or none succeeds any
    /// more. What has failed then is recorded.
    pub async fn second_chance(
        &self,
        mut failed: Vec<(EntryId, Finding)>,
        last: bool,
        account: &mut Account<'_>,
    ) -> Result<Batch, RestoreError> {
        let (mut pause, mut progress) = (FIRST_PAUSE, Instant::now());
        let mut ended = Batch::default();
        while !failed.is_empty() {
            let first =
                failed.first().map(|(id, _)| self.source.inventory.key(self.source.inventory.entry(*id)));
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

    /// Says what is restored now.
    fn stage(&self, entries: &[EntryId], account: &Account<'_>) {
        let inventory = &self.source.inventory;
        let mut kinds: Vec<u16> = entries.iter().map(|id| inventory.entry(*id).kind).collect();
        kinds.dedup();
        let named =
            kinds.iter().take(KINDS_NAMED).map(|kind| inventory.kinds[usize::from(*kind)].kind.as_str());
        let more = if kinds.len() > KINDS_NAMED { " and others" } else { "" };
        account.stage(format!("restoring {}{more}", named.collect::<Vec<_>>().join(", ")));
    }
}

impl Batch {
    fn take(&mut self, applied: Applied, account: &mut Account<'_>) -> Result<(), RestoreError> {
        match applied {
            Applied::Later(id) => self.later.push(id),
            Applied::Again(id, finding) => self.again.push((id, finding)),
            Applied::Done(done) => {
                if let Done { act, entry: Some(id), findings, .. } = &done
                    && act.action == Action::Fail
                {
                    let category = findings.first().map_or(Category::Other, |found| found.category);
                    self.failed.insert(*id, (category, act.reason.clone().unwrap_or_default()));
                }
                account.record(done)?;
            }
        }
        Ok(())
    }
}
