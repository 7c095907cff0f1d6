//! The cut that replaces one whose revision was compacted: one later cut for all kinds that are
//! still to be listed, rather than the newest revision of the moment for each.

use std::collections::VecDeque;

use super::{Cluster, ClusterError};

/// Cuts that are remembered: those of the backups that one connection makes at the same time, and
/// some more.
const KEPT: usize = 32;

/// Pairs of a compacted cut and the cut that replaced it, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Cuts(tokio::sync::Mutex<VecDeque<(String, String)>>);

impl Cluster {
    /// Returns the revision of the cut that replaces `old`, the same one for every caller.
    pub(super) async fn next_cut(&self, old: &str) -> Result<String, ClusterError> {
        // The lock is held while the revision is requested, so that only one is taken.
        let mut cuts = self.shared.cuts.0.lock().await;
        if let Some((_, revision)) = cuts.iter().find(|(cut, _)| cut == old) {
            return Ok(revision.clone());
        }
        let revision = self.current_revision().await?;
        if cuts.len() == KEPT {
            cuts.pop_front();
        }
        cuts.push_back((old.to_owned(), revision.clone()));
        Ok(revision)
    }
}
