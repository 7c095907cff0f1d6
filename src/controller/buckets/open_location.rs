//! A location whose bucket is open.

use crate::bucket::Bucket;

/// A location, opened.
#[derive(Clone, Debug)]
pub struct OpenLocation {
    /// Its name in this cluster.
    pub name: String,
    /// The identity that its BackupStorageLocation had when it was last validated, and has still.
    pub id: String,
    /// Whether Ark may not write there.
    pub read_only: bool,
    /// What is in it.
    pub bucket: Bucket,
}
