//! What can be wrong with an archive, and where: every error names the place.

use std::fmt;

use super::entry::PathError;
use crate::model::{Category, ItemKey};

/// Where in an archive something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// A frame of the tarball, and the byte of the tarball at which it begins (unknown when only the frame was read).
    Frame {
        /// Counted from 0.
        frame: u32,
        /// Where it begins in the tarball.
        at: Option<u64>,
    },
    /// An entry of the tarball.
    Entry {
        /// The frame, counted from 0.
        frame: u32,
        /// Where the entry's header begins in the decompressed frame.
        offset: u64,
    },
    /// A line of the index.
    Line {
        /// Counted from 1.
        line: u64,
    },
    /// A byte of the compressed index.
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

/// Why an archive cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// An item that the format cannot hold; nothing of it was written.
    #[error("`{item}` cannot be stored in the archive: {why}")]
    Unstorable {
        /// The item, or the path of a metadata entry.
        item: String,
        /// What is wrong with it.
        why: String,
    },
    /// An item of a path that the archive holds already; nothing of it was written.
    #[error("`{item}` came twice{}", if *.same { ", both times the same" } else { " and not the same: the archive keeps what came first" })]
    Repeated {
        /// Its path.
        item: String,
        /// Whether it is byte for byte what is there.
        same: bool,
    },
    /// zstd failed to compress; in practice: out of memory.
    #[error("compressing {place} failed")]
    Compress {
        /// What was being compressed.
        place: Position,
        /// zstd's own words.
        #[source]
        source: std::io::Error,
    },
    /// The bytes could not be read at all.
    #[error("reading the tarball failed at byte {at}")]
    Read {
        /// Bytes read before.
        at: u64,
        /// The reader's error.
        #[source]
        source: std::io::Error,
    },
    /// Bytes are missing at the end.
    #[error("{place} is cut off: {missing}; the object was not stored whole")]
    Truncated {
        /// What is incomplete.
        place: Position,
        /// What should follow.
        missing: String,
    },
    /// zstd refuses the bytes.
    #[error("{place} does not decompress: the bytes have changed since they were written")]
    Decompress {
        /// What was being decompressed.
        place: Position,
        /// zstd's own words.
        #[source]
        source: std::io::Error,
    },
    /// The bytes are not what the format says.
    #[error("{place} is not valid: {why}")]
    Invalid {
        /// What is wrong.
        place: Position,
        /// Why.
        why: String,
    },
    /// A line of the index is not the JSON that it should be.
    #[error("{place} cannot be read")]
    Json {
        /// The line.
        place: Position,
        /// The parser's words.
        #[source]
        source: serde_json::Error,
    },
    /// A path outside the grammar.
    #[error("{place} has a path that no backup writes")]
    Path {
        /// The entry or line.
        place: Position,
        /// What is wrong with the path.
        #[source]
        source: PathError,
    },
    /// The same path twice.
    #[error("{place} is there twice: `{path}`")]
    Duplicate {
        /// The second one.
        place: Position,
        /// The path.
        path: String,
    },
    /// The index promises an item that the frame does not hold.
    #[error("`{path}` is not in frame {frame} of the tarball as the index says: {why}")]
    Missing {
        /// The item's path.
        path: String,
        /// Where it should be.
        frame: u32,
        /// What was found instead.
        why: String,
    },
    /// A body is not the object that its path names.
    #[error("the archived body of {item} is not that object: {why}")]
    Body {
        /// What the path names.
        item: ItemKey,
        /// What the body is instead.
        why: String,
    },
}

impl ArchiveError {
    /// The metric label and the category of a finding.
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
