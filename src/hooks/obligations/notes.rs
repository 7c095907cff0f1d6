//! Where obligations are noted beside the bucket.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::api::PendingUndo;
use crate::model::Cause;

/// Notes what is to be undone beside the bucket: in the status of the run.
#[async_trait]
pub trait ObligationNotes: Debug + Send + Sync {
    /// Notes what a document of obligations holds, in place of what was noted of it before; `None`
    /// if it holds nothing any more.
    ///
    /// # Errors
    /// If it cannot be noted. The bucket has it in any case.
    async fn note(&self, document: &str, pending: Option<Vec<PendingUndo>>) -> Result<(), Cause>;
}
