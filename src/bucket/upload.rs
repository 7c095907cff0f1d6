//! Writing an object and hashing it at the same time, so that the document can vouch for it.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::api::StoredObject;
use crate::store::{ObjectKey, Upload};

use super::BucketError;
use super::documents::hex;
use super::proof::IndexProof;

/// An object that is being written. Nothing is visible before [`HashingUpload::finish`]; an upload
/// that is dropped leaves nothing.
pub struct HashingUpload {
    key: ObjectKey,
    upload: Box<dyn Upload>,
    size: u64,
    hash: Sha256,
    proof: Option<IndexProof>,
}

impl std::fmt::Debug for HashingUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HashingUpload")
            .field("key", &self.key)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl HashingUpload {
    pub(super) fn new(key: ObjectKey, upload: Box<dyn Upload>, proof: Option<IndexProof>) -> Self {
        Self { key, upload, size: 0, hash: Sha256::new(), proof }
    }

    /// Returns the number of bytes written so far: the offset of the next chunk.
    pub fn position(&self) -> u64 {
        self.size
    }

    /// Adds bytes; waits while the store is slower than the writer.
    ///
    /// # Errors
    /// If the store fails, or if readers would refuse what is written; then call
    /// [`HashingUpload::abort`].
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), BucketError> {
        self.hash.update(&chunk);
        self.size += chunk.len() as u64;
        if let Some(proof) = &mut self.proof {
            proof.add(chunk.clone()).await?;
        }
        Ok(self.upload.write(chunk).await?)
    }

    /// Makes the whole object visible and returns its key, size and hash.
    ///
    /// # Errors
    /// If the store fails, or if readers would refuse what was written; nothing is visible then.
    pub async fn finish(self) -> Result<StoredObject, BucketError> {
        if let Some(proof) = self.proof
            && let Err(error) = proof.finish().await
        {
            self.upload.abort().await;
            return Err(error);
        }
        self.upload.finish().await?;
        Ok(StoredObject { key: self.key.to_string(), size: self.size, sha256: hex(&self.hash.finalize()) })
    }

    /// Ends the upload and removes what was sent.
    pub async fn abort(self) {
        self.upload.abort().await;
    }
}

/// Returns key, size and hash of an object that is written in one piece.
pub(super) fn describe_bytes(key: &ObjectKey, body: &[u8]) -> StoredObject {
    StoredObject { key: key.to_string(), size: body.len() as u64, sha256: hex(&Sha256::digest(body)) }
}
