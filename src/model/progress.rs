//! How far a run is: counters that the run moves and anyone may read.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shared by the run (writes) and whoever shows it (reads, as often as it likes).
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
    /// What is being done, in words: `listing pods`.
    pub stage: String,
    /// What is waited for, by name: `namespace shop to be deleted`.
    pub waiting: Vec<String>,
    /// Items known so far; grows while kinds are listed.
    pub total: u64,
    /// Items finished.
    pub done: u64,
    /// Bytes of item bodies handled.
    pub bytes: u64,
}

impl Progress {
    /// Says what is being done now.
    pub fn stage(&self, stage: impl Into<String>) {
        let mut current = self.stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *current = stage.into();
    }

    /// Says what is waited for; nothing, when the run goes on.
    pub fn wait_for(&self, what: Vec<String>) {
        *self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = what;
    }

    /// More items are known.
    pub fn expect(&self, items: u64) {
        self.total.fetch_add(items, Ordering::Relaxed);
    }

    /// One more item is finished.
    pub fn advance(&self, bytes: u64) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes were moved that are no item by themselves.
    pub fn transfer(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Somebody else counts, and this is what they said last.
    pub fn relay(&self, total: u64, done: u64, bytes: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// The counters now.
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
