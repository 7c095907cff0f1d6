//! The document of one ledger in the bucket: written only while it is still this ledger's.

use bytes::Bytes;

use super::error::ObligationError;
use crate::bucket::Bucket;

/// Times that a write starts anew because the document changed between reading and writing it:
/// only a write of our own whose answer was lost does that and leaves the document ours.
const ROUNDS: usize = 3;

/// Contents that are taken for our own: the last one, and those of writes whose answer was lost.
const MAX_KNOWN: usize = 16;

/// The document of one ledger in the bucket.
#[derive(Debug)]
pub struct ObligationFile {
    bucket: Bucket,
    id: String,
    /// What it may hold as far as this process has written it.
    known: Vec<Bytes>,
    /// Whether it may be absent as far as this process knows.
    may_be_absent: bool,
}

impl ObligationFile {
    /// Creates a document that is not stored yet.
    pub fn new(bucket: Bucket, id: String) -> Self {
        Self { bucket, id, known: Vec::new(), may_be_absent: true }
    }

    /// Creates the document of another process as it was read; the next write takes it over.
    pub fn of_another(bucket: Bucket, id: String, bytes: Bytes) -> Self {
        Self { bucket, id, known: vec![bytes], may_be_absent: false }
    }

    /// Stores the document, or deletes it.
    ///
    /// # Errors
    /// [`ObligationError::Taken`] if another process has written or deleted it; else if the store
    /// fails.
    pub async fn store(&mut self, wanted: Option<Bytes>) -> Result<(), ObligationError> {
        for _ in 0..ROUNDS {
            let now = self.bucket.read_obligations(&self.id).await?;
            let is_ours = now.as_ref().map_or(self.may_be_absent, |now| self.known.contains(&now.bytes));
            if !is_ours {
                return Err(ObligationError::Taken);
            }
            let is_done = match (&now, &wanted) {
                (None, None) => true,
                (Some(now), Some(wanted)) if now.bytes == wanted => true,
                (Some(now), None) => {
                    self.may_be_absent = true;
                    self.bucket.delete_obligations(&self.id, now).await?
                }
                (now, Some(wanted)) => {
                    self.known.push(wanted.clone());
                    if self.known.len() > MAX_KNOWN {
                        self.known.remove(1);
                    }
                    self.bucket.write_obligations(&self.id, now.as_ref(), wanted.clone()).await?
                }
            };
            if is_done {
                self.may_be_absent = wanted.is_none();
                self.known = wanted.into_iter().collect();
                return Ok(());
            }
        }
        Err(ObligationError::Taken)
    }
}
