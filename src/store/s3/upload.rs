//! An upload in parts: at most two parts are in memory, one that fills and one that is sent.

use std::mem::take;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::checksums::Writing;
use super::{Service, body};
use crate::model::causes;
use crate::store::{ObjectKey, Operation, StoreError, Upload};

/// The size of every part but the last: the least that S3 takes, since a backup holds two of them
/// in memory.
pub(super) const PART: usize = 5 << 20;
/// The most parts that S3 takes of one object.
const MAX_PARTS: usize = 10_000;

/// A part that was sent, and its memory for the next but one.
type Landed = (CompletedPart, Bytes);

/// An object that is being uploaded. An object of up to one part becomes a single PUT at the end.
pub(super) struct S3Upload {
    service: Arc<Service>,
    key: ObjectKey,
    buffer: BytesMut,
    spare: BytesMut,
    sent: u64,
    id: Option<String>,
    /// The form in which the upload was begun, which its parts follow.
    writing: Option<Writing>,
    parts: Vec<CompletedPart>,
    flight: Option<JoinHandle<Result<Landed, StoreError>>>,
}

impl S3Upload {
    pub(super) fn new(service: Arc<Service>, key: ObjectKey) -> Self {
        Self {
            service,
            key,
            buffer: BytesMut::new(),
            spare: BytesMut::new(),
            sent: 0,
            id: None,
            writing: None,
            parts: Vec::new(),
            flight: None,
        }
    }

    async fn start(&mut self) -> Result<String, StoreError> {
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        let service = &self.service;
        let mut writing = service.checksums.writing();
        loop {
            let (encryption, kms_key) = service.encryption();
            let answer = writing
                .client
                .create_multipart_upload()
                .bucket(&service.place.bucket)
                .key(service.full_key(&self.key))
                .set_checksum_algorithm(writing.algorithm.clone())
                .set_server_side_encryption(encryption)
                .set_ssekms_key_id(kms_key)
                .send()
                .await;
            if let Some(other) = service.checksums.learn(&writing, &answer) {
                writing = other;
                continue;
            }
            let started =
                answer.map_err(|error| service.explain(Operation::UploadStart, &self.key, &error))?;
            let id = started.upload_id().unwrap_or_default().to_owned();
            (self.id, self.writing) = (Some(id.clone()), Some(writing));
            return Ok(id);
        }
    }

    /// Waits for the part that is being sent, and sends the full one.
    async fn send_part(&mut self) -> Result<(), StoreError> {
        let id = self.start().await?;
        self.land().await?;
        let number = self.parts.len() + 1;
        if number > MAX_PARTS {
            let limit = (PART * MAX_PARTS) as u64;
            return Err(StoreError::TooLarge {
                action: self.service.action(Operation::UploadWrite, &self.key),
                limit,
            });
        }
        let part = take(&mut self.buffer).freeze();
        self.sent += part.len() as u64;
        self.buffer = take(&mut self.spare);
        let (service, key) = (Arc::clone(&self.service), self.key.clone());
        let writing = self.writing.clone().unwrap_or_else(|| service.checksums.writing());
        self.flight = Some(tokio::spawn(send(service, key, writing, (id, number as i32), part)));
        Ok(())
    }

    async fn land(&mut self) -> Result<(), StoreError> {
        let Some(flight) = &mut self.flight else { return Ok(()) };
        let landed = flight.await;
        self.flight = None;
        let action = || self.service.action(Operation::UploadWrite, &self.key);
        let landed = landed.map_err(|error| StoreError::Other { action: action(), source: error.into() })?;
        let (completed, part) = landed?;
        self.parts.push(completed);
        // The same two buffers serve all parts: freed ones would seldom be found again as large
        // ones.
        if let Ok(mut spare) = part.try_into_mut() {
            spare.clear();
            self.spare = spare;
        }
        Ok(())
    }

    /// Sends the last part and completes the upload.
    async fn send_rest(&mut self, id: &str) -> Result<(), StoreError> {
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        self.land().await?;
        self.complete(id).await
    }

    async fn complete(&mut self, id: &str) -> Result<(), StoreError> {
        let service = &self.service;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(take(&mut self.parts))).build();
        let completed = service
            .client
            .complete_multipart_upload()
            .bucket(&service.place.bucket)
            .key(service.full_key(&self.key))
            .upload_id(id)
            .multipart_upload(parts)
            .send()
            .await;
        match completed {
            Ok(_) => Ok(()),
            // The answer to an earlier try may have been lost after it was carried out: then the
            // object exists.
            Err(error) if error.code() == Some("NoSuchUpload") => match service.head(&self.key).await {
                Ok(info) if info.size == self.sent => Ok(()),
                _ => Err(service.explain(Operation::UploadFinish, &self.key, &error)),
            },
            Err(error) => Err(service.explain(Operation::UploadFinish, &self.key, &error)),
        }
    }
}

async fn send(
    service: Arc<Service>,
    key: ObjectKey,
    writing: Writing,
    (id, number): (String, i32),
    part: Bytes,
) -> Result<Landed, StoreError> {
    let sent = writing
        .client
        .upload_part()
        .bucket(&service.place.bucket)
        .key(service.full_key(&key))
        .upload_id(id)
        .part_number(number)
        .set_checksum_algorithm(writing.algorithm)
        .body(body(part.clone()))
        .send()
        .await
        .map_err(|error| service.explain(Operation::UploadWrite, &key, &error))?;
    // A service that knows no checksums answers without one; then none is required at completion.
    let completed = CompletedPart::builder()
        .part_number(number)
        .set_e_tag(sent.e_tag)
        .set_checksum_crc32_c(sent.checksum_crc32_c)
        .build();
    Ok((completed, part))
}

async fn cancel(
    service: Arc<Service>,
    key: ObjectKey,
    id: String,
    flight: Option<JoinHandle<Result<Landed, StoreError>>>,
) {
    if let Some(flight) = flight {
        // A part that arrives after the abort would stay there, and be paid for, unseen.
        flight.abort();
        let _ = flight.await;
    }
    let aborted = service
        .client
        .abort_multipart_upload()
        .bucket(&service.place.bucket)
        .key(service.full_key(&key))
        .upload_id(id)
        .send()
        .await;
    if let Err(error) = aborted {
        let error = service.explain(Operation::UploadAbort, &key, &error);
        tracing::warn!(
            error = causes(&error),
            "parts of an unfinished upload stay in the bucket; a lifecycle rule can remove them"
        );
    }
}

/// Aborts every unfinished upload of the key, and returns their number. Uploads are listed by the
/// whole key, since MinIO knows no other way.
pub(super) async fn discard_unfinished(service: &Service, key: &ObjectKey) -> Result<u64, StoreError> {
    let (bucket, full_key) = (&service.place.bucket, service.full_key(key));
    let (mut discarded, mut after) = (0, (None, None));
    loop {
        let request = service.client.list_multipart_uploads().bucket(bucket).prefix(&full_key);
        let page = request
            .set_key_marker(after.0)
            .set_upload_id_marker(after.1)
            .send()
            .await
            .map_err(|error| service.explain(Operation::UploadAbort, key, &error))?;
        for upload in page.uploads().iter().filter(|upload| upload.key() == Some(&full_key)) {
            let abort = service.client.abort_multipart_upload().bucket(bucket).key(&full_key);
            match abort.set_upload_id(upload.upload_id.clone()).send().await {
                Ok(_) => discarded += 1,
                Err(error) if error.code() == Some("NoSuchUpload") => {}
                Err(error) => return Err(service.explain(Operation::UploadAbort, key, &error)),
            }
        }
        if page.is_truncated() != Some(true) || page.next_key_marker().is_none() {
            return Ok(discarded);
        }
        after = (page.next_key_marker, page.next_upload_id_marker);
    }
}

#[async_trait]
impl Upload for S3Upload {
    async fn write(&mut self, mut chunk: Bytes) -> Result<(), StoreError> {
        while !chunk.is_empty() {
            if self.buffer.capacity() < PART {
                self.buffer = BytesMut::with_capacity(PART);
            }
            let room = PART - self.buffer.len();
            self.buffer.extend_from_slice(&chunk.split_to(room.min(chunk.len())));
            if self.buffer.len() == PART {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        let Some(id) = self.id.clone() else {
            let whole = take(&mut self.buffer).freeze();
            return self.service.put(Operation::UploadFinish, &self.key, whole).await;
        };
        let finished = self.send_rest(&id).await;
        if finished.is_err() {
            self.abort().await;
        } else {
            self.id = None;
        }
        finished
    }

    async fn abort(mut self: Box<Self>) {
        if let Some(id) = self.id.take() {
            cancel(Arc::clone(&self.service), self.key.clone(), id, self.flight.take()).await;
        }
    }
}

impl Drop for S3Upload {
    fn drop(&mut self) {
        // The parts of a dropped upload are removed in the background, if a runtime is left to do
        // so.
        if let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(cancel(Arc::clone(&self.service), self.key.clone(), id, self.flight.take()));
        }
    }
}
