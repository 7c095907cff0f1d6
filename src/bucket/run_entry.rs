//! One run of a listing, and its state.

use chrono::{DateTime, Utc};

use super::documents::Claim;
use super::layout::Writer;

/// One run of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEntry {
    /// The name; control characters are escaped. Only complete and partial runs are sure to have a
    /// valid name.
    pub name: String,
    /// The state of the run.
    pub state: RunState,
    /// Number of its objects.
    pub objects: u64,
    /// Bytes of these objects together.
    pub size: u64,
    /// When the newest of these objects was written.
    pub modified: DateTime<Utc>,
    /// Whether an attempt has written all its parts, so that nothing but the document is missing.
    pub finished: bool,
}

/// The state of a listed run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Committed: the document can be read.
    Complete,
    /// Being made, being removed, or left behind by a crash; with the claim, if there is a readable
    /// one.
    Partial(Option<Box<Claim>>),
    /// Written by another program.
    Foreign(Writer),
    /// Neither Ark nor Velero would write such keys.
    Unrecognised,
}

impl RunState {
    /// Returns whether nobody is at work on the run any more, so that it may be removed or its name
    /// taken.
    pub fn is_abandoned(&self, now: DateTime<Utc>) -> bool {
        match self {
            Self::Partial(None) => true,
            Self::Partial(Some(claim)) => claim.removing || claim.is_dead(now),
            _ => false,
        }
    }
}
