//! The state that all requests to a bucket share, and the simple requests.

use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream as Body, DateTime as Timestamp};
use aws_sdk_s3::types::ServerSideEncryption;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, stream};
use tokio::sync::OnceCell;

use super::checksums;
use super::error::{self, S3Target};
use crate::store::location::{Encryption, S3Location};
use crate::store::{Action, ByteStream, ETag, ObjectInfo, ObjectKey, Operation, StoreError, exactly};

/// The clients and settings that all requests to a bucket share.
pub struct Service {
    pub(super) client: Client,
    /// Signs download URLs, for the address at which people reach the service.
    pub(super) public: Client,
    pub(super) checksums: checksums::Checksums,
    pub(super) prefix: String,
    pub(super) name: String,
    pub(super) encryption: Encryption,
    pub(super) place: S3Target,
    /// Whether the service honours conditional creates, once that is known.
    pub(super) conditional: OnceCell<bool>,
    /// Whether the service honours conditions on replacing an object, once that is known.
    pub(super) replaces: OnceCell<bool>,
}

/// Returns `s3://bucket/prefix`, with the endpoint if there is one.
pub fn describe(location: &S3Location) -> String {
    let slash = if location.prefix.is_empty() { "" } else { "/" };
    let place = format!("s3://{}{slash}{}", location.bucket, location.prefix);
    match &location.endpoint {
        Some(endpoint) => format!("{place} at {endpoint}"),
        None => place,
    }
}

/// Returns a body that is in memory, so that its checksum is a header and it can be sent again.
pub fn body(bytes: Bytes) -> Body {
    Body::from(bytes)
}

impl Service {
    pub(super) fn full_key(&self, key: &ObjectKey) -> String {
        format!("{}{key}", self.prefix)
    }

    pub(super) fn action(&self, operation: Operation, key: &ObjectKey) -> Action {
        Action { operation, target: format!("s3://{}/{}{key}", self.place.bucket, self.prefix) }
    }

    pub(super) fn explain<E>(
        &self,
        operation: Operation,
        key: &ObjectKey,
        error: &SdkError<E, HttpResponse>,
    ) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        error::explain(&self.place, self.action(operation, key), error)
    }

    pub(super) fn encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.encryption {
            Encryption::BucketDefault => (None, None),
            Encryption::ServiceKey => (Some(ServerSideEncryption::Aes256), None),
            Encryption::Kms(key) => (Some(ServerSideEncryption::AwsKms), key.clone()),
        }
    }

    pub(super) async fn put(
        &self,
        operation: Operation,
        key: &ObjectKey,
        whole: Bytes,
    ) -> Result<(), StoreError> {
        let mut writing = self.checksums.writing();
        loop {
            let (encryption, kms_key) = self.encryption();
            let answer = writing
                .client
                .put_object()
                .bucket(&self.place.bucket)
                .key(self.full_key(key))
                .set_checksum_algorithm(writing.algorithm.clone())
                .set_server_side_encryption(encryption)
                .set_ssekms_key_id(kms_key)
                .body(body(whole.clone()))
                .send()
                .await;
            match self.checksums.learn(&writing, &answer) {
                Some(other) => writing = other,
                None => return answer.map(|_| ()).map_err(|error| self.explain(operation, key, &error)),
            }
        }
    }

    pub(super) async fn head(&self, key: &ObjectKey) -> Result<ObjectInfo, StoreError> {
        let request = self.client.head_object().bucket(&self.place.bucket).key(self.full_key(key));
        let head = match request.send().await {
            Ok(head) => head,
            Err(error) => return Err(self.explain_look(Operation::Head, key, &error).await),
        };
        let size = head.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
        let etag = head.e_tag().map(|etag| ETag(etag.to_owned()));
        Ok(ObjectInfo { key: key.clone(), size, modified: time(head.last_modified()), etag })
    }

    pub(super) async fn get(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream, StoreError> {
        let action = self.action(Operation::Get, key);
        let asked = range.as_ref().map(|range| range.end.saturating_sub(range.start));
        // HTTP has no empty ranges: both ends of one are included.
        if asked == Some(0) {
            return Ok(stream::empty().boxed());
        }
        let header = range.as_ref().map(|range| format!("bytes={}-{}", range.start, range.end - 1));
        let request = self.client.get_object().bucket(&self.place.bucket).key(self.full_key(key));
        let answer = match request.set_range(header).send().await {
            Ok(answer) => answer,
            Err(error) if asked.is_some() && error::status(&error) == Some(416) => {
                let expected = asked.unwrap_or_default();
                return Err(StoreError::Truncated { action, received: 0, expected, source: None });
            }
            Err(error) => return Err(self.explain_look(Operation::Get, key, &error).await),
        };
        // A service that ignores the range sends the object from its first byte.
        let begins = range.as_ref().map(|range| format!("bytes {}-", range.start));
        let fits =
            begins.is_none_or(|begin| answer.content_range().is_some_and(|given| given.starts_with(&begin)));
        if !fits {
            let source = "the service ignored the range that was asked for".into();
            return Err(StoreError::Other { action, source });
        }
        let length = answer.content_length().and_then(|size| u64::try_from(size).ok());
        let chunks = stream::try_unfold(answer.body, |mut body| async move {
            Ok::<_, crate::model::Cause>(body.try_next().await?.map(|chunk| (chunk, body)))
        });
        Ok(exactly(action, asked.or(length), chunks))
    }
}

pub fn time(modified: Option<&Timestamp>) -> DateTime<Utc> {
    modified
        .and_then(|time| DateTime::from_timestamp(time.secs(), time.subsec_nanos()))
        .unwrap_or(DateTime::UNIX_EPOCH)
}
