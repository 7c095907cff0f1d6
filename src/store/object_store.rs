//! What a place for bytes must do: the trait, and what it takes and gives.

use std::fmt::Debug;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures::stream::{BoxStream, Stream};
use futures::{StreamExt as _, TryStreamExt as _};

use super::error::{Action, Cause, Operation, StoreError};
use super::key::ObjectKey;
use super::resume::Resumed;

/// The body of an object, as it arrives. It ends with an error when fewer bytes come than were promised.
pub type ByteStream = BoxStream<'static, Result<Bytes, StoreError>>;

/// What changes whenever an object is written anew, in the words of the store that gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ETag(pub String);

/// What a put does when the object is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Fails with [`StoreError::AlreadyExists`]; of several at once exactly one succeeds.
    Create,
    /// Replaces it, atomically.
    Overwrite,
    /// Replaces it if nobody has written it since it had this tag; else, and when it is gone, it fails with
    /// [`StoreError::Changed`]. Of several at once with the same tag exactly one succeeds, where
    /// [`ObjectStore::compare_and_swap`] says so.
    Replace(ETag),
}

/// What a listing says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key, relative to the location.
    pub key: ObjectKey,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub modified: DateTime<Utc>,
    /// What changes when it is written anew; none where the store does not say.
    pub etag: Option<ETag>,
}

/// One page of a listing, in order of keys.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The objects of the page.
    pub objects: Vec<ObjectInfo>,
    /// With a delimiter: what lies deeper, each up to and with its `/`, relative to the location.
    pub prefixes: Vec<String>,
    /// Where the next page begins; none when this is the last.
    pub next: Option<String>,
}

/// A place for objects. All implementations pass [`conformance()`].
#[async_trait]
pub trait ObjectStore: Send + Sync + Debug {
    /// The location in words, for messages; it holds no secret.
    fn describe(&self) -> String;

    /// Writes a small object in one piece.
    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<(), StoreError>;

    /// Begins to write an object of unknown size, holding two parts of 5 MiB in memory at most. It replaces what is
    /// there. Nothing is visible before [`Upload::finish`].
    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn Upload>, StoreError>;

    /// Reads an object, or a range of its bytes (half open). A range that reaches beyond the end is
    /// [`StoreError::Truncated`], as is a connection that ends early.
    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ByteStream, StoreError>;

    /// Size, time and tag of an object.
    async fn head(&self, key: &ObjectKey) -> Result<ObjectInfo, StoreError>;

    /// One page of the objects whose keys begin with `prefix` (a text, not a folder), in order of keys. With
    /// `delimiter`, what lies behind the next `/` is folded into [`Listing::prefixes`]. `page` is [`Listing::next`].
    async fn list(&self, prefix: &str, delimiter: bool, page: Option<String>) -> Result<Listing, StoreError>;

    /// Deletes objects; one that is not there is fine.
    async fn delete(&self, keys: &[ObjectKey]) -> Result<(), StoreError>;

    /// Deletes an object if nobody has written it since it had this tag, else it fails with [`StoreError::Changed`]; one that
    /// is not there is fine. Where the service knows no condition on deletes, it looks first and deletes then.
    async fn delete_unchanged(&self, key: &ObjectKey, etag: &ETag) -> Result<(), StoreError>;

    /// Removes what uploads of `key` that were never finished have left, however young they are; how many there were. The
    /// caller knows that nobody is writing there: a process that was killed could not [`Upload::abort`].
    async fn discard_unfinished(&self, key: &ObjectKey) -> Result<u64, StoreError>;

    /// A URL that reads the object without credentials for a while; none when the store cannot make one.
    async fn presign(&self, key: &ObjectKey, valid: Duration) -> Result<Option<String>, StoreError>;

    /// Whether [`PutMode::Create`] is atomic here. Where it is not, it looks first and writes then. A store that does
    /// not know tries it out with an object that it removes again.
    async fn conditional_writes(&self) -> Result<bool, StoreError>;

    /// Whether [`PutMode::Replace`] is atomic here. Where it is not, it looks first and writes then. A store that does not
    /// know tries it out with an object that it removes again.
    async fn compare_and_swap(&self) -> Result<bool, StoreError>;

    /// Whether what is written carries checksums that the service verifies; none where it is not known yet, or means nothing.
    fn checksums(&self) -> Option<bool> {
        None
    }
}

/// An object being written. Dropped without [`Upload::finish`], it leaves nothing visible.
#[async_trait]
pub trait Upload: Send {
    /// Adds bytes. It waits while the store is slower than the writer. After an error only [`Upload::abort`] makes sense.
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError>;

    /// Makes the object visible, whole. After an error nothing is.
    async fn finish(self: Box<Self>) -> Result<(), StoreError>;

    /// Gives up and removes what was sent, as far as the store can be reached.
    async fn abort(self: Box<Self>);
}

/// Reads a whole object of at most `limit` bytes, across breaks of the connection; a larger one is [`StoreError::TooLarge`].
pub async fn read_all(store: &dyn ObjectStore, key: &ObjectKey, limit: u64) -> Result<Bytes, StoreError> {
    let mut body = Resumed::open(store, key.clone(), None).await?;
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.next().await? {
        if (whole.len() + chunk.len()) as u64 > limit {
            let action =
                Action { operation: Operation::Get, target: format!("{key} in {}", store.describe()) };
            return Err(StoreError::TooLarge { action, limit });
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// A body of known length, where it is known: it ends with [`StoreError::Truncated`] when less comes or the
/// connection breaks, and with an error when more does.
pub fn exactly<S>(action: Action, expected: Option<u64>, chunks: S) -> ByteStream
where
    S: Stream<Item = Result<Bytes, Cause>> + Send + 'static,
{
    let end = futures::stream::once(async { Ok(None) });
    let chunks = chunks.map_ok(Some).chain(end);
    let mut received = 0;
    let checked = chunks.map(move |chunk| match chunk {
        Ok(Some(chunk)) => {
            received += chunk.len() as u64;
            match expected {
                Some(expected) if received > expected => {
                    let source = format!("more than the {expected} bytes that were announced came").into();
                    Err(StoreError::Other { action: action.clone(), source })
                }
                _ => Ok(chunk),
            }
        }
        Ok(None) => match expected {
            Some(expected) if received < expected => {
                Err(StoreError::Truncated { action: action.clone(), received, expected, source: None })
            }
            _ => Ok(Bytes::new()),
        },
        Err(source) => Err(StoreError::Truncated {
            action: action.clone(),
            received,
            expected: expected.unwrap_or(received),
            source: Some(source),
        }),
    });
    checked.try_filter(|chunk| std::future::ready(!chunk.is_empty())).boxed()
}
