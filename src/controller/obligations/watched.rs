//! The documents of obligations that this server has seen, and which of them it undoes. Pure.
//!
//! Clocks lie, so that nothing is compared with one of another machine: a holder is dead when its
//! document has not changed for a while before the eyes of this server. Servers of this namespace
//! are dead already, since this one holds their lease.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::bucket::ObligationStamp;
use crate::hooks::obligations::{ObligationDocument, ObligedRun, SILENT};

/// Time between two looks while something is open.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Longest time between two looks that see the same state: while nothing could be seen, the holder
/// may have been cut off from the bucket as well.
const LONGEST_GAP: Duration = Duration::from_secs(25);

/// A document: the uid of its location, and its id.
pub type DocumentKey = (String, String);

/// What a document says of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// It is of this cluster: the run, and the process that holds it.
    Ours {
        /// The run that made the changes.
        run: ObligedRun,
        /// The process.
        process: String,
    },
    /// It is of another cluster, which undoes it.
    OfAnotherCluster,
    /// It cannot be read, and is left alone.
    Unreadable,
}

/// The server that looks.
#[derive(Clone, Debug)]
pub struct LookingServer {
    /// The uid of its cluster.
    pub cluster_uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its process.
    pub process: String,
}

/// The documents that were seen.
#[derive(Debug, Default)]
pub struct WatchedObligations(HashMap<DocumentKey, SeenDocument>);

#[derive(Debug)]
struct SeenDocument {
    stamp: ObligationStamp,
    since: Instant,
    looked: Instant,
    holding: Holding,
    /// When it is tried again, after a failure.
    again: Option<Instant>,
    is_busy: bool,
}

impl Holding {
    /// Returns what a document says to this server.
    pub fn of(document: Result<ObligationDocument, String>, server: &LookingServer) -> Self {
        match document {
            Err(_) => Self::Unreadable,
            Ok(document) if document.cluster_uid != server.cluster_uid => Self::OfAnotherCluster,
            Ok(document) => Self::Ours { run: document.run, process: document.holder.process },
        }
    }
}

impl WatchedObligations {
    /// Returns whether a document has to be read: it is new, or was written anew. Whose cluster it
    /// is of never changes.
    pub fn must_read(&self, key: &DocumentKey, stamp: ObligationStamp) -> bool {
        let known = self.0.get(key);
        known.is_none_or(|known| known.stamp != stamp && known.holding != Holding::OfAnotherCluster)
    }

    /// Notes what was seen of a document; `holding` is `None` if it was not read this time.
    pub fn see(&mut self, key: DocumentKey, stamp: ObligationStamp, holding: Option<Holding>, now: Instant) {
        let fresh =
            |holding| SeenDocument { stamp, since: now, looked: now, holding, again: None, is_busy: false };
        match (self.0.get_mut(&key), holding) {
            (Some(known), holding) => {
                if known.stamp != stamp || now - known.looked > LONGEST_GAP {
                    (known.stamp, known.since) = (stamp, now);
                }
                known.looked = now;
                known.holding = holding.unwrap_or_else(|| known.holding.clone());
            }
            (None, Some(holding)) => drop(self.0.insert(key, fresh(holding))),
            (None, None) => {}
        }
    }

    /// Forgets what a complete listing of the location no longer has.
    pub fn keep_only(&mut self, location: &str, is_there: impl Fn(&str) -> bool) {
        self.0.retain(|(of, id), seen| of != location || seen.is_busy || is_there(id));
    }

    /// Forgets the documents of locations that do not exist any more.
    pub fn keep_locations(&mut self, is_there: impl Fn(&str) -> bool) {
        self.0.retain(|(of, _), seen| seen.is_busy || is_there(of));
    }

    /// Returns the run of a document that this server is to undo now; `None` if it is left alone,
    /// or not yet.
    pub fn due(&self, key: &DocumentKey, server: &LookingServer, now: Instant) -> Option<ObligedRun> {
        let seen = self.0.get(key).filter(|seen| !seen.is_busy)?;
        let Holding::Ours { run, process } = &seen.holding else { return None };
        let is_left = match seen.again {
            Some(again) => now >= again,
            None => {
                let is_predecessor =
                    *process != server.process && run.namespace.as_ref() == Some(&server.namespace);
                is_predecessor || now - seen.since >= SILENT
            }
        };
        is_left.then(|| run.clone())
    }

    /// Returns whether a document that was seen could be read.
    pub fn is_readable(&self, key: &DocumentKey) -> bool {
        self.0.get(key).is_some_and(|seen| seen.holding != Holding::Unreadable)
    }

    /// Notes that a document is being undone.
    pub fn begin(&mut self, key: &DocumentKey) {
        if let Some(seen) = self.0.get_mut(key) {
            seen.is_busy = true;
        }
    }

    /// Notes how that ended: what is not undone is tried again at a time.
    pub fn end(&mut self, key: &DocumentKey, again: Option<Instant>) {
        match (again, self.0.get_mut(key)) {
            (Some(again), Some(seen)) => (seen.is_busy, seen.again) = (false, Some(again)),
            _ => drop(self.0.remove(key)),
        }
    }

    /// Returns whether something of this cluster is open, so that it has to be looked at soon.
    pub fn is_open(&self) -> bool {
        self.0.values().any(|seen| matches!(seen.holding, Holding::Ours { .. }))
    }
}

#[cfg(test)]
mod tests;
