//! Errors of archives; every error names the place.

use std::fmt;

use super::entry::PathError;
use crate::model::{Category, ItemKey};

/// A place in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// A frame of the tarball, and the byte of the tarball at which it begins (`None` if only the
    /// frame was read).
    Frame {
        /// Counted from 0.
        frame: u32,
        /// The byte of the tarball at which the frame begins.
        at: Option<u64>,
    },
    /// An entry of the tarball.
    Entry {
        /// The frame, counted from 0.
        frame: u32,
        /// The byte of the decompressed frame at which the entry's header begins.
        offset: u64,
    },
    /// A line of the index.
    Line {
        /// Counted from 1.
        line: u64,
    },
    /// A position in the compressed index.
    Index {
        /// Compressed bytes read so far.
        at: u64,
    },
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame { frame, at: Some(at) } => write!(f, "frame {frame} (byte {at} of the tarball)"),
            Self::Frame { frame, at: None } => write!(f, "frame {frame} of the tarball"),
            Self::Entry { frame, offset } => {
                write!(f, "the entry at byte {offset} of frame {frame} of the tarball")
            }
            Self::Line { line } => write!(f, "line {line} of the index"),
            Self::Index { at } => write!(f, "byte {at} of the index"),
        }
    }
}

/// The reason why an archive cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The format cannot hold an item; nothing of it was written.
    #[error("`{item}` cannot be stored in the archive: {why}")]
    Unstorable {
        /// The item, or the path of a metadata entry.
        item: String,
        /// The fault.
        why: String,
    },
    /// An item has a path that the archive holds already; nothing of it was written.
    #[error("`{item}` came twice{}", if *.same { ", both times the same" } else { " and not the same: the archive keeps what came first" })]
    Repeated {
        /// Its path.
        item: String,
        /// Whether the item is the same, byte for byte, as the one that the archive holds.
        same: bool,
    },
    /// zstd failed to compress, for lack of memory in practice.
    #[error("compressing {place} failed")]
    Compress {
        /// The place of what was being compressed.
        place: Position,
        /// The error of zstd.
        #[source]
        source: std::io::Error,
    },
    /// The source could not be read.
    #[error("reading the tarball failed at byte {at}")]
    Read {
        /// Bytes read before the error.
        at: u64,
        /// The reader's error.
        #[source]
        source: std::io::Error,
    },
    /// Bytes are missing at the end.
    #[error("{place} is cut off: {missing}; the object was not stored whole")]
    Truncated {
        /// The place that is incomplete.
        place: Position,
        /// The bytes that are missing, in words.
        missing: String,
    },
    /// zstd refuses the bytes.
    #[error("{place} does not decompress: the bytes have changed since they were written")]
    Decompress {
        /// The place of what was being decompressed.
        place: Position,
        /// The error of zstd.
        #[source]
        source: std::io::Error,
    },
    /// The bytes are not what the format says.
    #[error("{place} is not valid: {why}")]
    Invalid {
        /// The place of the fault.
        place: Position,
        /// The fault.
        why: String,
    },
    /// A line of the index cannot be parsed.
    #[error("{place} cannot be read")]
    Json {
        /// The line.
        place: Position,
        /// The parser's error.
        #[source]
        source: serde_json::Error,
    },
    /// A path is outside the grammar.
    #[error("{place} has a path that no backup writes")]
    Path {
        /// The entry or line.
        place: Position,
        /// The fault of the path.
        #[source]
        source: PathError,
    },
    /// A path occurs twice.
    #[error("{place} is there twice: `{path}`")]
    Duplicate {
        /// The place of the second occurrence.
        place: Position,
        /// The path.
        path: String,
    },
    /// The index promises an item that the frame does not hold.
    #[error("`{path}` is not in frame {frame} of the tarball as the index says: {why}")]
    Missing {
        /// The item's path.
        path: String,
        /// The number of the frame that should hold the item.
        frame: u32,
        /// The finding in its place, in words.
        why: String,
    },
    /// A body is not the object that its path names.
    #[error("the archived body of {item} is not that object: {why}")]
    Body {
        /// The item that the path names.
        item: ItemKey,
        /// The fault of the body.
        why: String,
    },
}

impl ArchiveError {
    /// Returns the category, which is also the metric label.
    pub fn category(&self) -> Category {
        match self {
            Self::Unstorable { .. } => Category::Invalid,
            Self::Repeated { .. } => Category::Conflict,
            Self::Compress { .. } => Category::Other,
            Self::Read { .. } => Category::Unavailable,
            _ => Category::Corrupt,
        }
    }
}
