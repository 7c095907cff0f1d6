//! What the format promises never to exceed; writers keep it, readers refuse what does not. Pure.

/// A frame closes before it would hold more than this, uncompressed, unless one item alone is larger: large enough for zstd to
/// find the repetitions of JSON, small enough that a single item does not cost much to fetch.
pub const FRAME_TARGET: usize = 1 << 20;

/// A frame that holds this much, uncompressed, closes at the end of a namespace, so that one namespace of many can be read
/// without its neighbours.
pub const NAMESPACE_CUT: usize = 64 << 10;

/// Largest body of an entry. The API server takes 3 MiB; aggregated ones may take more, but none is known to take this much.
pub const MAX_BODY: usize = 32 << 20;

/// Largest frame, uncompressed: one entry with the largest body, and room.
pub const MAX_FRAME: usize = 64 << 20;

/// Longest path of an entry. Names of RBAC objects have no limit of their own; this is far beyond any that was seen.
pub const MAX_PATH: usize = 32 << 10;

/// Longest line of the index: labels may fill an object, and an object that was written through the API server has 3 MiB.
pub const MAX_LINE: usize = 4 << 20;

/// Entries of one tarball: duplicates are found by a set of hashes, which must not grow without bound.
pub const MAX_ENTRIES: usize = 10_000_000;

/// Kinds of one archive: a restore numbers them in 16 bits. Clusters with thousands are known, none with ten times as many.
pub const MAX_KINDS: usize = 65_535;

/// How many times its compressed size an index may grow, beyond the first 64 MiB: uids and hashes do not compress, so that an
/// honest index stays far below.
pub const MAX_EXPANSION: u64 = 1000;

/// Largest window that a reader keeps for zstd, as a power of two: 8 MiB, what level 19 uses.
pub(super) const WINDOW_LOG: u32 = 23;

/// Highest compression level: the next ones need a larger window than readers keep.
pub(super) const MAX_LEVEL: i32 = 19;
