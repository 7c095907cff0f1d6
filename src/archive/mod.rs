//! The archive format: bytes in, bytes out; knows neither cluster nor bucket.
//!
//! **Writing**: [`Packer`] turns items into tar entries and whole entries into [`RawFrame`]s of
//! one kind; [`RawFrame::compress`] seals a frame (on any thread); [`IndexEncoder`] takes the
//! sealed frames in order and writes the index beside them. One pass, and nothing holds more than
//! the open frame.
//!
//! **Reading**: [`IndexDecoder`] yields the index as a stream of [`IndexLine`]s. A range of the
//! tarball that an [`IndexFrame`] names is opened by [`open_frame`], and [`Frame::item`] returns
//! one body. [`TarballReader`] reads a whole tarball without its index. Nothing that is read is
//! trusted: sizes are bounded before memory is taken, hashes compared, paths parsed by the grammar
//! in `entry`, and [`check_body`] compares a body with the name that it came under.
//!
//! The format itself is `docs/format.md`. Everything here is synchronous and does no I/O of its
//! own.

mod body;
mod entry;
mod error;
mod frame;
mod index;
mod limits;
mod reader;
mod seen;
mod ustar;
mod writer;

pub use body::check_body;
pub use entry::{EntryName, Layout, PathError, item_path, parse_path};
pub use error::{ArchiveError, Position};
pub use frame::{Frame, FrameCompressor, FrameEntry, RawFrame, SealedFrame, open_frame};
pub use index::{
    FORMAT, IndexDecoder, IndexEncoder, IndexFrame, IndexHeader, IndexItem, IndexLine, IndexedResource,
};
pub use limits::{
    FRAME_TARGET, MAX_BODY, MAX_ENTRIES, MAX_EXPANSION, MAX_FRAME, MAX_KINDS, MAX_LINE, MAX_PATH,
    NAMESPACE_CUT,
};
pub use reader::{FrameReader, TarballEntry, TarballReader};
pub use seen::Seen;
pub use writer::{ItemEntry, Packer};

#[cfg(test)]
mod tests;
