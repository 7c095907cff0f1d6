//! Writes items into the tarball and its index, both uploaded as they grow.
//!
//! Frames are compressed on blocking threads, at most [`FRAMES_AHEAD`] at once, and written in
//! order: a slow bucket slows the packing, and that slows the listing. Next: `seal`.

use std::collections::VecDeque;

use tokio::task::JoinHandle;

use super::error::BackupError;
use super::index_metadata::rollout;
use super::item::ItemView;
use crate::api::StoredObject;
use crate::archive::{
    ArchiveError, FrameCompressor, IndexEncoder, IndexHeader, ItemEntry, Packer, RawFrame, SealedFrame,
};
use crate::bucket::{Attempt, HashingUpload, Part};
use crate::cluster::ResourceInfo;

/// The compression level: zstd's own default. Slower levels save little on JSON and cost the speed
/// of the whole run.
const LEVEL: i32 = 3;

/// Frames that are compressed at once: one for each of two cores; more would only hold memory.
const FRAMES_AHEAD: usize = 2;

/// A compressed frame, with the compressor for reuse.
type Compressed = Result<(FrameCompressor, SealedFrame), ArchiveError>;

/// The tarball and the index while they are uploaded.
pub struct Packing {
    packer: Packer,
    compressing: VecDeque<JoinHandle<Compressed>>,
    /// Compressors without a frame at the moment.
    idle: Vec<FrameCompressor>,
    tarball: HashingUpload,
    index: HashingUpload,
    encoder: IndexEncoder,
    at: u64,
}

impl Packing {
    /// Begins both uploads. Neither object is visible in the bucket before [`Packing::finish`].
    ///
    /// # Errors
    /// If the bucket fails.
    pub async fn begin(attempt: &Attempt, header: &IndexHeader, seconds: u64) -> Result<Self, BackupError> {
        Ok(Self {
            packer: Packer::new(seconds),
            compressing: VecDeque::new(),
            idle: Vec::new(),
            tarball: attempt.upload(Part::Tarball).await?,
            index: attempt.upload(Part::Index).await?,
            encoder: IndexEncoder::new(header)?,
            at: 0,
        })
    }

    /// Adds a document about the backup itself. All of these come before the first item.
    ///
    /// # Errors
    /// [`BackupError::Archive`] for a document that the format does not have, or behind an item.
    pub fn metadata(&mut self, path: &str, body: &[u8]) -> Result<(), BackupError> {
        Ok(self.packer.metadata(path, body)?)
    }

    /// Adds an item. Items of a kind have to come together. An error [`BackupError::Unstorable`]
    /// concerns this item only.
    pub async fn push(
        &mut self,
        info: &ResourceInfo,
        item: &ItemView<'_>,
        body: &[u8],
    ) -> Result<(), BackupError> {
        let typed;
        let parts: &[&[u8]] = if item.typed {
            &[body]
        } else {
            // Items of built-in kinds come without `kind` and `apiVersion`: both are written in
            // front of the bytes.
            typed = type_prefix(info);
            &[typed.as_bytes(), body.get(1..).unwrap_or_default()]
        };
        let closed = self.packer.push(&ItemEntry {
            kind: &info.resource,
            namespace: item.namespace.as_deref(),
            name: &item.name,
            body: parts,
            uid: &item.uid,
            resource_version: &item.resource_version,
            hash: item.hash,
            labels: item.labels,
            owner: item.controller.as_ref().map(|owner| &*owner.uid),
            rollout: rollout(&info.resource, item),
        });
        match closed.map_err(BackupError::Unstorable)? {
            Some(frame) => self.enqueue(frame).await,
            None => Ok(()),
        }
    }

    /// Ends both uploads and returns what was stored: the tarball, then the index.
    ///
    /// # Errors
    /// If the bucket fails. Either neither object is visible then, or the caller has to remove
    /// both.
    pub async fn finish(mut self) -> Result<[StoredObject; 2], BackupError> {
        if let Err(error) = self.flush().await {
            self.abort().await;
            return Err(error);
        }
        let Self { tarball, mut index, encoder, .. } = self;
        let written = async { Ok::<_, BackupError>(index.write(encoder.finish()?).await?) };
        if let Err(error) = written.await {
            tokio::join!(tarball.abort(), index.abort());
            return Err(error);
        }
        // Both are finished even if one fails: an upload that is dropped on the way may become
        // visible afterwards.
        let (tarball, index) = tokio::join!(tarball.finish(), index.finish());
        Ok([tarball?, index?])
    }

    /// Gives up both uploads and removes what was sent.
    pub async fn abort(self) {
        tokio::join!(self.tarball.abort(), self.index.abort());
    }

    /// Compresses and writes everything that is still in memory.
    async fn flush(&mut self) -> Result<(), BackupError> {
        let packer = std::mem::replace(&mut self.packer, Packer::new(0));
        for frame in packer.finish() {
            self.enqueue(frame).await?;
        }
        while !self.compressing.is_empty() {
            self.write_oldest().await?;
        }
        Ok(())
    }

    async fn enqueue(&mut self, frame: RawFrame) -> Result<(), BackupError> {
        if self.compressing.len() >= FRAMES_AHEAD {
            self.write_oldest().await?;
        }
        let mut compressor = match self.idle.pop() {
            Some(compressor) => compressor,
            None => FrameCompressor::new(LEVEL)?,
        };
        let compress = move || compressor.compress(frame).map(|sealed| (compressor, sealed));
        self.compressing.push_back(tokio::task::spawn_blocking(compress));
        Ok(())
    }

    async fn write_oldest(&mut self) -> Result<(), BackupError> {
        let Some(compressing) = self.compressing.pop_front() else { return Ok(()) };
        let (mut compressor, mut frame) =
            compressing.await.map_err(|source| BackupError::Compress { source })??;
        self.encoder.frame(&frame, self.at)?;
        self.at += frame.bytes.len() as u64;
        let bytes = std::mem::take(&mut frame.bytes);
        self.tarball.write(bytes.clone()).await?;
        compressor.recycle(bytes);
        self.idle.push(compressor);
        self.packer.recycle(frame);
        let lines = self.encoder.take();
        if !lines.is_empty() {
            self.index.write(lines).await?;
        }
        Ok(())
    }
}

/// Returns the beginning of an object, `{` and the two fields that a LIST leaves out of items of
/// built-in kinds.
fn type_prefix(info: &ResourceInfo) -> String {
    format!(r#"{{"kind":"{}","apiVersion":"{}","#, info.kind, info.api_version())
}
