//! Counts the items of a kind without listing them.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::request::{Call, Doing};
use super::{Cluster, ClusterError, ResourceInfo};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FirstPage {
    metadata: Metadata,
    items: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    remaining_item_count: u64,
}

impl Cluster {
    /// Returns the number of items of a kind: lists one item and reads how many remain.
    ///
    /// # Errors
    /// If the kind cannot be listed.
    pub async fn count(&self, kind: &ResourceInfo) -> Result<u64, ClusterError> {
        let path = format!("{}?limit=1", kind.path(None, None));
        let doing = Doing { verb: "count", what: kind.resource.as_str(), namespace: None, name: None };
        let FirstPage { metadata, items } = self.read(&Call::get(&path, doing)).await?;
        Ok(items.len() as u64 + metadata.remaining_item_count)
    }
}
