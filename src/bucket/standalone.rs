//! A tarball without its other parts, read from the first byte to the last: its contents are
//! checked, and its index is built again. Blocking.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use bytes::Bytes;
use serde::Deserialize;

use crate::api::Backup;
use crate::archive::{
    self, ArchiveError, EntryName, Frame, FrameReader, IndexEncoder, IndexFrame, IndexHeader, IndexItem,
    IndexLine, IndexedResource, Layout, Position, Seen,
};
use crate::model::{Cause, GroupResource, ItemKey, LabelSet};

use super::BucketError;
use super::documents::{FORMAT, MAX_DOCUMENT};

/// The fields of an index line that come from an item's body. The module `backup`, which makes
/// backups, knows how to find them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexMetadata {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// Hash of the body without volatile fields (xxh3, 64 bits).
    pub hash: u64,
    /// `metadata.labels`.
    pub labels: LabelSet,
    /// The uid of the owner reference whose `controller` is true; `None` if there is none.
    pub owner: Option<String>,
    /// The revision of a rollout: of a ReplicaSet or a ControllerRevision; `None` for other kinds.
    pub rollout: Option<u64>,
}

/// Finds the index metadata of an item in its body. The third argument is the entry of the item's
/// kind in the index header, where there is one; the error says why the body cannot be read.
pub type DescribeItem = fn(&ItemKey, &[u8], Option<&IndexedResource>) -> Result<IndexMetadata, String>;

impl IndexMetadata {
    /// Returns the keys of the index line whose values differ from this metadata.
    pub(super) fn differences(&self, item: &IndexItem) -> Vec<&'static str> {
        let Self { uid, resource_version, hash, labels, owner, rollout } = self;
        let compared = [
            ("u", *uid == item.uid),
            ("v", *resource_version == item.resource_version),
            ("h", *hash == item.hash),
            ("l", *labels == item.labels),
            ("w", *owner == item.owner),
            ("r", *rollout == item.rollout),
        ];
        compared.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }
}

/// The contents of a tarball without its other parts.
#[derive(Debug)]
pub(super) struct StandaloneTarball {
    /// The Backup as it was at the cut.
    pub backup: Backup,
    /// The kinds of its items.
    pub kinds: Vec<IndexedResource>,
    /// Number of items.
    pub items: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// Reads the whole tarball once and finds out whether it can be adopted, before anything is written
/// anywhere.
pub(super) fn inspect(path: &Path, describe: DescribeItem) -> Result<StandaloneTarball, BucketError> {
    let (mut backup, mut version) = (None, None);
    let mut kinds = BTreeMap::new();
    let (mut items, mut bytes) = (0, 0);
    let mut seen = Seen::default();
    walk(path, |line, frame| {
        for entry in frame.entries() {
            let body = frame.body(entry);
            let place = Position::Entry { frame: line.frame, offset: entry.offset };
            seen.add(&entry.path, place).map_err(|source| damaged(path, source))?;
            match name_entry(path, &entry.path)? {
                EntryName::MetadataVersion => version = Some(body),
                EntryName::MetadataBackup => backup = Some(read_backup(path, &body)?),
                EntryName::Item { key, .. } => {
                    archive::check_body(&key, &body).map_err(|source| damaged(path, source))?;
                    describe_item(path, &key, &body, describe)?;
                    learn_kind(path, &mut kinds, &key, &body)?;
                    items += 1;
                    bytes += body.len() as u64;
                }
                EntryName::PreferredVersionCopy => return Err(foreign(path)),
            }
        }
        Ok(())
    })?;
    check_version(path, version.as_ref())?;
    let Some(backup) = backup else {
        return Err(refuse(
            path,
            "it has no metadata/backup.json; only backups of Ark in format 2 can be adopted",
        ));
    };
    Ok(StandaloneTarball { backup, kinds: kinds.into_values().collect(), items, bytes })
}

/// Builds the index and passes compressed pieces of it to `emit`, which returns whether to go on.
pub(super) fn rebuild_index(
    path: &Path,
    header: &IndexHeader,
    describe: DescribeItem,
    mut emit: impl FnMut(Bytes) -> bool,
) -> Result<(), BucketError> {
    let broken = |source| damaged(path, source);
    let mut encoder = IndexEncoder::new(header).map_err(broken)?;
    let mut wanted = true;
    walk(path, |line, frame| {
        for entry in frame.entries() {
            let EntryName::Item { key, .. } = name_entry(path, &entry.path)? else { continue };
            let metadata = describe_item(path, &key, &frame.body(entry), describe)?;
            let IndexMetadata { uid, resource_version, hash, labels, owner, rollout } = metadata;
            let item = IndexItem {
                path: entry.path.clone(),
                frame: line.frame,
                offset: entry.offset,
                size: entry.size,
                uid,
                resource_version,
                hash,
                labels,
                owner,
                rollout,
            };
            encoder.line(&IndexLine::Item(item)).map_err(broken)?;
        }
        encoder.line(&IndexLine::Frame(line)).map_err(broken)?;
        let piece = encoder.take();
        // The tarball is read to its end even if nobody takes the pieces any more.
        wanted = wanted && (piece.is_empty() || emit(piece));
        Ok(())
    })?;
    let last = encoder.finish().map_err(broken)?;
    if wanted {
        emit(last);
    }
    Ok(())
}

/// Calls `visit` with each frame of the tarball, in order.
fn walk(
    path: &Path,
    mut visit: impl FnMut(IndexFrame, &Frame) -> Result<(), BucketError>,
) -> Result<(), BucketError> {
    let file = File::open(path).map_err(|source| BucketError::File { path: path.to_owned(), source })?;
    let mut frames = FrameReader::new(file).map_err(|source| damaged(path, source))?;
    while let Some((line, frame)) = frames.next_frame().map_err(|source| damaged(path, source))? {
        visit(line, &frame)?;
    }
    Ok(())
}

/// Parses the path of an entry; refuses the layouts of earlier Arks and of Velero.
fn name_entry(path: &Path, entry: &str) -> Result<EntryName, BucketError> {
    match archive::parse_path(entry) {
        Ok(EntryName::Item { layout: Layout::Ark03, .. }) => Err(foreign(path)),
        Ok(name) => Ok(name),
        Err(error) => Err(refuse(path, error)),
    }
}

fn read_backup(path: &Path, body: &[u8]) -> Result<Backup, BucketError> {
    if body.len() as u64 > MAX_DOCUMENT {
        return Err(refuse(path, format!("its metadata/backup.json is larger than {MAX_DOCUMENT} bytes")));
    }
    serde_json::from_slice(body)
        .map_err(|error| refuse(path, format!("its metadata/backup.json is not a Backup ({error})")))
}

/// Refuses a tarball whose `metadata/version` is not format 2.
fn check_version(path: &Path, version: Option<&Bytes>) -> Result<(), BucketError> {
    let text = version.map(|version| String::from_utf8_lossy(version)).unwrap_or_default();
    let major = text.trim().split('.').next().unwrap_or_default();
    if major.parse() == Ok(FORMAT) {
        return Ok(());
    }
    let found = if text.is_empty() {
        "no format".to_owned()
    } else {
        format!("format `{}`", text.trim().escape_debug())
    };
    Err(refuse(path, format!("it says {found} in metadata/version, and only format {FORMAT} can be adopted")))
}

fn describe_item(
    path: &Path,
    key: &ItemKey,
    body: &[u8],
    describe: DescribeItem,
) -> Result<IndexMetadata, BucketError> {
    // A rebuilt index knows nothing of a kind but its name: its header says so, and so its hashes
    // are computed.
    describe(key, body, None).map_err(|problem| refuse(path, format!("{key} cannot be read: {problem}")))
}

/// The fields of a body that name its kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypeMeta {
    api_version: String,
    kind: String,
}

/// Learns a kind from its first item, as discovery had described it; short names are lost.
fn learn_kind(
    path: &Path,
    kinds: &mut BTreeMap<GroupResource, IndexedResource>,
    key: &ItemKey,
    body: &[u8],
) -> Result<(), BucketError> {
    if kinds.contains_key(&key.resource) {
        return Ok(());
    }
    let TypeMeta { api_version, kind } = serde_json::from_slice(body)
        .map_err(|error| refuse(path, format!("{key} does not say its apiVersion and kind ({error})")))?;
    let learnt = IndexedResource {
        resource: key.resource.clone(),
        version: api_version,
        singular: kind.to_lowercase(),
        kind,
        short_names: Vec::new(),
        namespaced: key.namespace.is_some(),
        status_is_data: false,
    };
    kinds.insert(key.resource.clone(), learnt);
    Ok(())
}

fn foreign(path: &Path) -> BucketError {
    refuse(path, "an earlier Ark or Velero wrote it, and only backups of Ark in format 2 can be adopted")
}

pub(super) fn refuse(path: &Path, problem: impl Into<Cause>) -> BucketError {
    BucketError::NotAdoptable { path: path.to_owned(), source: problem.into() }
}

fn damaged(path: &Path, source: ArchiveError) -> BucketError {
    BucketError::DamagedFile { path: path.to_owned(), source: Box::new(source) }
}
