//! Asks the bucket of a location whether it can be reached and written, and which bucket it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::api::{BackupStorageLocation, InvalidSpec, Provider};
use crate::bucket::{Bucket, BucketError, LocationDocument};
use crate::controller::buckets::is_read_only;
use crate::controller::context::Context;
use crate::controller::error::ControllerError;
use crate::controller::watch::conditions::Obstacle;
use crate::model::{Category, lasting};
use crate::store::{ObjectKey, ObjectStore, PutMode, StoreError};

/// Time between two test writes into a location that can be used; it is read at each look. A test
/// write leaves two versions of an object in a bucket that keeps versions: one a minute would be a
/// million a year.
const WRITE_EVERY: Duration = Duration::from_secs(60 * 60);
/// Deadline of a look: longer than all tries of one request, so that the request's own error is
/// reported.
const DEADLINE: Duration = Duration::from_secs(170);

/// The outcome of a look.
#[derive(Clone, Debug)]
pub struct LocationReport {
    /// Identity of the bucket; `None` if Ark never wrote there.
    pub identity: Option<LocationDocument>,
    /// Whether creates are atomic, so that names can be claimed; `None` if that was not tried.
    pub conditional_writes: Option<bool>,
    /// Whether uploads carry checksums; `None` if unknown.
    pub checksums: Option<bool>,
    /// Number of documents that say what is to be undone, as listed in the bucket.
    pub obligations: u64,
}

/// The last test write to each location, by name.
#[derive(Default)]
pub struct TestWrites {
    written: Mutex<HashMap<String, LastWrite>>,
}

/// The connection and the time of a test write.
struct LastWrite {
    store: Weak<dyn ObjectStore>,
    at: Instant,
}

impl TestWrites {
    /// Returns true if a test write is due. A new connection, because specification or Secret
    /// changed, is always tested.
    fn is_write_due(&self, name: &str, bucket: &Bucket) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(name).is_none_or(|LastWrite { store, at }| {
            at.elapsed() >= WRITE_EVERY
                || !store.upgrade().is_some_and(|store| Arc::ptr_eq(&store, bucket.store()))
        })
    }

    fn note(&self, name: &str, bucket: &Bucket, can_be_used: bool) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.retain(|_, written| written.store.strong_count() > 0);
        if can_be_used {
            let store = Arc::downgrade(bucket.store());
            written.insert(name.to_owned(), LastWrite { store, at: Instant::now() });
        } else {
            written.remove(name);
        }
    }
}

/// Validates a location. The error says why the location cannot be used.
pub async fn validate(
    context: &Context,
    test_writes: &TestWrites,
    location: &BackupStorageLocation,
) -> Result<LocationReport, Obstacle> {
    let wrong = location.spec.validate();
    if !wrong.is_empty() {
        let wrong: Vec<_> = wrong.iter().map(InvalidSpec::to_string).collect();
        return Err(Obstacle::new("InvalidSpec", wrong.join("; ")));
    }
    let known = location.status.as_ref().is_some_and(|status| status.id.is_some());
    match tokio::time::timeout(DEADLINE, ask(context, test_writes, location, known)).await {
        Ok(seen) => seen
            .map_err(|error| Obstacle::new(reason(&error), sentence(&error, location.spec.provider, known))),
        Err(_) => {
            let message = "the bucket did not answer within {} s; check the service and the network";
            Err(Obstacle::new("Timeout", message.replace("{}", &DEADLINE.as_secs().to_string())))
        }
    }
}

/// Connects to the bucket and reads its identity; a test write only if one is due.
async fn ask(
    context: &Context,
    test_writes: &TestWrites,
    location: &BackupStorageLocation,
    known: bool,
) -> Result<LocationReport, ControllerError> {
    let name = location.metadata.name.clone().unwrap_or_default();
    let bucket = context.locations.connect(location).await?;
    let failed = |doing: &str| ControllerError::bucket(format!("{doing} location `{name}`"));
    if is_read_only(location) {
        let identity = bucket.identity().await.map_err(failed("read the identity of"))?;
        let obligations = bucket.list_obligations().await.map_err(failed("list"))?.len() as u64;
        return Ok(LocationReport { identity, conditional_writes: None, checksums: None, obligations });
    }
    // A bucket that had an identity gets no other: without it, the bucket was emptied or replaced.
    let identity = if known { bucket.identity().await } else { bucket.establish_identity().await.map(Some) };
    let identity = identity.map_err(failed("read the identity of"))?;
    let obligations = bucket.list_obligations().await.map_err(failed("list"))?.len() as u64;
    let due = test_writes.is_write_due(&name, &bucket);
    if !due || identity.is_none() {
        return Ok(LocationReport { identity, conditional_writes: None, checksums: None, obligations });
    }
    let written = try_to_write(&bucket, &context.identity.uid).await;
    test_writes.note(&name, &bucket, written.is_ok());
    let conditional_writes = Some(written.map_err(failed("write to"))?);
    Ok(LocationReport { identity, conditional_writes, checksums: bucket.store().checksums(), obligations })
}

/// Writes an object and removes it. Returns true if creates are atomic.
async fn try_to_write(bucket: &Bucket, cluster: &str) -> Result<bool, BucketError> {
    let store = bucket.store();
    let key = ObjectKey::new(format!("ark-probe-of-{cluster}"))?;
    store.put(&key, Bytes::from_static(b"probe\n"), PutMode::Overwrite).await?;
    store.delete(std::slice::from_ref(&key)).await?;
    Ok(store.conditional_writes().await?)
}

/// Returns an error as one word. Tools compare these words: none of them changes its meaning.
fn reason(error: &ControllerError) -> &'static str {
    match error {
        ControllerError::Location { .. } => "Misconfigured",
        ControllerError::Bucket { source: BucketError::Store(StoreError::BucketMissing { .. }), .. } => {
            "BucketMissing"
        }
        ControllerError::Bucket { source, .. } => match source.category() {
            Category::Forbidden => "AccessDenied",
            Category::Timeout => "Timeout",
            Category::Unavailable => "Unreachable",
            Category::Invalid => "Misconfigured",
            _ => "BucketFailed",
        },
        _ => "ApiServerFailed",
    }
}

/// Returns an error as a sentence; `known` says that the location could be used before.
fn sentence(error: &ControllerError, provider: Provider, known: bool) -> String {
    match error {
        ControllerError::Location { name: _, why } => why.clone(),
        ControllerError::Bucket {
            source: BucketError::Store(StoreError::BucketMissing { missing, .. }),
            ..
        } => {
            if known {
                format!("{missing} is gone; nothing was deleted because of it; bring it back")
            } else {
                format!("{missing} does not exist; create it{}", or_have_it_created(provider))
            }
        }
        ControllerError::Bucket { source, .. } => lasting(source),
        other => lasting(other),
    }
}

/// A folder takes no `config`: it is a person's volume, and must be mounted.
fn or_have_it_created(provider: Provider) -> &'static str {
    match provider {
        Provider::S3 => ", or set config.createBucket to true",
        Provider::Fs => " on the volume that the server's pods mount",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Action, Operation};

    fn store_error(error: StoreError) -> ControllerError {
        ControllerError::bucket("look")(error.into())
    }

    fn action() -> Action {
        Action { operation: Operation::List, target: "s3://b".into() }
    }

    #[test]
    fn a_bucket_that_never_was_and_one_that_is_gone_are_two_sentences() {
        let missing = || StoreError::BucketMissing { action: action(), missing: "bucket `b`".into() };
        assert!(sentence(&store_error(missing()), Provider::S3, false).contains("config.createBucket"));
        let folder = sentence(&store_error(missing()), Provider::Fs, false);
        assert!(!folder.contains("config") && folder.contains("pods mount"), "{folder}");
        assert!(sentence(&store_error(missing()), Provider::S3, true).contains("nothing was deleted"));
    }

    #[test]
    fn what_the_store_says_is_told_with_its_cause() {
        let hint = "the credentials may not do this".to_owned();
        let forbidden = StoreError::Forbidden { action: action(), hint, source: Some("AccessDenied".into()) };
        let told = sentence(&store_error(forbidden), Provider::S3, true);
        assert!(told.contains("may not do this") && told.contains("AccessDenied"), "{told}");
        let unreachable = StoreError::Unreachable {
            action: action(),
            endpoint: "http://x".into(),
            source: "connection refused".into(),
        };
        let told = sentence(&store_error(unreachable), Provider::S3, true);
        assert!(told.contains("cannot reach http://x: connection refused; check"), "{told}");
    }

    #[test]
    fn what_is_in_the_way_has_a_word_that_tools_can_compare() {
        let missing = StoreError::BucketMissing { action: action(), missing: "bucket `b`".into() };
        let forbidden = StoreError::Forbidden { action: action(), hint: String::new(), source: None };
        let silent = StoreError::Timeout { action: action(), limit: DEADLINE };
        let strange = StoreError::Other { action: action(), source: "?".into() };
        for (error, expected) in [
            (missing, "BucketMissing"),
            (forbidden, "AccessDenied"),
            (silent, "Timeout"),
            (strange, "BucketFailed"),
        ] {
            assert_eq!(reason(&store_error(error)), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_location_is_written_to_at_first_once_an_hour_and_after_each_failure() {
        let folder = tempfile::tempdir().unwrap();
        let place = crate::store::Location::from_url(&format!("file://{}", folder.path().display())).unwrap();
        let open = async || Bucket::new(crate::store::open(&place).await.unwrap());
        let (bucket, test_writes) = (open().await, TestWrites::default());
        assert!(test_writes.is_write_due("a", &bucket));
        test_writes.note("a", &bucket, true);
        assert!(!test_writes.is_write_due("a", &bucket) && test_writes.is_write_due("b", &bucket));
        assert!(test_writes.is_write_due("a", &open().await));
        tokio::time::advance(WRITE_EVERY).await;
        assert!(test_writes.is_write_due("a", &bucket));
        test_writes.note("a", &bucket, true);
        test_writes.note("a", &bucket, false);
        assert!(test_writes.is_write_due("a", &bucket));
        assert!(try_to_write(&bucket, "cluster").await.unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
