//! Tells whether an object that may not be read exists. S3 answers "not found" only to callers
//! that may list the whole bucket. Callers that may list no more than their prefix (`s3:prefix` in
//! a policy) are told "forbidden", and learn from a listing that the object does not exist.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::Service;
use crate::store::{ObjectKey, Operation, StoreError};

impl Service {
    /// Returns the error for a failed HEAD or GET: not found where a listing says so.
    pub(super) async fn explain_look<E>(
        &self,
        operation: Operation,
        key: &ObjectKey,
        error: &SdkError<E, HttpResponse>,
    ) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let explained = self.explain(operation, key, error);
        // Other codes are about the credentials; the answer to a HEAD has no code.
        let is_refusal = matches!(explained, StoreError::Forbidden { .. })
            && matches!(error.code(), None | Some("AccessDenied"));
        if is_refusal && self.is_absent(key).await {
            return StoreError::NotFound { action: self.action(operation, key) };
        }
        explained
    }

    /// Returns true if a listing succeeds and does not have the key. Of all keys that begin with a
    /// key, the key itself is the first.
    async fn is_absent(&self, key: &ObjectKey) -> bool {
        let full_key = self.full_key(key);
        let once = aws_sdk_s3::config::Builder::new().retry_config(RetryConfig::disabled());
        let request = self.client.list_objects_v2().bucket(&self.place.bucket).prefix(&full_key).max_keys(1);
        let answer = request.customize().config_override(once).send().await;
        answer.is_ok_and(|page| page.contents().first().and_then(|object| object.key()) != Some(&full_key))
    }
}
