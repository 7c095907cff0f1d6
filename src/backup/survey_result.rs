//! The result of the survey: what comes along with the selected items. Data only.

use std::collections::HashSet;

use crate::model::ClusterReferences;

/// The result of the survey.
#[derive(Clone, Debug, Default)]
pub struct SurveyResult {
    /// The namespaces in which an item is taken.
    pub namespaces: HashSet<String>,
    /// The items that taken ones refer to: cluster-scoped items and PVCs.
    pub needs: ClusterReferences,
}
