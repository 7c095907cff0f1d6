//! One run of a listing, and what it is.

use chrono::{DateTime, Utc};

use super::documents::Claim;
use super::layout::Writer;

/// One run of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEntry {
    /// Its name; control characters are escaped. Only complete and partial ones are sure to have a valid name.
    pub name: String,
    /// What it is.
    pub state: RunState,
    /// Number of its objects.
    pub objects: u64,
    /// Their bytes.
    pub size: u64,
    /// When the newest of them was written.
    pub modified: DateTime<Utc>,
    /// Whether an attempt has written all its parts, so that nothing but the document is missing.
    pub finished: bool,
}

/// What a listed run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Committed; its document can be read.
    Complete,
    /// Being made, being removed, or left behind by a crash; the claim, where there is one.
    Partial(Option<Box<Claim>>),
    /// Written by another program.
    Foreign(Writer),
    /// Nothing that Ark or Velero would write.
    Unrecognised,
}

impl RunState {
    /// Whether nobody is at work on it any more, so that it may be removed or its name taken.
    pub fn is_abandoned(&self, now: DateTime<Utc>) -> bool {
        match self {
            Self::Partial(None) => true,
            Self::Partial(Some(claim)) => claim.removing || claim.is_dead(now),
            _ => false,
        }
    }
}
