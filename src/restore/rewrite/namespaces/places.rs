//! The table of fields that name a namespace, kind by kind. Pure.

use serde_json::Value;

use super::NamespaceMap;
use crate::model::GroupResource;
use crate::restore::rewrite::{pod, shape};

/// Returns the fields of a kind that name a namespace; `[]` stands for each element.
fn places(kind: &GroupResource) -> &'static [&'static str] {
    match kind.as_str() {
        "serviceaccounts" => &["secrets[].namespace"],
        "persistentvolumeclaims" => &["spec.dataSourceRef.namespace"],
        "persistentvolumes" => &[
            "spec.claimRef.namespace",
            "spec.azureFile.secretNamespace",
            "spec.cephfs.secretRef.namespace",
            "spec.csi.controllerExpandSecretRef.namespace",
            "spec.csi.controllerPublishSecretRef.namespace",
            "spec.csi.nodeExpandSecretRef.namespace",
            "spec.csi.nodePublishSecretRef.namespace",
            "spec.csi.nodeStageSecretRef.namespace",
            "spec.flexVolume.secretRef.namespace",
            "spec.glusterfs.endpointsNamespace",
            "spec.iscsi.secretRef.namespace",
            "spec.rbd.secretRef.namespace",
            "spec.scaleIO.secretRef.namespace",
            "spec.storageos.secretRef.namespace",
        ],
        "volumesnapshotcontents.snapshot.storage.k8s.io" => &["spec.volumeSnapshotRef.namespace"],
        "volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io" => {
            &["spec.volumeGroupSnapshotRef.namespace"]
        }
        "endpoints" => &[
            "subsets[].addresses[].targetRef.namespace",
            "subsets[].notReadyAddresses[].targetRef.namespace",
        ],
        "endpointslices.discovery.k8s.io" => &["endpoints[].targetRef.namespace"],
        "statefulsets.apps" => &["spec.volumeClaimTemplates[].metadata.namespace"],
        "validatingwebhookconfigurations.admissionregistration.k8s.io"
        | "mutatingwebhookconfigurations.admissionregistration.k8s.io" => {
            &["webhooks[].clientConfig.service.namespace"]
        }
        "validatingadmissionpolicybindings.admissionregistration.k8s.io"
        | "mutatingadmissionpolicybindings.admissionregistration.k8s.io" => &["spec.paramRef.namespace"],
        "customresourcedefinitions.apiextensions.k8s.io" => {
            &["spec.conversion.webhook.clientConfig.service.namespace"]
        }
        "apiservices.apiregistration.k8s.io" => &["spec.service.namespace"],
        "ingressclasses.networking.k8s.io" => &["spec.parameters.namespace"],
        "ipaddresses.networking.k8s.io" => &["spec.parentRef.namespace"],
        "flowschemas.flowcontrol.apiserver.k8s.io" => &["spec.rules[].resourceRules[].namespaces"],
        "gatewayclasses.gateway.networking.k8s.io" => &["spec.parametersRef.namespace"],
        "gateways.gateway.networking.k8s.io" => &[
            "spec.listeners[].tls.certificateRefs[].namespace",
            "spec.listeners[].tls.frontendValidation.caCertificateRefs[].namespace",
        ],
        "httproutes.gateway.networking.k8s.io"
        | "grpcroutes.gateway.networking.k8s.io"
        | "tlsroutes.gateway.networking.k8s.io"
        | "tcproutes.gateway.networking.k8s.io"
        | "udproutes.gateway.networking.k8s.io" => &[
            "spec.parentRefs[].namespace",
            "spec.rules[].backendRefs[].namespace",
            "spec.rules[].filters[].requestMirror.backendRef.namespace",
            "spec.rules[].backendRefs[].filters[].requestMirror.backendRef.namespace",
        ],
        "referencegrants.gateway.networking.k8s.io" => &["spec.from[].namespace"],
        _ => &[],
    }
}

/// Fields of a pod's spec that name namespaces, in pods and in every kind with a pod template.
const POD_PLACES: [&str; 4] = [
    "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[].namespaces",
    "affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm.namespaces",
    "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[].namespaces",
    "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm.namespaces",
];

/// The end of the parameters of a storage or snapshot class that name a Secret's namespace
/// (`csi.storage.k8s.io/…-secret-namespace`).
const SECRET_PARAMETER: &str = "secret-namespace";

/// Annotations of a volume or of a snapshot's content that name a Secret's namespace.
const SECRET_ANNOTATIONS: [&str; 3] = [
    "snapshot.storage.kubernetes.io/deletion-secret-namespace",
    "volume.kubernetes.io/provisioner-deletion-secret-namespace",
    "volume.kubernetes.io/controller-expand-secret-namespace",
];

/// Maps every field of the tables.
pub(super) fn rewrite(kind: &GroupResource, item: &mut Value, map: &NamespaceMap) {
    for place in places(kind) {
        shape::each(item, place, &mut |found| replace_each(found, map));
    }
    if let Some(path) = pod::spec_path(kind) {
        if let Some(spec) = shape::at_mut(item, path) {
            for place in POD_PLACES {
                shape::each(spec, place, &mut |found| replace_each(found, map));
            }
        }
        rewrite_template_metadata(kind, item, path, map);
    }
    match kind.as_str() {
        "services" => shape::each(item, "spec.externalName", &mut |name| map_host(name, map)),
        "storageclasses.storage.k8s.io"
        | "volumesnapshotclasses.snapshot.storage.k8s.io"
        | "volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io" => {
            for (name, value) in shape::object_mut(item, &["parameters"]).into_iter().flatten() {
                if name.ends_with(SECRET_PARAMETER) {
                    map.replace(value);
                }
            }
        }
        "persistentvolumes" | "volumesnapshotcontents.snapshot.storage.k8s.io" => {
            for annotation in SECRET_ANNOTATIONS {
                if let Some(place) = shape::at_mut(item, &["metadata", "annotations", annotation]) {
                    map.replace(place);
                }
            }
        }
        _ => {}
    }
}

/// Maps the metadata of a pod template, which may repeat the namespace; the metadata of a Pod are
/// the item's, and mapped already.
fn rewrite_template_metadata(kind: &GroupResource, item: &mut Value, spec_path: &[&str], map: &NamespaceMap) {
    if kind.as_str() == "pods" {
        return;
    }
    if let Some((_, template)) = spec_path.split_last()
        && let Some(template) = shape::at_mut(item, template)
    {
        shape::each(template, "metadata.namespace", &mut |place| map.replace(place));
    }
}

/// Maps a name of the cluster's own DNS, as `db.shop.svc.cluster.local`: the namespace comes after
/// the Service.
fn map_host(host: &mut Value, map: &NamespaceMap) {
    let mut labels: Vec<&str> = host.as_str().map(|host| host.split('.').collect()).unwrap_or_default();
    if let [_, namespace, "svc", ..] = labels.as_mut_slice() {
        *namespace = map.map(namespace);
        *host = Value::String(labels.join("."));
    }
}

/// Maps a value that is one name or a list of names.
fn replace_each(place: &mut Value, map: &NamespaceMap) {
    match place {
        Value::Array(names) => names.iter_mut().for_each(|name| map.replace(name)),
        name => map.replace(name),
    }
}
