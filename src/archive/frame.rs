//! Frames: whole tar entries, compressed as one independent zstd frame, and opened again without
//! trust.

use std::fmt::{self, Write as _};
use std::io;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use zstd::zstd_safe;

use super::entry::parse_path;
use super::error::{ArchiveError, Position};
use super::index::{IndexFrame, IndexItem};
use super::limits::{FRAME_TARGET, MAX_FRAME, MAX_LEVEL};
use super::ustar::{Parsed, parse_entry};

/// The first bytes of a zstd frame; neither a skippable frame nor one of an older format begins
/// so.
pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A closed frame before compression, with the index lines of its items.
#[derive(Debug)]
pub struct RawFrame {
    /// Counted from 0 in the order of the tarball.
    pub number: u32,
    /// The number of items in the frame.
    pub items: u32,
    pub(super) tar: Vec<u8>,
    pub(super) lines: Vec<u8>,
}

impl RawFrame {
    /// Compresses the frame with content size and checksum, and hashes the result. Takes
    /// milliseconds: for a blocking thread. `level` goes from 1 to 19; 3 is zstd's own default.
    ///
    /// # Errors
    /// [`ArchiveError::Compress`] if zstd gets no memory.
    pub fn compress(self, level: i32) -> Result<SealedFrame, ArchiveError> {
        FrameCompressor::new(level)?.compress(self)
    }
}

/// Compresses frames one after the other, with the same memory of some MiB.
pub struct FrameCompressor {
    zstd: zstd::bulk::Compressor<'static>,
    output: Vec<u8>,
}

impl fmt::Debug for FrameCompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameCompressor").finish_non_exhaustive()
    }
}

impl FrameCompressor {
    /// Creates a compressor. `level` goes from 1 to 19; 3 is zstd's own default.
    ///
    /// # Errors
    /// [`ArchiveError::Compress`] if zstd gets no memory.
    pub fn new(level: i32) -> Result<Self, ArchiveError> {
        let begin = || {
            let mut zstd = zstd::bulk::Compressor::new(level.clamp(1, MAX_LEVEL))?;
            zstd.include_checksum(true)?;
            zstd.include_contentsize(true)?;
            Ok(zstd)
        };
        let zstd = begin().map_err(|source| failed(0, source))?;
        Ok(Self { zstd, output: Vec::with_capacity(zstd::zstd_safe::compress_bound(FRAME_TARGET)) })
    }

    /// Compresses a frame, as [`RawFrame::compress`] does.
    ///
    /// # Errors
    /// [`ArchiveError::Compress`] if zstd gets no memory.
    pub fn compress(&mut self, frame: RawFrame) -> Result<SealedFrame, ArchiveError> {
        let RawFrame { number, items, tar, lines } = frame;
        let mut output = std::mem::take(&mut self.output);
        output.reserve(zstd::zstd_safe::compress_bound(tar.len()));
        self.zstd.compress_to_buffer(&tar, &mut output).map_err(|source| failed(number, source))?;
        let bytes = Bytes::from(output);
        let sha256 = Sha256::digest(&bytes).into();
        Ok(SealedFrame { number, items, bytes, raw: tar.len() as u64, sha256, tar, lines })
    }

    /// Reuses the memory of a frame that was written, unless somebody still holds it. The memory
    /// of one large item is not kept: no other frame needs as much.
    pub fn recycle(&mut self, bytes: Bytes) {
        if let Ok(bytes) = bytes.try_into_mut()
            && bytes.capacity() <= 2 * FRAME_TARGET
        {
            self.output = Vec::from(bytes);
            self.output.clear();
        }
    }
}

fn failed(frame: u32, source: io::Error) -> ArchiveError {
    ArchiveError::Compress { place: Position::Frame { frame, at: None }, source }
}

/// A compressed frame, as it stands in the tarball.
#[derive(Debug)]
pub struct SealedFrame {
    /// Counted from 0.
    pub number: u32,
    /// The number of items in the frame.
    pub items: u32,
    /// The bytes to write.
    pub bytes: Bytes,
    /// Bytes after decompression.
    pub raw: u64,
    /// The SHA-256 of `bytes`.
    pub sha256: [u8; 32],
    /// The uncompressed entries; kept for their memory.
    pub(super) tar: Vec<u8>,
    pub(super) lines: Vec<u8>,
}

impl SealedFrame {
    /// Returns the frame's line of the index, for a frame that begins at byte `at` of the tarball.
    pub fn index(&self, at: u64) -> IndexFrame {
        let sha256 = hexadecimal(&self.sha256);
        IndexFrame { frame: self.number, at, len: self.bytes.len() as u64, raw: self.raw, sha256 }
    }
}

/// Returns a hash in hexadecimal digits, as the index writes it.
pub(super) fn hexadecimal(hash: &[u8]) -> String {
    let mut text = String::with_capacity(2 * hash.len());
    for byte in hash {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A decompressed frame whose entries are well-formed.
#[derive(Debug)]
pub struct Frame {
    number: u32,
    tar: Bytes,
    entries: Vec<FrameEntry>,
    last: bool,
}

/// One entry of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameEntry {
    /// The path, which is within the grammar.
    pub path: String,
    /// The byte of the decompressed frame at which the body begins.
    pub offset: u64,
    /// The size of the body in bytes.
    pub size: u64,
}

/// Decompresses and checks the bytes that a frame line of the index names.
///
/// # Errors
/// If length or hash differ from the line, the frame claims or holds more than the line says, or
/// its entries are not what the format allows.
pub fn open_frame(line: &IndexFrame, compressed: &[u8]) -> Result<Frame, ArchiveError> {
    let place = Position::Frame { frame: line.frame, at: Some(line.at) };
    let invalid = |why| Err(ArchiveError::Invalid { place, why });
    if (compressed.len() as u64) < line.len {
        let missing = format!("{} bytes of {} are there", compressed.len(), line.len);
        return Err(ArchiveError::Truncated { place, missing });
    }
    if compressed.len() as u64 != line.len {
        return invalid(format!("it has {} bytes, the index says {}", compressed.len(), line.len));
    }
    if hexadecimal(&Sha256::digest(compressed)) != line.sha256 {
        return invalid(
            "its SHA-256 is not the one in the index: it has changed since it was written".into(),
        );
    }
    let raw = claimed_size(compressed, place)?;
    if raw != Some(line.raw) {
        let claim = raw.map_or_else(|| "no size".to_owned(), |raw| format!("{raw} bytes"));
        return invalid(format!("it claims {claim} after decompression, the index says {}", line.raw));
    }
    match zstd_safe::find_frame_compressed_size(compressed) {
        Ok(size) if size == compressed.len() => {}
        _ => return invalid("it is not one whole zstd frame".into()),
    }
    let capacity = usize::try_from(line.raw).unwrap_or(MAX_FRAME).min(MAX_FRAME);
    let tar = zstd::bulk::decompress(compressed, capacity)
        .map_err(|source| ArchiveError::Decompress { place, source })?;
    Frame::walk(line.frame, line.at, tar.into())
}

/// Returns the size that a frame's header claims, checked before any memory is taken for it.
/// `head` holds at least the first 18 bytes, or all that is left of the tarball.
pub(super) fn claimed_size(head: &[u8], place: Position) -> Result<Option<u64>, ArchiveError> {
    let invalid = |why| Err(ArchiveError::Invalid { place, why });
    if !head.starts_with(&MAGIC) {
        return invalid("no zstd frame begins here".to_owned());
    }
    match zstd_safe::get_frame_content_size(head) {
        Ok(Some(raw)) if raw > MAX_FRAME as u64 => invalid(format!(
            "it claims {raw} bytes after decompression, more than the {MAX_FRAME} that a frame may have"
        )),
        Ok(raw) => Ok(raw),
        Err(_) => invalid("its zstd header is malformed".to_owned()),
    }
}

impl Frame {
    /// Parses the entries of a decompressed frame.
    pub(super) fn walk(number: u32, at: u64, tar: Bytes) -> Result<Self, ArchiveError> {
        let mut entries = Vec::new();
        let mut last = false;
        let mut position = 0;
        while position < tar.len() {
            let place = Position::Entry { frame: number, offset: position as u64 };
            match parse_entry(&tar, position).map_err(|why| ArchiveError::Invalid { place, why })? {
                Parsed::Entry { path, offset, size, next } => {
                    parse_path(&path).map_err(|source| ArchiveError::Path { place, source })?;
                    let path = path.into_owned();
                    entries.push(FrameEntry { path, offset: offset as u64, size: size as u64 });
                    position = next;
                }
                Parsed::End => {
                    last = true;
                    break;
                }
            }
        }
        if entries.is_empty() && !last {
            let place = Position::Frame { frame: number, at: Some(at) };
            return Err(ArchiveError::Invalid { place, why: "it holds nothing".to_owned() });
        }
        Ok(Self { number, tar, entries, last })
    }

    /// Returns the frame's number, counted from 0.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns true if the archive ends with this frame.
    pub fn is_last(&self) -> bool {
        self.last
    }

    /// Returns the entries in order; none in the closing frame.
    pub fn entries(&self) -> &[FrameEntry] {
        &self.entries
    }

    /// Returns the body of one of the [`Frame::entries`], shared with the frame.
    pub fn body(&self, entry: &FrameEntry) -> Bytes {
        let length = self.tar.len();
        let begin = usize::try_from(entry.offset).unwrap_or(length).min(length);
        let size = usize::try_from(entry.size).unwrap_or(length).min(length - begin);
        self.tar.slice(begin..begin + size)
    }

    /// Returns the body of an item, shared with the frame, whose memory stays alive with it.
    ///
    /// # Errors
    /// If no entry has that path, offset and size, or the body does not begin a JSON object.
    pub fn item(&self, item: &IndexItem) -> Result<Bytes, ArchiveError> {
        let missing =
            |why: String| Err(ArchiveError::Missing { path: item.path.clone(), frame: self.number, why });
        if item.frame != self.number {
            return missing(format!("it lies in frame {}", item.frame));
        }
        let found = self.entries.binary_search_by_key(&item.offset, |entry| entry.offset);
        let Some(entry) = found.ok().and_then(|found| self.entries.get(found)) else {
            return missing(format!("no entry's body begins at byte {}", item.offset));
        };
        if entry.path != item.path {
            return missing(format!("`{}` is in its place", entry.path));
        }
        if entry.size != item.size {
            return missing(format!("it has {} bytes instead of {}", entry.size, item.size));
        }
        let body = self.body(entry);
        if !body.starts_with(b"{") {
            return missing("its body is not a JSON object".to_owned());
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_one_large_frame_is_not_kept() {
        let frame = |size: usize| RawFrame { number: 0, items: 1, tar: vec![0; size], lines: Vec::new() };
        let mut compressor = FrameCompressor::new(1).unwrap();
        for (size, kept) in [(FRAME_TARGET, true), (8 * FRAME_TARGET, false), (FRAME_TARGET, true)] {
            let sealed = compressor.compress(frame(size)).unwrap();
            compressor.recycle(sealed.bytes);
            assert_eq!(compressor.output.capacity() > 0, kept, "{size}");
        }
    }
}
