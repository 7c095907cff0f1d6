//! A location whose bucket is open.

use crate::bucket::Bucket;

/// A location whose bucket is open.
#[derive(Clone, Debug)]
pub struct OpenLocation {
    /// Name of the location in this cluster.
    pub name: String,
    /// Identity of the bucket, as last validated and read again when it was opened.
    pub id: String,
    /// Whether Ark may not write there.
    pub read_only: bool,
    /// The bucket.
    pub bucket: Bucket,
}
