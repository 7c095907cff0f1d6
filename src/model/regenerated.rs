//! Rules about single items that somebody makes again without being asked; rows of [`traits`](super::traits) name them. Pure.

use super::item::GroupResource;
use super::outcome::SkipReason;
use super::traits::ItemOrigin;

/// The type of a Secret that holds a service account's token.
pub const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// Who makes tokens, endpoints and slices.
const CONTROLLER_MANAGER: &str = "kube-controller-manager";

/// The label of a slice that says whose it is.
const SLICE_MANAGER: &str = "endpointslice.kubernetes.io/managed-by";

/// Makes slices of Endpoints.
const MIRROR: &str = "endpointslicemirroring-controller.k8s.io";

/// The label of a slice that names its Service.
const SLICE_OF: &str = "kubernetes.io/service-name";

/// Characters that the API server appends to `generateName`.
const SUFFIX: usize = 5;

/// The API server's alphabet for them: no vowels, no 0, 1 and 3.
const ALPHABET: &str = "bcdfghjklmnpqrstvwxz2456789";

/// Whether `name` is `prefix` and five characters as the API server makes them up.
pub fn is_generated(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|suffix| {
        suffix.len() == SUFFIX && suffix.chars().all(|letter| ALPHABET.contains(letter))
    })
}

/// The Service from whose selector a controller makes the item again; None when nobody does. Where that Service has no
/// selector, or is gone, a person keeps the item, whatever marks of a controller are left on it.
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

/// The bundle of the API server's own certificate authority; those of other signers are a person's.
pub(super) fn trust_bundle(item: &dyn ItemOrigin) -> Option<SkipReason> {
    item.name()
        .starts_with("kubernetes.io:kube-apiserver-serving:")
        .then_some(SkipReason::ControlPlaneMakesIt)
}

/// A token that the control plane made for a service account, before Kubernetes 1.24: called `<account>-token-<5 characters>`,
/// and its type set by the control plane. One that a person made is kept, whatever its name.
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

/// Slices that mirror Endpoints, and that of the API server itself.
pub(super) fn slice(item: &dyn ItemOrigin) -> Option<SkipReason> {
    if item.label(SLICE_MANAGER).is_some_and(|manager| manager == MIRROR) {
        return Some(SkipReason::ControllerMakesIt);
    }
    own_endpoints(item)
}

/// What the API server keeps of its own addresses.
pub(super) fn own_endpoints(item: &dyn ItemOrigin) -> Option<SkipReason> {
    let own = item.namespace() == Some("default") && item.name() == "kubernetes";
    own.then_some(SkipReason::ControlPlaneMakesIt)
}

/// The API server's own Service.
pub(super) fn own_service(item: &dyn ItemOrigin) -> bool {
    item.namespace() == Some("default") && item.name() == "kubernetes" && item.label("provider").is_some()
}

/// The API server's own certificates for those who speak through it.
pub(super) fn request_header(item: &dyn ItemOrigin) -> bool {
    item.namespace() == Some("kube-system") && item.name() == "extension-apiserver-authentication"
}

pub(super) fn system_priority(item: &dyn ItemOrigin) -> bool {
    item.name().starts_with("system-")
}

/// Settings of flow control that the API server keeps up to date; one that a person changed says otherwise.
pub(super) fn flow_control(item: &dyn ItemOrigin) -> bool {
    item.annotation("apf.kubernetes.io/autoupdate-spec").is_some_and(|value| value == "true")
}

/// Allotted to a Service, which brings it along.
pub(super) fn allotted_address(item: &dyn ItemOrigin) -> bool {
    item.label("ipaddress.kubernetes.io/managed-by").is_some()
}

/// An API that the API server or a definition serves.
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
