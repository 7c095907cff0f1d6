//! The lines of an index, as serde reads and writes them.

use serde::{Deserialize, Serialize};

use crate::archive::entry::{EntryName, PathError, parse_path};
use crate::model::{GroupResource, ItemKey, LabelSet};

/// What [`IndexHeader::format`] says.
pub const FORMAT: &str = "2";

/// The first line: what the whole archive is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexHeader {
    /// [`FORMAT`].
    pub format: String,
    /// The resourceVersion of the cut; None when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Uid of the cluster (of its namespace kube-system).
    pub cluster: String,
    /// The kinds that were listed, also those without items.
    #[serde(default)]
    pub kinds: Vec<IndexedResource>,
}

/// What discovery said of a kind when the backup was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexedResource {
    /// `deployments.apps`.
    #[serde(rename = "kind")]
    pub resource: GroupResource,
    /// The apiVersion of the bodies: `apps/v1`.
    pub version: String,
    /// `Deployment`.
    #[serde(rename = "name")]
    pub kind: String,
    /// `deployment`; may be empty.
    #[serde(default)]
    pub singular: String,
    /// `deploy`.
    #[serde(default)]
    pub short_names: Vec<String>,
    /// Whether its items live in namespaces.
    pub namespaced: bool,
    /// Whether `status` is a field like any other, and hashed: it is no subresource.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub status_is_data: bool,
}

impl IndexedResource {
    /// Every name that a person may use for the kind besides the plural.
    pub fn aliases(&self) -> impl Iterator<Item = &str> + Clone {
        [&self.kind, &self.singular].into_iter().chain(&self.short_names).map(String::as_str)
    }
}

/// One item: where it lies, and what decisions need of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexItem {
    /// Path in the tarball.
    #[serde(rename = "p")]
    pub path: String,
    /// Number of its frame.
    #[serde(rename = "f")]
    pub frame: u32,
    /// Where the body begins in the decompressed frame.
    #[serde(rename = "o")]
    pub offset: u64,
    /// Bytes of the body.
    #[serde(rename = "n")]
    pub size: u64,
    /// `metadata.uid`.
    #[serde(rename = "u", default)]
    pub uid: String,
    /// `metadata.resourceVersion`.
    #[serde(rename = "v", default)]
    pub resource_version: String,
    /// Hash of the body without volatile fields; 16 hexadecimal digits in the line.
    #[serde(rename = "h", with = "super::hexadecimal")]
    pub hash: u64,
    /// `metadata.labels`.
    #[serde(rename = "l", default, skip_serializing_if = "LabelSet::is_empty")]
    pub labels: LabelSet,
    /// Uid of the owner whose `controller` is true.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The rollout's revision, of a ReplicaSet or ControllerRevision.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<u64>,
}

impl IndexItem {
    /// The item that the path names.
    ///
    /// # Errors
    /// When the path is none of an item. A decoded line has been checked already.
    pub fn key(&self) -> Result<ItemKey, PathError> {
        match parse_path(&self.path)? {
            EntryName::Item { key, .. } => Ok(key),
            _ => Err(PathError { path: self.path.clone(), why: "names no item" }),
        }
    }
}

/// Where a frame lies in the tarball.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexFrame {
    /// Counted from 0 in the order of the tarball.
    pub frame: u32,
    /// First byte in the tarball.
    pub at: u64,
    /// Bytes in the tarball.
    pub len: u64,
    /// Bytes after decompression.
    pub raw: u64,
    /// Of the bytes in the tarball, hexadecimal.
    pub sha256: String,
}

/// One line of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexLine {
    /// The first line.
    Header(IndexHeader),
    /// An item.
    Item(IndexItem),
    /// A frame, behind its items.
    Frame(IndexFrame),
}

/// A header line is an object with this one key.
#[derive(Serialize, Deserialize)]
pub struct HeaderLine<T> {
    pub(super) header: T,
}
