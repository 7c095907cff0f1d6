//! The reader of a backup, as it is recorded in the claim of a restore.

use super::documents::Claim;

/// A restore that reads a backup now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The name of the restore.
    pub restore: String,
    /// Its claim.
    pub claim: Claim,
}
