//! The progress of a run: counters that the run moves and anyone may read.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters, shared by the run, which writes, and whoever shows them, as often as it likes.
#[derive(Debug, Default)]
pub struct Progress {
    stage: Mutex<String>,
    waiting: Mutex<Vec<String>>,
    total: AtomicU64,
    done: AtomicU64,
    bytes: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgressSnapshot {
    /// The work at hand, in words: `listing pods`.
    pub stage: String,
    /// Names of what the run waits for: `namespace shop to be deleted`; empty while it goes on.
    pub waiting: Vec<String>,
    /// Items known so far; grows while kinds are listed.
    pub total: u64,
    /// Items that are finished.
    pub done: u64,
    /// Bytes handled: bodies of finished items, and other bytes that were moved.
    pub bytes: u64,
}

impl Progress {
    /// Sets the work at hand.
    pub fn stage(&self, stage: impl Into<String>) {
        let mut current = self.stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *current = stage.into();
    }

    /// Sets what the run waits for; an empty list says that it goes on.
    pub fn wait_for(&self, what: Vec<String>) {
        *self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = what;
    }

    /// Adds to the number of known items.
    pub fn expect(&self, items: u64) {
        self.total.fetch_add(items, Ordering::Relaxed);
    }

    /// Counts one more item as finished.
    pub fn advance(&self, bytes: u64) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that were moved and belong to no item by themselves.
    pub fn transfer(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Overwrites the counters with the values that the server reported.
    pub fn relay(&self, total: u64, done: u64, bytes: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Returns the counters as they are now.
    pub fn snapshot(&self) -> ProgressSnapshot {
        ProgressSnapshot {
            stage: self.stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone(),
            waiting: self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone(),
            total: self.total.load(Ordering::Relaxed),
            done: self.done.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
