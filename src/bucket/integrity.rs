//! Objects are hashed while they are read, and compared with the document's statements.

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use crate::api::StoredObject;
use crate::store::{Action, Operation, Resumed, StoreError};

use super::documents::hex;

/// Called with the number of bytes that were read since the last call.
pub type OnBytes<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// Compares an object that is being read with the document's statement of its size and hash.
pub(super) struct Check {
    expected: Option<StoredObject>,
    size: u64,
    hash: Sha256,
}

impl Check {
    /// Begins a comparison with `expected`; `None` makes every object fit.
    pub fn new(expected: Option<&StoredObject>) -> Self {
        Self { expected: expected.cloned(), size: 0, hash: Sha256::new() }
    }

    /// Adds the next bytes of the object.
    pub fn add(&mut self, chunk: &Bytes) {
        self.size += chunk.len() as u64;
        self.hash.update(chunk);
    }

    /// Returns what differs, or `None`; call this at the end of the object.
    pub fn objection(&self) -> Option<String> {
        let expected = self.expected.as_ref()?;
        if self.size != expected.size {
            return Some(format!("it has {} bytes, and the document says {}", self.size, expected.size));
        }
        (hex(&self.hash.clone().finalize()) != expected.sha256.to_ascii_lowercase())
            .then(|| "its SHA-256 differs from the document's".to_owned())
    }
}

/// An object that is being read, hashed on the way.
pub(super) struct CheckedBody {
    stream: Resumed,
    buffer: BytesMut,
    /// Bytes that were given to the caller or skipped.
    pub position: u64,
    /// Bytes that were received.
    pub read: u64,
    pub check: Check,
}

impl CheckedBody {
    /// Begins to read an object that should be as `expected` states.
    pub fn new(stream: Resumed, expected: Option<&StoredObject>) -> Self {
        Self { stream, buffer: BytesMut::new(), position: 0, read: 0, check: Check::new(expected) }
    }

    /// Receives more bytes into the buffer; returns `false` at the end of the object.
    async fn fill(&mut self, on_bytes: OnBytes<'_>) -> Result<bool, StoreError> {
        let Some(chunk) = self.stream.next().await? else { return Ok(false) };
        self.check.add(&chunk);
        self.read += chunk.len() as u64;
        on_bytes(chunk.len() as u64);
        self.buffer.extend_from_slice(&chunk);
        Ok(true)
    }

    /// Returns the next `length` bytes, a number that the caller has bounded.
    ///
    /// # Errors
    /// [`StoreError::Truncated`] if the object ends before, or if the store fails.
    pub async fn take(&mut self, length: u64, on_bytes: OnBytes<'_>) -> Result<Bytes, StoreError> {
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        while self.buffer.len() < wanted {
            if !self.fill(on_bytes).await? {
                return Err(self.ended(self.position + length));
            }
        }
        self.position += length;
        Ok(self.buffer.split_to(wanted).freeze())
    }

    /// Skips `length` bytes.
    ///
    /// # Errors
    /// As `take`.
    pub async fn skip(&mut self, length: u64, on_bytes: OnBytes<'_>) -> Result<(), StoreError> {
        let mut left = length;
        while left > 0 {
            if self.buffer.is_empty() && !self.fill(on_bytes).await? {
                return Err(self.ended(self.position + left));
            }
            let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            drop(self.buffer.split_to(here));
            self.position += here as u64;
            left -= here as u64;
        }
        Ok(())
    }

    /// Reads to the end of the object, for its hash.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn drain(&mut self, on_bytes: OnBytes<'_>) -> Result<(), StoreError> {
        loop {
            self.position += self.buffer.len() as u64;
            self.buffer.clear();
            if !self.fill(on_bytes).await? {
                return Ok(());
            }
        }
    }

    fn ended(&self, expected: u64) -> StoreError {
        let action = Action { operation: Operation::Get, target: "the tarball".to_owned() };
        StoreError::Truncated { action, received: self.read, expected, source: None }
    }
}
