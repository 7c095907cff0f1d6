//! What undoes a change of a MongoDB deployment, as a record that outlives the process.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::error::MongoError;

/// Whatever kept a record from being stored or removed.
pub type LedgerError = Box<dyn std::error::Error + Send + Sync>;

/// What undoes one change. It holds no credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum MongoUndo {
    /// Release one lock of a member, if the member is locked.
    Unlock {
        /// The member's address in its configuration.
        host: String,
        /// Marks the commands of the backup at the server.
        comment: String,
    },
    /// Start the balancer of a sharded cluster, if it is stopped.
    StartBalancer {
        /// The mongos by which it was stopped.
        host: String,
    },
}

impl MongoUndo {
    /// Returns what the record does, for a sentence: "unlocks a:27017".
    pub fn effect(&self) -> String {
        match self {
            Self::Unlock { host, .. } => format!("unlocks {host}"),
            Self::StartBalancer { host } => format!("starts the balancer of {host}"),
        }
    }
}

/// Keeps what is still to be undone where another process finds it.
#[async_trait]
pub trait MongoLedger: Send + Sync {
    /// Stores what undoes a change. The change is made once this has returned.
    ///
    /// # Errors
    /// Fails if the record may not outlive the process; the change is not made then.
    async fn announce(&self, undo: &MongoUndo) -> Result<(), LedgerError>;

    /// Removes the record of a change that is undone, or was not made.
    ///
    /// # Errors
    /// Fails if the record may still be there: whoever undoes it later finds nothing to undo, or
    /// the lock of somebody else. So this should be tried for as long as possible.
    async fn settle(&self, undo: &MongoUndo) -> Result<(), LedgerError>;
}

/// Stores a record.
pub(super) async fn announce(ledger: &dyn MongoLedger, record: &MongoUndo) -> Result<(), MongoError> {
    let failed = |cause| MongoError::Ledger { doing: "store", undoes: record.effect(), cause };
    ledger.announce(record).await.map_err(failed)
}

/// Removes a record.
pub(super) async fn settle(ledger: &dyn MongoLedger, record: &MongoUndo) -> Result<(), MongoError> {
    let failed = |cause| MongoError::Ledger { doing: "remove", undoes: record.effect(), cause };
    ledger.settle(record).await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_it_was_written() {
        let unlock = MongoUndo::Unlock { host: "a:1".to_owned(), comment: "ark b/1".to_owned() };
        let text = serde_json::to_string(&unlock).expect("written");
        assert_eq!(text, r#"{"kind":"unlock","host":"a:1","comment":"ark b/1"}"#);
        assert_eq!(serde_json::from_str::<MongoUndo>(&text).expect("read"), unlock);
        let start = MongoUndo::StartBalancer { host: "s:1".to_owned() };
        assert_eq!(
            serde_json::to_string(&start).expect("written"),
            r#"{"kind":"startBalancer","host":"s:1"}"#
        );
    }
}
