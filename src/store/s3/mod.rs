//! A store in a bucket of an S3 service: `client` connects, `upload` streams, `error` translates.
//!
//! The SDK repeats requests that may be repeated; `create_object` does so itself, because
//! there the answer to a second try means something else.

mod absent;
mod checksums;
mod client;
mod create_bucket;
mod create_object;
mod error;
mod keys;
mod profile;
mod replace;
mod service;
mod upload;

pub use profile::objection_to_credentials;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{EncodingType, Object};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::OnceCell;

use self::error::S3Target;
use super::key::check_prefix;
use super::location::{Content, S3Location};
use super::{
    Action, ByteStream, ETag, Gate, Listing, ObjectInfo, ObjectKey, ObjectStore, Operation, PutMode,
    StoreError, Upload,
};
use service::{Service, body, describe, time};

/// The most objects on one page of a listing: the most that S3 gives.
const PAGE: i32 = 1000;
/// Objects that are deleted at the same time. Each takes a request of its own, since the bulk
/// request needs digests that services disagree on.
const DELETES: usize = 8;

/// A store in a bucket of an S3 service.
#[derive(Clone)]
pub struct S3Store {
    service: Arc<Service>,
    page_size: i32,
}

impl S3Store {
    /// Opens the location, and creates the bucket if the location says so.
    ///
    /// # Errors
    /// If credentials, certificates or other settings cannot be used, or the bucket cannot be
    /// created.
    pub async fn open(location: &S3Location) -> Result<Self, StoreError> {
        Self::open_behind(location, &Gate::default()).await
    }

    /// Opens the location behind a gate, which the repetitions of the SDK have to pass as well.
    ///
    /// # Errors
    /// As [`S3Store::open`].
    pub async fn open_behind(location: &S3Location, gate: &Gate) -> Result<Self, StoreError> {
        let action = client::opening(location);
        let client::Connection { client, public, region, checksums } =
            client::connect(location, &action, gate).await?;
        let prefix = if location.prefix.is_empty() { String::new() } else { format!("{}/", location.prefix) };
        let endpoint = location.endpoint.clone().unwrap_or_else(|| format!("Amazon S3 in {region}"));
        let place = S3Target {
            bucket: location.bucket.clone(),
            endpoint,
            region,
            credentials: credentials_source(location),
            proxy: client::proxy_variable(location),
        };
        let service = Service {
            client,
            public,
            checksums,
            prefix,
            name: describe(location),
            encryption: location.encryption.clone(),
            place,
            conditional: OnceCell::new(),
            replaces: OnceCell::new(),
        };
        if location.create_bucket {
            service.create_bucket(action).await?;
        }
        Ok(Self { service: Arc::new(service), page_size: PAGE })
    }

    /// Sets shorter pages, so that paging is tested with few objects.
    #[must_use]
    pub fn with_page_size(mut self, objects: u16) -> Self {
        self.page_size = i32::from(objects.max(1)).min(PAGE);
        self
    }
}

fn credentials_source(location: &S3Location) -> String {
    let profile = location.profile.as_deref().unwrap_or("default");
    match (&location.credentials, &location.profile) {
        (Some(Content::File(file)), _) => {
            format!("profile `{profile}` of {} and of ~/.aws/config", file.display())
        }
        (Some(text @ Content::Text { .. }), _) => format!("profile `{profile}` of {text}"),
        (None, Some(_)) => format!("profile `{profile}` of ~/.aws/credentials and ~/.aws/config"),
        (None, None) => {
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile of AWS_PROFILE in ~/.aws, web \
                         identity, and the container's or machine's metadata service"
                .into()
        }
    }
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3Store").field(&self.service.name).finish()
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    fn describe(&self) -> String {
        self.service.name.clone()
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<(), StoreError> {
        match mode {
            PutMode::Create => self.service.create(key, body).await,
            PutMode::Overwrite => self.service.put(Operation::Put, key, body).await,
            PutMode::Replace(etag) => self.service.replace(key, body, &etag).await,
        }
    }

    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn Upload>, StoreError> {
        Ok(Box::new(upload::S3Upload::new(Arc::clone(&self.service), key.clone())))
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ByteStream, StoreError> {
        self.service.get(key, range).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectInfo, StoreError> {
        self.service.head(key).await
    }

    async fn list(&self, prefix: &str, delimiter: bool, page: Option<String>) -> Result<Listing, StoreError> {
        check_prefix(prefix)?;
        let service = &self.service;
        let answer = service
            .client
            .list_objects_v2()
            .bucket(&service.place.bucket)
            .prefix(format!("{}{prefix}", service.prefix))
            .set_delimiter(delimiter.then(|| "/".to_owned()))
            .max_keys(self.page_size)
            // Without the encoding, one key with a control character makes the XML of the whole
            // page unreadable.
            .encoding_type(EncodingType::Url)
            .set_continuation_token(page)
            .send()
            .await
            .map_err(|error| {
                let target = format!("s3://{}/{}{prefix}", service.place.bucket, service.prefix);
                error::explain(&service.place, Action { operation: Operation::List, target }, &error)
            })?;
        let encoded = answer.encoding_type() == Some(&EncodingType::Url);
        let relative = |key: &str| {
            let key = if encoded { keys::decode(key)? } else { key.to_owned() };
            key.strip_prefix(&service.prefix).map(str::to_owned)
        };
        let info = |object: &Object| {
            let key = ObjectKey::new(relative(object.key()?)?)
                .inspect_err(|error| tracing::debug!(%error, "left out of a listing"));
            let size = object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
            Some(ObjectInfo { key: key.ok()?, size, modified: time(object.last_modified()), etag: None })
        };
        Ok(Listing {
            objects: answer.contents().iter().filter_map(info).collect(),
            prefixes: answer.common_prefixes().iter().filter_map(|found| relative(found.prefix()?)).collect(),
            next: answer.next_continuation_token().map(str::to_owned),
        })
    }

    async fn delete(&self, keys: &[ObjectKey]) -> Result<(), StoreError> {
        let service = &self.service;
        stream::iter(keys.to_vec())
            .map(|key| async move { service.delete(&key).await })
            .buffer_unordered(DELETES)
            .try_collect()
            .await
    }

    async fn delete_unchanged(&self, key: &ObjectKey, etag: &ETag) -> Result<(), StoreError> {
        self.service.delete_unchanged(key, etag).await
    }

    async fn discard_unfinished(&self, key: &ObjectKey) -> Result<u64, StoreError> {
        upload::discard_unfinished(&self.service, key).await
    }

    async fn presign(&self, key: &ObjectKey, valid: Duration) -> Result<Option<String>, StoreError> {
        let service = &self.service;
        let config = PresigningConfig::expires_in(valid).map_err(|error| StoreError::Setting {
            action: service.action(Operation::Presign, key),
            problem: format!("a URL cannot be valid for {}", humantime::format_duration(valid)),
            source: Some(error.into()),
        })?;
        let request = service.public.get_object().bucket(&service.place.bucket).key(service.full_key(key));
        let signed = request
            .presigned(config)
            .await
            .map_err(|error| service.explain(Operation::Presign, key, &error))?;
        Ok(Some(signed.uri().to_owned()))
    }

    async fn conditional_writes(&self) -> Result<bool, StoreError> {
        self.service.conditional_writes().await
    }

    fn checksums(&self) -> Option<bool> {
        self.service.checksums.known()
    }

    async fn compare_and_swap(&self) -> Result<bool, StoreError> {
        self.service.compare_and_swap().await
    }
}

#[cfg(test)]
mod tests;
