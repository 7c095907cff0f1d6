//! The result of the survey: what comes along with the selected items. Data only.

use std::collections::HashSet;

use crate::model::ClusterReferences;

/// What comes along with the selected items.
#[derive(Clone, Debug, Default)]
pub struct Related {
    /// The namespaces in which an item is taken.
    pub namespaces: HashSet<String>,
    /// The items that taken ones refer to: cluster-scoped items and PVCs.
    pub needs: ClusterReferences,
}
