//! What comes along with what is selected, as a first pass found it. Pure data.

use std::collections::HashSet;

use crate::model::ClusterReferences;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Related {
    /// The namespaces in which something is taken.
    pub namespaces: HashSet<String>,
    /// Items that the taken ones need.
    pub needs: ClusterReferences,
}
