//! A ServiceAccount loses its references to token secrets that the control plane made; those never come back. Pure.

use serde_json::Value;

use super::shape;
use crate::model::{Kind, is_generated};

/// Drops `<name>-token-xxxxx` from `secrets`.
pub(super) fn rewrite(kind: &Kind, item: &mut Value) {
    if kind.as_str() != "serviceaccounts" {
        return;
    }
    let Some(prefix) = shape::text(item, &["metadata", "name"]).map(|name| format!("{name}-token-")) else {
        return;
    };
    shape::retain(item, &["secrets"], |secret| {
        !shape::text(secret, &["name"]).is_some_and(|name| is_generated(name, &prefix))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_token_secrets_that_the_control_plane_made_are_dropped() {
        let mut item = json!({"metadata": {"name": "web"}, "secrets": [{"name": "web-token-x7k2p"}, {"name": "registry"}],
            "imagePullSecrets": [{"name": "web-token-x7k2p"}]});
        rewrite(&Kind::parse("serviceaccounts"), &mut item);
        assert_eq!(
            item,
            json!({"metadata": {"name": "web"}, "secrets": [{"name": "registry"}], "imagePullSecrets": [{"name": "web-token-x7k2p"}]})
        );
    }
}
