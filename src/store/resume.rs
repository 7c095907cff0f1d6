//! Reads a body to its end although the connection breaks on the way: continues from the byte
//! where it broke.
//!
//! Stores repeat requests until an answer begins, and no longer. A body that arrives for minutes,
//! or that its reader leaves for a while, ends in a reset often enough that the reset must not end
//! the whole run.

use std::ops::{Deref, Range};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;

use super::{Action, ByteStream, ObjectKey, ObjectStore, Operation, StoreError};

/// Breaks in a row, without [`PROGRESS`] between them, that count as a passing fault.
const RESUMES: u32 = 3;

/// The pause after the first break; doubles from one break to the next.
const PAUSE: Duration = Duration::from_millis(250);

/// Bytes since the last break that show that the connection works: breaks are counted from zero
/// again.
const PROGRESS: u64 = 256 << 10;

/// A body of which nothing arrives for so long is given up.
const STALLED: Duration = Duration::from_secs(60);

/// The body of an object or of a range of it, read across broken connections.
pub struct Resumed<S = Arc<dyn ObjectStore>> {
    store: S,
    key: ObjectKey,
    body: Option<ByteStream>,
    /// The position of the next byte in the object.
    at: u64,
    /// The end of the body, as far as it is known.
    end: Option<u64>,
    /// Bytes of the current body that were returned before and are skipped, where a range could
    /// not be requested.
    known: u64,
    breaks: u32,
    since_break: u64,
}

impl<S: Deref<Target: ObjectStore>> Resumed<S> {
    /// Creates a reader of an object or a range of its bytes. Nothing is requested before the
    /// first [`Resumed::next`].
    pub fn new(store: S, key: ObjectKey, range: Option<Range<u64>>) -> Self {
        let (at, end) = range.map_or((0, None), |range| (range.start, Some(range.end)));
        Self { store, key, body: None, at, end, known: 0, breaks: 0, since_break: 0 }
    }

    /// Creates a reader and requests the body at once: an object that does not exist is an error
    /// here. A request that fails here is not repeated.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn open(store: S, key: ObjectKey, range: Option<Range<u64>>) -> Result<Self, StoreError> {
        let mut resumed = Self::new(store, key, range);
        resumed.ask().await?;
        Ok(resumed)
    }

    /// Returns the next bytes, or `None` at the end.
    ///
    /// # Errors
    /// If the object is shorter than the requested range, or the store goes on failing.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            let error = match self.step().await {
                Ok(Some(chunk)) if chunk.is_empty() => continue,
                Ok(chunk) => return Ok(chunk),
                Err(error) => error,
            };
            self.body = None;
            if !error.is_retryable() || self.breaks >= RESUMES {
                return Err(error);
            }
            // The store announced the length when it began to answer: only the rest is requested
            // from now on.
            if let (None, StoreError::Truncated { received, expected, .. }) = (self.end, &error)
                && expected > received
            {
                self.end = Some(*expected);
            }
            // Every byte had arrived; only the end of the stream was lost.
            if self.end.is_some_and(|end| self.at >= end) {
                return Ok(None);
            }
            tracing::debug!(%error, at = self.at, "a body broke off and is read on from there");
            tokio::time::sleep(PAUSE * (1 << self.breaks)).await;
            self.breaks += 1;
            self.since_break = 0;
        }
    }

    async fn step(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.body.is_none() {
            self.ask().await?;
        }
        let Some(body) = &mut self.body else { return Ok(None) };
        let Ok(chunk) = tokio::time::timeout(STALLED, body.try_next()).await else {
            let target = format!("{} in {}", self.key, self.store.describe());
            let action = Action { operation: Operation::Get, target };
            return Err(StoreError::Timeout { action, limit: STALLED });
        };
        let Some(mut chunk) = chunk? else { return Ok(None) };
        let known = usize::try_from(self.known).unwrap_or(usize::MAX).min(chunk.len());
        drop(chunk.split_to(known));
        self.known -= known as u64;
        self.at += chunk.len() as u64;
        self.since_break += chunk.len() as u64;
        if self.since_break >= PROGRESS {
            self.breaks = 0;
        }
        Ok(Some(chunk))
    }

    /// Requests the bytes that are still missing.
    async fn ask(&mut self) -> Result<(), StoreError> {
        let rest = self.end.map(|end| self.at..end);
        // Without a known end the object is read from its first byte, and the bytes that came
        // before are skipped.
        self.known = if rest.is_some() { 0 } else { self.at };
        self.body = Some(self.store.get(&self.key, rest).await?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::tests::folder_store;
    use super::super::{Fault, Faults, PutMode, read_all};
    use super::*;

    const TEXT: &[u8] = b"0123456789";

    async fn faulty() -> (tempfile::TempDir, Arc<Faults>, ObjectKey) {
        let (folder, store) = folder_store().await;
        let (faults, key) = (Arc::new(Faults::new(store)), ObjectKey::new("a").unwrap());
        faults.put(&key, Bytes::from_static(TEXT), PutMode::Create).await.unwrap();
        (folder, faults, key)
    }

    async fn read(mut body: Resumed<Arc<Faults>>) -> Result<Vec<u8>, StoreError> {
        let mut whole = Vec::new();
        while let Some(chunk) = body.next().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_breaks_goes_on_from_where_it_broke() {
        let (_folder, faults, key) = faulty().await;
        for (range, expected) in [(None, TEXT), (Some(2..9), &TEXT[2..9])] {
            for (nth, fault) in [(1, Fault::Cut(3)), (2, Fault::Unreachable), (3, Fault::Cut(2))] {
                faults.script(Operation::Get, nth, fault);
            }
            let body = Resumed::open(Arc::clone(&faults), key.clone(), range).await.unwrap();
            assert_eq!(read(body).await.unwrap(), expected);
        }
        faults.script(Operation::Get, 1, Fault::Cut(9));
        assert_eq!(read_all(&*faults, &key, 10).await.unwrap(), TEXT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_is_given_up() {
        let (_folder, faults, key) = faulty().await;
        faults.script_always(Operation::Get, Fault::Cut(0));
        let error = read(Resumed::new(Arc::clone(&faults), key.clone(), Some(0..10))).await.unwrap_err();
        assert_eq!(error.category(), crate::model::Category::Unavailable);
        assert_eq!(faults.count(Operation::Get), 1 + RESUMES as usize);
        faults.heal();
        let begun = faults.count(Operation::Get);
        let error = read(Resumed::new(Arc::clone(&faults), key, Some(5..11))).await.unwrap_err();
        assert_eq!(
            error.category(),
            crate::model::Category::Corrupt,
            "the object is too short: no fault of the network"
        );
        assert_eq!(faults.count(Operation::Get), begun + 1);
    }
}
