//! The trait of object stores, and the types of its arguments and results.

use std::fmt::Debug;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures::stream::{BoxStream, Stream};
use futures::{StreamExt as _, TryStreamExt as _};

use super::error::{Action, Operation, StoreError};
use super::key::ObjectKey;
use super::resume::Resumed;
use crate::model::Cause;

/// The body of an object, as it arrives. The stream ends with an error if fewer bytes come than
/// were promised.
pub type ByteStream = BoxStream<'static, Result<Bytes, StoreError>>;

/// The entity tag of an object, which changes with every write; opaque outside of the store that
/// gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ETag(pub String);

/// The behaviour of a put if the object exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Fails with [`StoreError::AlreadyExists`]. Of several creates at once exactly one succeeds,
    /// where [`ObjectStore::conditional_writes`] is true.
    Create,
    /// Replaces the object, atomically.
    Overwrite,
    /// Replaces the object if nobody has written it since it had this tag; otherwise, also if the
    /// object does not exist, the put fails with [`StoreError::Changed`]. Of several at once with
    /// the same tag exactly one succeeds, where [`ObjectStore::compare_and_swap`] is true.
    Replace(ETag),
}

/// The entry of an object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The key, relative to the location.
    pub key: ObjectKey,
    /// The size in bytes.
    pub size: u64,
    /// The time of the last write, by the store's clock.
    pub modified: DateTime<Utc>,
    /// The entity tag; `None` where the store does not say, as in listings.
    pub etag: Option<ETag>,
}

/// One page of a listing, in the order of keys.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The objects of the page.
    pub objects: Vec<ObjectInfo>,
    /// With a delimiter, the folded prefixes, each up to and including its `/`, relative to the
    /// location.
    pub prefixes: Vec<String>,
    /// The token of the next page; `None` if this page is the last.
    pub next: Option<String>,
}

/// An object store. All implementations pass [`conformance()`](crate::store::conformance()).
///
/// # Errors
/// Every operation fails if the store cannot be reached, refuses the credentials, or is missing,
/// full or read-only, after the repetitions of its client. Methods name what comes on top.
///
/// # Examples
/// ```
/// use ark::store::{self, Location, ObjectKey, PutMode, read_all};
/// use bytes::Bytes;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let location = Location::from_url(&format!("file://{}", folder.path().display()))?;
/// let store = store::open(&location).await?;
///
/// let key = ObjectKey::new("notes/first.txt")?;
/// store.put(&key, Bytes::from("hello"), PutMode::Create).await?;
/// assert_eq!(read_all(&*store, &key, 1 << 20).await?, "hello");
///
/// // A create replaces nothing.
/// let refused = store.put(&key, Bytes::from("bye"), PutMode::Create).await;
/// assert!(refused.is_err_and(|error| error.is_already_exists()));
///
/// let page = store.list("notes/", false, None).await?;
/// assert_eq!((page.objects[0].size, page.next), (5, None));
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait ObjectStore: Send + Sync + Debug {
    /// Returns the location in words, for messages; without secrets.
    fn describe(&self) -> String;

    /// Writes a small object in one piece.
    ///
    /// # Errors
    /// As `mode` says, and if the store fails.
    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> Result<(), StoreError>;

    /// Begins to write an object of unknown size, holding at most two parts of 5 MiB in memory. An
    /// existing object is replaced. Nothing is visible before [`Upload::finish`].
    async fn upload(&self, key: &ObjectKey) -> Result<Box<dyn Upload>, StoreError>;

    /// Reads an object, or a range of its bytes (half open).
    ///
    /// # Errors
    /// [`StoreError::Truncated`] if the range reaches beyond the end or the connection ends early,
    /// [`StoreError::NotFound`] if the object does not exist.
    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ByteStream, StoreError>;

    /// Returns size, time and tag of an object.
    async fn head(&self, key: &ObjectKey) -> Result<ObjectInfo, StoreError>;

    /// Returns one page of the objects whose keys begin with `prefix` (a text, not a folder), in
    /// the order of keys. With `delimiter`, keys are folded behind the next `/` into
    /// [`Listing::prefixes`]. `page` is [`Listing::next`] of the page before.
    async fn list(&self, prefix: &str, delimiter: bool, page: Option<String>) -> Result<Listing, StoreError>;

    /// Deletes objects. An object that does not exist counts as deleted.
    async fn delete(&self, keys: &[ObjectKey]) -> Result<(), StoreError>;

    /// Deletes an object if nobody has written it since it had this tag, else fails with
    /// [`StoreError::Changed`]. An object that does not exist counts as deleted. Where the service
    /// knows no conditions on deletes, the tag is compared first and the object deleted then.
    async fn delete_unchanged(&self, key: &ObjectKey, etag: &ETag) -> Result<(), StoreError>;

    /// Removes the remains of uploads of `key` that were never finished, however recent, and
    /// returns their number. The caller knows that nobody is writing there: a process that was
    /// killed could not [`Upload::abort`].
    async fn discard_unfinished(&self, key: &ObjectKey) -> Result<u64, StoreError>;

    /// Returns a URL that reads the object without credentials for `valid`, or `None` if the store
    /// cannot make one.
    async fn presign(&self, key: &ObjectKey, valid: Duration) -> Result<Option<String>, StoreError>;

    /// Returns whether [`PutMode::Create`] is atomic. Where it is not, the store looks first and
    /// writes then. A store that does not know tries with an object that it removes again.
    async fn conditional_writes(&self) -> Result<bool, StoreError>;

    /// Returns whether [`PutMode::Replace`] is atomic. Where it is not, the store compares first
    /// and writes then. A store that does not know tries with an object that it removes again.
    async fn compare_and_swap(&self) -> Result<bool, StoreError>;

    /// Returns whether writes carry checksums that the service verifies; `None` where this is not
    /// known yet, or means nothing.
    fn checksums(&self) -> Option<bool> {
        None
    }
}

/// An object that is being written. Dropped without [`Upload::finish`], it leaves nothing visible.
#[async_trait]
pub trait Upload: Send {
    /// Adds bytes; waits while the store is slower than the writer. After an error only
    /// [`Upload::abort`] makes sense.
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError>;

    /// Makes the whole object visible. After an error nothing is visible.
    async fn finish(self: Box<Self>) -> Result<(), StoreError>;

    /// Gives up the upload and removes what was sent, as far as the store can be reached.
    async fn abort(self: Box<Self>);
}

/// Reads a whole object of at most `limit` bytes, across broken connections.
///
/// # Errors
/// [`StoreError::TooLarge`] if the object is larger.
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

/// Checks the length of a body against `expected`, if that is known: the stream ends with
/// [`StoreError::Truncated`] if fewer bytes come or the connection breaks, and with an error if
/// more come.
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
