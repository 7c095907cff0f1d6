//! Outcomes of items: findings (data, never errors that end a run), counts, reasons for leaving
//! out. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{GroupResource, ItemKey};

/// Most findings that are kept in full; beyond them only the counts grow, so that memory stays
/// flat in a disaster.
pub const MAX_FINDINGS: usize = 10_000;

/// Most bytes of the findings that are kept, as they are in the results: a quarter of what readers
/// take, so that results can always be read back.
pub const MAX_FINDING_BYTES: usize = 16 << 20;

/// The longest message of a finding, in bytes. API servers put whole objects and their differences
/// into theirs.
pub const MAX_MESSAGE: usize = 2 << 10;

/// Cuts a message that is longer than [`MAX_MESSAGE`], and ends it with `…` then.
pub fn cut(message: impl Into<String>) -> String {
    let mut message = message.into();
    if message.len() > MAX_MESSAGE {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE - '…'.len_utf8()));
        message.push('…');
    }
    message
}

/// The weight of a finding: whether it makes the run PartiallyFailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Something worth knowing; the run is still complete.
    Warning,
    /// An item or kind is missing from the result.
    Error,
}

/// The reason why something went wrong: a closed list, so that it can label a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// The credentials do not allow the request.
    Forbidden,
    /// The object is not there.
    NotFound,
    /// An object of that name is there already and differs.
    Conflict,
    /// The API server found the object invalid.
    Invalid,
    /// An admission webhook or policy refused the object.
    Refused,
    /// The object is larger than the API server or etcd takes.
    TooLarge,
    /// No answer came within the deadline.
    Timeout,
    /// The API server or an aggregated one cannot be reached or answers with a server error.
    Unavailable,
    /// The revision of the cut was compacted, or the kind cannot be cut.
    OutsideCut,
    /// The archive does not hold what its index or hashes say.
    Corrupt,
    /// The object was waited for, and never became ready.
    NotReady,
    /// Nothing matches a term of the specification.
    Unmatched,
    /// Anything else; the message says what.
    Other,
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::TooLarge => "too-large",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::OutsideCut => "outside-cut",
            Self::Corrupt => "corrupt",
            Self::NotReady => "not-ready",
            Self::Unmatched => "unmatched",
            Self::Other => "other",
        })
    }
}

/// One thing that went wrong, on what, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Whether the finding is a warning or an error.
    pub severity: Severity,
    /// The reason, from the closed list.
    pub category: Category,
    /// The kind, if the finding is about a whole kind; else `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<GroupResource>,
    /// The item, if the finding is about one; else `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemKey>,
    /// One sentence for a person: what was being done, why it failed, what to do.
    pub message: String,
}

impl Finding {
    /// Makes a warning about the run as a whole; narrow it with [`Finding::on_kind`] or
    /// [`Finding::on_item`].
    pub fn warning(category: Category, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, category, kind: None, item: None, message: cut(message) }
    }

    /// Makes an error about the run as a whole; narrow it with [`Finding::on_kind`] or
    /// [`Finding::on_item`].
    pub fn error(category: Category, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, category, kind: None, item: None, message: cut(message) }
    }

    /// Narrows the finding to a kind.
    #[must_use]
    pub fn on_kind(mut self, kind: GroupResource) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Narrows the finding to an item.
    #[must_use]
    pub fn on_item(mut self, item: ItemKey) -> Self {
        self.item = Some(item);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.item, &self.kind) {
            (Some(item), _) => write!(f, "{item}: {}", self.message),
            (None, Some(kind)) => write!(f, "{kind}: {}", self.message),
            (None, None) => f.write_str(&self.message),
        }
    }
}

/// All findings of one run; stored as `results.json.zst`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// Number of warnings, kept or not.
    pub warnings: u64,
    /// Number of errors, kept or not.
    pub errors: u64,
    /// The first findings, up to [`MAX_FINDINGS`] and [`MAX_FINDING_BYTES`].
    pub findings: Vec<Finding>,
    /// The number of items that were left out, by reason and kind.
    #[serde(default)]
    pub skipped: Tally,
    #[serde(skip)]
    kept: Kept,
}

/// Bytes of the findings that are kept. They follow from the findings, so that all values count as
/// equal.
#[derive(Clone, Copy, Debug, Default)]
struct Kept(usize);

impl PartialEq for Kept {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Kept {}

impl Results {
    /// Counts a finding, and keeps it while there is room.
    pub fn add(&mut self, mut finding: Finding) {
        match finding.severity {
            Severity::Warning => self.warnings += 1,
            Severity::Error => self.errors += 1,
        }
        if self.findings.len() >= MAX_FINDINGS {
            return;
        }
        finding.message = cut(finding.message);
        // Every finding has a JSON form, so that the fallback is never taken.
        let bytes = self.kept.0 + serde_json::to_vec(&finding).map_or(MAX_MESSAGE, |text| text.len() + 1);
        if bytes <= MAX_FINDING_BYTES {
            self.kept.0 = bytes;
            self.findings.push(finding);
        }
    }
}

/// The reason why an item was left out on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// The kind is never taken, or never restored (events, nodes, leases, …).
    DefaultExclusion,
    /// The item is labelled `ark.heptio.com/exclude-from-backup=true` (or Velero's label), or in a
    /// namespace that is.
    ExcludeLabel,
    /// The item has a deletionTimestamp.
    BeingDeleted,
    /// The item's controller makes it again.
    ControllerMakesIt,
    /// The item is a mirror pod, which the kubelet makes again.
    MirrorPod,
    /// The control plane makes the item in every cluster (service-account token,
    /// `kube-root-ca.crt`, APIService).
    ControlPlaneMakesIt,
    /// The item is cluster-scoped, and nothing that was taken needs it.
    NotRelated,
    /// The item is a Pod or Job that has ended.
    Finished,
    /// The item would not be what it was: a snapshot whose storage is not known.
    NotRestorable,
    /// The item belongs to the server of Ark that restores, or that runs beside the restore.
    RunningServer,
    /// The item is in the cluster already, and equal.
    Unchanged,
    /// The item is in the cluster already, differs, and is left as it is.
    Exists,
}

impl SkipReason {
    /// Returns the reason in words, as `describe` prints it.
    pub fn describe(self) -> &'static str {
        match self {
            Self::DefaultExclusion => "left out by default",
            Self::ExcludeLabel => "labelled to be left out",
            Self::BeingDeleted => "being deleted",
            Self::ControllerMakesIt => "its controller makes it again",
            Self::MirrorPod => "mirror pod",
            Self::ControlPlaneMakesIt => "the control plane makes it",
            Self::NotRelated => "nothing that was taken needs it",
            Self::Finished => "finished",
            Self::NotRestorable => "cannot be brought back",
            Self::RunningServer => "it is the server that restores",
            Self::Unchanged => "there already and equal",
            Self::Exists => "there already and different",
        }
    }
}

/// The number of items that were left out, by reason and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally(BTreeMap<SkipReason, BTreeMap<GroupResource, u64>>);

impl Tally {
    /// Counts one item.
    pub fn add(&mut self, reason: SkipReason, kind: &GroupResource) {
        self.add_many(reason, kind, 1);
    }

    /// Counts `items` items of a kind.
    pub fn add_many(&mut self, reason: SkipReason, kind: &GroupResource, items: u64) {
        let kinds = self.0.entry(reason).or_default();
        match kinds.get_mut(kind) {
            Some(count) => *count += items,
            None => {
                kinds.insert(kind.clone(), items);
            }
        }
    }

    /// Returns reason, kind and number, in a stable order.
    pub fn iter(&self) -> impl Iterator<Item = (SkipReason, &GroupResource, u64)> {
        self.0.iter().flat_map(|(reason, kinds)| kinds.iter().map(move |(kind, n)| (*reason, kind, *n)))
    }

    /// Returns the number of all items left out.
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, _, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_beyond_the_bound_are_counted_and_not_kept() {
        let mut results = Results::default();
        for _ in 0..=MAX_FINDINGS {
            results.add(Finding::error(Category::Other, "no"));
        }
        assert_eq!(results.errors, MAX_FINDINGS as u64 + 1);
        assert_eq!(results.findings.len(), MAX_FINDINGS);
    }

    #[test]
    fn a_long_message_is_cut_where_a_character_ends_and_says_so() {
        let finding = Finding::warning(Category::Other, format!("a{}", "ü".repeat(MAX_MESSAGE)));
        assert!(finding.message.len() <= MAX_MESSAGE && finding.message.len() > MAX_MESSAGE - 4);
        assert!(finding.message.starts_with("aü") && finding.message.ends_with("ü…"));
        assert_eq!(cut("x".repeat(MAX_MESSAGE)).len(), MAX_MESSAGE);
        let mut results = Results::default();
        let message = "y".repeat(MAX_MESSAGE + 1);
        results.add(Finding { message, ..Finding::error(Category::Other, "") });
        assert!(results.findings[0].message.ends_with('…'), "also of a finding that was made by hand");
    }

    #[test]
    fn findings_are_bounded_in_bytes_as_they_are_stored() {
        let mut results = Results::default();
        for _ in 0..2000 {
            // Each of these bytes takes six in JSON.
            results.add(Finding::error(Category::Other, "\u{1}".repeat(MAX_MESSAGE)));
        }
        assert_eq!(results.errors, 2000);
        let stored = serde_json::to_vec(&results.findings).unwrap().len();
        assert!(stored <= MAX_FINDING_BYTES + 2 && stored > MAX_FINDING_BYTES / 2, "{stored}");
    }
}
