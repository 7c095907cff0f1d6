//! Where pods, and what makes pods, name cluster-scoped items and claims. Pure.

use serde::Deserialize;

use super::Sink;
use super::shapes::{Reference, Templated, or_default};
use super::storage::VolumeClaim;

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
    cluster_trust_bundle: Option<Reference>,
}

impl PodSpec {
    pub(super) fn refer(self, sink: &mut impl Sink) {
        sink.need("priorityclasses.scheduling.k8s.io", self.priority_class_name);
        sink.need("runtimeclasses.node.k8s.io", self.runtime_class_name);
        for volume in self.volumes.into_iter().flatten() {
            let Volume { ephemeral, persistent_volume_claim, projected } = volume;
            sink.need_claim(persistent_volume_claim.and_then(|claim| claim.claim_name));
            // The claim itself, `<pod>-<volume>`, belongs to its pod and is made with it.
            if let Some(claim) = ephemeral.and_then(|ephemeral| ephemeral.volume_claim_template) {
                claim.refer(sink);
            }
            for source in projected.and_then(|projected| projected.sources).into_iter().flatten() {
                let bundle = source.cluster_trust_bundle.map(|bundle| bundle.name);
                sink.need("clustertrustbundles.certificates.k8s.io", bundle);
            }
        }
    }
}
