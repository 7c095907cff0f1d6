//! References in pods, and in the kinds that make pods, to cluster-scoped items and PVCs. Pure.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Sink;
use super::bundles::BundleSource;
use super::storage::{DRIVERS, Driven, VolumeClaim};

const PRIORITIES: &str = "priorityclasses.scheduling.k8s.io";

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PodTemplate {
    #[serde(deserialize_with = "or_default")]
    pub(super) template: Templated<PodSpec>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CronSpec {
    #[serde(deserialize_with = "or_default")]
    pub(super) job_template: Templated<WorkloadSpec>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WorkloadSpec {
    #[serde(deserialize_with = "or_default")]
    template: Templated<PodSpec>,
    volume_claim_templates: Option<Vec<VolumeClaim>>,
}

impl WorkloadSpec {
    pub(super) fn refer(self, sink: &mut impl Sink) {
        self.template.spec.refer(sink);
        for template in self.volume_claim_templates.into_iter().flatten() {
            sink.need_claims_of(template.name());
            template.refer(sink);
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodSpec {
    priority_class_name: Option<String>,
    runtime_class_name: Option<String>,
    volumes: Option<Vec<Volume>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Volume {
    csi: Option<Driven>,
    ephemeral: Option<Ephemeral>,
    persistent_volume_claim: Option<ClaimSource>,
    projected: Option<Projected>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Ephemeral {
    volume_claim_template: Option<VolumeClaim>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClaimSource {
    claim_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Projected {
    sources: Option<Vec<ProjectedSource>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ProjectedSource {
    cluster_trust_bundle: Option<BundleSource>,
}

impl PodSpec {
    pub(super) fn refer(self, sink: &mut impl Sink) {
        sink.need(PRIORITIES, self.priority_class_name);
        sink.need("runtimeclasses.node.k8s.io", self.runtime_class_name);
        for volume in self.volumes.into_iter().flatten() {
            let Volume { csi, ephemeral, persistent_volume_claim, projected } = volume;
            sink.need(DRIVERS, csi.and_then(|csi| csi.driver));
            sink.need_claim(persistent_volume_claim.and_then(|claim| claim.claim_name));
            // The PVC of an ephemeral volume, `<pod>-<volume>`, belongs to its pod and is made
            // with it.
            if let Some(claim) = ephemeral.and_then(|ephemeral| ephemeral.volume_claim_template) {
                claim.refer(sink);
            }
            for source in projected.and_then(|projected| projected.sources).into_iter().flatten() {
                if let Some(bundle) = source.cluster_trust_bundle {
                    bundle.refer(sink);
                }
            }
        }
    }
}

/// A group of pods that are scheduled together, a template of one, or a Workload, which has
/// templates of both sorts.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodGroup {
    priority_class_name: Option<String>,
    pod_group_templates: Option<Vec<PodGroup>>,
    composite_pod_group_templates: Option<Vec<PodGroup>>,
}

impl PodGroup {
    pub(super) fn refer(self, sink: &mut impl Sink) {
        sink.need(PRIORITIES, self.priority_class_name);
        let templates = [self.pod_group_templates, self.composite_pod_group_templates];
        templates.into_iter().flatten().flatten().for_each(|template| template.refer(sink));
    }
}

/// An object of which only the spec matters; Go writes an absent spec as null or not at all.
#[derive(Deserialize)]
#[serde(bound = "T: Default + DeserializeOwned")]
pub(super) struct Templated<T> {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) spec: T,
}

impl<T: Default> Default for Templated<T> {
    fn default() -> Self {
        Self { spec: T::default() }
    }
}

pub(super) fn or_default<'de, D, T>(json: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(json)?.unwrap_or_default())
}
