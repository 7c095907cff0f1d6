//! Reads a whole tarball in order, without its index, to verify it or to adopt a lone file.

use std::io::{ErrorKind, Read};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};

use super::entry::{EntryName, parse_path};
use super::error::{ArchiveError, Position};
use super::frame::{Frame, claimed_size, hexadecimal};
use super::index::IndexFrame;
use super::limits::{MAX_FRAME, WINDOW_LOG};
use super::seen::Seen;

/// Bytes read from the source at once.
const CHUNK: usize = 64 << 10;

/// Bytes by which a decompressed frame grows: a block of zstd, so that a step can always go on.
const STEP: usize = 128 << 10;

/// The longest header of a zstd frame, and the shortest frame, in bytes.
const ZSTD_HEADER: usize = 18;
const ZSTD_LEAST: usize = 9;

/// Reads one frame after the other and returns each with its place, as the index would have it.
pub struct FrameReader<R> {
    source: R,
    decoder: Decoder<'static>,
    /// Bytes that were read and not decompressed yet: `input[position..]`.
    input: Vec<u8>,
    position: usize,
    /// The byte of the tarball at which `input[position]` stands.
    at: u64,
    number: u32,
    ended: bool,
}

impl<R: Read> FrameReader<R> {
    /// Creates a reader; `source` begins at the first byte of a tarball.
    ///
    /// # Errors
    /// If zstd gets no memory.
    pub fn new(source: R) -> Result<Self, ArchiveError> {
        let place = Position::Frame { frame: 0, at: Some(0) };
        let decoder = decoder().map_err(|source| ArchiveError::Decompress { place, source })?;
        Ok(Self { source, decoder, input: Vec::new(), position: 0, at: 0, number: 0, ended: false })
    }

    /// Returns the next frame, or `None` behind the end of the archive.
    ///
    /// # Errors
    /// If the tarball is truncated (also between two frames), damaged, or goes on behind its end.
    pub fn next_frame(&mut self) -> Result<Option<(IndexFrame, Frame)>, ArchiveError> {
        let place = Position::Frame { frame: self.number, at: Some(self.at) };
        let head = self.fill(ZSTD_HEADER)?;
        match (head == 0, self.ended) {
            (true, true) => return Ok(None),
            (true, false) => {
                let missing = "the tarball ends before it, without the end of the archive".to_owned();
                return Err(ArchiveError::Truncated { place, missing });
            }
            (false, true) => {
                let why = "the tarball goes on behind the end of the archive".to_owned();
                return Err(ArchiveError::Invalid { place, why });
            }
            (false, false) => {}
        }
        if head < ZSTD_LEAST {
            let missing = format!("the tarball ends {head} bytes into it");
            return Err(ArchiveError::Truncated { place, missing });
        }
        let claim = claimed_size(self.input.get(self.position..).unwrap_or_default(), place)?;
        let begin = self.at;
        let (tar, sha256) = self.decompress(claim, place)?;
        let line = IndexFrame {
            frame: self.number,
            at: begin,
            len: self.at - begin,
            raw: tar.len() as u64,
            sha256: hexadecimal(&sha256),
        };
        let frame = Frame::walk(self.number, begin, tar.into())?;
        self.ended = frame.is_last();
        self.number = self.number.saturating_add(1);
        Ok(Some((line, frame)))
    }

    /// Decompresses one frame into memory that grows with what arrives, not with what is claimed.
    fn decompress(
        &mut self,
        claim: Option<u64>,
        place: Position,
    ) -> Result<(Vec<u8>, [u8; 32]), ArchiveError> {
        let failed = |source| ArchiveError::Decompress { place, source };
        self.decoder.reinit().map_err(failed)?;
        let mut hash = Sha256::new();
        let mut tar = Vec::new();
        if let Some(claim) = claim.and_then(|claim| usize::try_from(claim).ok()) {
            tar.reserve_exact(claim.min(super::limits::FRAME_TARGET) + 1);
        }
        loop {
            if tar.len() == tar.capacity() {
                // Doubled, but never beyond the size that shows that the frame is too large.
                tar.reserve_exact(tar.len().max(STEP).min(MAX_FRAME + 1 - tar.len()));
            }
            let available = self.fill(1)?;
            let input = self.input.get(self.position..).unwrap_or_default();
            let mut from = InBuffer::around(input);
            let filled = tar.len();
            let mut to = OutBuffer::around_pos(&mut tar, filled);
            let remaining = self.decoder.run(&mut from, &mut to).map_err(failed)?;
            let written = to.pos() - filled;
            let used = from.pos();
            hash.update(input.get(..used).unwrap_or_default());
            self.position += used;
            self.at += used as u64;
            if tar.len() > MAX_FRAME {
                let why = format!("it holds more than the {MAX_FRAME} bytes that a frame may have");
                return Err(ArchiveError::Invalid { place, why });
            }
            if remaining == 0 {
                return Ok((tar, hash.finalize().into()));
            }
            if available == 0 && written == 0 {
                let missing = format!("the tarball ends within it, at byte {}", self.at);
                return Err(ArchiveError::Truncated { place, missing });
            }
        }
    }

    /// Reads until `wanted` bytes are available or the source ends; returns how many are
    /// available.
    fn fill(&mut self, wanted: usize) -> Result<usize, ArchiveError> {
        if self.input.len() - self.position < wanted {
            self.input.drain(..self.position);
            self.position = 0;
        }
        while self.input.len() - self.position < wanted {
            let filled = self.input.len();
            self.input.resize(CHUNK, 0);
            let room = self.input.get_mut(filled..).unwrap_or_default();
            let read = self.source.read(room);
            self.input.truncate(filled + read.as_ref().map_or(0, |read| *read));
            match read {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    let at = self.at + self.input.len() as u64;
                    return Err(ArchiveError::Read { at, source });
                }
            }
        }
        Ok(self.input.len() - self.position)
    }
}

/// Creates a decoder whose memory is bounded whatever the frame asks for.
pub(super) fn decoder() -> std::io::Result<Decoder<'static>> {
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
    Ok(decoder)
}

/// One entry of a tarball.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TarballEntry {
    /// The meaning of the path.
    pub name: EntryName,
    /// The path.
    pub path: String,
    /// The body.
    pub body: Bytes,
    /// The number of the frame that holds the entry.
    pub frame: u32,
    /// The byte of the decompressed frame at which the body begins.
    pub offset: u64,
}

/// Reads one entry after the other; a path that occurs twice is an error.
///
/// # Examples
/// ```
/// use ark::archive::{ItemEntry, Packer, TarballReader};
/// use ark::model::GroupResource;
///
/// let mut packer = Packer::new(0);
/// packer.push(&ItemEntry {
///     kind: &GroupResource::parse("configmaps"),
///     namespace: Some("shop"),
///     name: "settings",
///     body: &[br#"{"metadata":{"name":"settings","namespace":"shop"}}"#],
///     uid: "9c0d",
///     resource_version: "48120",
///     hash: 0,
///     labels: None,
///     owner: None,
///     rollout: None,
/// })?;
/// let mut tarball = Vec::new();
/// for frame in packer.finish() {
///     tarball.extend_from_slice(&frame.compress(3)?.bytes);
/// }
///
/// // A `std::fs::File` is read in the same way.
/// let mut reader = TarballReader::new(&*tarball)?;
/// let mut paths = Vec::new();
/// while let Some(entry) = reader.next_entry()? {
///     paths.push(entry.path);
/// }
/// assert_eq!(paths, ["resources/configmaps/namespaces/shop/settings.json"]);
/// # Ok::<(), ark::archive::ArchiveError>(())
/// ```
pub struct TarballReader<R> {
    frames: FrameReader<R>,
    open: Option<(Frame, usize)>,
    seen: Seen,
}

impl<R: Read> TarballReader<R> {
    /// Creates a reader; `source` begins at the first byte of a tarball.
    ///
    /// # Errors
    /// If zstd gets no memory.
    pub fn new(source: R) -> Result<Self, ArchiveError> {
        Ok(Self { frames: FrameReader::new(source)?, open: None, seen: Seen::default() })
    }

    /// Returns the next entry, or `None` behind the end of the archive.
    ///
    /// # Errors
    /// If the tarball is truncated (also between two frames), damaged, or holds what no backup
    /// writes.
    pub fn next_entry(&mut self) -> Result<Option<TarballEntry>, ArchiveError> {
        loop {
            if let Some((frame, next)) = &mut self.open
                && let Some(entry) = frame.entries().get(*next)
            {
                *next += 1;
                let place = Position::Entry { frame: frame.number(), offset: entry.offset };
                self.seen.add(&entry.path, place)?;
                let name = parse_path(&entry.path).map_err(|source| ArchiveError::Path { place, source })?;
                return Ok(Some(TarballEntry {
                    name,
                    path: entry.path.clone(),
                    body: frame.body(entry),
                    frame: frame.number(),
                    offset: entry.offset,
                }));
            }
            match self.frames.next_frame()? {
                Some((_, frame)) => self.open = Some((frame, 0)),
                None => return Ok(None),
            }
        }
    }
}
