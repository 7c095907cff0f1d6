//! The lines of an index, as serde reads and writes them.

use serde::{Deserialize, Serialize};

use crate::archive::entry::{EntryName, PathError, parse_path};
use crate::model::{GroupResource, ItemKey, LabelSet};

/// The value of [`IndexHeader::format`].
pub const FORMAT: &str = "2";

/// The first line, which describes the whole archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexHeader {
    /// [`FORMAT`].
    pub format: String,
    /// The resourceVersion of the cut; `None` if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The uid of the cluster (of its namespace kube-system).
    pub cluster: String,
    /// The kinds that were listed, also those without items.
    #[serde(default)]
    pub kinds: Vec<IndexedResource>,
}

/// A kind as discovery had it when the backup was made.
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
    /// Whether its items are in namespaces.
    pub namespaced: bool,
    /// Whether `status` is no subresource, so that the field is hashed like any other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub status_is_data: bool,
}

impl IndexedResource {
    /// Yields the names that a person may use for the kind besides the plural.
    pub fn aliases(&self) -> impl Iterator<Item = &str> + Clone {
        [&self.kind, &self.singular].into_iter().chain(&self.short_names).map(String::as_str)
    }
}

/// One item: its place, and the facts that decisions need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexItem {
    /// The path in the tarball.
    #[serde(rename = "p")]
    pub path: String,
    /// The number of its frame.
    #[serde(rename = "f")]
    pub frame: u32,
    /// The byte of the decompressed frame at which the body begins.
    #[serde(rename = "o")]
    pub offset: u64,
    /// The size of the body in bytes.
    #[serde(rename = "n")]
    pub size: u64,
    /// `metadata.uid`.
    #[serde(rename = "u", default)]
    pub uid: String,
    /// `metadata.resourceVersion`.
    #[serde(rename = "v", default)]
    pub resource_version: String,
    /// The hash of the body without volatile fields (xxh3, 64 bits); 16 hexadecimal digits in the
    /// line.
    #[serde(rename = "h", with = "super::hexadecimal")]
    pub hash: u64,
    /// `metadata.labels`.
    #[serde(rename = "l", default, skip_serializing_if = "LabelSet::is_empty")]
    pub labels: LabelSet,
    /// The uid of the owner whose `controller` is true; `None` if there is none.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The revision of the rollout, for a ReplicaSet or ControllerRevision; `None` for other kinds.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<u64>,
}

impl IndexItem {
    /// Returns the item that the path names.
    ///
    /// # Errors
    /// If the path names no item. A decoded line has been checked already.
    pub fn key(&self) -> Result<ItemKey, PathError> {
        match parse_path(&self.path)? {
            EntryName::Item { key, .. } => Ok(key),
            _ => Err(PathError { path: self.path.clone(), why: "names no item" }),
        }
    }
}

/// The place of a frame in the tarball.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexFrame {
    /// Counted from 0 in the order of the tarball.
    pub frame: u32,
    /// The byte of the tarball at which the frame begins.
    pub at: u64,
    /// The size in the tarball, in bytes.
    pub len: u64,
    /// The size after decompression, in bytes.
    pub raw: u64,
    /// The SHA-256 of the bytes in the tarball, in hexadecimal digits.
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

/// A header line: an object with this one key.
#[derive(Serialize, Deserialize)]
pub struct HeaderLine<T> {
    pub(super) header: T,
}
