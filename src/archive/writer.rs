//! Packs items into frames: tar entries and index lines grow side by side. Next: `frame`, `index`.

use std::io::Write as _;

use xxhash_rust::xxh3::Xxh3;

use super::entry::{EntryName, Layout, is_dns, parse_path, write_item_path};
use super::error::ArchiveError;
use super::frame::{RawFrame, SealedFrame};
use super::index::LabelText;
use super::limits::{FRAME_TARGET, MAX_BODY, MAX_ENTRIES, MAX_LINE, MAX_PATH, NAMESPACE_CUT};
use super::seen::Seen;
use super::ustar;
use crate::model::GroupResource;

/// The most frames whose memory is kept: as many as are under way at once.
const MAX_SPARE: usize = 3;

/// One item to be packed; everything is borrowed from the item's page.
#[derive(Clone, Copy, Debug)]
pub struct ItemEntry<'a> {
    /// The kind.
    pub kind: &'a GroupResource,
    /// The namespace; `None` for cluster-scoped items.
    pub namespace: Option<&'a str>,
    /// `metadata.name`.
    pub name: &'a str,
    /// The parts of the body, written one behind the other.
    pub body: &'a [&'a [u8]],
    /// `metadata.uid`.
    pub uid: &'a str,
    /// `metadata.resourceVersion`.
    pub resource_version: &'a str,
    /// The hash of the body without volatile fields (xxh3, 64 bits).
    pub hash: u64,
    /// `metadata.labels` as JSON text; left out of the index if it is no object of strings.
    pub labels: Option<&'a str>,
    /// The uid of the owner whose `controller` is true; `None` if there is none.
    pub owner: Option<&'a str>,
    /// The revision of the rollout, for a ReplicaSet or ControllerRevision; `None` for other kinds.
    pub rollout: Option<u64>,
}

/// Packs entries into frames of one kind. An item allocates nothing but growth of the open frame.
#[derive(Debug)]
pub struct Packer {
    template: tar::Header,
    /// The path of the current item.
    path: String,
    /// The kind of the open frame; `None` while the frame holds metadata.
    kind: Option<GroupResource>,
    /// The namespace of the last item.
    namespace: String,
    number: u32,
    items: u32,
    tar: Vec<u8>,
    lines: Vec<u8>,
    any_item: bool,
    /// The paths so far, each with a hash of its body.
    seen: Seen<u64>,
    /// Memory of frames that were written, for later ones.
    spare: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Packer {
    /// Creates an empty archive whose entries all have the time of the cut, in seconds since 1970.
    pub fn new(mtime_unix: u64) -> Self {
        let (tar, lines) = room();
        Self {
            template: ustar::template(mtime_unix),
            path: String::new(),
            kind: None,
            namespace: String::new(),
            number: 0,
            items: 0,
            tar,
            lines,
            any_item: false,
            seen: Seen::default(),
            spare: Vec::new(),
        }
    }

    /// Adds `metadata/version` or `metadata/backup.json`; both come before the first item.
    ///
    /// # Errors
    /// [`ArchiveError::Unstorable`] for any other path, a second time, behind an item, or beyond
    /// half of [`MAX_BODY`].
    pub fn metadata(&mut self, path: &str, body: &[u8]) -> Result<(), ArchiveError> {
        let refuse = |why: &str| Err(ArchiveError::Unstorable { item: path.to_owned(), why: why.to_owned() });
        if !matches!(parse_path(path), Ok(EntryName::MetadataVersion | EntryName::MetadataBackup)) {
            return refuse("the format has no such metadata");
        }
        if self.any_item {
            return refuse("metadata comes before the first item");
        }
        if body.len() > MAX_BODY / 2 {
            return refuse("it is too large");
        }
        if self.seen.find(path).is_some() {
            return refuse("it is there already");
        }
        self.seen.keep(path, 0);
        ustar::write_entry(&mut self.tar, &self.template, path, &[body]);
        Ok(())
    }

    /// Adds an item. Returns the frame that was open, now closed, if the item does not belong into
    /// it, else `None`.
    ///
    /// # Errors
    /// [`ArchiveError::Unstorable`] for an item that no reader would accept,
    /// [`ArchiveError::Repeated`] for one whose path exists already. The packer is unchanged then.
    pub fn push(&mut self, item: &ItemEntry<'_>) -> Result<Option<RawFrame>, ArchiveError> {
        self.path.clear();
        write_item_path(&mut self.path, item.kind, item.namespace, item.name);
        let size = item.body.iter().map(|part| part.len()).sum::<usize>();
        if let Err(why) = check(item, &self.path, size) {
            return Err(ArchiveError::Unstorable { item: self.path.chars().take(300).collect(), why });
        }
        let body = hash(item.body);
        if let Some(first) = self.seen.find(&self.path) {
            return Err(ArchiveError::Repeated { item: self.path.clone(), same: *first == body });
        }
        if self.seen.is_full() {
            let why = format!("an archive holds at most {MAX_ENTRIES} entries");
            return Err(ArchiveError::Unstorable { item: self.path.chars().take(300).collect(), why });
        }
        self.seen.keep(&self.path, body);
        let closed = if self.belongs(item, size) { None } else { self.flush() };
        if self.kind.is_none() {
            self.kind = Some(item.kind.clone());
        }
        self.namespace.clear();
        self.namespace.push_str(item.namespace.unwrap_or_default());
        let offset = ustar::write_entry(&mut self.tar, &self.template, &self.path, item.body);
        write_line(&mut self.lines, item, &self.path, self.number, offset, size);
        self.items += 1;
        self.any_item = true;
        Ok(closed)
    }

    /// Returns true if the item belongs into the open frame. A frame holds one kind, closes when
    /// it is full, and from [`NAMESPACE_CUT`] on closes at the end of a namespace.
    fn belongs(&self, item: &ItemEntry<'_>, size: usize) -> bool {
        let same_namespace = self.namespace == item.namespace.unwrap_or_default();
        self.kind.as_ref() == Some(item.kind)
            && (same_namespace || self.tar.len() < NAMESPACE_CUT)
            && self.tar.len() + ustar::entry_size(&self.path, size) <= FRAME_TARGET
    }

    /// Closes the open frame and returns it, or `None` if it is empty.
    pub fn flush(&mut self) -> Option<RawFrame> {
        if self.tar.is_empty() {
            return None;
        }
        let number = self.number;
        self.number += 1;
        self.kind = None;
        let (tar, lines) = self.spare.pop().unwrap_or_else(room);
        Some(RawFrame {
            number,
            items: std::mem::take(&mut self.items),
            tar: std::mem::replace(&mut self.tar, tar),
            lines: std::mem::replace(&mut self.lines, lines),
        })
    }

    /// Reuses the memory of a frame that was written. Frames come and go all the time, and memory
    /// that is freed is seldom found again as one piece.
    pub fn recycle(&mut self, frame: SealedFrame) {
        let SealedFrame { mut tar, mut lines, number: _, items: _, bytes: _, raw: _, sha256: _ } = frame;
        // The memory of a frame with one large item, or with long lines, is not worth keeping.
        let usual = tar.capacity().max(lines.capacity()) <= 2 * FRAME_TARGET;
        if self.spare.len() < MAX_SPARE && usual {
            tar.clear();
            lines.clear();
            self.spare.push((tar, lines));
        }
    }

    /// Returns the last frames: the open one, if it holds anything, and the end of the archive.
    pub fn finish(mut self) -> Vec<RawFrame> {
        let mut frames = Vec::from_iter(self.flush());
        self.tar.extend_from_slice(&ustar::END);
        frames.extend(self.flush());
        frames
    }
}

/// Returns memory for a whole frame and its lines: memory that grows by doubling leaves pieces
/// behind that fit nothing later.
fn room() -> (Vec<u8>, Vec<u8>) {
    (Vec::with_capacity(FRAME_TARGET + ustar::BLOCK), Vec::with_capacity(FRAME_TARGET / 4))
}

/// Returns a hash that tells two bodies of one path apart.
fn hash(body: &[&[u8]]) -> u64 {
    let mut hash = Xxh3::new();
    for part in body {
        hash.update(part);
    }
    hash.digest()
}

/// Checks that readers accept the item.
fn check(item: &ItemEntry<'_>, path: &str, size: usize) -> Result<(), String> {
    if item.name.is_empty() || item.name.contains('/') {
        return Err("its name is empty or holds a slash".to_owned());
    }
    if !is_dns(item.kind.as_str()) || !item.namespace.is_none_or(is_dns) {
        return Err("its kind or namespace is no DNS name".to_owned());
    }
    if path.len() > MAX_PATH {
        return Err(format!("its path has {} bytes, an archive takes {MAX_PATH}", path.len()));
    }
    if !matches!(parse_path(path), Ok(EntryName::Item { layout: Layout::Version2, .. })) {
        return Err("its path does not have the form of an item's path".to_owned());
    }
    if size > MAX_BODY {
        return Err(format!("it has {size} bytes, an archive takes {MAX_BODY}"));
    }
    if !item.body.iter().find(|part| !part.is_empty()).is_some_and(|part| part.starts_with(b"{")) {
        return Err("its body is not a JSON object".to_owned());
    }
    // In JSON a byte of a text becomes at most six, `\u0000`.
    let texts = path.len() + item.uid.len() + item.resource_version.len() + item.owner.map_or(0, str::len);
    if 6 * texts + item.labels.map_or(0, str::len) + 256 > MAX_LINE {
        return Err(format!("its line in the index could have more than {MAX_LINE} bytes"));
    }
    Ok(())
}

fn write_line(
    lines: &mut Vec<u8>,
    item: &ItemEntry<'_>,
    path: &str,
    number: u32,
    offset: usize,
    size: usize,
) {
    write_text(lines, "{\"p\":", path);
    // Writing to a Vec cannot fail.
    let _ = write!(lines, ",\"f\":{number},\"o\":{offset},\"n\":{size}");
    write_text(lines, ",\"u\":", item.uid);
    write_text(lines, ",\"v\":", item.resource_version);
    let _ = write!(lines, ",\"h\":\"{:016x}\"", item.hash);
    if let Some(labels) = item.labels.filter(|labels| LabelText::is_valid(labels)) {
        lines.extend_from_slice(b",\"l\":");
        // Line breaks can only stand between tokens; in the index they would end the line.
        lines.extend(labels.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    }
    if let Some(owner) = item.owner {
        write_text(lines, ",\"w\":", owner);
    }
    if let Some(rollout) = item.rollout {
        let _ = write!(lines, ",\"r\":{rollout}");
    }
    lines.extend_from_slice(b"}\n");
}

fn write_text(lines: &mut Vec<u8>, key: &str, text: &str) {
    lines.extend_from_slice(key.as_bytes());
    // A text always has a JSON form, and writing to a Vec cannot fail.
    let _ = serde_json::to_writer(lines, text);
}
