//! The limits of the format: writers keep them, readers refuse what exceeds them. Pure.

/// The uncompressed bytes of a frame before which it closes, unless one item alone is larger. Large
/// enough for zstd to find the repetitions of JSON, small enough that a single item is cheap to
/// fetch.
pub const FRAME_TARGET: usize = 1 << 20;

/// The uncompressed bytes from which on a frame closes at the end of a namespace, so that one
/// namespace of many can be read without its neighbours.
pub const NAMESPACE_CUT: usize = 64 << 10;

/// The most bytes of an entry's body. The API server takes 3 MiB; aggregated servers may take more,
/// but none is known to take this much.
pub const MAX_BODY: usize = 32 << 20;

/// The most uncompressed bytes of a frame: one entry with the largest body, and room.
pub const MAX_FRAME: usize = 64 << 20;

/// The most bytes of an entry's path. Names of RBAC objects have no limit of their own; this is far
/// beyond any that was seen.
pub const MAX_PATH: usize = 32 << 10;

/// The most bytes of a line of the index. Labels may fill an object, and an object that was written
/// through the API server has up to 3 MiB.
pub const MAX_LINE: usize = 4 << 20;

/// The most entries of one tarball: duplicates are found by a set of hashes, which must not grow
/// without bound.
pub const MAX_ENTRIES: usize = 10_000_000;

/// The most kinds of one archive: a restore numbers them in 16 bits. Clusters with thousands are
/// known, none with ten times as many.
pub const MAX_KINDS: usize = 65_535;

/// The most by which an index may exceed its compressed size, as a factor, beyond the first 64
/// MiB. Uids and hashes do not compress, so that an honest index stays far below.
pub const MAX_EXPANSION: u64 = 1000;

/// The largest window that a reader keeps for zstd, as a power of two: 8 MiB, as level 19 uses.
pub(super) const WINDOW_LOG: u32 = 23;

/// The highest compression level: the next ones need a larger window than readers keep.
pub(super) const MAX_LEVEL: i32 = 19;
