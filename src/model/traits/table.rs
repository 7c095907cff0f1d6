//! The rows: every kind of Kubernetes 1.37 with all its APIs, the kinds of snapshots, and a few
//! other well-known ones. Pure.
//!
//! Within a class the order of the rows is the order of the restore. A built-in kind without a row
//! fails a test.

use super::PriorityClass::{
    Autoscalers, Claims, Classes, Configuration, Definitions, Last, Limits, Namespaces, Others, Owned, Pods,
    ServiceAccounts, Services, Volumes, Workloads,
};
use super::Regenerated::{Newest, Yes};
use super::Stay::{InItsBackup, InItsCluster, Nowhere};
use super::{ItemOrigin, ORDINARY, PriorityClass, Regenerated, Stay, Traits};
use crate::model::SkipReason;
use crate::model::regenerated as rules;

type TraitsRow = (&'static str, Traits);

/// The table, in restore order within each class.
pub(super) const ROWS: &[TraitsRow] = &[
    ("customresourcedefinitions.apiextensions.k8s.io", cluster(Definitions).comes_along()),
    ("namespaces", cluster(Namespaces)),
    // Classes of every sort.
    ("storageclasses.storage.k8s.io", cluster(Classes).comes_along().has_references()),
    ("volumeattributesclasses.storage.k8s.io", cluster(Classes).comes_along()),
    (
        "volumesnapshotclasses.snapshot.storage.k8s.io",
        cluster(Classes).custom().comes_along().has_references(),
    ),
    (
        "volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io",
        cluster(Classes).custom().comes_along().has_references(),
    ),
    ("csidrivers.storage.k8s.io", cluster(Classes).comes_along()),
    ("deviceclasses.resource.k8s.io", cluster(Classes).comes_along()),
    ("priorityclasses.scheduling.k8s.io", cluster(Classes).comes_along().given(rules::system_priority)),
    ("runtimeclasses.node.k8s.io", cluster(Classes).comes_along()),
    ("ingressclasses.networking.k8s.io", cluster(Classes).comes_along().has_references()),
    ("gatewayclasses.gateway.networking.k8s.io", cluster(Classes).custom().comes_along().has_references()),
    (
        "clustertrustbundles.certificates.k8s.io",
        cluster(Classes).comes_along().has_references().regenerated_by(rules::trust_bundle),
    ),
    ("clusterroles.rbac.authorization.k8s.io", cluster(Classes).comes_along().has_references()),
    (
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
        cluster(Classes).comes_along().given(rules::flow_control),
    ),
    // Addresses of Services are allotted from these ranges.
    ("servicecidrs.networking.k8s.io", cluster(Classes).given(|item| item.name() == "kubernetes")),
    ("limitranges", namespaced(Classes)),
    // Data.
    (
        "volumesnapshotcontents.snapshot.storage.k8s.io",
        cluster(Volumes).custom().data().comes_along().has_references(),
    ),
    (
        "volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io",
        cluster(Volumes).custom().data().comes_along().has_references(),
    ),
    ("persistentvolumes", cluster(Volumes).data().comes_along().has_references()),
    (
        "volumegroupsnapshots.groupsnapshot.storage.k8s.io",
        namespaced(Claims).custom().data().has_references(),
    ),
    ("volumesnapshots.snapshot.storage.k8s.io", namespaced(Claims).custom().data().has_references()),
    // A PVC whose controller is a Pod belongs to an ephemeral volume: it lives as long as the Pod.
    ("persistentvolumeclaims", namespaced(Claims).data().has_references().made_by(&[("pods", Yes)])),
    // Configuration.
    ("serviceaccounts", namespaced(ServiceAccounts).has_references()),
    ("roles.rbac.authorization.k8s.io", namespaced(Configuration)),
    ("clusterrolebindings.rbac.authorization.k8s.io", cluster(Configuration).comes_along().has_references()),
    ("rolebindings.rbac.authorization.k8s.io", namespaced(Configuration).has_references()),
    ("secrets", namespaced(Configuration).regenerated_by(rules::token)),
    (
        "configmaps",
        namespaced(Configuration).regenerated_by(rules::root_certificate).given(rules::request_header),
    ),
    // Kinds that neither mount nor are mounted.
    ("podtemplates", namespaced(Others).has_references()),
    ("resourceclaimtemplates.resource.k8s.io", namespaced(Others).has_references()),
    (
        "resourceclaims.resource.k8s.io",
        namespaced(Others).has_references().made_by(&[("pods", Yes), ("podgroups.scheduling.k8s.io", Yes)]),
    ),
    // Those of a Job are named after its uid, and made when the Job is new.
    ("workloads.scheduling.k8s.io", namespaced(Others).has_references().made_by(&[("jobs.batch", Yes)])),
    ("podgroups.scheduling.k8s.io", namespaced(Others).has_references().made_by(&[("jobs.batch", Yes)])),
    ("compositepodgroups.scheduling.k8s.io", namespaced(Others).has_references()),
    ("devicetaintrules.resource.k8s.io", cluster(Others)),
    ("flowschemas.flowcontrol.apiserver.k8s.io", cluster(Others).has_references().given(rules::flow_control)),
    ("ipaddresses.networking.k8s.io", cluster(Others).given(rules::allotted_address)),
    ("gateways.gateway.networking.k8s.io", namespaced(Others).custom().has_references()),
    // Kinds by which workloads are reached.
    ("services", namespaced(Services).given(rules::own_service)),
    ("endpoints", namespaced(Services).regenerated_by(rules::own_endpoints)),
    ("poddisruptionbudgets.policy", namespaced(Services)),
    ("networkpolicies.networking.k8s.io", namespaced(Services)),
    // Workloads and what they own. Jobs are kept, whoever made them: one that has ended is left
    // out as finished, one that ran goes on, and no CronJob makes again what a person started by
    // hand.
    ("deployments.apps", namespaced(Workloads).adopts().has_references()),
    ("statefulsets.apps", namespaced(Workloads).adopts().has_references()),
    ("daemonsets.apps", namespaced(Workloads).adopts().has_references()),
    ("cronjobs.batch", namespaced(Workloads).has_references()),
    ("replicationcontrollers", namespaced(Workloads).adopts().has_references()),
    ("ingresses.networking.k8s.io", namespaced(Workloads).has_references()),
    (
        "replicasets.apps",
        namespaced(Owned).adopts().has_references().made_by(&[("deployments.apps", Newest)]),
    ),
    // All revisions come back: the controller adopts one that is equal, and the number orders the
    // rest.
    ("controllerrevisions.apps", namespaced(Owned)),
    ("jobs.batch", namespaced(Owned).has_references()),
    (
        "endpointslices.discovery.k8s.io",
        namespaced(Owned).made_by(&[("endpoints", Yes)]).regenerated_by(rules::slice),
    ),
    ("pods", namespaced(Pods).has_references().made_by(MAKERS_OF_PODS).regenerated_by(rules::mirror_pod)),
    ("horizontalpodautoscalers.autoscaling", namespaced(Autoscalers)),
    ("scaledobjects.keda.sh", namespaced(Autoscalers).custom()),
    ("verticalpodautoscalers.autoscaling.k8s.io", namespaced(Autoscalers).custom()),
    // Kinds that may refuse others, change them, or hide an API.
    ("resourcequotas", namespaced(Limits)),
    ("apiservices.apiregistration.k8s.io", cluster(Limits).given(rules::own_api)),
    ("mutatingadmissionpolicies.admissionregistration.k8s.io", cluster(Last).comes_along().has_references()),
    ("mutatingadmissionpolicybindings.admissionregistration.k8s.io", cluster(Last).has_references()),
    (
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        cluster(Last).comes_along().has_references(),
    ),
    ("validatingadmissionpolicybindings.admissionregistration.k8s.io", cluster(Last).has_references()),
    ("mutatingwebhookconfigurations.admissionregistration.k8s.io", cluster(Last)),
    ("validatingwebhookconfigurations.admissionregistration.k8s.io", cluster(Last)),
    // Kinds that tell of one cluster at one time: its machines and disks, its API servers, what
    // happened, who holds what.
    ("nodes", cluster(Others).stay(InItsCluster)),
    ("csinodes.storage.k8s.io", cluster(Others).stay(InItsCluster)),
    ("volumeattachments.storage.k8s.io", cluster(Others).stay(InItsCluster)),
    ("csistoragecapacities.storage.k8s.io", namespaced(Others).stay(InItsCluster)),
    ("resourceslices.resource.k8s.io", cluster(Others).stay(InItsCluster)),
    ("events", namespaced(Others).stay(InItsCluster)),
    ("events.events.k8s.io", namespaced(Others).stay(InItsCluster)),
    ("leasecandidates.coordination.k8s.io", namespaced(Others).stay(InItsCluster)),
    ("storageversions.internal.apiserver.k8s.io", cluster(Others).stay(InItsCluster)),
    // Requests: whoever restores one would be recorded as the one who asks, and what was refused
    // would be asked again.
    ("certificatesigningrequests.certificates.k8s.io", cluster(Others).stay(InItsCluster)),
    ("podcertificaterequests.certificates.k8s.io", namespaced(Others).stay(InItsCluster)),
    ("storageversionmigrations.storagemigration.k8s.io", cluster(Others).stay(InItsCluster)),
    ("resourcepoolstatusrequests.resource.k8s.io", cluster(Others).stay(InItsCluster)),
    // An eviction that came back would evict the pods that come back with it.
    ("evictionrequests.lifecycle.k8s.io", namespaced(Others).stay(InItsCluster)),
    ("evictions.lifecycle.k8s.io", namespaced(Others).stay(InItsCluster)),
    ("leases.coordination.k8s.io", namespaced(Others).stay(InItsCluster)),
    // Records of another backup program, which reads them from its own bucket.
    ("backups.velero.io", namespaced(Others).custom().stay(InItsBackup)),
    ("restores.velero.io", namespaced(Others).custom().stay(InItsBackup)),
    ("backuprepositories.velero.io", namespaced(Others).custom().stay(InItsBackup)),
    ("resticrepositories.velero.io", namespaced(Others).custom().stay(InItsBackup)),
    // Questions that are answered and not stored.
    ("bindings", namespaced(Others).stay(Nowhere)),
    ("componentstatuses", cluster(Others).stay(Nowhere)),
    ("tokenreviews.authentication.k8s.io", cluster(Others).stay(Nowhere)),
    ("selfsubjectreviews.authentication.k8s.io", cluster(Others).stay(Nowhere)),
    ("localsubjectaccessreviews.authorization.k8s.io", namespaced(Others).stay(Nowhere)),
    ("selfsubjectaccessreviews.authorization.k8s.io", cluster(Others).stay(Nowhere)),
    ("selfsubjectrulesreviews.authorization.k8s.io", cluster(Others).stay(Nowhere)),
    ("subjectaccessreviews.authorization.k8s.io", cluster(Others).stay(Nowhere)),
    ("projectrequests.project.openshift.io", cluster(Others).custom().stay(Nowhere)),
];

/// Groups all of whose kinds are policies, by which a webhook refuses or changes others.
pub(super) const POLICIES: [&str; 5] = [
    "constraints.gatekeeper.sh",
    "kyverno.io",
    "mutations.gatekeeper.sh",
    "policies.kubewarden.io",
    "policies.kyverno.io",
];

/// The traits of a kind of such a group.
pub(super) const POLICY: Traits = Traits { class: Last, ..ORDINARY };

const MAKERS_OF_PODS: &[(&str, Regenerated)] = &[
    ("replicasets.apps", Yes),
    ("statefulsets.apps", Yes),
    ("daemonsets.apps", Yes),
    ("jobs.batch", Yes),
    ("replicationcontrollers", Yes),
];

const fn namespaced(class: PriorityClass) -> Traits {
    Traits { class, namespaced: Some(true), is_custom: false, ..ORDINARY }
}

const fn cluster(class: PriorityClass) -> Traits {
    Traits { class, namespaced: Some(false), is_custom: false, ..ORDINARY }
}

impl Traits {
    const fn stay(self, stay: Stay) -> Self {
        Self { stay, ..self }
    }

    const fn made_by(self, made_by: &'static [(&'static str, Regenerated)]) -> Self {
        Self { made_by, ..self }
    }

    const fn regenerated_by(self, regenerated_by: fn(&dyn ItemOrigin) -> Option<SkipReason>) -> Self {
        Self { regenerated_by, ..self }
    }

    const fn given(self, given: fn(&dyn ItemOrigin) -> bool) -> Self {
        Self { given, ..self }
    }

    const fn data(self) -> Self {
        Self { is_data: true, ..self }
    }

    const fn custom(self) -> Self {
        Self { is_custom: true, ..self }
    }

    const fn adopts(self) -> Self {
        Self { adopts: true, ..self }
    }

    const fn has_references(self) -> Self {
        Self { has_references: true, ..self }
    }

    const fn comes_along(self) -> Self {
        Self { comes_along: true, ..self }
    }
}
