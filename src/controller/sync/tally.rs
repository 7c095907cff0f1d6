//! Counts of a pass, for its log line, metrics and Events.

use super::create::Brought;
use super::memory::Fingerprint;
use super::mirrored::Mirrored;
use super::survey::WantedDocument;
use crate::controller::buckets::OpenLocation;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;

/// Counts of a pass.
#[derive(Debug, Default)]
pub struct SyncTally {
    /// Number of objects that were created or given their status.
    pub created: u64,
    /// Number of objects that were deleted.
    pub deleted: u64,
    /// Objects that were replaced because the bucket has another run of their name.
    pub replaced: Vec<String>,
    /// Backups of this server that were removed because their documents are gone, and nobody had
    /// asked this server for that.
    pub lost: Vec<String>,
    /// Pairs of object and document that were found to belong together.
    pub known: Vec<Fingerprint>,
    /// Documents that were rejected.
    pub(super) rejected: Vec<Fingerprint>,
    pub(super) failures: u64,
    pub(super) first_failure: Option<ControllerError>,
}

impl SyncTally {
    /// Counts a failure; the first one becomes the error of the pass.
    pub fn failed(&mut self, error: ControllerError) {
        self.failures += 1;
        self.first_failure.get_or_insert(error);
    }

    /// Counts the outcome of one document.
    pub fn add<K: Mirrored>(
        &mut self,
        context: &Context,
        location: &OpenLocation,
        wanted: &WantedDocument,
        brought: Result<Brought, ControllerError>,
    ) {
        let (kind, name) = (K::KIND.resource(), &wanted.name);
        match brought {
            Ok(Brought::Created | Brought::Completed) => {
                self.created += 1;
                tracing::debug!(kind, name, location = location.name, "brought in from the bucket");
            }
            Ok(Brought::Overtaken) => {}
            Ok(Brought::Rejected(why)) => {
                context.metrics.sync_failed(&location.name);
                self.rejected.push(wanted.fingerprint);
                if self.rejected.len() as u64 <= MOST_LINES {
                    tracing::warn!(kind, name, location = location.name, "rejected: {why}");
                }
            }
            Err(error) => self.failed(error),
        }
    }
}

/// Number of single objects that a pass logs for one kind of trouble; beyond it only their number
/// is reported.
pub const MOST_LINES: u64 = 100;
