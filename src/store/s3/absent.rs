//! Whether an object that may not be read is there at all. S3 says "not there" only to whoever may list the whole bucket; who may
//! list no more than what is below its prefix (`s3:prefix` in a policy) is told "forbidden", and learns it from a listing.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::Service;
use crate::store::{ObjectKey, Operation, StoreError};

impl Service {
    /// What the failed look at an object means: that it is not there, where a listing says so.
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
        // Other codes are about the credentials; the answer to a HEAD has none.
        let is_refusal = matches!(explained, StoreError::Forbidden { .. })
            && matches!(error.code(), None | Some("AccessDenied"));
        if is_refusal && self.is_absent(key).await {
            return StoreError::NotFound { action: self.action(operation, key) };
        }
        explained
    }

    /// Whether a listing answers and does not have it. Of the keys that begin with a key, it is the first itself.
    async fn is_absent(&self, key: &ObjectKey) -> bool {
        let full_key = self.full_key(key);
        let once = aws_sdk_s3::config::Builder::new().retry_config(RetryConfig::disabled());
        let request = self.client.list_objects_v2().bucket(&self.place.bucket).prefix(&full_key).max_keys(1);
        let answer = request.customize().config_override(once).send().await;
        answer.is_ok_and(|page| page.contents().first().and_then(|object| object.key()) != Some(&full_key))
    }
}
