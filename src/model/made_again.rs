//! What is neither backed up nor restored unless it is asked for: kinds that tell of one cluster at one time, and items that
//! somebody makes again without being asked. Pure.

use std::borrow::Cow;

use super::item::Kind;
use super::outcome::SkipReason;

/// Kinds that say how one cluster is, not what a cluster should be.
const OF_ONE_CLUSTER: &[&str] = &[
    "csinodes.storage.k8s.io",
    "events",
    "events.events.k8s.io",
    "nodes",
    "volumeattachments.storage.k8s.io",
];

/// The type of a Secret that holds a service account's token.
pub const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// Characters that the API server appends to `generateName`.
const SUFFIX: usize = 5;

/// The API server's alphabet for them: no vowels, no 0, 1 and 3.
const ALPHABET: &str = "bcdfghjklmnpqrstvwxz2456789";

/// What an item says of who makes it, however it was read.
pub trait Origin {
    /// `metadata.name`.
    fn name(&self) -> &str;
    /// The value of a label.
    fn label(&self, key: &str) -> Option<Cow<'_, str>>;
    /// The value of an annotation.
    fn annotation(&self, key: &str) -> Option<Cow<'_, str>>;
    /// `type` of a Secret.
    fn secret_type(&self) -> Option<&str>;
    /// Whether an owner has `controller` true.
    fn is_controlled(&self) -> bool;
}

/// Whether the kind says how one cluster is.
pub fn is_of_one_cluster(kind: &Kind) -> bool {
    OF_ONE_CLUSTER.contains(&kind.as_str())
}

/// Who makes the item again without being asked; None when nobody does.
pub fn made_again(kind: &Kind, item: &impl Origin) -> Option<SkipReason> {
    match kind.as_str() {
        "pods" => item.annotation("kubernetes.io/config.mirror").map(|_| SkipReason::MirrorPod),
        "configmaps" => (item.name() == "kube-root-ca.crt").then_some(SkipReason::ControlPlaneMakesIt),
        "secrets" => is_generated_token(item).then_some(SkipReason::ControlPlaneMakesIt),
        // Slices and endpoints that follow from a Service's selector.
        "endpointslices.discovery.k8s.io" => {
            let by_controller = item
                .label("endpointslice.kubernetes.io/managed-by")
                .is_some_and(|by| by.ends_with(".k8s.io"));
            (by_controller || item.is_controlled()).then_some(SkipReason::ControllerMakesIt)
        }
        "endpoints" => {
            let by_controller = item.label("endpoints.kubernetes.io/managed-by").is_some()
                || item.annotation("endpoints.kubernetes.io/last-change-trigger-time").is_some();
            by_controller.then_some(SkipReason::ControllerMakesIt)
        }
        _ => None,
    }
}

/// A token that the control plane made for a service account, before Kubernetes 1.24: called `<account>-token-<5 characters>`.
/// One that a person made has a name of its own and is kept.
fn is_generated_token(item: &impl Origin) -> bool {
    if item.secret_type() != Some(TOKEN_TYPE) {
        return false;
    }
    item.annotation("kubernetes.io/service-account.name")
        .is_some_and(|account| is_generated(item.name(), &format!("{account}-token-")))
}

/// Whether `name` is `prefix` and five characters as the API server makes them up.
pub fn is_generated(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|suffix| {
        suffix.len() == SUFFIX && suffix.chars().all(|letter| ALPHABET.contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_are_told_from_chosen_ones() {
        assert!(is_generated("web-token-x7k2p", "web-token-"));
        assert!(!is_generated("web-token-admin", "web-token-"));
        assert!(!is_generated("web-token-x7k2pq", "web-token-"));
        assert!(!is_generated("other-token-x7k2p", "web-token-"));
    }
}
