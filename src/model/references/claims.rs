//! The PVCs that workloads name: by name, or by a StatefulSet's template with any ordinal. Pure.

use std::collections::{HashMap, HashSet};

/// The PVCs that items name, by namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct NamedClaims(HashMap<String, ClaimNames>);

#[derive(Clone, Debug, Default)]
struct ClaimNames {
    whole: HashSet<String>,
    /// Names up to the ordinal: `data-db-` of the template `data` of the StatefulSet `db`.
    without_ordinal: HashSet<String>,
}

impl NamedClaims {
    /// Adds the PVC that a pod names.
    pub(super) fn add(&mut self, namespace: String, name: String) {
        self.0.entry(namespace).or_default().whole.insert(name);
    }

    /// Adds the PVCs of a StatefulSet's template. The number of its replicas does not matter: it
    /// finds the others again when it grows.
    pub(super) fn add_template(&mut self, namespace: String, set: &str, template: &str) {
        self.0.entry(namespace).or_default().without_ordinal.insert(format!("{template}-{set}-"));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether an item names the PVC.
    pub(super) fn has(&self, namespace: &str, name: &str) -> bool {
        let Some(ClaimNames { whole, without_ordinal }) = self.0.get(namespace) else { return false };
        let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
        whole.contains(name) || (stem != name && without_ordinal.contains(stem))
    }
}
