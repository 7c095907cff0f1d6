//! What a run tells of itself: counters as it goes, findings, what became of each item, and the log that is stored.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::error::RestoreError;
use super::outcome::{Act, ItemAction};
use crate::model::{Finding, ItemKey, Progress, RestoreName, Results, cut};
use crate::telemetry::RunLog;

/// Fastest useful level: the lines are written while items wait.
const LEVEL: i32 = 1;

/// What became of one item.
#[derive(Debug)]
pub struct ItemDone {
    /// The line that is kept of it.
    pub act: Act,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// Bytes of its body.
    pub bytes: u64,
}

impl ItemDone {
    /// An item and its action, without findings.
    pub fn new(item: ItemKey, action: ItemAction, bytes: u64) -> Self {
        Self { act: Act { item, target: None, action, reason: None }, findings: Vec::new(), bytes }
    }

    /// It could not be restored.
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
    /// The log, stored when the restore is closed.
    pub log: RunLog,
    /// Findings and what was left out.
    pub results: Results,
    /// The backup that is restored, once it is known.
    pub backup: Option<String>,
    /// Items that were created.
    pub created: u64,
    /// Items that were changed, or deleted and created.
    pub updated: u64,
    /// Items of the plan.
    pub total: u64,
    /// Items dealt with.
    pub done: u64,
    /// Whether something was deleted, whatever came of it.
    pub touched: Arc<AtomicBool>,
    acts: zstd::stream::write::Encoder<'static, Vec<u8>>,
}

impl<'a> RestoreAccount<'a> {
    /// An empty account of the restore.
    pub fn open(name: &RestoreName, progress: &'a Progress) -> Result<Self, RestoreError> {
        Ok(Self {
            progress,
            log: RunLog::new(format!("restore {name}")).map_err(RestoreError::Compressing)?,
            results: Results::default(),
            backup: None,
            created: 0,
            updated: 0,
            total: 0,
            done: 0,
            touched: Arc::default(),
            acts: encoder()?,
        })
    }

    /// Says what is being done now.
    pub fn stage(&self, stage: impl Into<String>) {
        let stage = stage.into();
        self.log.info(&stage);
        self.progress.stage(stage);
    }

    /// So many items are planned.
    pub fn expect(&mut self, items: usize) {
        self.total += items as u64;
        self.progress.expect(items as u64);
    }

    /// Keeps and logs a finding.
    pub fn find(&mut self, finding: Finding) {
        self.log.finding(&finding);
        self.results.add(finding);
    }

    /// Whether the cluster is not as it was before.
    pub fn has_touched(&self) -> bool {
        self.created + self.updated > 0 || self.touched.load(Ordering::Acquire)
    }

    /// An item is dealt with.
    pub fn record(&mut self, done: ItemDone) -> Result<(), RestoreError> {
        let ItemDone { mut act, findings, bytes } = done;
        act.reason = act.reason.map(cut);
        match act.action {
            ItemAction::Create => self.created += 1,
            ItemAction::Update | ItemAction::Recreate => self.updated += 1,
            ItemAction::Skip(reason) => self.results.skipped.add(reason, &act.item.kind),
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

    /// What became of each item, as one zstd frame of NDJSON.
    pub fn take_acts(&mut self) -> Result<Bytes, RestoreError> {
        let acts = std::mem::replace(&mut self.acts, encoder()?);
        acts.finish().map(Bytes::from).map_err(RestoreError::Compressing)
    }
}

/// Compresses the lines; their checksum shows a change of any byte.
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
    use crate::model::{Category, MAX_MESSAGE};

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
