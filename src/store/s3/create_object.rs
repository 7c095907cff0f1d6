//! Writes an object only if it does not exist, by `If-None-Match: *`, and without the condition
//! where that does not work. Next: `replace`, which writes an object that nobody else has written
//! meanwhile.
//!
//! Some services refuse the condition, some ignore it silently, so that the first create of a
//! process finds out: it looks first, writes, and writes the same once more, which a service that
//! honours the condition refuses.

use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use bytes::Bytes;
use futures::TryStreamExt as _;

use super::checksums::Writing;
use super::client::ATTEMPTS;
use super::error::status;
use super::{Service, body};
use crate::store::{ETag, ObjectKey, Operation, StoreError};

/// The pause before the second try; doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The condition of a write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Precondition<'a> {
    /// The object does not exist.
    Absent,
    /// The object has this tag.
    Unchanged(&'a ETag),
}

/// The outcome of a conditional write that did not fail.
pub(super) enum ConditionalOutcome {
    /// The object holds what was written.
    Done,
    /// The service does not know the condition.
    NotSupported,
}

impl Service {
    /// Creates an object.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] if the object exists.
    pub(super) async fn create(&self, key: &ObjectKey, whole: Bytes) -> Result<(), StoreError> {
        match self.conditional.get() {
            Some(true) => match self.put_if(Precondition::Absent, key, &whole).await? {
                ConditionalOutcome::Done => Ok(()),
                ConditionalOutcome::NotSupported => self.put_unless_there(key, whole).await,
            },
            Some(false) => self.put_unless_there(key, whole).await,
            None => {
                self.refuse_existing(key).await?;
                match self.put_if(Precondition::Absent, key, &whole).await? {
                    ConditionalOutcome::Done => self.learn(key, &whole).await,
                    ConditionalOutcome::NotSupported => {
                        let _ = self.conditional.set(false);
                        self.put_unless_there(key, whole).await
                    }
                }
            }
        }
    }

    /// Returns whether creates are atomic; tries with an object of its own if no create was made
    /// yet.
    pub(super) async fn conditional_writes(&self) -> Result<bool, StoreError> {
        if self.conditional.get().is_none() {
            let key = ObjectKey::new(format!("ark-probe-{}", uuid::Uuid::new_v4()))?;
            let created = self.create(&key, Bytes::from_static(b"probe\n")).await;
            let removed = self.delete(&key).await;
            created?;
            removed?;
        }
        Ok(self.conditional.get().copied().unwrap_or(false))
    }

    /// Writes once more what was just created, to learn whether the service honours the condition.
    /// A failure to find out is no failure of the create.
    async fn learn(&self, key: &ObjectKey, whole: &Bytes) -> Result<(), StoreError> {
        match self.try_once(Precondition::Absent, key, whole).await {
            Ok(_) => {
                tracing::warn!(store = %self.name, "the service ignores conditional writes: names are claimed by looking first");
                let _ = self.conditional.set(false);
            }
            Err(StoreError::AlreadyExists { .. }) => {
                let _ = self.conditional.set(true);
            }
            Err(error) => tracing::debug!(%error, "whether conditional writes work is not known yet"),
        }
        Ok(())
    }

    async fn refuse_existing(&self, key: &ObjectKey) -> Result<(), StoreError> {
        match self.head(key).await {
            Ok(_) => Err(StoreError::AlreadyExists { action: self.action(Operation::Put, key) }),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Creates an object where the service knows no condition: between the two requests another
    /// writer may create it as well.
    async fn put_unless_there(&self, key: &ObjectKey, whole: Bytes) -> Result<(), StoreError> {
        self.refuse_existing(key).await?;
        self.put(Operation::Put, key, whole).await
    }

    /// Sends a conditional write, a few times if needed. After a lost answer "it exists" may mean
    /// the own object: the content tells.
    pub(super) async fn put_if(
        &self,
        condition: Precondition<'_>,
        key: &ObjectKey,
        whole: &Bytes,
    ) -> Result<ConditionalOutcome, StoreError> {
        let (mut attempt, mut pause) = (1, FIRST_PAUSE);
        loop {
            let error = match self.try_once(condition, key, whole).await {
                Ok(written) => return Ok(written),
                Err(error) if attempt > 1 && (error.is_already_exists() || error.is_changed()) => {
                    match self.holds(key, whole).await {
                        Ok(true) => return Ok(ConditionalOutcome::Done),
                        Ok(false) => return Err(error),
                        // The object existed and is deleted by now, or its write has not ended:
                        // only another try tells.
                        Err(absent) if absent.is_not_found() && error.is_changed() => return Err(error),
                        Err(absent) if absent.is_not_found() && attempt < ATTEMPTS => absent,
                        Err(unknown) => return Err(unknown),
                    }
                }
                Err(error) if error.is_retryable() && attempt < ATTEMPTS => error,
                Err(error) => return Err(error),
            };
            tracing::debug!(%error, attempt, "trying again");
            tokio::time::sleep(pause).await;
            (attempt, pause) = (attempt + 1, pause * 2);
        }
    }

    async fn try_once(
        &self,
        condition: Precondition<'_>,
        key: &ObjectKey,
        whole: &Bytes,
    ) -> Result<ConditionalOutcome, StoreError> {
        let mut writing = self.checksums.writing();
        let mut answer = self.write_once(condition, key, whole, &writing).await;
        while let Some(other) = self.checksums.learn(&writing, &answer) {
            writing = other;
            answer = self.write_once(condition, key, whole, &writing).await;
        }
        match answer {
            Ok(_) => Ok(ConditionalOutcome::Done),
            Err(error) if status(&error) == Some(501) => Ok(ConditionalOutcome::NotSupported),
            Err(error) => Err(match (condition, self.explain(Operation::Put, key, &error)) {
                // An object that was deleted has changed, too.
                (
                    Precondition::Unchanged(_),
                    StoreError::AlreadyExists { action } | StoreError::NotFound { action },
                ) => StoreError::Changed { action },
                (_, error) => error,
            }),
        }
    }

    async fn write_once(
        &self,
        condition: Precondition<'_>,
        key: &ObjectKey,
        whole: &Bytes,
        writing: &Writing,
    ) -> Result<PutObjectOutput, SdkError<PutObjectError, HttpResponse>> {
        let (encryption, kms_key) = self.encryption();
        let once = aws_sdk_s3::config::Builder::new().retry_config(RetryConfig::disabled());
        let request = writing.client.put_object().bucket(&self.place.bucket).key(self.full_key(key));
        let request = match condition {
            Precondition::Absent => request.if_none_match("*"),
            Precondition::Unchanged(ETag(etag)) => request.if_match(etag),
        };
        request
            .set_checksum_algorithm(writing.algorithm.clone())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key)
            .body(body(whole.clone()))
            .customize()
            .config_override(once)
            .send()
            .await
    }

    async fn holds(&self, key: &ObjectKey, whole: &Bytes) -> Result<bool, StoreError> {
        let mut rest = whole.clone();
        let mut found = self.get(key, None).await?;
        while let Some(chunk) = found.try_next().await? {
            if !rest.starts_with(&chunk) {
                return Ok(false);
            }
            let _ = rest.split_to(chunk.len());
        }
        Ok(rest.is_empty())
    }
}
