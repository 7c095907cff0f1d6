//! A ledger in memory, as another process would find it.

use std::sync::{Mutex, PoisonError};

use ark::mongo::{LedgerError, MongoLedger, MongoUndo};
use async_trait::async_trait;

/// The records that are there, and how many there ever were.
#[derive(Default)]
pub struct Records {
    open: Mutex<Vec<MongoUndo>>,
    /// Why records cannot be stored, if they cannot.
    broken: Option<&'static str>,
}

impl Records {
    /// Returns a ledger that cannot be written, for this reason.
    pub fn broken(why: &'static str) -> Self {
        Self { broken: Some(why), ..Self::default() }
    }

    /// Returns the records of what is still to be undone.
    pub fn open(&self) -> Vec<MongoUndo> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl MongoLedger for Records {
    async fn announce(&self, undo: &MongoUndo) -> Result<(), LedgerError> {
        if let Some(fault) = self.broken {
            return Err(fault.into());
        }
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push(undo.clone());
        Ok(())
    }

    async fn settle(&self, undo: &MongoUndo) -> Result<(), LedgerError> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|open| open != undo);
        Ok(())
    }
}
