//! The references of each kind to cluster-scoped items, or to PVCs. Pure.
//!
//! Only the naming fields are parsed, each kind's by itself, so that a field of another kind that
//! has the same name and another shape cannot hide them.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::pods::Templated;
use super::pods::{CronSpec, PodGroup, PodSpec, PodTemplate, WorkloadSpec};
use super::storage::{
    Annotated, DRIVERS, DeviceSpec, Driven, GroupSnapshot, Snapshot, StorageClass, VolumeClaim, annotation,
};
use super::{CLUSTER_ROLES, MUTATING, STORAGE, Sink, VALIDATING, VOLUMES};
use crate::model::item::GroupResource;

const INGRESS: &str = "ingressclasses.networking.k8s.io";

/// Tells the sink what the body of an item of this kind names.
pub(super) fn find_references(kind: &GroupResource, body: &[u8], sink: &mut impl Sink) {
    match kind.as_str() {
        "pods" => with(body, |pod: Templated<PodSpec>| pod.spec.refer(sink)),
        "podtemplates" => with(body, |own: PodTemplate| own.template.spec.refer(sink)),
        "cronjobs.batch" => with(body, |own: Templated<CronSpec>| {
            own.spec.job_template.spec.refer(sink);
        }),
        "deployments.apps"
        | "statefulsets.apps"
        | "daemonsets.apps"
        | "replicasets.apps"
        | "replicationcontrollers"
        | "jobs.batch" => {
            with(body, |own: Templated<WorkloadSpec>| own.spec.refer(sink));
        }
        "persistentvolumeclaims" | VOLUMES => with(body, |own: VolumeClaim| own.refer(sink)),
        "volumesnapshots.snapshot.storage.k8s.io" | "volumesnapshotcontents.snapshot.storage.k8s.io" => {
            with(body, |own: Snapshot| own.refer(sink));
        }
        "volumegroupsnapshots.groupsnapshot.storage.k8s.io"
        | "volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io" => {
            with(body, |own: GroupSnapshot| own.refer(sink));
        }
        "volumesnapshotclasses.snapshot.storage.k8s.io"
        | "volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io" => {
            with(body, |own: Driven| sink.need(DRIVERS, own.driver));
        }
        "resourceclaims.resource.k8s.io" => with(body, |own: Templated<DeviceSpec>| own.spec.refer(sink)),
        "resourceclaimtemplates.resource.k8s.io" => {
            with(body, |own: Templated<Templated<DeviceSpec>>| own.spec.spec.refer(sink));
        }
        "ingresses.networking.k8s.io" => with(body, |own: Ingress| own.refer(sink)),
        "ingressclasses.networking.k8s.io" => with(body, |own: Templated<IngressClassSpec>| {
            own.spec.parameters.into_iter().for_each(|parameters| parameters.refer(sink));
        }),
        "gateways.gateway.networking.k8s.io" => with(body, |own: Templated<GatewaySpec>| {
            sink.need("gatewayclasses.gateway.networking.k8s.io", own.spec.gateway_class_name);
        }),
        "gatewayclasses.gateway.networking.k8s.io" => with(body, |own: Templated<GatewayClassSpec>| {
            own.spec.parameters_ref.into_iter().for_each(|parameters| parameters.refer(sink));
        }),
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            with(body, |own: Binding| {
                let role = own.role_ref.filter(|role| role.kind == "ClusterRole");
                sink.need(CLUSTER_ROLES, role.map(|role| role.name));
            });
        }
        "flowschemas.flowcontrol.apiserver.k8s.io" => with(body, |own: Templated<FlowSpec>| {
            let level = own.spec.priority_level_configuration.map(|level| level.name);
            sink.need("prioritylevelconfigurations.flowcontrol.apiserver.k8s.io", level);
        }),
        "validatingadmissionpolicybindings.admissionregistration.k8s.io" => {
            with(body, |own: Templated<PolicyBindingSpec>| own.spec.refer(VALIDATING, sink));
        }
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io" => {
            with(body, |own: Templated<PolicyBindingSpec>| own.spec.refer(MUTATING, sink));
        }
        VALIDATING | MUTATING => with(body, |own: Templated<PolicySpec>| {
            let Some(parameters) = own.spec.param_kind else { return };
            let group = parameters.api_version.rsplit_once('/').map_or("", |(group, _)| group);
            sink.asks_for_parameters(kind, group.to_owned(), parameters.kind);
        }),
        "podgroups.scheduling.k8s.io"
        | "compositepodgroups.scheduling.k8s.io"
        | "workloads.scheduling.k8s.io" => {
            with(body, |own: Templated<PodGroup>| own.spec.refer(sink));
        }
        STORAGE => with(body, |own: StorageClass| own.refer(sink)),
        _ => {}
    }
}

/// Returns namespace and name of an object, or `None` if they cannot be read; the namespace is
/// empty for a cluster-scoped one.
pub(super) fn place(body: &[u8]) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Placed {
        metadata: Reference,
    }
    let Placed { metadata } = serde_json::from_slice(body).ok()?;
    Some((metadata.namespace, metadata.name))
}

/// Parses a body and hands it on; a body that cannot be parsed names nothing.
fn with<T: DeserializeOwned>(body: &[u8], refer: impl FnOnce(T)) {
    if let Ok(object) = serde_json::from_slice(body) {
        refer(object);
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ingress {
    metadata: Option<Annotated>,
    spec: Option<IngressSpec>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct IngressSpec {
    ingress_class_name: Option<String>,
}

impl Ingress {
    fn refer(self, sink: &mut impl Sink) {
        sink.need(INGRESS, annotation(self.metadata, "kubernetes.io/ingress.class"));
        sink.need(INGRESS, self.spec.and_then(|spec| spec.ingress_class_name));
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IngressClassSpec {
    parameters: Option<Parameters>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GatewaySpec {
    gateway_class_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GatewayClassSpec {
    parameters_ref: Option<Parameters>,
}

/// The reference to an object that configures a class; an object with a namespace is not
/// cluster-scoped.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Parameters {
    #[serde(alias = "apiGroup")]
    group: Option<String>,
    kind: String,
    name: String,
    namespace: Option<String>,
}

impl Parameters {
    fn refer(self, sink: &mut impl Sink) {
        if self.namespace.is_none_or(|namespace| namespace.is_empty()) {
            sink.need_named(self.group.unwrap_or_default(), self.kind, self.name);
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FlowSpec {
    priority_level_configuration: Option<Reference>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PolicyBindingSpec {
    policy_name: Option<String>,
    param_ref: Option<Reference>,
}

impl PolicyBindingSpec {
    fn refer(self, policies: &str, sink: &mut impl Sink) {
        let parameter = self.param_ref.filter(|parameter| parameter.namespace.is_empty());
        if let (Some(policy), Some(parameter)) = (&self.policy_name, parameter) {
            sink.need_parameter_of(policies, policy, parameter.name);
        }
        sink.need(policies, self.policy_name);
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PolicySpec {
    param_kind: Option<ParameterKind>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ParameterKind {
    api_version: String,
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Binding {
    role_ref: Option<Reference>,
    pub(super) subjects: Option<Vec<Reference>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: String,
}
