//! Looks, just before an item is made, for what must be beside it: items that the cluster would
//! delete or make useless otherwise.
//!
//! A token is deleted at once if its ServiceAccount is not there, and a StatefulSet creates empty
//! PVCs in the place of those that were not selected. Anything else that an item names may come
//! later, and the item waits for it. Next on the way: `create`.

use serde_json::Value;

use super::prepared::Ready;
use super::view::RestoreView;
use crate::cluster::ClusterError;
use crate::model::{Category, Finding, GroupResource, PVCS, TOKEN_TYPE, causes};

/// The resource type of ServiceAccounts.
const ACCOUNTS: &str = "serviceaccounts";

impl RestoreView<'_> {
    /// Returns a warning about an item that is about to be made, or `None` if nothing is missing.
    /// In a dry run (`foreseen`) planned items count as there.
    ///
    /// # Errors
    /// When the cluster as a whole fails.
    pub async fn tell_lacking(
        &self,
        ready: &Ready<'_>,
        foreseen: bool,
    ) -> Result<Option<Finding>, ClusterError> {
        let told = match ready.target.resource.as_str() {
            "secrets" => self.without_account(ready, foreseen).await,
            "statefulsets.apps" => self.without_claims(ready).await,
            _ => Ok(None),
        };
        match told {
            Ok(message) => Ok(message.map(|text| ready.warning(Category::NotFound, text))),
            Err(error) if error.is_about_the_connection() => Err(error),
            Err(error) => {
                let message = format!("what it needs beside it could not be looked for: {}", causes(&error));
                Ok(Some(ready.warning(error.category(), message)))
            }
        }
    }

    async fn without_account(
        &self,
        ready: &Ready<'_>,
        foreseen: bool,
    ) -> Result<Option<String>, ClusterError> {
        let Some(account) = token_account(&ready.body) else { return Ok(None) };
        if self.is_there(ready, ACCOUNTS, account).await? || (foreseen && self.is_planned(ready, account)) {
            return Ok(None);
        }
        Ok(Some(format!(
            "it is a token of the service account `{account}`, which is not in the cluster, so that the cluster deletes it at once; restore the account, too"
        )))
    }

    fn is_planned(&self, ready: &Ready<'_>, account: &str) -> bool {
        let (inventory, home) = (&self.plan.source.inventory, ready.item.namespace.as_deref());
        self.plan.items.entries().map(|id| inventory.entry(id)).any(|entry| {
            *entry.name == *account
                && inventory.namespace(entry) == home
                && inventory.kind(entry).as_str() == ACCOUNTS
        })
    }

    async fn without_claims(&self, ready: &Ready<'_>) -> Result<Option<String>, ClusterError> {
        let elsewhere = self.plan.source.inventory.claims_elsewhere(ready.item.namespace.as_deref());
        for claim in elsewhere.filter(|claim| is_claim_of(&ready.body, claim)) {
            if !self.is_there(ready, PVCS, claim).await? {
                return Ok(Some(format!(
                    "its claim `{claim}` is in the backup, was not selected, and is not in the cluster, so that its controller makes a new, empty one, which then stands in the way of that of the backup; restore the claims first"
                )));
            }
        }
        Ok(None)
    }

    /// Returns whether an item of that kind and name is in the target namespace.
    async fn is_there(&self, ready: &Ready<'_>, kind: &str, name: &str) -> Result<bool, ClusterError> {
        let Some(info) = self.served.catalog.find(&GroupResource::parse(kind)) else { return Ok(false) };
        let found = self.cluster.get(info, ready.target.namespace.as_deref(), name).await?;
        Ok(found.is_some())
    }
}

/// Returns the name of the ServiceAccount whose token a Secret is to hold, or `None` for another
/// Secret.
fn token_account(secret: &Value) -> Option<&str> {
    let account = secret["metadata"]["annotations"]["kubernetes.io/service-account.name"].as_str();
    account.filter(|_| secret["type"] == TOKEN_TYPE)
}

/// Returns whether a StatefulSet takes the PVC of that name for one of its pods, whatever the
/// pod's ordinal.
fn is_claim_of(set: &Value, claim: &str) -> bool {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let templates = set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    templates.map(name).any(|template| {
        let ordinal = claim.strip_prefix(&format!("{template}-{}-", name(set)));
        ordinal.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_of_a_stateful_set_are_told_by_template_and_ordinal() {
        let template = json!({"metadata": {"name": "data"}});
        let set = json!({"metadata": {"name": "db"}, "spec": {"volumeClaimTemplates": [template]}});
        for (claim, expected) in [
            ("data-db-0", true),
            ("data-db-17", true),
            ("data-db-", false),
            ("data-db-x", false),
            ("logs-db-0", false),
        ] {
            assert_eq!(is_claim_of(&set, claim), expected, "{claim}");
        }
        assert!(!is_claim_of(&json!({"metadata": {"name": "db"}, "spec": {}}), "data-db-0"));
    }
}
