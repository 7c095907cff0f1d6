//! Trust bundles that pods mount: named, or chosen by their signer and labels. Pure.

use serde::Deserialize;

use super::roles::{Labelled, Selector};
use super::{BUNDLES, Sink};
use crate::model::selection::LabelQuery;

/// The source of certificates of a projected volume.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BundleSource {
    name: Option<String>,
    signer_name: Option<String>,
    label_selector: Option<Selector>,
}

impl BundleSource {
    pub(super) fn refer(self, sink: &mut impl Sink) {
        sink.need(BUNDLES, self.name);
        // A signer without a selector chooses no bundle, one with an empty selector all that it
        // signed.
        let labels = self.label_selector.and_then(Selector::compile);
        if let (Some(signer), Some(labels)) = (self.signer_name, labels) {
            sink.need_bundles(BundleQuery { signer, labels: LabelQuery::new(vec![labels]) });
        }
    }
}

/// The bundles that a volume chooses by signer and labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BundleQuery {
    signer: String,
    labels: LabelQuery,
}

impl BundleQuery {
    /// Returns whether the query chooses the bundle of this body.
    pub(super) fn chooses(&self, body: &[u8]) -> bool {
        let Ok(StoredBundle { metadata, spec }) = serde_json::from_slice(body) else { return false };
        let labels = metadata.labels.unwrap_or_default();
        spec.signer_name.as_deref() == Some(&*self.signer) && self.labels.matches(&labels)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StoredBundle {
    metadata: Labelled,
    spec: BundleSpec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BundleSpec {
    signer_name: Option<String>,
}
