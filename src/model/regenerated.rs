//! Rules about single items that a controller or the control plane makes again; rows of
//! [`traits`](super::traits) name them. Pure.
//!
//! The decisions by these rules are made in `restore::rewrite` (`never_restored`) and, about items
//! whose controller comes back in the same restore, in `restore::steps`.

use super::item::GroupResource;
use super::outcome::SkipReason;
use super::traits::ItemOrigin;

/// The type of a Secret that holds a service account's token.
pub const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// The field manager that makes tokens, endpoints and slices.
const CONTROLLER_MANAGER: &str = "kube-controller-manager";

/// The label of an EndpointSlice that names its manager.
const SLICE_MANAGER: &str = "endpointslice.kubernetes.io/managed-by";

/// The manager that makes slices of Endpoints.
const MIRROR: &str = "endpointslicemirroring-controller.k8s.io";

/// The label of an EndpointSlice that names its Service.
const SLICE_OF: &str = "kubernetes.io/service-name";

/// Number of characters that the API server appends to `generateName`.
const SUFFIX: usize = 5;

/// The API server's alphabet for these characters: no vowels, no 0, 1 and 3.
const ALPHABET: &str = "bcdfghjklmnpqrstvwxz2456789";

/// Returns whether `name` is `prefix` and five characters of the API server's making.
pub fn is_generated(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|suffix| {
        suffix.len() == SUFFIX && suffix.chars().all(|letter| ALPHABET.contains(letter))
    })
}

/// Returns the name of the Service from whose selector a controller makes the item again; `None`
/// if no controller does. If that Service has no selector, or is gone, a person keeps the item,
/// whatever a controller has left on it.
pub fn follows_service(kind: &GroupResource, item: &dyn ItemOrigin) -> Option<String> {
    match kind.as_str() {
        "endpoints" => Some(item.name().to_owned()),
        // Other slices of the same Service may be a person's; the controller leaves them alone.
        "endpointslices.discovery.k8s.io" => {
            let manager = item.label(SLICE_MANAGER)?;
            (manager.ends_with(".k8s.io") && manager != MIRROR).then_some(())?;
            Some(item.label(SLICE_OF)?.into_owned())
        }
        _ => None,
    }
}

pub(super) fn mirror_pod(item: &dyn ItemOrigin) -> Option<SkipReason> {
    item.annotation("kubernetes.io/config.mirror").map(|_| SkipReason::MirrorPod)
}

pub(super) fn root_certificate(item: &dyn ItemOrigin) -> Option<SkipReason> {
    (item.name() == "kube-root-ca.crt").then_some(SkipReason::ControlPlaneMakesIt)
}

/// Skips the trust bundle of the API server's own certificate authority; those of other signers
/// are a person's.
pub(super) fn trust_bundle(item: &dyn ItemOrigin) -> Option<SkipReason> {
    item.name()
        .starts_with("kubernetes.io:kube-apiserver-serving:")
        .then_some(SkipReason::ControlPlaneMakesIt)
}

/// Skips a token that the control plane made for a service account, before Kubernetes 1.24: named
/// `<account>-token-<5 characters>`, with its type set by the control plane. A token that a person
/// made is kept, whatever its name.
pub(super) fn token(item: &dyn ItemOrigin) -> Option<SkipReason> {
    let account = item.annotation("kubernetes.io/service-account.name")?;
    let by_others = || {
        let managers = item.managers("type");
        !managers.is_empty() && managers.iter().all(|manager| manager != CONTROLLER_MANAGER)
    };
    let generated = item.secret_type() == Some(TOKEN_TYPE)
        && is_generated(item.name(), &format!("{account}-token-"))
        && !by_others();
    generated.then_some(SkipReason::ControlPlaneMakesIt)
}

/// Skips slices that mirror Endpoints, and the slice of the API server itself.
pub(super) fn slice(item: &dyn ItemOrigin) -> Option<SkipReason> {
    if item.label(SLICE_MANAGER).is_some_and(|manager| manager == MIRROR) {
        return Some(SkipReason::ControllerMakesIt);
    }
    own_endpoints(item)
}

/// Skips the endpoints of the API server's own addresses.
pub(super) fn own_endpoints(item: &dyn ItemOrigin) -> Option<SkipReason> {
    let own = item.namespace() == Some("default") && item.name() == "kubernetes";
    own.then_some(SkipReason::ControlPlaneMakesIt)
}

/// Returns whether the item is the API server's own Service.
pub(super) fn own_service(item: &dyn ItemOrigin) -> bool {
    item.namespace() == Some("default") && item.name() == "kubernetes" && item.label("provider").is_some()
}

/// Returns whether the item holds the API server's certificates for those who are called through
/// it.
pub(super) fn request_header(item: &dyn ItemOrigin) -> bool {
    item.namespace() == Some("kube-system") && item.name() == "extension-apiserver-authentication"
}

pub(super) fn system_priority(item: &dyn ItemOrigin) -> bool {
    item.name().starts_with("system-")
}

/// Returns whether the API server keeps a setting of flow control up to date; one that a person
/// changed says otherwise.
pub(super) fn flow_control(item: &dyn ItemOrigin) -> bool {
    item.annotation("apf.kubernetes.io/autoupdate-spec").is_some_and(|value| value == "true")
}

/// Returns whether the address is allotted to a Service, which brings it along.
pub(super) fn allotted_address(item: &dyn ItemOrigin) -> bool {
    item.label("ipaddress.kubernetes.io/managed-by").is_some()
}

/// Returns whether the API is served by the API server itself or by a CRD.
pub(super) fn own_api(item: &dyn ItemOrigin) -> bool {
    item.label("kube-aggregator.kubernetes.io/automanaged").is_some()
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
