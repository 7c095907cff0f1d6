//! What a pass did, as it is told in the end.

use super::create::Brought;
use super::memory::Fingerprint;
use super::mirrored::Mirrored;
use super::survey::WantedDocument;
use crate::controller::buckets::OpenLocation;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;

/// What a pass did.
#[derive(Debug, Default)]
pub struct SyncTally {
    /// Objects that were created or given their status.
    pub created: u64,
    /// Objects that were deleted.
    pub deleted: u64,
    /// Objects that went because the bucket has another run of their name.
    pub replaced: Vec<String>,
    /// Backups of this server that went because the bucket has them no longer, and nobody had asked it for that.
    pub lost: Vec<String>,
    /// Objects that were compared with their documents, to which they belong.
    pub known: Vec<Fingerprint>,
    /// Documents that were rejected.
    pub(super) rejected: Vec<Fingerprint>,
    pub(super) failures: u64,
    pub(super) first_failure: Option<ControllerError>,
}

impl SyncTally {
    /// Notes what failed; the first is told as the reason.
    pub fn failed(&mut self, error: ControllerError) {
        self.failures += 1;
        self.first_failure.get_or_insert(error);
    }

    /// Notes what became of a document.
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

/// How many single objects a pass logs of a kind of trouble; the number of the others is told.
pub const MOST_LINES: u64 = 100;
