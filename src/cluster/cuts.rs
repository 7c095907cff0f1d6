//! What takes the place of a cut whose revision was compacted: one later cut for all kinds that are still to be listed, rather
//! than the newest revision of the moment for each.

use std::collections::VecDeque;

use super::{Cluster, ClusterError};

/// Cuts that are remembered: those of the backups that are being made through one connection, and some.
const KEPT: usize = 32;

/// Cuts that were compacted, and what took their place.
#[derive(Debug, Default)]
pub(super) struct Cuts(tokio::sync::Mutex<VecDeque<(String, String)>>);

/// The cut in place of another.
pub(super) struct NextCut {
    pub revision: String,
    /// It was taken just now, for the first kind that needed it.
    pub first: bool,
}

impl Cluster {
    /// The cut in place of `old`; the same one for everybody who asks.
    pub(super) async fn next_cut(&self, old: &str) -> Result<NextCut, ClusterError> {
        // Held while the revision is asked for, so that one is taken.
        let mut cuts = self.shared.cuts.0.lock().await;
        if let Some((_, revision)) = cuts.iter().find(|(cut, _)| cut == old) {
            return Ok(NextCut { revision: revision.clone(), first: false });
        }
        let revision = self.current_revision().await?;
        if cuts.len() == KEPT {
            cuts.pop_front();
        }
        cuts.push_back((old.to_owned(), revision.clone()));
        Ok(NextCut { revision, first: true })
    }
}
