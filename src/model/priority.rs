//! The order in which kinds come back, and so the order of the tarball. Pure.

use std::cmp::Ordering;

use super::Kind;

/// Kinds of one class may be restored side by side; a class begins when the one before it is done.
///
/// The table follows Velero's default restore priorities (`research/velero.md` 1.5), with two changes: workloads that
/// own others come before what they own, because owner references are pointed at the new owner, and whatever may refuse
/// a create (webhooks, quotas) or hide an API (APIServices) comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PriorityClass(u8);

const CLASSES: &[&[&str]] = &[
    &["customresourcedefinitions.apiextensions.k8s.io"],
    &["namespaces"],
    &[
        "storageclasses.storage.k8s.io",
        "volumeattributesclasses.storage.k8s.io",
        "volumesnapshotclasses.snapshot.storage.k8s.io",
        "csidrivers.storage.k8s.io",
        "priorityclasses.scheduling.k8s.io",
        "runtimeclasses.node.k8s.io",
        "ingressclasses.networking.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
        "limitranges",
    ],
    &["volumesnapshotcontents.snapshot.storage.k8s.io", "persistentvolumes"],
    &["volumesnapshots.snapshot.storage.k8s.io", "persistentvolumeclaims"],
    &[
        "roles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
        "serviceaccounts",
        "secrets",
        "configmaps",
    ],
    // Class OTHERS: every kind that no table names.
    &[],
    &["services", "endpoints", "poddisruptionbudgets.policy", "networkpolicies.networking.k8s.io"],
    &[
        "deployments.apps",
        "statefulsets.apps",
        "daemonsets.apps",
        "cronjobs.batch",
        "replicationcontrollers",
        "ingresses.networking.k8s.io",
    ],
    &["replicasets.apps", "controllerrevisions.apps", "jobs.batch", "endpointslices.discovery.k8s.io"],
    &["pods"],
    &["horizontalpodautoscalers.autoscaling"],
    &[
        "resourcequotas",
        "apiservices.apiregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    ],
];

/// Where kinds go that no table names: after what they may mount, before what may run them.
const OTHERS: u8 = 6;

impl PriorityClass {
    /// The class of a kind.
    pub fn of(kind: &Kind) -> Self {
        let class = CLASSES.iter().position(|names| names.contains(&kind.as_str()));
        Self(class.and_then(|class| u8::try_from(class).ok()).unwrap_or(OTHERS))
    }
}

/// Restore order: by class, within it by the table, and kinds that no table names by name.
pub fn restore_order(a: &Kind, b: &Kind) -> Ordering {
    let rank = |kind: &Kind| {
        let class = PriorityClass::of(kind);
        let within = CLASSES[usize::from(class.0)].iter().position(|name| *name == kind.as_str());
        (class, within.unwrap_or(usize::MAX))
    };
    rank(a).cmp(&rank(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_first_and_what_refuses_comes_last() {
        let mut kinds: Vec<Kind> = [
            "validatingwebhookconfigurations.admissionregistration.k8s.io",
            "pods",
            "widgets.example.com",
            "replicasets.apps",
            "deployments.apps",
            "secrets",
            "namespaces",
            "customresourcedefinitions.apiextensions.k8s.io",
        ]
        .iter()
        .map(|name| Kind::parse(name))
        .collect();
        kinds.sort_by(restore_order);
        let names: Vec<&str> = kinds.iter().map(Kind::as_str).collect();
        assert_eq!(
            names,
            [
                "customresourcedefinitions.apiextensions.k8s.io",
                "namespaces",
                "secrets",
                "widgets.example.com",
                "deployments.apps",
                "replicasets.apps",
                "pods",
                "validatingwebhookconfigurations.admissionregistration.k8s.io",
            ]
        );
    }
}
