//! Removes a ServiceAccount's references to Secrets that a controller made for it; those never
//! come back. Pure.

use serde_json::Value;

use super::shape;
use crate::model::{GroupResource, is_generated};

/// The infixes between an account's name and the suffix that a controller generates, in the name
/// of a Secret made for the account: tokens of Kubernetes before 1.24, and OpenShift's credentials
/// for images.
const MADE: [&str; 2] = ["-token-", "-dockercfg-"];

/// Returns whether a reference in `secrets` of this account is to a Secret that a controller made
/// for it.
pub fn is_made_for(account: &str, secret: &Value) -> bool {
    let name = shape::text(secret, &["name"]).unwrap_or_default();
    MADE.iter().any(|made| is_generated(name, &format!("{account}{made}")))
}

/// Removes the references to such Secrets.
pub(super) fn rewrite(kind: &GroupResource, item: &mut Value) {
    if kind.as_str() != "serviceaccounts" {
        return;
    }
    let Some(account) = shape::text(item, &["metadata", "name"]).map(str::to_owned) else { return };
    shape::retain(item, &["secrets"], |secret| !is_made_for(&account, secret));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_secrets_that_a_controller_made_are_dropped() {
        let mut item = json!({"metadata": {"name": "web"}, "secrets": [{"name": "web-token-x7k2p"}, {"name": "web-dockercfg-x7k2p"}, {"name": "registry"}],
            "imagePullSecrets": [{"name": "web-token-x7k2p"}]});
        rewrite(&GroupResource::parse("serviceaccounts"), &mut item);
        assert_eq!(
            item,
            json!({"metadata": {"name": "web"}, "secrets": [{"name": "registry"}], "imagePullSecrets": [{"name": "web-token-x7k2p"}]})
        );
    }
}
