//! The account of a backup run: progress counters, findings, counts of what was left out, and the
//! log that is stored.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use chrono::Utc;
use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::error::BackupError;
use super::item::ItemView;
use super::plan::BackupPlan;
use super::told::Told;
use super::unheeded::Unheeded;
use super::view::ClusterView;
use crate::api::{HOOKS_SUCCEEDED, HookCounts, LockTime, Timestamp};
use crate::archive::ArchiveError;
use crate::cluster::{Cluster, ClusterError, Drift, ResourceInfo};
use crate::hooks::HookEnd;
use crate::hooks::actions::ActionEnd;
use crate::model::{
    BackupName, Category, Finding, GroupResource, ItemKey, Progress, Results, SkipReason, causes, cut,
};
use crate::telemetry::RunLog;

/// Unreadable items of one kind that become findings; beyond, the server is broken and more of the
/// same says nothing new.
const UNREADABLE_TOLD: u64 = 10;

/// The account of one backup.
pub struct BackupAccount<'a> {
    progress: &'a Progress,
    /// The log, stored when the backup is sealed.
    pub log: RunLog,
    /// Findings and what was left out.
    pub results: Results,
    /// Kinds whose items are not, or not all, of the cut.
    pub outside_cut: BTreeSet<GroupResource>,
    /// Whether a second cut was told.
    is_recut: bool,
    /// The number of items taken.
    pub items: u64,
    /// The bytes of their bodies.
    pub bytes: u64,
    unreadable: HashMap<GroupResource, u64>,
    /// The number of hooks that were run.
    pub hooks: HookCounts,
    /// The first failure of a hook: its reason, if it has one, and the message.
    hook_failure: Option<(Option<&'static str>, String)>,
    unheeded: Unheeded,
    told: Told,
    /// The number of items that the API server listed twice.
    pub repeated: u64,
}

impl<'a> BackupAccount<'a> {
    /// Creates an empty account of the backup.
    ///
    /// # Errors
    /// If zstd gets no memory for the log.
    pub fn open(name: &BackupName, progress: &'a Progress) -> Result<Self, BackupError> {
        Ok(Self {
            progress,
            log: RunLog::new(format!("backup {name}")).map_err(BackupError::Compressing)?,
            results: Results::default(),
            outside_cut: BTreeSet::new(),
            is_recut: false,
            items: 0,
            bytes: 0,
            unreadable: HashMap::new(),
            hooks: HookCounts::default(),
            hook_failure: None,
            unheeded: Unheeded::default(),
            told: Told::new(Utc::now()),
            repeated: 0,
        })
    }

    /// Logs and reports the current step.
    pub fn stage(&self, stage: impl Into<String> + fmt::Display) {
        self.log.info(&stage.to_string());
        self.progress.stage(stage);
    }

    /// Logs a line.
    pub fn note(&self, line: &str) {
        self.log.info(line);
    }

    /// Takes over the findings of the view and logs the revision.
    pub fn open_with(&mut self, view: &ClusterView<'_>) {
        let ClusterView { plan, cut, .. } = view;
        self.told = Told::new(cut.time);
        self.log.info(&format!("taking {} kinds at revision {}", plan.kinds.len(), cut.revision));
        for finding in plan.findings.iter().chain(&cut.findings).chain(&view.findings) {
            self.find(finding.clone());
        }
    }

    /// Keeps and logs a finding.
    pub fn find(&mut self, finding: Finding) {
        self.log.finding(&finding);
        self.results.add(finding);
    }

    /// Counts a hook that was run, and logs what it printed.
    pub fn hook_ended(&mut self, end: &HookEnd) {
        self.hooks.attempted += u64::from(!end.is_of_ended_pod());
        end.lines().iter().for_each(|line| self.log.info(line));
        if let Some(finding) = end.finding() {
            self.hook_failed(None, finding);
        }
    }

    /// Counts a step of an action, and logs what is told of it.
    pub fn action_ended(&mut self, end: &ActionEnd) {
        self.hooks.attempted += 1;
        end.log_lines().iter().for_each(|line| self.log.info(line));
        if let Some(held) = end.held {
            let held_milliseconds = u64::try_from(held.as_millis()).unwrap_or(u64::MAX);
            self.hooks.locks.push(LockTime { action: end.action.clone(), held_milliseconds });
        }
        if let Some(finding) = end.finding() {
            self.hook_failed(end.failure.as_ref().and_then(|failure| failure.reason), finding);
        }
    }

    fn hook_failed(&mut self, reason: Option<&'static str>, finding: Finding) {
        self.hooks.failed += 1;
        self.hook_failure.get_or_insert_with(|| (reason, finding.to_string()));
        self.find(finding);
    }

    /// Returns the condition about the hooks, or `None` if none was run.
    pub fn hooks_condition(&self, now: Timestamp) -> Option<Condition> {
        let HookCounts { attempted, failed, .. } = self.hooks;
        let (reason, message) = match &self.hook_failure {
            None => ("Succeeded", format!("{attempted} hooks were run")),
            Some((reason, first)) => {
                (reason.unwrap_or("Failed"), format!("{failed} of {attempted} hooks failed: {first}"))
            }
        };
        (attempted > 0).then(|| Condition {
            type_: HOOKS_SUCCEEDED.to_owned(),
            status: if failed == 0 { "True" } else { "False" }.to_owned(),
            reason: reason.to_owned(),
            message: cut(message),
            last_transition_time: now.into(),
            observed_generation: None,
        })
    }

    /// Adds listed items to the expected total.
    pub fn expect(&self, items: usize) {
        self.progress.expect(items as u64);
    }

    /// Counts an item that was written to the tarball.
    pub fn taken(&mut self, info: &ResourceInfo, item: &ItemView<'_>, bytes: usize) {
        self.unheeded.note(&info.resource, item);
        self.items += 1;
        self.bytes += bytes as u64;
        self.progress.advance(bytes as u64);
        if let Some(finding) = self.told.taken(&info.resource, item) {
            self.find(finding);
        }
    }

    /// Adds the findings that need all items: volume copies that pods ask for and do not get, and
    /// resources without their definition.
    pub fn tell_of_items(&mut self) {
        let findings = self.unheeded.finding().into_iter().chain(self.told.findings());
        findings.collect::<Vec<_>>().into_iter().for_each(|finding| self.find(finding));
    }

    /// Counts an item that is selected and left out, under its reason.
    pub fn skipped(&mut self, reason: SkipReason, info: &ResourceInfo, item: &ItemView<'_>) {
        self.told.skipped(reason, &info.resource, item);
        self.results.skipped.add(reason, &info.resource);
        self.progress.advance(0);
    }

    /// Counts an item that was listed and is not selected.
    pub fn not_selected(&self) {
        self.progress.advance(0);
    }

    /// Adds an error about a list item that is no Kubernetes object.
    pub fn unreadable(&mut self, info: &ResourceInfo, error: &serde_json::Error) {
        let unreadable = self.unreadable.entry(info.resource.clone()).or_default();
        *unreadable += 1;
        if *unreadable <= UNREADABLE_TOLD {
            let message = format!(
                "an item of the API server's list is no Kubernetes object and was left out: {error}; look at the server behind {}",
                info.api_version()
            );
            self.find(Finding::error(Category::Corrupt, message).on_kind(info.resource.clone()));
        }
    }

    /// Adds a finding about an item that the archive refuses. An item that the archive holds
    /// already with the same bytes is only counted.
    pub fn unstorable(&mut self, info: &ResourceInfo, item: &ItemView<'_>, error: &ArchiveError) {
        self.progress.advance(0);
        let repeated = matches!(error, ArchiveError::Repeated { .. });
        self.repeated += u64::from(repeated);
        if matches!(error, ArchiveError::Repeated { same: true, .. }) {
            return;
        }
        let namespace = item.namespace.as_deref().map(str::to_owned);
        let key =
            ItemKey { resource: info.resource.clone(), namespace, name: item.name.clone().into_owned() };
        let message = format!("left out: {}", causes(error));
        let finding = if repeated { Finding::warning } else { Finding::error };
        self.find(finding(error.category(), message).on_item(key));
    }

    /// Adds an error about a kind whose listing broke off.
    pub fn kind_failed(&mut self, info: &ResourceInfo, error: &ClusterError) {
        let message =
            format!("listing broke off, so that items of it are missing in this backup: {}", causes(error));
        self.find(Finding::error(error.category(), message).on_kind(info.resource.clone()));
    }

    /// Notes a kind whose items are not, or not all, of the cut, and adds a warning. Kinds of a
    /// second cut share one: every kind that follows the first is of that cut.
    pub fn drifted(&mut self, info: &ResourceInfo, drift: &Drift) {
        self.outside_cut.insert(info.resource.clone());
        let is_second_cut = matches!(drift, Drift::Compacted { .. });
        if is_second_cut && std::mem::replace(&mut self.is_recut, true) {
            return;
        }
        let message = format!("its items are not at the backup's instant: {drift}");
        self.find(Finding::warning(Category::OutsideCut, message).on_kind(info.resource.clone()));
    }

    /// Counts the items of kinds that are left out as a whole. A count that fails is logged only:
    /// the backup lacks nothing because of it.
    pub async fn count_left_out(&mut self, cluster: &Cluster, plan: &BackupPlan) {
        // All at once: a dozen kinds at most, one request each.
        let counts = join_all(plan.left_out.iter().map(|(info, _)| cluster.count(info))).await;
        for ((info, reason), count) in plan.left_out.iter().zip(counts) {
            match count {
                Ok(0) => {}
                Ok(items) => self.results.skipped.add_many(*reason, &info.resource, items),
                Err(error) => {
                    self.log.info(&format!("{} were not counted: {}", info.resource, causes(&error)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(kind: &str) -> ResourceInfo {
        ResourceInfo {
            resource: GroupResource::parse(kind),
            version: "v1".into(),
            kind: String::new(),
            singular: String::new(),
            short_names: Vec::new(),
            namespaced: true,
            verbs: Vec::new(),
            other_versions: Vec::new(),
            status: false,
        }
    }

    #[test]
    fn a_second_cut_is_told_once_and_each_kind_of_it_is_named_in_the_document() {
        let progress = Progress::default();
        let mut account = BackupAccount::open(&"nightly".parse().unwrap(), &progress).unwrap();
        let second = Drift::Compacted { revision: "9".into() };
        account.drifted(&info("pods"), &second);
        account.drifted(&info("secrets"), &Drift::Expired);
        account.drifted(&info("services"), &second);
        assert_eq!((account.results.warnings, account.outside_cut.len()), (2, 3));
    }

    #[test]
    fn unreadable_items_of_one_kind_do_not_hide_those_of_another() {
        let progress = Progress::default();
        let mut account = BackupAccount::open(&"nightly".parse().unwrap(), &progress).unwrap();
        let error = serde_json::from_str::<u8>("x").unwrap_err();
        for _ in 0..2 * UNREADABLE_TOLD {
            account.unreadable(&info("widgets.example.com"), &error);
        }
        account.unreadable(&info("gadgets.example.com"), &error);
        assert_eq!(account.results.errors, UNREADABLE_TOLD + 1);
    }
}
