//! Reads what a run writes as readers will read it later: nothing is committed that readers would
//! refuse.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::archive::{ArchiveError, IndexDecoder};
use crate::model::{Cause, Results};

use super::BucketError;
use super::documents::{MAX_COMPRESSED, decode_compressed, pass_through};
use super::layout::{Part, RunKind};

/// Pieces of the index that wait to be read: the reader is faster than any bucket.
const PIECES: usize = 4;

/// Bytes of the index that are decoded at once, which bounds what they expand to.
const PIECE: usize = 64 << 10;

/// Reads the index of a backup beside its upload, on a thread of its own.
pub(super) struct IndexProof {
    key: String,
    pieces: mpsc::Sender<Bytes>,
    reading: JoinHandle<Result<(), ArchiveError>>,
}

impl IndexProof {
    /// Starts the reader. `key` is the key of the index, for messages.
    pub fn begin(key: &str) -> Self {
        let (pieces, mut written) = mpsc::channel::<Bytes>(PIECES);
        let reading = tokio::task::spawn_blocking(move || {
            let mut decoder = IndexDecoder::new()?;
            while let Some(bytes) = written.blocking_recv() {
                for piece in bytes.chunks(PIECE) {
                    decoder.feed(piece)?;
                }
            }
            decoder.finish()
        });
        Self { key: key.to_owned(), pieces, reading }
    }

    /// Passes bytes of the index to the reader, in the order in which they are written.
    ///
    /// # Errors
    /// [`BucketError::Unproven`] if readers would refuse the index so far.
    pub async fn add(&mut self, bytes: Bytes) -> Result<(), BucketError> {
        match self.pieces.send(bytes).await {
            Ok(()) => Ok(()),
            // The reader has ended before the index did; its error is the reason.
            Err(_) => ended(&self.key, (&mut self.reading).await),
        }
    }

    /// Ends the index and waits until the reader has read all of it.
    ///
    /// # Errors
    /// [`BucketError::Unproven`] if readers would refuse the index.
    pub async fn finish(self) -> Result<(), BucketError> {
        let Self { key, pieces, reading } = self;
        drop(pieces);
        ended(&key, reading.await)
    }
}

/// Returns what the reader found, as an error of the bucket.
fn ended(
    key: &str,
    read: Result<Result<(), ArchiveError>, tokio::task::JoinError>,
) -> Result<(), BucketError> {
    match read {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(unreadable(key, error)),
        Err(_) => Err(BucketError::Worker { key: key.to_owned() }),
    }
}

/// Returns the error that readers would refuse what was written at `key`.
pub(super) fn unreadable(key: &str, problem: impl Into<Cause>) -> BucketError {
    BucketError::Unproven { key: key.to_owned(), source: problem.into() }
}

/// Reads a part that is written in one piece, as readers will.
pub(super) async fn check(kind: RunKind, part: Part, key: &str, body: Bytes) -> Result<(), BucketError> {
    if (kind, part) == (RunKind::Backup, Part::Index) {
        let mut proof = IndexProof::begin(key);
        proof.add(body).await?;
        return proof.finish().await;
    }
    if matches!(part, Part::Results | Part::Log) && body.len() as u64 > MAX_COMPRESSED {
        return Err(unreadable(key, format!("it has {} bytes, {MAX_COMPRESSED} are read", body.len())));
    }
    let read = tokio::task::spawn_blocking(move || match part {
        Part::Results => decode_compressed::<Results>(&body).map(|_| ()),
        _ => pass_through(&body).map_err(|error| format!("it is not a whole zstd stream ({error})")),
    });
    match read.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(problem)) => Err(unreadable(key, problem)),
        Err(_) => Err(BucketError::Worker { key: key.to_owned() }),
    }
}
