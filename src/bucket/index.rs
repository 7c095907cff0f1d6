//! Reads the index of a backup as a stream: at no time is all of it in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};

use crate::archive::{ArchiveError, IndexDecoder, IndexLine};
use crate::store::{ObjectKey, Resumed};

use super::BucketError;
use super::integrity::Check;
use super::read::StoredBackup;

impl StoredBackup {
    /// Returns the lines of the index, in order: a header, then the items of each frame and behind
    /// them the frame. The last element is an error if size or hash are not those that the document
    /// states.
    ///
    /// # Errors
    /// If the index is not there or the store fails. A line that is wrong is an error element of
    /// the stream, and so is [`BucketError::Replaced`], if another run has the name by now.
    pub async fn index(&self) -> Result<BoxStream<'static, Result<IndexLine, BucketError>>, BucketError> {
        let key = self.parts.index();
        let body = match Resumed::open(Arc::clone(&self.bucket.store), key.clone(), None).await {
            Ok(body) => body,
            Err(error) => return Err(self.blame(error.into()).await),
        };
        let lines = IndexStream {
            backup: self.clone(),
            key: key.clone(),
            body,
            decoder: Some(IndexDecoder::new().map_err(|source| self.damaged(key, None, source))?),
            check: Check::new(self.object(key)),
            ready: VecDeque::new(),
        };
        Ok(stream::try_unfold(
            lines,
            |mut lines| async move { Ok(lines.next().await?.map(|line| (line, lines))) },
        )
        .boxed())
    }

    /// Returns the error that an object of the backup does not hold what it should, with the
    /// archive's error as its source.
    pub fn damaged(&self, key: &ObjectKey, offset: Option<u64>, source: ArchiveError) -> BucketError {
        let (key, location) = (key.to_string(), self.bucket.store.describe());
        BucketError::Archive { key, location, offset, source: Box::new(source) }
    }
}

struct IndexStream {
    backup: StoredBackup,
    key: ObjectKey,
    body: Resumed,
    decoder: Option<IndexDecoder>,
    check: Check,
    ready: VecDeque<IndexLine>,
}

impl IndexStream {
    async fn next(&mut self) -> Result<Option<IndexLine>, BucketError> {
        match self.read().await {
            Ok(line) => Ok(line),
            Err(error) => Err(self.backup.blame(error).await),
        }
    }

    async fn read(&mut self) -> Result<Option<IndexLine>, BucketError> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            let Some(decoder) = &mut self.decoder else { return Ok(None) };
            match self.body.next().await? {
                Some(chunk) => {
                    self.check.add(&chunk);
                    let lines = decoder.feed(&chunk);
                    self.ready.extend(lines.map_err(|source| self.backup.damaged(&self.key, None, source))?);
                }
                None => self.finish()?,
            }
        }
    }

    /// Ends the stream. The comparison with the document comes first: if it finds the object
    /// changed, the decoder's error is secondary.
    fn finish(&mut self) -> Result<(), BucketError> {
        if let Some(problem) = self.check.objection() {
            return Err(self.backup.corrupt(&self.key, None, problem));
        }
        if let Some(decoder) = self.decoder.take() {
            decoder.finish().map_err(|source| self.backup.damaged(&self.key, None, source))?;
        }
        Ok(())
    }
}
