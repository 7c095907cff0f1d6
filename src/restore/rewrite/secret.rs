//! Empties a token Secret that a person made for a ServiceAccount, so that the control plane fills
//! it for the new account. Pure.

use serde_json::Value;

use super::shape;
use crate::model::{GroupResource, TOKEN_TYPE};

/// The annotation and the data that the control plane fills in.
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
const FILLED_IN: [&str; 3] = ["token", "ca.crt", "namespace"];

/// Removes what belongs to the old account.
pub(super) fn rewrite(kind: &GroupResource, item: &mut Value) {
    if kind.as_str() != "secrets" || shape::text(item, &["type"]) != Some(TOKEN_TYPE) {
        return;
    }
    shape::remove_keys(item, &["metadata", "annotations"], &[ACCOUNT_UID]);
    shape::remove_keys(item, &["data"], &FILLED_IN);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_secret_is_emptied_and_others_are_left_alone() {
        let secret = |kind: &str| {
            json!({"type": kind, "metadata": {"name": "ci", "annotations": {"kubernetes.io/service-account.name": "ci", ACCOUNT_UID: "u"}},
            "data": {"token": "eA==", "ca.crt": "eA==", "namespace": "eA==", "extra": "eA=="}})
        };
        let mut token = secret(TOKEN_TYPE);
        rewrite(&GroupResource::parse("secrets"), &mut token);
        assert_eq!(
            token,
            json!({"type": TOKEN_TYPE, "metadata": {"name": "ci", "annotations": {"kubernetes.io/service-account.name": "ci"}}, "data": {"extra": "eA=="}})
        );
        let mut opaque = secret("Opaque");
        rewrite(&GroupResource::parse("secrets"), &mut opaque);
        assert_eq!(opaque, secret("Opaque"));
    }
}
