//! Encodes the index of sealed frames, compressed as it grows.

use std::io;

use bytes::Bytes;
use serde::Serialize;
use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation as _, OutBuffer};

use super::{HeaderLine, IndexHeader, IndexLine};
use crate::archive::error::{ArchiveError, Position};
use crate::archive::frame::SealedFrame;
use crate::archive::limits::MAX_LINE;

/// The compression level: zstd's default, since the index is small beside the tarball.
const LEVEL: i32 = 3;

/// The window of the compression, as a power of two: similar lines stand together. Writer, proof
/// and readers hold this much each.
const WINDOW_LOG: u32 = 19;

/// Bytes by which the output grows.
const STEP: usize = 64 << 10;

/// Writes the index; compressed bytes wait for [`IndexEncoder::take`].
pub struct IndexEncoder {
    encoder: Encoder<'static>,
    output: Vec<u8>,
    /// Lines written so far, for messages.
    lines: u64,
}

impl IndexEncoder {
    /// Creates an encoder and writes the header line.
    ///
    /// # Errors
    /// If zstd gets no memory, or the header is longer than a line may be.
    pub fn new(header: &IndexHeader) -> Result<Self, ArchiveError> {
        let begin = || {
            let mut encoder = Encoder::new(LEVEL)?;
            encoder.set_parameter(CParameter::ChecksumFlag(true))?;
            encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
            Ok(encoder)
        };
        let encoder = begin().map_err(|source| failed(0, source))?;
        let mut index = Self { encoder, output: Vec::new(), lines: 0 };
        index.write(&HeaderLine { header })?;
        Ok(index)
    }

    /// Adds the items of a frame and the frame's own line. `at` is the byte of the tarball at
    /// which the frame begins.
    ///
    /// # Errors
    /// If zstd gets no memory.
    pub fn frame(&mut self, frame: &SealedFrame, at: u64) -> Result<(), ArchiveError> {
        self.compress(&frame.lines)?;
        self.lines += u64::from(frame.items);
        self.write(&frame.index(at))
    }

    /// Adds one line behind the header, for an index that is rebuilt from a tarball.
    ///
    /// # Errors
    /// If zstd gets no memory, or the line is longer than a line may be.
    pub fn line(&mut self, line: &IndexLine) -> Result<(), ArchiveError> {
        match line {
            IndexLine::Header(header) => self.write(&HeaderLine { header }),
            IndexLine::Item(item) => self.write(item),
            IndexLine::Frame(frame) => self.write(frame),
        }
    }

    /// Returns the compressed bytes that were not taken yet; often none.
    pub fn take(&mut self) -> Bytes {
        // Copied, because the buffer has room to grow, and a part of an upload would keep that
        // room too.
        let taken = Bytes::copy_from_slice(&self.output);
        self.output.clear();
        taken
    }

    /// Ends the index and returns the bytes that were not taken yet.
    ///
    /// # Errors
    /// If zstd gets no memory.
    pub fn finish(mut self) -> Result<Bytes, ArchiveError> {
        loop {
            self.output.reserve(STEP);
            let filled = self.output.len();
            let mut to = OutBuffer::around_pos(&mut self.output, filled);
            let remaining =
                self.encoder.finish(&mut to, true).map_err(|source| failed(self.lines, source))?;
            if remaining == 0 {
                return Ok(self.output.into());
            }
        }
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), ArchiveError> {
        self.lines += 1;
        let place = Position::Line { line: self.lines };
        let mut text = serde_json::to_vec(line).map_err(|source| ArchiveError::Json { place, source })?;
        if text.len() >= MAX_LINE {
            let why = format!("it has {} bytes, the index takes {MAX_LINE}", text.len());
            return Err(ArchiveError::Invalid { place, why });
        }
        text.push(b'\n');
        self.compress(&text)
    }

    /// Compresses any text; also for tests of bad indexes.
    pub(in crate::archive) fn compress(&mut self, text: &[u8]) -> Result<(), ArchiveError> {
        let mut from = InBuffer::around(text);
        while from.pos() < text.len() {
            self.output.reserve(STEP);
            let filled = self.output.len();
            let mut to = OutBuffer::around_pos(&mut self.output, filled);
            self.encoder.run(&mut from, &mut to).map_err(|source| failed(self.lines, source))?;
        }
        Ok(())
    }
}

fn failed(line: u64, source: io::Error) -> ArchiveError {
    ArchiveError::Compress { place: Position::Line { line }, source }
}
