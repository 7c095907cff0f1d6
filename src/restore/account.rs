//! Keeps the account of a run: counters as it goes, findings, what became of each item, and the
//! log.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::error::RestoreError;
use super::outcome::{Act, ItemAction};
use super::plan::RestorePlan;
use super::rewrite::Rewriter;
use crate::api::HookCounts;
use crate::hooks::{HookEnd, HookedItem};
use crate::model::{Category, Finding, ItemKey, Progress, RestoreName, Results, cut};
use crate::telemetry::RunLog;

/// Compression level; the fastest that is of use, since lines are written while items wait.
const LEVEL: i32 = 1;

/// The final outcome of one item.
#[derive(Debug)]
pub struct ItemDone {
    /// The line about the item in the restore's index.
    pub act: Act,
    /// The findings about the item.
    pub findings: Vec<Finding>,
    /// The hooks of the item's pods, if it was made and they have any.
    pub hooked: Option<Box<HookedItem>>,
    /// Bytes of the item's body.
    pub bytes: u64,
}

impl ItemDone {
    /// Makes an outcome without findings.
    pub fn new(item: ItemKey, action: ItemAction, bytes: u64) -> Self {
        let act = Act { item, target: None, action, reason: None };
        Self { act, findings: Vec::new(), hooked: None, bytes }
    }

    /// Makes the outcome of an item that could not be restored; the finding gives the reason.
    pub fn failed(item: ItemKey, finding: Finding, bytes: u64) -> Self {
        let mut done = Self::new(item, ItemAction::Fail, bytes);
        done.act.reason = Some(finding.message.clone());
        done.findings.push(finding);
        done
    }
}

/// The account of one restore.
pub struct RestoreAccount<'a> {
    progress: &'a Progress,
    /// The log, stored with the record of the restore.
    pub log: RunLog,
    /// Findings, and counts of what was left out.
    pub results: Results,
    /// The name of the backup; `None` until it is known.
    pub backup: Option<String>,
    /// Items that were created.
    pub created: u64,
    /// Items that were changed in place, or deleted and created.
    pub updated: u64,
    /// Items that were made and whose pods have hooks that are still to be run.
    pub hooked: Vec<HookedItem>,
    /// The number of hooks that were run.
    pub hooks: HookCounts,
    /// Entries of `rerunJobs` that are still to be dealt with.
    pub jobs_left: usize,
    /// Items of the plan.
    pub total: u64,
    /// Items that are dealt with.
    pub done: u64,
    /// Whether a deletion was sent, whatever its answer.
    pub touched: Arc<AtomicBool>,
    acts: zstd::stream::write::Encoder<'static, Vec<u8>>,
}

impl<'a> RestoreAccount<'a> {
    /// Opens an empty account of the restore.
    ///
    /// # Errors
    /// If zstd gets no memory.
    pub fn open(name: &RestoreName, progress: &'a Progress) -> Result<Self, RestoreError> {
        Ok(Self {
            progress,
            log: RunLog::new(format!("restore {name}")).map_err(RestoreError::Compressing)?,
            results: Results::default(),
            backup: None,
            created: 0,
            updated: 0,
            total: 0,
            hooked: Vec::new(),
            hooks: HookCounts::default(),
            jobs_left: 0,
            done: 0,
            touched: Arc::default(),
            acts: encoder()?,
        })
    }

    /// Sets what is being done now, and logs it.
    pub fn stage(&self, stage: impl Into<String>) {
        let stage = stage.into();
        self.log.info(&stage);
        self.progress.stage(stage);
    }

    /// Takes over from the plan how many items are planned, and which are left out.
    pub fn begin(&mut self, plan: &RestorePlan) {
        self.total = plan.items.number() as u64;
        self.jobs_left = plan.afterwards.jobs.len();
        self.progress.expect(self.total);
        for (id, reason) in &plan.items.skipped {
            self.results.skipped.add(*reason, plan.kind(*id));
        }
        self.log.info(&plan.to_string());
    }

    /// Keeps and logs a finding.
    pub fn find(&mut self, finding: Finding) {
        self.log.finding(&finding);
        self.results.add(finding);
    }

    /// Reports mappings and rules that fitted no item. A restore that dealt with no item has
    /// reported enough, and reports none of them.
    pub fn tell_without_effect(&mut self, rewriter: &Rewriter) {
        let found = if self.done > 0 { rewriter.without_effect() } else { Vec::new() };
        for message in found {
            self.find(Finding::warning(Category::Unmatched, message));
        }
    }

    /// Returns whether the restore may have changed the cluster.
    pub fn has_touched(&self) -> bool {
        self.created + self.updated > 0 || self.touched.load(Ordering::Acquire)
    }

    /// Counts a hook that was run, and logs what it printed.
    pub fn hook_ended(&mut self, end: &HookEnd) {
        self.hooks.attempted += 1;
        end.lines().iter().for_each(|line| self.log.info(line));
        if let Some(finding) = end.finding() {
            self.hooks.failed += 1;
            self.find(finding);
        }
    }

    /// Records that an item is dealt with.
    ///
    /// # Errors
    /// If the line about the item cannot be compressed.
    pub fn record(&mut self, done: ItemDone) -> Result<(), RestoreError> {
        let ItemDone { mut act, findings, hooked, bytes } = done;
        self.hooked.extend(hooked.map(|hooked| *hooked));
        act.reason = act.reason.map(cut);
        match act.action {
            ItemAction::Create => self.created += 1,
            ItemAction::Update | ItemAction::Recreate => self.updated += 1,
            ItemAction::Skip(reason) => self.results.skipped.add(reason, &act.item.resource),
            ItemAction::Fail => {}
        }
        self.done += 1;
        self.progress.advance(bytes);
        for finding in findings {
            self.find(finding);
        }
        let mut line = serde_json::to_vec(&act).map_err(|error| RestoreError::Compressing(error.into()))?;
        line.push(b'\n');
        self.acts.write_all(&line).map_err(RestoreError::Compressing)
    }

    /// Takes the lines about all items, as one zstd frame of NDJSON.
    ///
    /// # Errors
    /// If the lines cannot be compressed.
    pub fn take_acts(&mut self) -> Result<Bytes, RestoreError> {
        let acts = std::mem::replace(&mut self.acts, encoder()?);
        acts.finish().map(Bytes::from).map_err(RestoreError::Compressing)
    }
}

/// Makes the encoder for the lines, with a checksum that shows a change of any byte.
fn encoder() -> Result<zstd::stream::write::Encoder<'static, Vec<u8>>, RestoreError> {
    let encoder = || {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(encoder)
    };
    encoder().map_err(RestoreError::Compressing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MAX_MESSAGE;

    #[test]
    fn a_restore_that_deleted_something_has_touched_the_cluster_whatever_came_of_it() {
        let progress = Progress::default();
        let account = RestoreAccount::open(&"back".parse().unwrap(), &progress).unwrap();
        assert!(!account.has_touched());
        account.touched.store(true, Ordering::Release);
        assert!(account.has_touched() && account.created + account.updated == 0);
    }

    #[test]
    fn what_became_of_an_item_is_a_short_line_under_a_checksum() {
        let progress = Progress::default();
        let mut account = RestoreAccount::open(&"back".parse().unwrap(), &progress).unwrap();
        let item = ItemKey::namespaced(crate::model::GroupResource::parse("pods"), "shop", "web");
        let mut done = ItemDone::failed(item, Finding::error(Category::Invalid, "x".repeat(8 << 10)), 1);
        done.act.reason = Some("y".repeat(8 << 10));
        account.record(done).unwrap();
        let acts = account.take_acts().unwrap();
        let text = zstd::decode_all(&*acts).unwrap();
        assert!(text.len() < MAX_MESSAGE + 500, "{}", text.len());
        assert!(serde_json::from_slice::<Act>(&text).unwrap().reason.unwrap().ends_with('…'));
        let mut changed = acts.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert!(zstd::decode_all(&*changed).is_err());
    }
}
