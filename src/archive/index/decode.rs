//! Decodes the compressed index, in chunks of any size, into its lines, each checked against those
//! before it.

use zstd::stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer};

use super::order::Order;
use super::{HeaderLine, IndexLine};
use crate::archive::error::{ArchiveError, Position};
use crate::archive::limits::{MAX_EXPANSION, MAX_FRAME, MAX_LINE};
use crate::archive::reader::decoder;

/// Bytes decompressed at once.
const STEP: usize = 128 << 10;

/// Bytes by which an index may expand before [`MAX_EXPANSION`] counts.
const FREE_EXPANSION: u64 = MAX_FRAME as u64;

/// Reads an index as a stream.
pub struct IndexDecoder {
    decoder: Decoder<'static>,
    output: Vec<u8>,
    lines: LineSplitter,
    /// Compressed bytes read so far.
    at: u64,
    ended: bool,
}

impl IndexDecoder {
    /// Creates a decoder.
    ///
    /// # Errors
    /// If zstd gets no memory.
    pub fn new() -> Result<Self, ArchiveError> {
        let place = Position::Index { at: 0 };
        let decoder = decoder().map_err(|source| ArchiveError::Decompress { place, source })?;
        Ok(Self {
            decoder,
            output: Vec::with_capacity(STEP),
            lines: LineSplitter::default(),
            at: 0,
            ended: false,
        })
    }

    /// Reads a chunk and returns the lines that are complete. Chunks should have at most a few
    /// hundred KiB: the expansion of one chunk is bounded in proportion to it.
    ///
    /// # Errors
    /// If the bytes do not decompress or a line is not what the format says, naming the line.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<Vec<IndexLine>, ArchiveError> {
        let mut yielded = Vec::new();
        let mut rest = chunk;
        while !self.ended {
            let place = Position::Index { at: self.at };
            let mut from = InBuffer::around(rest);
            self.output.clear();
            let mut to = OutBuffer::around(&mut self.output);
            let remaining = self
                .decoder
                .run(&mut from, &mut to)
                .map_err(|source| ArchiveError::Decompress { place, source })?;
            let used = from.pos();
            rest = rest.get(used..).unwrap_or_default();
            self.at += used as u64;
            self.ended = remaining == 0;
            self.lines.read(&self.output, self.at, &mut yielded)?;
            if rest.is_empty() && self.output.len() < self.output.capacity() {
                break;
            }
        }
        if !rest.is_empty() {
            let why = "the object goes on behind the end of the index".to_owned();
            return Err(ArchiveError::Invalid { place: Position::Index { at: self.at }, why });
        }
        Ok(yielded)
    }

    /// Ends the index.
    ///
    /// # Errors
    /// [`ArchiveError::Truncated`] if the index is not complete: no line that was returned before
    /// may be acted upon then.
    pub fn finish(self) -> Result<(), ArchiveError> {
        let place = Position::Index { at: self.at };
        if !self.ended {
            let missing = format!("it ends after line {}", self.lines.number);
            return Err(ArchiveError::Truncated { place, missing });
        }
        if !self.lines.partial.is_empty() {
            let missing = format!("line {} does not end", self.lines.number + 1);
            return Err(ArchiveError::Truncated { place, missing });
        }
        self.lines.order.check_end(place)
    }
}

/// Splits the decompressed text into lines.
#[derive(Default)]
struct LineSplitter {
    /// The beginning of a line whose end has not arrived yet.
    partial: Vec<u8>,
    /// Lines read.
    number: u64,
    /// Decompressed bytes read.
    expanded: u64,
    order: Order,
}

impl LineSplitter {
    fn read(&mut self, mut text: &[u8], at: u64, yielded: &mut Vec<IndexLine>) -> Result<(), ArchiveError> {
        self.expanded += text.len() as u64;
        if self.expanded > FREE_EXPANSION.saturating_add(at.saturating_mul(MAX_EXPANSION)) {
            let why = format!(
                "{at} bytes expand to {} and more, which no index that Ark writes does",
                self.expanded
            );
            return Err(ArchiveError::Invalid { place: Position::Index { at }, why });
        }
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = text.split_at(end);
            self.hold_to_limit(line)?;
            if self.partial.is_empty() {
                yielded.push(self.parse(line)?);
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                yielded.push(self.parse(&whole)?);
                whole.clear();
                self.partial = whole;
            }
            text = rest.get(1..).unwrap_or_default();
        }
        self.hold_to_limit(text)?;
        self.partial.extend_from_slice(text);
        Ok(())
    }

    /// Refuses an over-long line before memory is taken for it.
    fn hold_to_limit(&self, more: &[u8]) -> Result<(), ArchiveError> {
        if self.partial.len() + more.len() <= MAX_LINE {
            return Ok(());
        }
        let why = format!("it has more than {MAX_LINE} bytes");
        Err(ArchiveError::Invalid { place: Position::Line { line: self.number + 1 }, why })
    }

    fn parse(&mut self, line: &[u8]) -> Result<IndexLine, ArchiveError> {
        self.number += 1;
        let place = Position::Line { line: self.number };
        let parsed = if line.starts_with(b"{\"p\":") {
            serde_json::from_slice(line).map(IndexLine::Item)
        } else if line.starts_with(b"{\"frame\":") {
            serde_json::from_slice(line).map(IndexLine::Frame)
        } else if line.starts_with(b"{\"header\":") {
            serde_json::from_slice(line).map(|HeaderLine { header }| IndexLine::Header(header))
        } else {
            let why = "it is neither header, item nor frame".to_owned();
            return Err(ArchiveError::Invalid { place, why });
        };
        let parsed = parsed.map_err(|source| ArchiveError::Json { place, source })?;
        self.order.check(&parsed, place)?;
        Ok(parsed)
    }
}
