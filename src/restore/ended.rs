//! Reports work that may be done again: custom resources that ask for something once and for which
//! it was done. Their status, a subresource, does not come back, so that their controller may do
//! it again. A restore says so, once a kind.
//!
//! Work counts as done by what most such kinds say: the time of the end, a condition, or a word
//! for the phase. A Job that says so is left out of a restore; for kinds that Ark does not know,
//! that would be too much.

use std::collections::BTreeMap;

use serde_json::Value;

use super::account::RestoreAccount;
use super::error::RestoreError;
use super::inventory::EntryId;
use super::outcome::ItemAction;
use super::prepared::Ready;
use super::view::RestoreView;
use crate::model::{Category, Finding, GroupResource, SkipReason};

/// The kind of Kubernetes' own Jobs.
const JOBS: &str = "jobs.batch";

/// Returns a sentence that names the custom resource which controls a Job and may make it again,
/// or `None` for any other item.
pub fn made_by_an_operator(kind: &GroupResource, item: &Value) -> Option<String> {
    let owners = item["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let controls = |owner: &&Value| {
        let group = owner["apiVersion"].as_str().and_then(|version| version.split_once('/'));
        owner["controller"] == true && group.is_some_and(|(group, _)| group.contains('.'))
    };
    let owner = owners.filter(|_| kind.as_str() == JOBS).find(controls)?;
    let text = |field: &str| owner[field].as_str().unwrap_or_default();
    Some(format!("{} {} may make it again", text("kind"), text("name")))
}

impl RestoreView<'_> {
    /// Notes a finished Job that is left out and not in the cluster, if [`made_by_an_operator`]
    /// named its controller in `why`.
    ///
    /// # Errors
    /// When the cluster as a whole fails.
    pub async fn note_left_out(
        &self,
        id: EntryId,
        reason: SkipReason,
        why: Option<&String>,
    ) -> Result<(), RestoreError> {
        let entry = self.plan.entry(id);
        let (SkipReason::Finished, Some(_), Some(info)) = (reason, why, self.served.info(entry)) else {
            return Ok(());
        };
        let namespace =
            self.plan.source.inventory.namespace(entry).map(|name| self.plan.rewriter.namespace(name));
        match self.cluster.get(info, namespace, &entry.name).await {
            Ok(Some(_)) => {}
            Err(error) if error.is_about_the_connection() => {
                return Err(RestoreError::Cluster { doing: "looking for finished Jobs", source: error });
            }
            // If the look fails, the warning says more rather than less.
            Ok(None) | Err(_) => self.ended.add(id),
        }
        Ok(())
    }

    /// Notes an item that may run again, if `action` made it anew; an item that is updated keeps
    /// the status that it has.
    pub fn note_ended(&self, ready: &Ready<'_>, action: &ItemAction) {
        if ready.may_run_again && matches!(action, ItemAction::Create | ItemAction::Recreate) {
            self.ended.add(ready.entry);
        }
    }

    /// Reports a warning for each kind of which such items were made or left out.
    pub fn tell_of_ended(&self, account: &mut RestoreAccount<'_>) {
        let mut kinds: BTreeMap<u16, Vec<EntryId>> = BTreeMap::new();
        for id in self.ended.all() {
            kinds.entry(self.plan.entry(id).kind).or_default().push(id);
        }
        for (kind, ids) in kinds {
            let kind = &self.plan.source.inventory.kinds[usize::from(kind)].resource;
            let first = ids.iter().min().map(|id| self.plan.key(*id));
            let first = first.map(|key| format!("{}{}", namespace(&key), key.name)).unwrap_or_default();
            let number = ids.len();
            let message = if kind.as_str() == JOBS {
                format!(
                    "{number} of them had ended and are left out (`{first}` among them); they belong to custom resources, whose operators may make them again, so that what they did is done again"
                )
            } else {
                format!(
                    "what {number} of them ask for was done when the backup was made (`{first}` among them), as their status says; they come back without it, so that it may be done again; --status-include-resources {kind} gives them their status, --exclude-resources {kind} leaves them out"
                )
            };
            account.find(Finding::warning(Category::Other, message).on_kind(kind.clone()));
        }
    }
}

fn namespace(key: &crate::model::ItemKey) -> String {
    key.namespace.as_ref().map(|name| format!("{name}/")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::prepared::may_run_again;

    #[test]
    fn what_was_done_is_told_from_what_goes_on() {
        let condition = |kind: &str, status: &str, reason: &str| json!({"conditions": [{"type": kind, "status": status, "reason": reason}]});
        for (status, expected) in [
            (json!({"completionTime": "2026-11-28T03:00:00Z"}), true),
            (json!({"completionTime": null}), false),
            (json!({"phase": "Succeeded"}), true),
            (json!({"state": "COMPLETED"}), true),
            (json!({"phase": "Running"}), false),
            (condition("Succeeded", "True", "Completed"), true),
            (condition("Succeeded", "False", "Failed"), true),
            (condition("Succeeded", "Unknown", "Running"), false),
            (condition("Failed", "False", ""), false),
            (condition("Complete", "True", ""), true),
            (condition("Ready", "True", "Issued"), true),
            (condition("Ready", "True", "Ready"), false),
            (json!({"replicas": 3}), false),
        ] {
            assert_eq!(
                may_run_again(&GroupResource::parse("runs.example.com"), Some(&status)),
                expected,
                "{status}"
            );
            assert!(!may_run_again(&GroupResource::parse("pods"), Some(&status)));
        }
        assert!(!may_run_again(&GroupResource::parse("runs.example.com"), None));
    }
}
